package store

import (
	"context"

	"comity/crypto/merkle"
	"comity/protocol"
)

// RootAt returns the root over the first size leaves of the log. A size that the
// log does not have is ErrIntegrity.
func (g *Gateway) RootAt(ctx context.Context, size int64) (root merkle.Hash, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) (err error) {
		root, err = merkle.Root(size, &hashes{ctx: ctx, t: t})
		return err
	})
	return root, wrap("computing an earlier root of the log", err)
}

// Shown is a checkpoint of this node's own log that a peer showed and that the
// stored log does not contain.
type Shown struct {
	Peer protocol.NodeID
	Note []byte
}

// NoteShown remembers for good that a peer showed such a checkpoint: whoever
// opens this database next knows without asking that it is an older copy.
func (g *Gateway) NoteShown(ctx context.Context, s Shown) error {
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO peer (node, feed_cursor, shown, shown_us) VALUES ($1, 0, $2, $3)
ON CONFLICT (node) DO UPDATE SET shown = excluded.shown, shown_us = excluded.shown_us`, s.Peer, string(s.Note), t.now.UnixMicro())
		return err
	})
	return wrap("storing what "+string(s.Peer)+" showed of this node's log", err)
}

// Shown returns what peers showed, by name; none means that this is no older
// copy as far as anybody here knows.
func (g *Gateway) Shown(ctx context.Context) (all []Shown, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		all, err = collect(ctx, t, func(scan func(...any) error) (s Shown, err error) {
			err = scan(&s.Peer, &s.Note)
			return s, err
		}, `SELECT node, shown FROM peer WHERE shown IS NOT NULL ORDER BY node`)
		return err
	})
	return all, wrap("reading what peers showed of this node's log", err)
}

// SeePeerLog notes a later checkpoint of a peer's log, in the commit that stores
// the evidence whose proof it came with: a copy of the peer that is older than
// this evidence is recognised by it, and so is a log that told others something
// else (SeeState). It must be verified, and the note have the log's own signatures
// alone.
type SeePeerLog struct {
	Peer       protocol.NodeID
	Checkpoint merkle.Checkpoint
	Note       []byte
}

func (f SeePeerLog) apply(ctx context.Context, b *batch) (*answer, error) {
	c := f.Checkpoint
	_, err := b.exec(ctx, `UPDATE peer SET log_origin = $2, log_size = $3, log_root = $4, checkpoint = $5, seen_us = $6
WHERE node = $1 AND (log_origin IS NULL OR log_origin = $2 AND log_size < $3)`, f.Peer, c.Origin, c.Size, c.Root[:], string(f.Note), b.now.UnixMicro())
	if err != nil {
		return nil, err
	}
	return SeeState{LogState{Node: f.Peer, Checkpoint: c, Note: f.Note}}.apply(ctx, b)
}
