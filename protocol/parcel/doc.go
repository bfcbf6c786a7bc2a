// Package parcel is one message with its files: the manifest that an authority
// signs, the approvals of further persons, and the container that holds both
// and the files, ready to be sealed (SPEC.md, "Parcel").
//
// The container is a tar archive with exactly one valid byte layout for each
// manifest. The reader does not interpret tar: it regenerates every byte that
// is not content from the manifest and compares, so no two programs can
// disagree about what a parcel holds, and any tar program can unpack it.
//
// Signatures are carried here but judged by those who hold the sender's record
// (package record). Sealing and opening is the work of crypto/seal.
package parcel
