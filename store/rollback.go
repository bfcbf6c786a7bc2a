package store

import (
	"context"
	"fmt"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
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

// Shown is what a peer showed of this node, signed by it or its state, that the
// stored database does not contain: one of the two, or both.
type Shown struct {
	Peer   protocol.NodeID
	Note   []byte           // a checkpoint of this node's own log; nil: none
	Record statement.Signed // a newer record of its own state; without Document: none
}

// NewerThan returns the record that was shown, if it follows from the own one; nil:
// none was, or it is known by now.
func (s Shown) NewerThan(own *record.State) (*record.State, error) {
	if s.Record.Document == nil {
		return nil, nil
	}
	newer, err := record.Verify(s.Record, own)
	switch {
	case protocol.CodeOf(err) == protocol.Expired, err == nil && newer.Ref() == own.Ref():
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the record that %s showed: %w", s.Peer, err)
	}
	return newer, nil
}

// NoteShown remembers for good what a peer showed: whoever opens this database next
// knows without asking that it is an older copy.
func (g *Gateway) NoteShown(ctx context.Context, s Shown) error {
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		text := func(b []byte) *string {
			if b == nil {
				return nil
			}
			s := string(b)
			return &s
		}
		_, err := t.exec(ctx, `INSERT INTO peer (node, feed_cursor, shown, shown_us, shown_record, shown_record_signature) VALUES ($1, 0, $2, $3, $4, $5)
ON CONFLICT (node) DO UPDATE SET shown = coalesce(excluded.shown, peer.shown), shown_us = excluded.shown_us,
shown_record = coalesce(excluded.shown_record, peer.shown_record),
shown_record_signature = coalesce(excluded.shown_record_signature, peer.shown_record_signature)`,
			s.Peer, text(s.Note), t.now.UnixMicro(), text(s.Record.Document), text(s.Record.Signature))
		return err
	})
	return wrap("storing what "+string(s.Peer)+" showed of this node", err)
}

// Shown returns what peers showed, by name; none means that this is no older
// copy as far as anybody here knows.
func (g *Gateway) Shown(ctx context.Context) (all []Shown, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		all, err = collect(ctx, t, func(scan func(...any) error) (s Shown, err error) {
			err = scan(&s.Peer, &s.Note, &s.Record.Document, &s.Record.Signature)
			return s, err
		}, `SELECT node, shown, shown_record, shown_record_signature FROM peer WHERE shown IS NOT NULL OR shown_record IS NOT NULL ORDER BY node`)
		return err
	})
	return all, wrap("reading what peers showed of this node", err)
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
