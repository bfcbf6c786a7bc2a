package merkle_test

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"comity/crypto/merkle"
)

// origin is the log of the gateway of state xa.
const origin = "gateway.xa.example/log/2026"

// signedAt is when the test log signs: an arbitrary fixed moment.
var signedAt = time.Date(2026, time.March, 4, 5, 6, 7, 890_000_000, time.UTC)

// hashes is a stored log in memory. It refuses what was never stored.
type hashes []merkle.Hash

func (h hashes) ReadHashes(indexes []int64) ([]merkle.Hash, error) {
	out := make([]merkle.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(h)) {
			return nil, fmt.Errorf("hash %d is not stored", x)
		}
		out[i] = h[x]
	}
	return out, nil
}

// evidence is what one leaf of the test log stands for.
type evidence struct {
	salt                [merkle.SaltSize]byte
	document, signature [32]byte
}

// numberedEvidence is the same for every run.
func numberedEvidence(n int64) (e evidence) {
	e.document = sha256.Sum256(fmt.Appendf(nil, "evidence %d", n))
	e.signature = sha256.Sum256(fmt.Appendf(nil, "signature %d", n))
	binary.BigEndian.PutUint64(e.salt[:], uint64(n))
	return e
}

func (e evidence) leaf() merkle.Leaf { return merkle.NewLeaf(e.salt, e.document, e.signature) }

// newTree stores a log of size leaves.
func newTree(tb testing.TB, size int64) hashes {
	tb.Helper()
	var h hashes
	for n := range size {
		if got := merkle.StoredIndex(n); got != int64(len(h)) {
			tb.Fatalf("StoredIndex(%d) = %d, want %d", n, got, len(h))
		}
		more, err := merkle.StoredHashes(n, numberedEvidence(n).leaf(), h)
		if err != nil {
			tb.Fatal(err)
		}
		h = append(h, more...)
	}
	return h
}

func newLog(tb testing.TB, origin string) *merkle.Signer {
	tb.Helper()
	s, err := merkle.GenerateLog(origin)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// newVerifier makes a fresh one, which remembers nothing.
func newVerifier(tb testing.TB, s *merkle.Signer) *merkle.Verifier {
	tb.Helper()
	ed25519, mldsa44 := s.VerifierKeys()
	v, err := merkle.NewVerifier(s.Origin(), ed25519, mldsa44)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func mustRoot(tb testing.TB, size int64, r merkle.HashReader) merkle.Hash {
	tb.Helper()
	root, err := merkle.Root(size, r)
	if err != nil {
		tb.Fatal(err)
	}
	return root
}

func mustSign(tb testing.TB, s *merkle.Signer, size int64, r merkle.HashReader) []byte {
	tb.Helper()
	signed, err := s.Checkpoint(size, mustRoot(tb, size, r), signedAt)
	if err != nil {
		tb.Fatal(err)
	}
	return signed
}

// mustProve makes the proof of one leaf under a checkpoint of size.
func mustProve(tb testing.TB, s *merkle.Signer, size, index int64, r merkle.HashReader) merkle.Proof {
	tb.Helper()
	path, err := merkle.Prove(size, index, r)
	if err != nil {
		tb.Fatal(err)
	}
	e := numberedEvidence(index)
	return merkle.Proof{
		Index: index, Hashes: path, Checkpoint: mustSign(tb, s, size, r),
		Salt: e.salt, Document: e.document, Signature: e.signature,
	}
}

// refused fails the test unless err has want in its chain.
func refused(tb testing.TB, what string, err, want error) {
	tb.Helper()
	if !errors.Is(err, want) {
		tb.Errorf("%s: error is %v, want %v", what, err, want)
	}
}
