package office

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"comity/protocol/exchange"
	"comity/store"
)

const (
	// pauseBase and pauseCap bound the waits between repeats of what failed. The
	// gateway is near, and its trouble is ours: the waits are short.
	pauseBase = time.Second
	pauseCap  = 5 * time.Minute
	// sweepEvery is how often sealed bytes that nobody needs are deleted, as at the node.
	sweepEvery = time.Hour
)

// Run takes in what arrives and repeats what was interrupted, until ctx ends;
// then it returns when everything that it started has stopped. An integrity
// failure of the store ends it with an error. A locked office takes nothing in.
func (o *Office) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	parts := []func(context.Context) error{o.receive, o.repair, o.remember}
	if o.locked != nil {
		parts = parts[1:] // what arrives waits: nobody here could open it
	}
	for _, part := range parts {
		wg.Go(func() {
			if err := part(ctx); err != nil {
				cancel(err)
			}
		})
	}
	wg.Go(func() { o.tidy(ctx) })
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// tidy is the loop that deletes sealed bytes that nobody needs: first what an earlier
// run left, then what this one leaves. It begins once the node may sign and so is no
// older copy of itself, where what has no row may be all that the newer one has.
// Otherwise all stays until the next start.
func (o *Office) tidy(ctx context.Context) {
	if o.gateway.MayDate(ctx) != nil {
		return
	}
	if err := o.store.RemoveOrphans(ctx); err != nil && ctx.Err() == nil {
		o.log.Error("cannot remove what an earlier run left of sealed bytes", "error", err)
	}
	for ctx.Err() == nil {
		o.sweep(ctx)
		timer := time.NewTimer(sweepEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// sweep deletes sealed bytes that no message needs, such as those of a parcel that was
// refused after it had come.
func (o *Office) sweep(ctx context.Context) {
	for n := 1; n > 0 && ctx.Err() == nil; {
		var err error
		if n, err = o.store.Sweep(ctx, 0); err != nil && ctx.Err() == nil {
			o.log.Error("cannot delete sealed bytes", "error", err)
		}
	}
}

// broken reports whether an error says that the store must not be used any more.
func broken(err error) bool {
	return store.IsBroken(err)
}

// backoff is full jitter over a floor, so that no failure spins.
func backoff(attempts int) time.Duration {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	random := float64(binary.BigEndian.Uint64(b[:])>>11) / (1 << 53)
	return pauseBase/4 + exchange.Backoff(attempts, pauseBase, pauseCap, random)
}
