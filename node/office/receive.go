package office

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"comity/protocol"
	"comity/protocol/exchange"
)

const (
	// maxTaking is how many parcels are verified at once.
	maxTaking = 8
	// maxLargeTaking is how many of them may be large, so that a few huge
	// parcels never hold up the small ones behind them.
	maxLargeTaking = 2
	largeParcel    = 64 << 20
)

// Taking is a parcel whose verification is under way.
type Taking struct {
	Key  protocol.Key
	Size int64 // of the sealed bytes
	// Done of Total bytes of its files are read; zero while it is being opened.
	Done, Total int64
}

// taking is one at work.
type taking struct {
	key         protocol.Key
	size        int64
	done, total atomic.Int64
}

// intake is what is at work, for people to see.
type intake struct {
	mu    sync.Mutex
	tasks map[protocol.Key]*taking // guarded by mu
}

// TakingIn returns the parcels that are being verified now, in no order.
func (o *Office) TakingIn() []Taking {
	o.intake.mu.Lock()
	defer o.intake.mu.Unlock()
	var all []Taking
	for _, t := range o.intake.tasks {
		all = append(all, Taking{Key: t.key, Size: t.size, Done: t.done.Load(), Total: t.total.Load()})
	}
	return all
}

func (o *Office) begin(c exchange.Consignment) *taking {
	t := &taking{key: c.Key, size: c.Parsed.Sealed.Size}
	o.intake.mu.Lock()
	defer o.intake.mu.Unlock()
	if o.intake.tasks == nil {
		o.intake.tasks = map[protocol.Key]*taking{}
	}
	o.intake.tasks[c.Key] = t
	return t
}

func (o *Office) end(t *taking) {
	o.intake.mu.Lock()
	defer o.intake.mu.Unlock()
	delete(o.intake.tasks, t.key)
}

// receiver is the state of one run of receive; its goroutine alone uses it.
type receiver struct {
	*Office
	queue   []exchange.Consignment
	busy    map[protocol.Key]bool // at work; true for a large one
	large   int
	later   map[protocol.Key]pause
	results chan result
}

// pause is when a parcel that could not be taken in is tried again.
type pause struct {
	attempts int
	until    time.Time // zero while it is in the queue or at work
}

type result struct {
	key protocol.Key
	err error
}

// receive asks the gateway for what waits and has it taken in by a few at once.
func (o *Office) receive(ctx context.Context) error {
	r := &receiver{Office: o, busy: map[protocol.Key]bool{}, later: map[protocol.Key]pause{}, results: make(chan result, maxTaking)}
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

// ask fills the queue with what waits, is not at work and not paused.
func (r *receiver) ask(ctx context.Context) error {
	waiting, err := r.gateway.Consign(ctx, r.authority, r.consignee)
	if err != nil {
		return err
	}
	r.queue = r.queue[:0]
	now, later := time.Now(), map[protocol.Key]pause{}
	for _, c := range waiting {
		p := r.later[c.Key]
		if _, busy := r.busy[c.Key]; !busy && !now.Before(p.until) {
			r.queue = append(r.queue, c)
			p.until = time.Time{}
		}
		if p.attempts > 0 {
			later[c.Key] = p
		}
	}
	r.later = later // without those that no longer wait
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
		r.busy[c.Key] = large
		if large {
			r.large++
		}
		t := r.begin(c)
		wg.Go(func() {
			defer r.end(t)
			r.results <- result{c.Key, r.takeIn(ctx, c, func(done, total int64) {
				t.done.Store(done)
				t.total.Store(total)
			})}
		})
	}
	r.queue = rest
}

// wait sleeps until there is something to do: again says that the queue goes
// on, otherwise the gateway is to be asked again. most bounds the wait; negative
// means no bound.
func (r *receiver) wait(ctx context.Context, arrived <-chan struct{}, most time.Duration) (again bool, err error) {
	for _, p := range r.later {
		if d := max(time.Until(p.until), 0); !p.until.IsZero() && (most < 0 || d < most) {
			most = d
		}
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
		return len(r.queue) > 0, r.finish(ctx, done)
	}
	return false, nil
}

// finish notes what became of one parcel. One that was taken in is paused too:
// should the gateway still list it, it is filed again, but not at full speed.
func (r *receiver) finish(ctx context.Context, done result) error {
	if r.busy[done.key] {
		r.large--
	}
	delete(r.busy, done.key)
	p := r.later[done.key]
	r.later[done.key] = pause{p.attempts + 1, time.Now().Add(backoff(p.attempts))}
	switch {
	case broken(done.err):
		return done.err
	case done.err != nil && ctx.Err() == nil:
		r.log.Warn("cannot take in a parcel now", "transmission", done.key.String(), "attempt", p.attempts+1, "error", done.err)
	}
	return nil
}
