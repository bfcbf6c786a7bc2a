package merkle_test

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"comity/crypto/merkle"
)

// R-TILE-2: addresses are those of tlog-tiles, each in one spelling.
func TestTileAddresses(t *testing.T) {
	for path, want := range map[string]merkle.Tile{
		"0/000":                {Level: 0, Index: 0, Width: 256},
		"0/x001/x234/067":      {Level: 0, Index: 1234067, Width: 256},
		"1/000.p/17":           {Level: 1, Index: 0, Width: 17},
		"5/x999/999.p/255":     {Level: 5, Index: 999999, Width: 255},
		"63/000":               {Level: 63, Index: 0, Width: 256},
		"0/x001/x234/067.p/1":  {Level: 0, Index: 1234067, Width: 1},
		"6/x001/000.p/128":     {Level: 6, Index: 1000, Width: 128},
		"0/x999/x999/x999/999": {Level: 0, Index: 999999999999, Width: 256},
	} {
		got, err := merkle.ParseTile(path)
		if err != nil || got != want || got.String() != path {
			t.Errorf("ParseTile(%q) = %+v (%s), %v; want %+v", path, got, got, err, want)
		}
	}
	for _, path := range []string{
		"", "0", "0/", "/000", "0/0", "0/00", "0/0000", "00/000", "-1/000", "64/000", "+0/000", "0/x000/000", "0/001/000", "0/x001/x067",
		"0/000.p/0", "0/000.p/256", "0/000.p/01", "0/000.p/", "0/000.p", "0/000.p/-1", "0/000.p/1/", "0/000/", "0/-01", "0/x-01/000",
		"data/000", "entries/000", "0/000\x00", "0/../000", "0/x999/x999/x999/x999/x999/x999/x999/x999/999", "8/0/000", "0/ 00",
	} {
		if got, err := merkle.ParseTile(path); !errors.Is(err, merkle.ErrTile) {
			t.Errorf("ParseTile(%q) = %+v, %v; want ErrTile", path, got, err)
		}
	}
}

// A log has exactly the tiles that tlog-tiles counts: its example is a tree of
// 70,000 leaves.
func TestTilesOfALog(t *testing.T) {
	const size = 70_000
	for _, test := range []struct {
		path string
		want bool
	}{
		{"0/272", true},
		{"0/273.p/112", true},
		{"0/273.p/111", true},
		{"0/273.p/113", false},
		{"0/273", false},
		{"0/274.p/1", false},
		{"1/000", true},
		{"1/001.p/17", true},
		{"1/001.p/18", false},
		{"1/001", false},
		{"2/000.p/1", true},
		{"2/000.p/2", false},
		{"3/000.p/1", false},
		{"8/000.p/1", false},
		{"63/000.p/1", false},
		{"0/x999/x999/x999/x999/x999/999", false},
	} {
		tile, err := merkle.ParseTile(test.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := tile.In(size); got != test.want {
			t.Errorf("a log of %d leaves has %s: %v, want %v", size, test.path, got, test.want)
		}
	}
	if _, err := (merkle.Tile{Width: 1}).Read(0, newTree(t, 0)); !errors.Is(err, merkle.ErrTile) {
		t.Errorf("a tile of an empty log: %v", err)
	}
}

// What an independent reader makes of our tiles is our tree, and what we read
// out of tiles is the tree that they were cut from.
func TestTilesCarryTheTree(t *testing.T) {
	for _, size := range []int64{1, 2, 255, 256, 257, 300, 700} {
		tree := newTree(t, size)
		root := mustRoot(t, size, tree)
		fetched := 0
		read := func(tile merkle.Tile) ([]byte, error) {
			fetched++
			return tile.Read(size, tree)
		}
		ours := merkle.TiledLog(size, root, read)
		stock := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, stockTiles{tree, size})
		for _, index := range []int64{0, size / 3, size - 1} {
			want, err := merkle.Prove(size, index, tree)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := merkle.Prove(size, index, ours); err != nil || !slices.Equal(got, want) {
				t.Errorf("size %d: path of leaf %d from tiles differs: %v", size, index, err)
			}
			if got, err := tlog.ProveRecord(size, index, stock); err != nil || !slices.Equal(got, want) {
				t.Errorf("size %d: the stock reader's path of leaf %d differs: %v", size, index, err)
			}
		}
		if fetched == 0 && size > 1 { // the root is its only hash
			t.Errorf("size %d: no tile was read", size)
		}
	}
}

// stockTiles hands our tiles to the library's reader under its own addresses.
type stockTiles struct {
	tree merkle.HashReader
	size int64
}

func (stockTiles) Height() int                     { return 8 }
func (stockTiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (s stockTiles) ReadTiles(want []tlog.Tile) (out [][]byte, err error) {
	for _, t := range want {
		b, err := merkle.Tile{Level: t.L, Index: t.N, Width: t.W}.Read(s.size, s.tree)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// A tile that is not the log's is refused, wherever it was changed; a tile that
// did not come is no accusation.
func TestForgedTiles(t *testing.T) {
	const size = 300
	tree := newTree(t, size)
	root := mustRoot(t, size, tree)
	for at := range 3 {
		forged := merkle.TiledLog(size, root, func(tile merkle.Tile) ([]byte, error) {
			b, err := tile.Read(size, tree)
			b[at*len(b)/3] ^= 1
			return b, err
		})
		if _, err := merkle.Prove(size, 10, forged); !errors.Is(err, merkle.ErrTile) {
			t.Errorf("forged tile: %v, want ErrTile", err)
		}
	}
	short := merkle.TiledLog(size, root, func(tile merkle.Tile) ([]byte, error) {
		b, err := tile.Read(size, tree)
		return b[:len(b)-1], err
	})
	if _, err := merkle.Prove(size, 10, short); !errors.Is(err, merkle.ErrTile) {
		t.Errorf("short tile: %v, want ErrTile", err)
	}
	gone := errors.New("the line broke")
	silent := merkle.TiledLog(size, root, func(merkle.Tile) ([]byte, error) { return nil, gone })
	if _, err := merkle.Prove(size, 10, silent); !errors.Is(err, gone) || errors.Is(err, merkle.ErrTile) {
		t.Errorf("a tile that did not come: %v", err)
	}
}

// Whatever the address, it is refused or read in its one spelling.
func FuzzParseTile(f *testing.F) {
	for _, path := range []string{"0/000", "0/x001/x234/067", "1/000.p/17", "data/000", "0/000.p/256", "63/999"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		tile, err := merkle.ParseTile(path)
		if err != nil {
			return
		}
		if tile.String() != path {
			t.Errorf("%q was read as %s", path, tile)
		}
		for _, size := range []int64{0, 1, 70_000, merkle.MaxSize} {
			if tile.In(size) && int64(tile.Width) > size {
				t.Errorf("a log of %d leaves has tile %s", size, tile)
			}
		}
	})
}
