package store

import (
	"context"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
)

// SeeState notes that another node's log was seen in this state, in the commit
// that takes in what showed it: every two states of a log that this node ever
// saw are compared sooner or later (R-WIT-7). Two roots over one size are a fork
// at once.
type SeeState struct{ LogState }

func (f SeeState) apply(ctx context.Context, b *batch) (*answer, error) {
	_, err := see(ctx, b.tx, f.LogState)
	return &answer{}, err
}

// See does the same in a transaction of its own. forked tells that the log is
// known to have forked, now or before.
func (g *Gateway) See(ctx context.Context, s LogState) (forked bool, err error) {
	err = g.v.write(ctx, func(ctx context.Context, t *tx) error {
		forked, err = see(ctx, t, s)
		return err
	})
	return forked, wrap("noting a state of the log of "+string(s.Node), err)
}

const (
	knownStates = `SELECT size, root, note FROM followed WHERE origin = $1 AND size = $2
UNION ALL SELECT size, root, note FROM cosigned WHERE origin = $1 AND size = $2
UNION ALL SELECT size, root, note FROM sighting WHERE origin = $1 AND size = $2`
	knownFork    = `SELECT 1 FROM fork WHERE origin = $1`
	keepSighting = `INSERT INTO sighting (origin, size, root, node, note, seen_us)
SELECT $1, $2, $3, $4, $5, $6 WHERE (SELECT count(*) FROM sighting WHERE origin = $1) < $7 ON CONFLICT DO NOTHING`
)

// see keeps a state that is not known until it was compared. Beyond MaxSightings
// nothing is kept: that so many wait is an alarm in itself.
func see(ctx context.Context, t *tx, s LogState) (forked bool, err error) {
	c := s.Checkpoint
	if forked, err = t.find(ctx, []any{new(int64)}, knownFork, c.Origin); err != nil || forked {
		return forked, err
	}
	same, err := collect(ctx, t, scanState, knownStates, c.Origin, c.Size)
	if err != nil {
		return false, err
	}
	known := false
	for _, k := range same {
		if k.Node, k.Checkpoint.Origin = s.Node, c.Origin; !k.same(s) {
			return true, keepFork(ctx, t, k, s)
		}
		known = true
	}
	if known || c.Size == 0 {
		return false, nil
	}
	_, err = t.exec(ctx, keepSighting, c.Origin, c.Size, c.Root[:], s.Node, string(s.Note), t.now.UnixMicro(), protocol.MaxSightings)
	return false, err
}

func scanState(scan func(...any) error) (s LogState, err error) {
	var root digest
	err = scan(&s.Checkpoint.Size, &root, &s.Note)
	s.Checkpoint.Root = merkle.Hash(root)
	return s, err
}

// Following is how far this node has compared the states of a log that it saw.
type Following struct {
	Head  LogState   // every state compared so far is consistent with it; zero: none was
	Seen  []LogState // not compared yet, the largest first
	Since time.Time  // when the oldest of all that wait was seen; zero: none waits
	Fork  *Fork      // nil: none was found
}

// Fork is two states of one log of which neither extends the other.
type Fork struct {
	Node  protocol.NodeID
	One   LogState
	Other LogState
	Found time.Time
}

// Following returns how far a log was compared, with at most limit of the states
// that wait.
func (g *Gateway) Following(ctx context.Context, origin string, limit int) (f Following, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		f, err = following(ctx, t, origin, limit)
		return err
	})
	return f, wrap("reading how far the log "+origin+" was compared", err)
}

const (
	headOf      = `SELECT size, root, note, node, followed_us FROM followed WHERE origin = $1`
	sightingsOf = `SELECT size, root, note, node, seen_us FROM sighting WHERE origin = $1 ORDER BY size DESC, root DESC LIMIT $2`
)

func following(ctx context.Context, t *tx, origin string, limit int) (f Following, err error) {
	scan := func(scan func(...any) error) (s LogState, err error) {
		var root digest
		var us int64
		err = scan(&s.Checkpoint.Size, &root, &s.Note, &s.Node, &us)
		s.Checkpoint.Origin, s.Checkpoint.Root, s.At = origin, merkle.Hash(root), instant(&us)
		return s, err
	}
	heads, err := collect(ctx, t, scan, headOf, origin)
	if err != nil {
		return f, err
	}
	if len(heads) > 0 {
		f.Head = heads[0]
	}
	if f.Seen, err = collect(ctx, t, scan, sightingsOf, origin, limit); err != nil {
		return f, err
	}
	var since *int64
	if _, err = t.find(ctx, []any{&since}, `SELECT min(seen_us) FROM sighting WHERE origin = $1`, origin); err != nil {
		return f, err
	}
	f.Since = instant(since)
	f.Fork, err = forkOf(ctx, t, origin)
	return f, err
}

func forkOf(ctx context.Context, t *tx, origin string) (*Fork, error) {
	f := Fork{}
	var root, other digest
	var us int64
	found, err := t.find(ctx, []any{&f.Node, &f.One.Checkpoint.Size, &root, &f.One.Note, &f.Other.Checkpoint.Size, &other, &f.Other.Note, &us},
		`SELECT node, size, root, note, other_size, other_root, other_note, found_us FROM fork WHERE origin = $1`, origin)
	if err != nil || !found {
		return nil, err
	}
	f.One.Checkpoint.Root, f.Other.Checkpoint.Root, f.Found = merkle.Hash(root), merkle.Hash(other), instant(&us)
	f.One.Checkpoint.Origin, f.Other.Checkpoint.Origin = origin, origin
	f.One.Node, f.Other.Node = f.Node, f.Node
	return &f, nil
}

// Follow notes that head extends from, the head so far (zero: none), and that
// the compared states are consistent with it; they wait no longer. When the head
// has moved meanwhile, nothing is noted: it is to be compared again.
func (g *Gateway) Follow(ctx context.Context, from, head LogState, compared []LogState) error {
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		have, err := following(ctx, t, head.Checkpoint.Origin, 0)
		if err != nil || have.Fork != nil || (have.Head.Note == nil) != (from.Note == nil) || from.Note != nil && !have.Head.same(from) {
			return err
		}
		if err := keepHead(ctx, t, head); err != nil {
			return err
		}
		for _, s := range append(compared, head) {
			if err := forgetSighting(ctx, t, s); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap("noting what was compared of the log of "+string(head.Node), err)
}

// AddFork keeps two states as a fork (R-WIT-5). A log has one; a second one is
// ignored.
func (g *Gateway) AddFork(ctx context.Context, one, other LogState) error {
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error { return keepFork(ctx, t, one, other) })
	return wrap("keeping a fork of the log of "+string(one.Node), err)
}

func keepFork(ctx context.Context, t *tx, one, other LogState) error {
	a, b := one.Checkpoint, other.Checkpoint
	_, err := t.exec(ctx, `INSERT INTO fork (origin, node, size, root, note, other_size, other_root, other_note, found_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (origin) DO NOTHING`,
		a.Origin, one.Node, a.Size, a.Root[:], string(one.Note), b.Size, b.Root[:], string(other.Note), t.now.UnixMicro())
	return err
}

func keepHead(ctx context.Context, t *tx, s LogState) error {
	c := s.Checkpoint
	_, err := t.exec(ctx, `INSERT INTO followed (origin, node, size, root, note, followed_us) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (origin) DO UPDATE SET node = excluded.node, size = excluded.size, root = excluded.root, note = excluded.note,
followed_us = excluded.followed_us`, c.Origin, s.Node, c.Size, c.Root[:], string(s.Note), t.now.UnixMicro())
	return err
}

func forgetSighting(ctx context.Context, t *tx, s LogState) error {
	_, err := t.exec(ctx, `DELETE FROM sighting WHERE origin = $1 AND size = $2 AND root = $3`,
		s.Checkpoint.Origin, s.Checkpoint.Size, s.Checkpoint.Root[:])
	return err
}

// extend moves the head when a submission was shown to extend just it, so that
// a log whose states all come this way needs no other comparison.
func extend(ctx context.Context, t *tx, s Submission) error {
	have, err := following(ctx, t, s.Checkpoint.Origin, 0)
	if err != nil || have.Head.Checkpoint.Size != s.Old {
		return err
	}
	if err := keepHead(ctx, t, s.LogState); err != nil {
		return err
	}
	return forgetSighting(ctx, t, s.LogState)
}
