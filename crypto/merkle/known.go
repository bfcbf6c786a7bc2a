package merkle

import "golang.org/x/mod/sumdb/tlog"

// Subtree names a complete subtree: 2^Level leaves, the first of them Index·2^Level.
// Its hash never changes while the log only grows.
type Subtree struct {
	Level int
	Index int64
}

// Known returns the hashes of all complete subtrees that a verified proof shows
// under a log of this size: the leaf's own, those on its path, and their
// siblings. Two proofs of one log that know different hashes for one node show
// that it was forked or rolled back, whatever their sizes; that they agree proves
// nothing.
func (p *Proof) Known(size int64) map[Subtree]Hash {
	known := map[Subtree]Hash{}
	put := func(level int, index int64, h Hash) {
		if (index+1)<<level <= size {
			known[Subtree{level, index}] = h
		}
	}
	level, at, last, h := 0, p.Index, size-1, p.Leaf().hash()
	put(level, at, h)
	up := func() { level, at, last = level+1, at>>1, last>>1 }
	for _, sibling := range p.Hashes {
		// The right edge of a log has no sibling where no subtree is complete: the
		// path goes on where there is one (RFC 9162 section 2.1.3.2).
		for at == last && at&1 == 0 && at > 0 {
			up()
		}
		if at&1 == 1 {
			put(level, at-1, sibling)
			h = tlog.NodeHash(sibling, h)
		} else {
			put(level, at+1, sibling)
			h = tlog.NodeHash(h, sibling)
		}
		up()
		put(level, at, h)
	}
	return known
}
