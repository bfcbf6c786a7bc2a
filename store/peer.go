package store

import (
	"context"
	"fmt"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/statement"
)

// Record is one version of a state's record.
type Record struct {
	State    protocol.StateID
	Node     protocol.NodeID
	Sequence int64
	Signed   statement.Signed
	Own      bool      // this node's own state
	Pinned   bool      // a person confirmed it by words
	Listed   bool      // a federation's directory brought it
	Adopted  time.Time // filled when read
	// NewLog says, when it is adopted, that it names another log than the one before:
	// the node has lost the old one, and its feed is read again from the beginning.
	NewLog bool
	// Marked is how signature lines begin of witnesses' keys that it marks
	// compromised: cosignatures that begin so are kept, and count for nothing from
	// when it is adopted. Not filled when read.
	Marked []string
}

func (f AdoptRecord) apply(ctx context.Context, b *batch) (*answer, error) {
	if len(f.Signed.Document) == 0 || len(f.Signed.Signature) == 0 || f.State == "" || f.Node == "" || f.Sequence < 1 {
		return nil, factError("record without document, signature, state, node or sequence")
	}
	var newest int64
	if _, err := b.find(ctx, []any{&newest}, `SELECT coalesce(max(sequence), 0) FROM record WHERE state = $1`, f.State); err != nil {
		return nil, err
	}
	if f.Sequence <= newest {
		return f.known(ctx, b, newest)
	}
	d := f.Signed.Digest()
	p := storedPacket{signed: f.Signed, leaf: b.leaf()}
	if _, err := b.exec(ctx, `INSERT INTO record (state, sequence, node, digest, document, signature, own, pinned, listed, adopted_us, leaf)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, f.State, f.Sequence, f.Node, d[:], string(f.Signed.Document), string(f.Signed.Signature),
		flag(f.Own), flag(f.Pinned), flag(f.Listed), b.now.UnixMicro(), p.leaf); err != nil {
		return nil, err
	}
	b.leaves = append(b.leaves, newLeafRow(f.Signed.Ref()))
	if err := f.mark(ctx, b); err != nil {
		return nil, err
	}
	if !f.Own {
		// A peer that is new to a node in a later era may have been pinned before, and
		// hold what was lost with the log (R-OLD-4).
		if _, err := b.exec(ctx, `INSERT INTO peer (node, feed_cursor, recovering)
SELECT $1, 0, CASE WHEN EXISTS (SELECT 1 FROM era) THEN 1 ELSE 0 END ON CONFLICT (node) DO NOTHING`, f.Node); err != nil {
			return nil, err
		}
		if f.NewLog {
			if _, err := b.exec(ctx, `UPDATE peer SET feed_cursor = 0 WHERE node = $1`, f.Node); err != nil {
				return nil, err
			}
		}
	}
	return &answer{packets: []storedPacket{p}}, nil
}

// mark notes whose cosignatures count for nothing from now on. Proofs from other
// logs that rest on them are asked for again, under others. LIKE looks at capitals
// on one engine and not on the other; what it finds too much is asked for in vain.
func (f AdoptRecord) mark(ctx context.Context, b *batch) error {
	for _, start := range f.Marked {
		changed, err := b.exec(ctx, `INSERT INTO marked_witness (start, node, marked_us) VALUES ($1, $2, $3) ON CONFLICT (start) DO NOTHING`,
			start, f.Node, b.now.UnixMicro())
		if err == nil && changed > 0 {
			_, err = b.exec(ctx, `UPDATE evidence SET witnesses = 0 WHERE ordinal IN (
SELECT p.evidence FROM peer_proof p JOIN witnessed w ON w.ordinal = p.witnessed WHERE w.note LIKE '%' || $1 || '%')`, start)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// known answers for a record whose sequence is not new.
func (f AdoptRecord) known(ctx context.Context, b *batch, newest int64) (*answer, error) {
	var p storedPacket
	var pinned bool
	found, err := b.find(ctx, []any{&p.signed.Document, &p.signed.Signature, &p.leaf, &pinned},
		`SELECT document, signature, leaf, pinned FROM record WHERE state = $1 AND sequence = $2`, f.State, f.Sequence)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, protocol.Refuse(protocol.Expired, "record %d of %s: record %d is known", f.Sequence, f.State, newest)
	case string(p.signed.Document) != string(f.Signed.Document):
		return blocked(p), protocol.Refuse(protocol.Equivocation, "another record %d of %s (%s…) is known", f.Sequence, f.State, p.signed.Digest().Short())
	}
	if f.Pinned && !pinned {
		_, err = b.exec(ctx, `UPDATE record SET pinned = 1 WHERE state = $1 AND sequence = $2`, f.State, f.Sequence)
	}
	return &answer{packets: []storedPacket{p}, repeat: true}, err
}

const recordColumns = `SELECT state, node, sequence, document, signature, own, pinned, listed, adopted_us FROM record r`

func scanRecord(scan func(...any) error) (r Record, err error) {
	var adopted int64
	err = scan(&r.State, &r.Node, &r.Sequence, &r.Signed.Document, &r.Signed.Signature, &r.Own, &r.Pinned, &r.Listed, &adopted)
	r.Adopted = instant(&adopted)
	return r, err
}

// Records returns the newest record of each state, own included, by name.
func (g *Gateway) Records(ctx context.Context) (list []Record, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collect(ctx, t, scanRecord, recordColumns+
			` WHERE r.sequence = (SELECT max(n.sequence) FROM record n WHERE n.state = r.state) ORDER BY r.state`)
		return err
	})
	return list, wrap("reading the records", err)
}

// RecordHistory returns every version of every record adopted, own ones included,
// by state and number.
func (g *Gateway) RecordHistory(ctx context.Context) (list []Record, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collect(ctx, t, scanRecord, recordColumns+` ORDER BY r.state, r.sequence`)
		return err
	})
	return list, wrap("reading all records", err)
}

// RecordVersions returns every version of one state's record that was adopted, the newest
// first.
func (g *Gateway) RecordVersions(ctx context.Context, state protocol.StateID) (list []Record, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collect(ctx, t, scanRecord, recordColumns+` WHERE r.state = $1 ORDER BY r.sequence DESC`, state)
		return err
	})
	return list, wrap("reading the records of "+string(state), err)
}

// RecordByDigest returns the record that evidence or an envelope names. ErrNotFound.
func (g *Gateway) RecordByDigest(ctx context.Context, digest protocol.Digest) (*Record, error) {
	return one(ctx, g.v, "record "+digest.Short(), scanRecord, recordColumns+` WHERE r.digest = $1`, digest[:])
}

// Peer is what is known of another node beside its record.
type Peer struct {
	Node       protocol.NodeID
	State      protocol.StateID
	Sequence   int64 // of its newest record
	Pinned     bool  // a person confirmed that one by words
	Listed     bool  // no record of its state was confirmed by words: it rests on the stewards of a federation
	FeedCursor int64
	Checkpoint []byte    // newest verified checkpoint note of its log; nil before the first one
	Size       int64     // of that log
	Seen       time.Time // when that checkpoint was stored
}

// Peers returns all other nodes that have a record here, by name.
func (g *Gateway) Peers(ctx context.Context) (list []Peer, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collect(ctx, t, func(scan func(...any) error) (p Peer, err error) {
			var seen *int64
			err = scan(&p.Node, &p.State, &p.Sequence, &p.Pinned, &p.Listed, &p.FeedCursor, &p.Checkpoint, &p.Size, &seen)
			p.Seen = instant(seen)
			return p, err
		}, `SELECT r.node, r.state, r.sequence, r.pinned, CASE WHEN EXISTS (SELECT 1 FROM record c WHERE c.state = r.state AND c.pinned = 1) THEN 0 ELSE 1 END, p.feed_cursor, p.checkpoint, coalesce(p.log_size, 0), p.seen_us
FROM record r JOIN peer p ON p.node = r.node
WHERE r.own = 0 AND r.sequence = (SELECT max(n.sequence) FROM record n WHERE n.state = r.state) ORDER BY r.node`)
		return err
	})
	return list, wrap("reading the peers", err)
}

func (f AdvanceFeed) apply(ctx context.Context, b *batch) (*answer, error) {
	_, err := b.exec(ctx, `INSERT INTO peer (node, feed_cursor) VALUES ($1, $2)
ON CONFLICT (node) DO UPDATE SET feed_cursor = excluded.feed_cursor WHERE excluded.feed_cursor > peer.feed_cursor`, f.Peer, f.Cursor)
	return &answer{}, err
}

// FeedCursor returns how far this node has read in the peer's feed; 0 at first.
func (g *Gateway) FeedCursor(ctx context.Context, peer protocol.NodeID) (cursor int64, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.find(ctx, []any{&cursor}, `SELECT feed_cursor FROM peer WHERE node = $1`, peer)
		return err
	})
	return cursor, wrap("reading the feed cursor of "+string(peer), err)
}

// RewindFeed makes this node read a peer's feed again from its beginning, which
// is idempotent. It is for a peer whose feed ends before the cursor.
func (g *Gateway) RewindFeed(ctx context.Context, peer protocol.NodeID) error {
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE peer SET feed_cursor = 0 WHERE node = $1`, peer)
		return err
	})
	return wrap("rewinding the feed cursor of "+string(peer), err)
}

// PeerCheckpoint returns the newest checkpoint of a peer's log that this node
// has verified, and its note; a zero one and nil before the first.
func (g *Gateway) PeerCheckpoint(ctx context.Context, peer protocol.NodeID) (c merkle.Checkpoint, note []byte, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		c, note, err = peerCheckpoint(ctx, t, peer)
		return err
	})
	return c, note, wrap("reading the checkpoint of "+string(peer), err)
}

func peerCheckpoint(ctx context.Context, t *tx, peer protocol.NodeID) (c merkle.Checkpoint, note []byte, err error) {
	var root digest
	_, err = t.find(ctx, []any{&c.Origin, &c.Size, &root, &note},
		`SELECT log_origin, log_size, log_root, checkpoint FROM peer WHERE node = $1 AND checkpoint IS NOT NULL`, peer)
	c.Root = merkle.Hash(root)
	return c, note, err
}

// SetPeerCheckpoint stores a verified one. A smaller one of the same origin is
// ignored; the same size with another root is ErrIntegrity (a fork of the
// peer's log), and nothing is stored.
func (g *Gateway) SetPeerCheckpoint(ctx context.Context, peer protocol.NodeID, c merkle.Checkpoint, note []byte) error {
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		have, _, err := peerCheckpoint(ctx, t, peer)
		if err != nil {
			return err
		}
		if have.Origin == c.Origin && have.Size == c.Size && have.Root != c.Root {
			return fmt.Errorf("%w: two roots over %d leaves of %s", ErrIntegrity, c.Size, c.Origin)
		}
		if have.Origin == c.Origin && have.Size >= c.Size {
			return nil
		}
		_, err = t.exec(ctx, `INSERT INTO peer (node, feed_cursor, log_origin, log_size, log_root, checkpoint, seen_us) VALUES ($1, 0, $2, $3, $4, $5, $6)
ON CONFLICT (node) DO UPDATE SET log_origin = excluded.log_origin, log_size = excluded.log_size, log_root = excluded.log_root,
checkpoint = excluded.checkpoint, seen_us = excluded.seen_us`, peer, c.Origin, c.Size, c.Root[:], string(note), t.now.UnixMicro())
		return err
	})
	return wrap("storing the checkpoint of "+string(peer), err)
}
