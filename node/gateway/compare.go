package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/record"
	"comity/store"
)

const (
	// compareGrace is how long a node that has just started, and of whose peers one
	// has answered, waits for the others; and so does one that is an older copy of
	// itself before it stops.
	compareGrace = 5 * time.Second
	// comparePause is how long it waits before it asks a peer again, at first;
	// doubled up to comparePauseMax. It asks until each has answered once.
	comparePause    = time.Second
	comparePauseMax = 5 * time.Minute
)

// ErrOlderCopy says that this node's database is an older copy of itself: what
// it would sign next, it has signed otherwise before.
var ErrOlderCopy = errors.New("this is an older copy of the node")

// comparison is how far a node that has just started has compared its log with
// what its peers hold of it. Until it is over, commits wait (R-OLD-1).
type comparison struct {
	over  chan struct{} // closed when signing may begin
	ended chan struct{} // closed when the node stops
	end   func()        // closes ended, once

	mu      sync.Mutex
	missing map[protocol.NodeID]bool // guarded by mu; peers that have not answered
	heard   map[protocol.NodeID]bool // guarded by mu; peers that have, those pinned since the start too
	changed *bell
}

// newComparison waits for nobody when there is no network or no peer.
func newComparison(peers []protocol.NodeID, network bool) *comparison {
	c := &comparison{over: make(chan struct{}), ended: make(chan struct{}), missing: map[protocol.NodeID]bool{}, heard: map[protocol.NodeID]bool{}, changed: newBell()}
	c.end = sync.OnceFunc(func() { close(c.ended) })
	if network {
		for _, p := range peers {
			c.missing[p] = true
		}
	}
	if len(c.missing) == 0 {
		close(c.over)
	}
	return c
}

// errNotCompared says that a node stopped before it could sign.
var errNotCompared = errors.New("this node stopped before it had compared its log with what its peers hold")

// wait returns when signing may begin, the node stops, or ctx ends.
func (c *comparison) wait(ctx context.Context) error {
	select {
	case <-c.over:
		return nil
	case <-c.ended:
		select {
		case <-c.over:
			return nil
		default:
			return errNotCompared
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waits reports whether signing may not begin yet.
func (c *comparison) waits() bool {
	select {
	case <-c.over:
		return false
	default:
		return true
	}
}

// answered notes that a peer has said what it holds.
func (c *comparison) answered(peer protocol.NodeID) {
	c.mu.Lock()
	delete(c.missing, peer)
	c.heard[peer] = true
	c.mu.Unlock()
	c.changed.ring()
}

func (c *comparison) count() (missing, heard int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.missing), len(c.heard)
}

// awaitOthers waits until every peer has answered, for compareGrace at most.
func (c *comparison) awaitOthers(ctx context.Context) {
	timer := time.NewTimer(compareGrace)
	defer timer.Stop()
	for {
		rung := c.changed.wait()
		if missing, _ := c.count(); missing == 0 {
			return
		}
		select {
		case <-rung:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// awaitPeers lets signing begin when all peers have answered; when one has, and
// the others had a moment to; or when none did until protocol.CompareWait is
// over, because peers that are away must not keep a node from working (I8).
func (g *Gateway) awaitPeers(ctx context.Context) {
	c := g.comparison
	if !c.waits() {
		return
	}
	began := time.Now()
	for {
		rung := c.changed.wait()
		missing, heard := c.count()
		left := protocol.CompareWait - time.Since(began)
		if heard > 0 {
			left = min(left, compareGrace-time.Since(began))
		}
		if missing == 0 || left <= 0 {
			if heard == 0 {
				g.Logger.Warn("no peer could be asked what it holds of this node's log: if this directory was restored from a backup, what is signed from now on may contradict what was signed before",
					"waited", protocol.CompareWait, "peers", missing)
			}
			close(c.over)
			g.adoptEarly(ctx)
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-rung:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// compare is the loop that asks the peer, until it has answered once, what it
// holds of this node's log. It goes on after signing has begun: a peer that was
// away may be the one that knows.
func (l *link) compare(ctx context.Context) {
	for wait := comparePause; ctx.Err() == nil; wait = min(2*wait, comparePauseMax) {
		rung := l.renewed.wait()
		err := l.compareOnce(ctx)
		if err == nil {
			l.g.comparison.answered(l.peer)
			return
		}
		if errors.Is(err, ErrOlderCopy) {
			l.g.seq.fail(err)
			l.g.comparison.answered(l.peer)
			l.g.comparison.awaitOthers(ctx) // what they show is for the next era, too
			l.g.seq.stop(err)
			return
		}
		l.logger().Debug("cannot ask what a peer holds of this node's log", "error", err)
		pauseUnless(ctx, rung, wait) // it has called
	}
}

const heldPath = "/v1/held"

// compareOnce asks the peer. ErrOlderCopy: it holds what this node has signed and
// does not have. nil: it does not. Any other error: it did not say.
func (l *link) compareOnce(ctx context.Context) error {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, data, err := l.call(call, http.MethodGet, heldPath, nil, protocol.MaxHello)
	if err != nil {
		return err
	}
	held, err := exchange.DecodeHeld(data)
	if err != nil {
		return err
	}
	return l.compareHeld(ctx, held)
}

// compareHeld looks whether the peer holds something of this node that this node
// has not: a record of its state, or a checkpoint of its log, also of a later era.
// ErrOlderCopy: it does, and that is stored.
func (l *link) compareHeld(ctx context.Context, held *exchange.Held) error {
	shown := store.Shown{Peer: l.peer}
	var why error
	newer := l.newerRecord(held)
	if newer != nil {
		shown.Record, why = held.Record, newerThan(l.g.Own, newer)
	}
	if held.Checkpoint != nil {
		note := []byte(*held.Checkpoint)
		// Read after the answer has come: what left this node before was committed.
		lost, err := l.g.lacks(ctx, note)
		if err != nil {
			return err
		}
		if lost == nil && newer != nil && newer.Record().Node.Log != l.g.Own.Record().Node.Log {
			lost = ofLaterLog(newer, note)
		}
		if lost != nil {
			shown.Note, why = note, cmp.Or(why, lost)
		}
	}
	if why == nil {
		return nil
	}
	return errors.Join(l.g.Store.NoteShown(context.WithoutCancel(ctx), shown), olderCopy(l.peer, why.Error()))
}

// ofLaterLog tells what is lost when a checkpoint is of the log that a newer own
// record names; nil: it is not.
func ofLaterLog(newer *record.State, note []byte) error {
	c, err := newer.LogVerifier().Checkpoint(note)
	if err != nil {
		return nil //nolint:nilerr // of another log, or a forgery: not this node's word
	}
	return fmt.Errorf("%s was signed there over %d leaves, and is not here", c.Origin, c.Size)
}

// compareNote looks whether a checkpoint of this node's log that the peer holds
// is one of its own past. ErrOlderCopy: it is not, and that is stored.
func (l *link) compareNote(ctx context.Context, note []byte) error {
	// Read after the answer has come: what left this node before was committed.
	lost, err := l.g.lacks(ctx, note)
	if err == nil && lost != nil {
		err = errors.Join(l.g.Store.NoteShown(context.WithoutCancel(ctx), store.Shown{Peer: l.peer, Note: note}), olderCopy(l.peer, lost.Error()))
	}
	return err
}

// newerRecord returns the record that the peer holds of this node's state, if that
// follows from this node's own and is one that this node has never seen; else nil.
func (l *link) newerRecord(held *exchange.Held) *record.State {
	own := l.g.Own
	theirs, err := record.Parse(held.Record.Document)
	if err != nil || theirs.State != own.Record().State || theirs.Sequence < own.Record().Sequence || held.Record.Digest() == own.Ref().Digest {
		return nil // what a peer says beside the point proves nothing
	}
	newer, err := record.Verify(held.Record, own)
	if err != nil {
		l.raise(fmt.Errorf("it holds a record %d of this node's own state that does not follow from record %d: %w", theirs.Sequence, own.Record().Sequence, err))
		return nil
	}
	return newer
}

func newerThan(own, newer *record.State) error {
	return fmt.Errorf("record %d of %s is there, and here record %d is the newest", newer.Record().Sequence, newer.Record().State, own.Record().Sequence)
}

// lacks tells what of a checkpoint of this node's own log the stored log does
// not contain; nil: it is one of its own past. A note that the log's keys did not
// sign says nothing.
func (g *Gateway) lacks(ctx context.Context, note []byte) (lost, err error) {
	c, err := g.Own.LogVerifier().Checkpoint(note)
	if err != nil {
		return nil, nil //nolint:nilerr // of another log, or a forgery: not this node's word
	}
	size, err := g.Store.Size(ctx)
	if err != nil {
		return nil, err
	}
	if c.Size > size {
		return fmt.Errorf("%s was signed there over %d leaves, and has %d here", c.Origin, c.Size, size), nil
	}
	var root merkle.Hash
	if root, err = g.Store.RootAt(ctx, c.Size); err != nil {
		return nil, err
	}
	if root != c.Root {
		return fmt.Errorf("%s was signed there over %d other leaves than are here", c.Origin, c.Size), nil
	}
	return nil, nil
}

func olderCopy(peer protocol.NodeID, why string) error {
	return fmt.Errorf("%w: %s shows it: %s; nothing is signed", ErrOlderCopy, peer, why)
}

// knownOlderCopy returns the error of a database of which a peer has shown before
// that it is an older copy; nil for others.
func (g *Gateway) knownOlderCopy(ctx context.Context) error {
	shown, err := g.Store.Shown(ctx)
	if err != nil {
		return err
	}
	for _, s := range shown {
		var lost error
		if s.Note != nil {
			if lost, err = g.lacks(ctx, s.Note); err != nil {
				return err
			}
		}
		if newer, err := s.NewerThan(g.Own); err != nil {
			return err
		} else if newer != nil {
			lost = newerThan(g.Own, newer)
		}
		if lost != nil {
			g.seq.stop(olderCopy(s.Peer, lost.Error()))
			return nil
		}
	}
	return nil
}

// serveHeld tells a peer what this node holds of it (R-OLD-2).
func (g *Gateway) serveHeld(w http.ResponseWriter, r *http.Request, l *link) {
	state, ok := g.book.node(l.peer)
	if !ok {
		answerProblem(w, http.StatusForbidden, "", "this key is not in a record pinned here")
		return
	}
	h := &exchange.Held{Record: state.Signed()}
	held := l.memory.hold() // the record is as large as the peer made it, and it may read slowly
	defer held.free()
	if err := held.grow(r.Context(), int64(len(h.Record.Document))); err != nil {
		g.answerError(w, r, l.peer, http.StatusTooManyRequests, err)
		return
	}
	_, note, err := g.Store.PeerCheckpoint(r.Context(), l.peer)
	if err == nil && note != nil {
		text := string(note)
		h.Checkpoint = &text
	}
	var body []byte
	if err == nil {
		body, err = exchange.EncodeHeld(h)
	}
	if err != nil {
		g.answerError(w, r, l.peer, http.StatusServiceUnavailable, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(body); err != nil {
		l.aloud().Info("an answer did not reach the peer", "path", r.URL.Path, "error", err)
	}
}
