package office

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"comity/protocol"
	"comity/protocol/exchange"
)

const (
	// maxTaking is how many parcels are taken in at once. Most of that time a
	// small one waits for a commit, and those that wait together share it.
	maxTaking = 32
	// maxLargeTaking is how many of them may be large, so that a few huge
	// parcels never hold up the small ones behind them.
	maxLargeTaking = 2
	// maxQueue is how many more are consigned ahead, so that many share a commit.
	maxQueue    = 64
	largeParcel = 64 << 20
)

// receiver is the state of one run of receive; its goroutine alone uses it.
type receiver struct {
	*Office
	queue   []exchange.Consignment // consigned and not begun, urgent ones first
	queued  map[protocol.Key]bool  // those in queue
	busy    map[protocol.Key]bool  // at work; true for a large one
	large   int
	more    bool // the gateway may have more than it was asked for
	later   map[protocol.Key]pause
	results chan result
}

// pause is when a parcel that was at work is tried again, if it still waits.
type pause struct {
	attempts int
	until    time.Time
	// taken says that it was taken in. Should the gateway still list it, it is
	// filed again, but not at full speed, and nobody waits for that.
	taken bool
}

type result struct {
	key protocol.Key
	err error
}

// receive asks the gateway for what waits and has it taken in by a few at once.
func (o *Office) receive(ctx context.Context) error {
	r := &receiver{
		Office: o, queued: map[protocol.Key]bool{}, busy: map[protocol.Key]bool{}, later: map[protocol.Key]pause{},
		results: make(chan result, maxTaking),
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	failures := 0
	for ctx.Err() == nil {
		arrived := o.gateway.Arrivals(o.authority) // before the question, so that nothing slips between
		wait := time.Duration(-1)
		switch err := r.ask(ctx); {
		case broken(err):
			return err
		case err != nil && ctx.Err() == nil:
			o.log.Warn("cannot ask the gateway for parcels", "error", err)
			wait = backoff(failures)
			failures++
		default:
			failures = 0
		}
		for again := true; again && ctx.Err() == nil; {
			r.start(ctx, &wg)
			var err error
			if again, err = r.wait(ctx, arrived, wait); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask adds to the queue what waits, is not here already and not paused.
func (r *receiver) ask(ctx context.Context) error {
	limit := maxQueue - len(r.queue)
	now := time.Now()
	waiting, err := r.gateway.Consign(ctx, r.authority, r.consignee, func(k protocol.Key) bool {
		_, busy := r.busy[k]
		return busy || r.queued[k] || now.Before(r.later[k].until)
	}, limit)
	if err != nil {
		return err
	}
	for _, c := range waiting {
		r.queued[c.Key] = true
	}
	r.queue = append(r.queue, waiting...)
	slices.SortStableFunc(r.queue, func(a, b exchange.Consignment) int {
		return a.Parsed.Priority.Rank() - b.Parsed.Priority.Rank()
	})
	if r.more = len(waiting) == limit; r.more {
		return nil
	}
	// That was all: what was due and did not come no longer waits.
	maps.DeleteFunc(r.later, func(k protocol.Key, p pause) bool {
		_, busy := r.busy[k]
		return !busy && !r.queued[k] && !now.Before(p.until)
	})
	return nil
}

// start takes as many from the queue as may be at work at once, in its order.
func (r *receiver) start(ctx context.Context, wg *sync.WaitGroup) {
	rest := r.queue[:0]
	for _, c := range r.queue {
		large := c.Parsed.Sealed.Size >= largeParcel
		if len(r.busy) >= maxTaking || large && r.large >= maxLargeTaking {
			rest = append(rest, c)
			continue
		}
		delete(r.queued, c.Key)
		r.busy[c.Key] = large
		if large {
			r.large++
		}
		wg.Go(func() { r.results <- result{c.Key, r.takeIn(ctx, c)} })
	}
	clear(r.queue[len(rest):]) // so that the memory of what was begun is given back
	r.queue = rest
}

// wait sleeps until there is something to do: again says that the queue goes
// on, otherwise the gateway is to be asked again. most bounds the wait after a
// failed question; negative means no bound.
func (r *receiver) wait(ctx context.Context, arrived <-chan struct{}, most time.Duration) (again bool, err error) {
	if len(r.busy) >= maxTaking || len(r.queue) >= maxQueue {
		// Nothing more could be begun. What arrives meanwhile is asked for at
		// once, and so is consigned in one commit.
		arrived, most = nil, -1
	} else if most < 0 {
		most = r.nextPause()
	}
	var alarm <-chan time.Time
	if most >= 0 {
		timer := time.NewTimer(most)
		defer timer.Stop()
		alarm = timer.C
	}
	select {
	case <-ctx.Done():
	case <-arrived:
	case <-alarm:
	case done := <-r.results:
		return len(r.queue) > 0 || !r.more, r.finish(ctx, done)
	}
	return false, nil
}

// nextPause is how long until a paused parcel is due; negative without one.
func (r *receiver) nextPause() time.Duration {
	next := time.Duration(-1)
	for k, p := range r.later {
		if _, busy := r.busy[k]; busy || p.taken || r.queued[k] {
			continue
		}
		if d := max(time.Until(p.until), 0); next < 0 || d < next {
			next = d
		}
	}
	return next
}

// finish notes what became of one parcel.
func (r *receiver) finish(ctx context.Context, done result) error {
	if r.busy[done.key] {
		r.large--
	}
	delete(r.busy, done.key)
	p := r.later[done.key]
	r.later[done.key] = pause{p.attempts + 1, time.Now().Add(backoff(p.attempts)), done.err == nil}
	switch {
	case broken(done.err):
		return done.err
	case done.err != nil && ctx.Err() == nil:
		r.log.Warn("cannot take in a parcel now", "transmission", done.key.String(), "attempt", p.attempts+1, "error", done.err)
	}
	return nil
}
