package store

import (
	"context"
	"errors"
	"sync"
)

// maxGroup bounds the writes of one transaction: who comes later waits for it.
const maxGroup = 64

// group joins writes that come while a transaction is under way into the next
// one, so that many share one sync of the disk. It has no goroutine: of those
// who wait, the first one does the work of all. A write that comes alone is a
// transaction of its own, exactly as without a group.
type group struct {
	d *database

	mu    sync.Mutex
	queue []*groupWrite // guarded by mu; each one's caller waits, so it is as long as there are callers
	led   bool          // guarded by mu; somebody works the queue off
}

// groupWrite is one caller's part of a transaction.
type groupWrite struct {
	ctx   context.Context // the caller waits: it lives no longer than the call
	f     func(context.Context, *tx) error
	err   error
	leads bool          // the caller's turn to do the work
	turn  chan struct{} // closed when err or leads is final
}

// errAbandoned is the answer to those whose leader panicked.
var errAbandoned = errors.New("the transaction was given up")

// write runs f in a transaction that it may share with others, each in its own
// savepoint: a bad one never fails the others. It returns when all is durable.
// f may be run a second time after the first was undone. Errors and ctx are as
// with database.write.
func (g *group) write(ctx context.Context, f func(context.Context, *tx) error) error {
	w := &groupWrite{ctx: ctx, f: f, turn: make(chan struct{})}
	g.mu.Lock()
	g.queue = append(g.queue, w)
	w.leads = !g.led
	g.led = true
	follows := !w.leads
	g.mu.Unlock()
	if follows {
		<-w.turn
	}
	if w.leads {
		g.lead()
	}
	return w.err
}

// lead commits what waits, the caller's own first, and passes the turn on.
func (g *group) lead() {
	g.mu.Lock()
	n := min(len(g.queue), maxGroup)
	batch := g.queue[:n:n]
	g.queue = g.queue[n:]
	g.mu.Unlock()
	for _, w := range batch {
		w.err = errAbandoned
	}
	defer func() {
		for _, w := range batch[1:] {
			close(w.turn)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.queue) == 0 {
			g.queue, g.led = nil, false
			return
		}
		g.queue[0].leads = true
		close(g.queue[0].turn)
	}()
	if len(batch) > 1 && g.together(batch) {
		return
	}
	for _, w := range batch {
		w.err = g.d.write(w.ctx, w.f)
	}
}

// together commits a batch in one transaction. It reports false when nothing
// was written, because of an error that does not concern one write only: then
// each is tried alone and gets its own answer.
func (g *group) together(batch []*groupWrite) bool {
	err := g.d.write(context.Background(), func(ctx context.Context, t *tx) error {
		for _, w := range batch {
			if w.err = w.ctx.Err(); w.err != nil {
				continue
			}
			if w.err = t.apart(ctx, w.f); w.err != nil && !failsAlone(w.err) {
				return w.err
			}
		}
		return nil
	})
	if errors.Is(err, ErrUnknownOutcome) {
		for _, w := range batch {
			if w.err == nil {
				w.err = err
			}
		}
		return true
	}
	return err == nil
}

// apart runs f in a savepoint and undoes it when it fails.
func (t *tx) apart(ctx context.Context, f func(context.Context, *tx) error) error {
	if _, err := t.exec(ctx, "SAVEPOINT part"); err != nil {
		return err
	}
	before := t.head
	err := f(ctx, t)
	if err != nil {
		t.head = before
		if _, undo := t.exec(ctx, "ROLLBACK TO SAVEPOINT part"); undo != nil {
			return &brokenTx{fact: err, undo: undo}
		}
	}
	if _, release := t.exec(ctx, "RELEASE SAVEPOINT part"); release != nil {
		return &brokenTx{fact: err, undo: release}
	}
	return err
}
