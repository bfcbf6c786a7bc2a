package store

import (
	"context"
	"fmt"

	"comity/crypto/merkle"
)

// Tile returns the hashes of one tile of the log, computed from those that are
// stored: the same bytes whenever it is asked for. ErrNotFound when the log is
// not that large yet.
func (g *Gateway) Tile(ctx context.Context, tile merkle.Tile) (b []byte, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		h, err := readHead(ctx, t)
		if err := require(tile.In(h.size), err); err != nil {
			return err
		}
		b, err = tile.Read(h.size, &hashes{ctx: ctx, t: t})
		return err
	})
	return b, wrap(fmt.Sprintf("reading tile %s of the log", tile), err)
}
