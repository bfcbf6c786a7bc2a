package merkle

import "testing"

// grown returns the stored hashes of a log of these leaves.
func grown(t *testing.T, leaves []Leaf) memory {
	t.Helper()
	var m memory
	for i, l := range leaves {
		h, err := StoredHashes(int64(i), l, m)
		if err != nil {
			t.Fatal(err)
		}
		m = append(m, h...)
	}
	return m
}

type memory []Hash

func (m memory) ReadHashes(indexes []int64) ([]Hash, error) {
	out := make([]Hash, len(indexes))
	for i, n := range indexes {
		out[i] = m[n]
	}
	return out, nil
}

// Every hash that a proof knows is the one of that subtree, in a log of every
// size; and with another leaf in it, it is another.
func TestKnownSubtrees(t *testing.T) {
	const most = 40
	var leaves []Leaf
	for i := range most {
		leaves = append(leaves, NewLeaf([SaltSize]byte{byte(i)}, [32]byte{}, [32]byte{}))
	}
	all := grown(t, leaves)
	subtree := func(n Subtree) Hash {
		first, count := n.Index<<n.Level, int64(1)<<n.Level
		root, err := Root(count, grown(t, leaves[first:first+count]))
		if err != nil {
			t.Fatal(err)
		}
		return root
	}
	for size := int64(1); size <= most; size++ {
		for index := range size {
			hashes, err := Prove(size, index, all)
			if err != nil {
				t.Fatal(err)
			}
			p := Proof{Index: index, Hashes: hashes, Salt: [SaltSize]byte{byte(index)}}
			known := p.Known(size)
			if known[Subtree{0, index}] != p.Leaf().hash() {
				t.Fatalf("leaf %d of %d is not known", index, size)
			}
			for n, h := range known {
				if h != subtree(n) {
					t.Fatalf("leaf %d of %d: %v has another hash", index, size, n)
				}
			}
			if size&(size-1) == 0 {
				root, err := Root(size, all)
				top := 0
				for int64(1)<<top < size {
					top++
				}
				if err != nil || known[Subtree{top, 0}] != root {
					t.Fatalf("leaf %d of %d: the root of a complete tree is not known (%v)", index, size, err)
				}
			}
		}
	}
}
