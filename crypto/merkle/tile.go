package merkle

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// TileWidth is how many hashes a full tile has, and tileHeight the levels of the
// tree that lie between two levels of tiles.
const (
	TileWidth  = 1 << tileHeight
	tileHeight = 8
)

// ErrTile is in the chain of every error about a tile that a log cannot have, or
// that is not what the log's root says.
var ErrTile = errors.New("log tile not valid")

// Tile names neighbouring hashes of one level of a log's tree, as
// c2sp.org/tlog-tiles does: the subtrees of 256^Level leaves each, from the one
// with number 256 × Index on, Width of them. Fewer than TileWidth are a partial
// tile. Tiles can be compared with ==.
type Tile struct {
	Level int
	Index int64
	Width int
}

// ParseTile reads the end of a tile's address, such as "0/x001/x234/067" or
// "1/000.p/17", in its one spelling. Every refusal is an ErrTile.
func ParseTile(path string) (Tile, error) {
	// The library's addresses have the height of a tile in them.
	t, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", tileHeight, path))
	if err != nil || t.L < 0 || t.L > 63 { // -1 is its address for entries, which are not shown
		return Tile{}, fmt.Errorf("parse tile address: %w: want L/N or L/N.p/W", ErrTile)
	}
	return Tile{Level: t.L, Index: t.N, Width: t.W}, nil
}

// String returns what ParseTile reads.
func (t Tile) String() string {
	return t.library().Path()[len(fmt.Sprintf("tile/%d/", tileHeight)):]
}

func (t Tile) library() tlog.Tile {
	return tlog.Tile{H: tileHeight, L: t.Level, N: t.Index, W: t.Width}
}

// In reports whether a log of the given size has all hashes of the tile.
func (t Tile) In(size int64) bool {
	if t.Level < 0 || t.Level > 63/tileHeight || t.Index < 0 || t.Width < 1 || t.Width > TileWidth || size > MaxSize {
		return false
	}
	hashes := size >> (tileHeight * t.Level)
	return t.Index <= hashes/TileWidth && t.Index*TileWidth+int64(t.Width) <= hashes
}

// Read returns the hashes of the tile in a log of the given size, one after the
// other. Those of complete subtrees never change, so neither do the bytes of a
// tile. A tile that the log does not have is an ErrTile.
func (t Tile) Read(size int64, r HashReader) ([]byte, error) {
	if !t.In(size) {
		return nil, fmt.Errorf("read tile: %w: a log of size %d has no tile %d/%d of width %d", ErrTile, size, t.Level, t.Index, t.Width)
	}
	b, err := tlog.ReadTileData(t.library(), r)
	if err != nil {
		return nil, fmt.Errorf("read tile %s: %w", t, err)
	}
	return b, nil
}

// TiledLog reads hashes of somebody else's log out of its tiles. Everything that
// it returns leads to the root given, so the tiles may come from anybody: a
// forged one is an ErrTile. fetch returns the bytes of a tile; it is asked for
// one at a time.
func TiledLog(size int64, root Hash, fetch func(Tile) ([]byte, error)) HashReader {
	return tiledReader{tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, tiles(fetch))}
}

type tiledReader struct{ tlog.HashReader }

// ReadHashes is HashReader.
func (r tiledReader) ReadHashes(indexes []int64) ([]Hash, error) {
	hashes, err := r.HashReader.ReadHashes(indexes)
	var trouble *fetchError
	if err != nil && !errors.As(err, &trouble) {
		err = fmt.Errorf("%w: %w", ErrTile, err)
	}
	return hashes, err
}

// fetchError is why a tile did not come, in contrast to one that is wrong.
type fetchError struct{ error }

func (e *fetchError) Unwrap() error { return e.error }

// tiles is the library's reader of tiles.
type tiles func(Tile) ([]byte, error)

func (tiles) Height() int { return tileHeight }

func (f tiles) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(want))
	for i, t := range want {
		b, err := f(Tile{Level: t.L, Index: t.N, Width: t.W})
		if err != nil {
			return nil, &fetchError{err}
		}
		out[i] = b
	}
	return out, nil
}

// SaveTiles is told which tiles were found right; they are not kept here.
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}
