package merkle_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"comity/crypto/merkle"
)

// The definitions of RFC 6962 section 2.1, as they stand there: recursive, over
// leaves instead of stored hashes.

func node(left, right merkle.Hash) merkle.Hash {
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}

func mth(leaves []merkle.Leaf) merkle.Hash {
	switch n := len(leaves); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, leaves[0][:]...))
	default:
		k := split(n)
		return node(mth(leaves[:k]), mth(leaves[k:]))
	}
}

// split is the largest power of two smaller than n.
func split(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}

func path(m int, leaves []merkle.Leaf) []merkle.Hash {
	if len(leaves) == 1 {
		return nil
	}
	k := split(len(leaves))
	if m < k {
		return append(path(m, leaves[:k]), mth(leaves[k:]))
	}
	return append(path(m-k, leaves[k:]), mth(leaves[:k]))
}

func consistency(m int, leaves []merkle.Leaf) []merkle.Hash { return subproof(m, leaves, true) }

func subproof(m int, leaves []merkle.Leaf, known bool) []merkle.Hash {
	if m == len(leaves) {
		if known {
			return nil
		}
		return []merkle.Hash{mth(leaves)}
	}
	k := split(len(leaves))
	if m <= k {
		return append(subproof(m, leaves[:k], known), mth(leaves[k:]))
	}
	return append(subproof(m-k, leaves[k:], false), mth(leaves[:k]))
}

// treeSizes goes beyond one full tree of 64 leaves.
const treeSizes = 70

func testLeaves() []merkle.Leaf {
	leaves := make([]merkle.Leaf, treeSizes)
	for n := range leaves {
		leaves[n] = numberedEvidence(int64(n)).leaf()
	}
	return leaves
}

// same compares paths, where none and nil are one.
func same(a, b []merkle.Hash) bool { return slices.Equal(a, b) }

func TestRootIsRFC6962(t *testing.T) {
	tree, leaves := newTree(t, treeSizes), testLeaves()
	for size := range treeSizes + 1 {
		if got, want := mustRoot(t, int64(size), tree), mth(leaves[:size]); got != want {
			t.Errorf("Root(%d) = %v, want %v", size, got, want)
		}
	}
}

func TestInclusionOfAllPairs(t *testing.T) {
	tree, leaves := newTree(t, treeSizes), testLeaves()
	for size := 1; size <= treeSizes; size++ {
		for index := range size {
			got, err := merkle.Prove(int64(size), int64(index), tree)
			if want := path(index, leaves[:size]); err != nil || !same(got, want) {
				t.Fatalf("Prove(%d, %d) = %v, %v, want %v", size, index, got, err, want)
			}
		}
	}
}

func TestConsistencyOfAllPairs(t *testing.T) {
	tree, leaves := newTree(t, treeSizes), testLeaves()
	roots := make([]merkle.Hash, treeSizes+1)
	for n := range roots {
		roots[n] = mth(leaves[:n])
	}
	for size := range roots {
		for old := range size + 1 {
			got, err := merkle.ProveConsistency(int64(size), int64(old), tree)
			if err != nil {
				t.Fatal(err)
			}
			if old > 0 {
				if want := consistency(old, leaves[:size]); !same(got, want) {
					t.Fatalf("ProveConsistency(%d, %d) = %v, want %v", size, old, got, want)
				}
			}
			check := func(proof []merkle.Hash, newRoot, oldRoot merkle.Hash) error {
				return merkle.CheckConsistency(proof, int64(size), newRoot, int64(old), oldRoot)
			}
			if err := check(got, roots[size], roots[old]); err != nil {
				t.Fatalf("CheckConsistency(%d, %d) = %v, want none", size, old, err)
			}
			wrong := merkle.Hash{1}
			refused(t, "another old root", check(got, roots[size], wrong), merkle.ErrConsistency)
			refused(t, "one hash more", check(append(slices.Clone(got), wrong), roots[size], roots[old]), merkle.ErrConsistency)
			if old > 0 || size == 0 { // any root extends an empty log
				refused(t, "another new root", check(got, wrong, roots[old]), merkle.ErrConsistency)
			}
			for i := range got {
				refused(t, "one hash less", check(slices.Delete(slices.Clone(got), i, i+1), roots[size], roots[old]), merkle.ErrConsistency)
				bent := slices.Clone(got)
				bent[i][0] ^= 1
				refused(t, "a bent hash", check(bent, roots[size], roots[old]), merkle.ErrConsistency)
			}
		}
	}
}

func TestForkIsNotConsistent(t *testing.T) {
	tree := newTree(t, 10)
	var fork hashes
	for n := range int64(20) {
		e := numberedEvidence(n)
		if n == 4 {
			e.salt[0] = 1 // the only difference
		}
		more, err := merkle.StoredHashes(n, e.leaf(), fork)
		if err != nil {
			t.Fatal(err)
		}
		fork = append(fork, more...)
	}
	proof, err := merkle.ProveConsistency(20, 10, fork)
	if err != nil {
		t.Fatal(err)
	}
	err = merkle.CheckConsistency(proof, 20, mustRoot(t, 20, fork), 10, mustRoot(t, 10, tree))
	refused(t, "a log that changed leaf 4", err, merkle.ErrConsistency)
}

func TestImpossibleSizes(t *testing.T) {
	tree := newTree(t, 4)
	const tooLarge = merkle.MaxSize + 1
	for _, test := range []struct {
		name string
		call func() error
	}{
		{"leaf -1", func() error { _, err := merkle.StoredHashes(-1, merkle.Leaf{}, tree); return err }},
		{"leaf beyond the last", func() error { _, err := merkle.StoredHashes(merkle.MaxSize, merkle.Leaf{}, tree); return err }},
		{"root of -1", func() error { _, err := merkle.Root(-1, tree); return err }},
		{"root of too much", func() error { _, err := merkle.Root(tooLarge, tree); return err }},
		{"append over what is not stored", func() error { _, err := merkle.StoredHashes(7, merkle.Leaf{}, tree); return err }},
		{"5 extends 3 in what is not stored", func() error { _, err := merkle.ProveConsistency(5, 3, tree); return err }},
		{"root of what is not stored", func() error { _, err := merkle.Root(5, tree); return err }},
		{"leaf 4 of 4", func() error { _, err := merkle.Prove(4, 4, tree); return err }},
		{"leaf -1 of 4", func() error { _, err := merkle.Prove(4, -1, tree); return err }},
		{"leaf of too much", func() error { _, err := merkle.Prove(tooLarge, 1, tree); return err }},
		{"leaf beside what is not stored", func() error { _, err := merkle.Prove(5, 0, tree); return err }},
		{"3 extends 4", func() error { _, err := merkle.ProveConsistency(3, 4, tree); return err }},
		{"4 extends -1", func() error { _, err := merkle.ProveConsistency(4, -1, tree); return err }},
		{"too much extends 4", func() error { _, err := merkle.ProveConsistency(tooLarge, 4, tree); return err }},
		{"check 3 extends 4", func() error { return merkle.CheckConsistency(nil, 3, merkle.Hash{}, 4, merkle.Hash{}) }},
		{"check 4 extends -1", func() error { return merkle.CheckConsistency(nil, 4, merkle.Hash{}, -1, merkle.Hash{}) }},
		{"check too much", func() error { return merkle.CheckConsistency(nil, tooLarge, merkle.Hash{}, tooLarge, merkle.Hash{}) }},
	} {
		if err := test.call(); err == nil {
			t.Errorf("%s: no error, want one", test.name)
		}
	}
}

func TestReaderErrorIsKept(t *testing.T) {
	_, err := merkle.Root(3, broken{})
	refused(t, "Root over a broken store", err, errBroken)
	_, err = merkle.Root(3, short{})
	if err == nil {
		t.Error("Root over a store that answers with fewer hashes: no error, want one")
	}
}

var errBroken = errors.New("disk I/O error")

type broken struct{}

func (broken) ReadHashes([]int64) ([]merkle.Hash, error) { return nil, errBroken }

type short struct{}

func (short) ReadHashes(x []int64) ([]merkle.Hash, error) { return make([]merkle.Hash, len(x)-1), nil }

// R-LOG-1: the leaf, computed once with sha256sum over
// "comity/leaf/v1\n", 16 bytes 0x01, 32 bytes 0x02 and 32 bytes 0x03.
func TestLeaf(t *testing.T) {
	fill := func(b []byte, v byte) {
		for i := range b {
			b[i] = v
		}
	}
	var e evidence
	fill(e.salt[:], 1)
	fill(e.document[:], 2)
	fill(e.signature[:], 3)
	got := e.leaf()
	const want = "a4e47010994609255e5226343c3b256f9afd413292f57ed1bbdbac49f4fdfff4"
	if diff := cmp.Diff(want, hex.EncodeToString(got[:])); diff != "" {
		t.Errorf("leaf (-want +got):\n%s", diff)
	}
}
