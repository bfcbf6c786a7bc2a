// Package conformance holds Comity's witness and proofs against another
// implementation of the same specifications, Filippo Valsorda's torchwood: its
// litewitness answers the same submissions with the same statuses, its verifier
// accepts our proofs, and what was published with it verifies here. (Published
// checkpoints and cosignatures of public logs are held in crypto/merkle.)
//
// The tests stand in a module of their own, testdata/torchwood, so that nothing of
// torchwood comes near the product; it builds only with a stub in place of a module
// that it needs elsewhere (see its go.mod). The test of this package runs them. It
// leaves the choice of what to compare to them.
package conformance
