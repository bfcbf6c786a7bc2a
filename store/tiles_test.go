package store

import (
	"errors"
	"testing"

	"comity/crypto/merkle"
)

// R-TILE-2: a reader of tiles finds every evidence where its proof says, under each
// checkpoint, however the log grew.
func TestTilesOfTheStoredLog(t *testing.T) {
	n := newNode(t)
	number := 0
	for _, k := range []int{1, 100, 27, 1, 80} { // 2, 202, 256, 258, 418 leaves
		var facts []Fact
		for range k {
			number++
			facts = append(facts, n.accept(number))
		}
		n.commit(facts...)
		note, err := n.Checkpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c, err := n.logV.Checkpoint(note)
		if err != nil {
			t.Fatal(err)
		}
		tiled := merkle.TiledLog(c.Size, c.Root, func(tile merkle.Tile) ([]byte, error) { return n.Tile(t.Context(), tile) })
		for i := range number {
			all, err := n.Evidence(t.Context(), key(i+1, prosecution))
			if err != nil {
				t.Fatal(err)
			}
			own := all[1] // SubmissionAcceptance is the other's
			ref := own.Ref()
			p, _, err := n.logV.Proof(own.Proof, ref.Document, ref.Signature)
			if err != nil {
				t.Fatal(err)
			}
			if p.Hashes, err = merkle.Prove(c.Size, p.Index, tiled); err != nil {
				t.Fatalf("size %d: leaf %d in tiles: %v", c.Size, p.Index, err)
			}
			p.Checkpoint = note
			if _, _, err := n.logV.Proof(p.Marshal(), ref.Document, ref.Signature); err != nil {
				t.Errorf("size %d: the tiles do not lead from leaf %d to the root: %v", c.Size, p.Index, err)
			}
		}
	}
	for _, beyond := range []merkle.Tile{{Index: 1, Width: 256}, {Index: 1, Width: 163}, {Index: 2, Width: 1}, {Level: 1, Width: 2}, {Level: 2, Width: 1}, {Level: 9, Width: 1}} {
		if _, err := n.Tile(t.Context(), beyond); !errors.Is(err, ErrNotFound) {
			t.Errorf("tile %+v of a log of 418 leaves: %v, want ErrNotFound", beyond, err)
		}
	}
}
