package merkle

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// HashReader reads hashes of complete subtrees as StoredHashes made them. It
// returns one hash for each index, in the same order, or an error: a missing
// hash is an error, never a zero.
type HashReader interface {
	ReadHashes(indexes []int64) ([]Hash, error)
}

// StoredIndex returns where the hashes of leaf n begin among all stored hashes,
// which is also how many hashes are stored for a log of size n. n must be a
// valid index or size.
func StoredIndex(n int64) int64 { return tlog.StoredHashIndex(0, n) }

// StoredHashes returns the hashes to store when leaf n is appended, at
// StoredIndex(n) and following: the leaf's own, and that of each subtree that
// it completes. It reads up to log₂ n earlier ones from r, so r must see the
// appends of the same transaction.
func StoredHashes(n int64, l Leaf, r HashReader) ([]Hash, error) {
	if n < 0 || n >= MaxSize {
		return nil, fmt.Errorf("append leaf %d: not an index of a log", n)
	}
	hashes, err := tlog.StoredHashesForRecordHash(n, l.hash(), r)
	if err != nil {
		return nil, fmt.Errorf("append leaf %d: %w", n, err)
	}
	return hashes, nil
}

// Root returns the root of the tree over the first size leaves: MTH of RFC 6962
// section 2.1.
func Root(size int64, r HashReader) (Hash, error) {
	if size < 0 || size > MaxSize {
		return Hash{}, fmt.Errorf("compute root of size %d: not a size of a log", size)
	}
	root, err := tlog.TreeHash(size, r)
	if err != nil {
		return Hash{}, fmt.Errorf("compute root of size %d: %w", size, err)
	}
	return root, nil
}

// Prove returns the audit path of RFC 6962 section 2.1.1: the hashes that lead
// from leaf index to the root of the first size leaves, the leaf's sibling
// first.
func Prove(size, index int64, r HashReader) ([]Hash, error) {
	if index < 0 || index >= size || size > MaxSize {
		return nil, fmt.Errorf("prove leaf %d in size %d: not an index below a size", index, size)
	}
	hashes, err := tlog.ProveRecord(size, index, r)
	if err != nil {
		return nil, fmt.Errorf("prove leaf %d in size %d: %w", index, size, err)
	}
	return hashes, nil
}

// checkInclusion runs an audit path; it refuses a path with a hash too many.
func checkInclusion(path []Hash, size int64, root Hash, index int64, l Leaf) error {
	if index < 0 || index >= size || size > MaxSize {
		return fmt.Errorf("%w: leaf %d is not in a log of size %d", ErrProof, index, size)
	}
	if err := tlog.CheckRecord(path, size, root, index, l.hash()); err != nil {
		return fmt.Errorf("%w: leaf %d does not lead to the root of size %d", ErrProof, index, size)
	}
	return nil
}

// ProveConsistency returns the proof of RFC 6962 section 2.1.2 that the tree of
// newSize leaves begins with the tree of oldSize leaves. It is empty when the
// sizes are equal, and when oldSize is 0 because everything extends an empty
// log.
func ProveConsistency(newSize, oldSize int64, r HashReader) ([]Hash, error) {
	if oldSize < 0 || oldSize > newSize || newSize > MaxSize {
		return nil, fmt.Errorf("prove that size %d extends %d: not two sizes in order", newSize, oldSize)
	}
	if oldSize == 0 {
		return nil, nil
	}
	hashes, err := tlog.ProveTree(newSize, oldSize, r)
	if err != nil {
		return nil, fmt.Errorf("prove that size %d extends %d: %w", newSize, oldSize, err)
	}
	return hashes, nil
}

// CheckConsistency verifies what ProveConsistency made: that the log with
// newRoot extends the log with oldRoot. An empty log must have the root of an
// empty tree. Every refusal is an ErrConsistency.
func CheckConsistency(proof []Hash, newSize int64, newRoot Hash, oldSize int64, oldRoot Hash) error {
	if oldSize < 0 || oldSize > newSize || newSize > MaxSize {
		return fmt.Errorf("%w: size %d cannot extend %d", ErrConsistency, newSize, oldSize)
	}
	if oldSize == 0 {
		if len(proof) != 0 || oldRoot != emptyRoot || newSize == 0 && newRoot != emptyRoot {
			return fmt.Errorf("%w: size %d does not extend an empty log", ErrConsistency, newSize)
		}
		return nil
	}
	if err := tlog.CheckTree(proof, newSize, newRoot, oldSize, oldRoot); err != nil {
		return fmt.Errorf("%w: size %d does not extend %d", ErrConsistency, newSize, oldSize)
	}
	return nil
}
