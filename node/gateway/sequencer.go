package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/store"
)

// maxUnknown is how often a commit of unknown outcome is repeated before the
// node gives up: the store answers a repeat from its rows.
const maxUnknown = 3

// sequencer joins facts that arrive while a commit is under way into the next
// one, so that many parcels share one fsync and one signed checkpoint. It has a
// goroutine only while there is something to commit.
type sequencer struct {
	store *store.Gateway
	log   *merkle.Signer
	now   func() time.Time
	dated func() error                // refuses to date anything while the clock is in doubt
	ready func(context.Context) error // waits until this node may sign
	grown *bell                       // rings when something was committed

	mu     sync.Mutex
	queue  []*order                // guarded by mu; each order's caller waits, so it is as long as there are callers
	idle   chan struct{}           // guarded by mu; closed when the goroutine ends, nil without one
	failed error                   // guarded by mu; integrity failure, or locked keys: nothing is committed any more
	fatal  context.CancelCauseFunc // guarded by mu; nil outside Run
}

// gatherOrders lets more orders come before a commit when the one before was
// shared: then the node is busy, and each commit costs it a sync and two
// signatures. Whoever comes alone never waits, and MaxBatch orders wait no longer.
const gatherOrders = 3 * time.Millisecond

// order is the facts of one caller. They are committed together.
type order struct {
	facts    []store.Fact
	outcomes []store.Outcome
	err      error
	done     chan struct{} // closed when outcomes and err are final
}

func newSequencer(s *store.Gateway, log *merkle.Signer, now func() time.Time, dated func() error, ready func(context.Context) error) *sequencer {
	return &sequencer{store: s, log: log, now: now, dated: dated, ready: ready, grown: newBell()}
}

// stop lets nothing be committed any more: every caller gets err, and Run ends
// with it.
func (s *sequencer) stop(err error) {
	s.fail(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fatal != nil {
		s.fatal(s.failed)
	}
}

// fail lets nothing be committed any more, and Run go on until stop.
func (s *sequencer) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
}

// onFatal has f called on an integrity failure, also on one from before.
func (s *sequencer) onFatal(f context.CancelCauseFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fatal = f; f != nil && s.failed != nil {
		f(s.failed)
	}
}

// wait returns when nothing is being committed.
func (s *sequencer) wait() {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	if idle != nil {
		<-idle
	}
}

// commit stores facts durably and returns what became of each. Only after it
// returned without error may anything about them leave the process (R-EVID-4).
// A caller that gives up takes its facts back; once they are being committed it
// must wait, because they may refer to its spool.
func (s *sequencer) commit(ctx context.Context, facts ...store.Fact) ([]store.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.mayCommit(ctx); err != nil {
		return nil, err
	}
	o := &order{facts: facts, done: make(chan struct{})}
	s.mu.Lock()
	if s.failed != nil {
		defer s.mu.Unlock()
		return nil, s.failed
	}
	s.queue = append(s.queue, o)
	if s.idle == nil {
		s.idle = make(chan struct{})
		go s.lead(s.idle)
	}
	s.mu.Unlock()
	select {
	case <-o.done:
	case <-ctx.Done():
		if s.takeBack(o) {
			return nil, ctx.Err()
		}
		<-o.done
	}
	return o.outcomes, o.err
}

// mayCommit waits until this node may sign. A failed one never may.
func (s *sequencer) mayCommit(ctx context.Context) error {
	if err := s.failure(); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return cmp.Or(s.failure(), err)
	}
	return s.failure() // meanwhile a peer may have shown that this is an older copy
}

func (s *sequencer) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// takeBack removes an order from the queue; it reports false when it is too late.
func (s *sequencer) takeBack(o *order) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.queue)
	s.queue = slices.DeleteFunc(s.queue, func(other *order) bool { return other == o })
	return len(s.queue) < before
}

// lead works off the queue until it is empty.
func (s *sequencer) lead(idle chan struct{}) {
	defer close(idle)
	for {
		batch, facts, err := s.take()
		if len(batch) == 0 {
			return
		}
		var outcomes []store.Outcome
		if err == nil {
			outcomes, err = s.commitBatch(facts)
			s.grown.ring()
		}
		for _, o := range batch {
			if err == nil {
				o.outcomes, outcomes = outcomes[:len(o.facts)], outcomes[len(o.facts):]
			}
			o.err = err
			close(o.done)
		}
		if len(batch) > 1 && !s.full() {
			time.Sleep(gatherOrders)
		}
	}
}

// full reports whether as many orders wait as one commit may take.
func (s *sequencer) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) >= protocol.MaxBatch
}

// take removes the next batch from the queue. With an empty one it also ends
// the goroutine's term, so that the next commit starts another. After an
// integrity failure it hands out what waits, to be answered with that error.
func (s *sequencer) take() (batch []*order, facts []store.Fact, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 && (len(batch) == 0 || len(facts)+len(s.queue[0].facts) <= protocol.MaxBatch) {
		batch = append(batch, s.queue[0])
		facts = append(facts, s.queue[0].facts...)
		s.queue[0], s.queue = nil, s.queue[1:]
	}
	if len(batch) == 0 {
		s.queue, s.idle = nil, nil
	}
	return batch, facts, s.failed
}

// commitBatch commits one batch. A commit of unknown outcome is repeated with
// the same facts. When it stays unknown, or the store finds itself inconsistent,
// the clock behind it, or another process or database in its place, nothing is
// signed any more. A clock that was set back under the running node is waited for
// (R-TIME-1). A full disk is only trouble: the engine says so before the commit took
// effect, and whoever asked comes back and is answered from the rows.
func (s *sequencer) commitBatch(facts []store.Fact) ([]store.Outcome, error) {
	var err error
	for range maxUnknown {
		var outcomes []store.Outcome
		// Not a caller's context: other callers share this commit.
		outcomes, err = s.store.Commit(context.Background(), facts, s.sign)
		if err == nil {
			return outcomes, nil
		}
		if !errors.Is(err, store.ErrUnknownOutcome) || store.IsFull(err) {
			break
		}
	}
	if errors.Is(err, store.ErrClock) {
		if doubt := s.dated(); doubt != nil {
			return nil, doubt
		}
	}
	unknown := errors.Is(err, store.ErrUnknownOutcome) && !store.IsFull(err)
	if unknown || store.IsBroken(err) {
		err = fmt.Errorf("commit to the log: %w", err)
		s.stop(err)
	}
	return nil, err
}

func (s *sequencer) sign(size int64, root merkle.Hash) ([]byte, error) {
	if err := s.dated(); err != nil {
		return nil, err
	}
	return s.log.Checkpoint(size, root, s.now())
}
