package gateway

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/store"
)

const (
	// heardAttempts bounds the pause of parcels for a peer that gives signs of
	// life: half a minute at most, however often it was tried before (R-XCH-2).
	heardAttempts = 4
	// failPause is when to try again what this node itself could not do.
	failPause = time.Minute
)

// tryLater turns a failed attempt into the event that it is and stores when to
// come back (R-XCH-1).
func (l *link) tryLater(ctx context.Context, row store.Outbound, why error) {
	var event exchange.Event = exchange.Unreachable{}
	var rest *resting
	if errors.As(why, &rest) {
		event = exchange.Busy{After: rest.after}
	} else if p := asksToWait(why); p != nil {
		event = exchange.Busy{After: p.retryAfter}
	}
	from := row.Outgoing()
	var broke *brokeOff
	switch {
	case errors.As(why, &broke) && l.forward(row.Key, broke):
		from.Attempts = 0
	case l.hearing():
		from.Attempts = min(from.Attempts, heardAttempts)
	}
	o, actions := from.Step(event, l.g.Now(), uniform())
	if rest != nil {
		o.Attempts = row.Attempts // it was not tried
	}
	l.logger().Info("a delivery was put off", "parcel", row.Key.Parcel, "to", row.Key.To, "attempt", o.Attempts, "next", o.Next, "error", why)
	for _, a := range actions {
		f, ok := a.(exchange.Fail)
		if !ok {
			continue
		}
		err := l.g.certain()
		if err == nil {
			err = l.fail(ctx, row, f)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		l.logger().Error("cannot issue a RelayFailure", "parcel", row.Key.Parcel, "error", err)
		o.Next = l.g.Now().Add(failPause)
		why = err
	}
	attempt := attemptOf(row, o, l.excuse(&row, why))
	attempt.Failed, attempt.BrokeOff = rest == nil, broke != nil && broke.sent > 0
	l.remember(ctx, attempt)
}

// attemptOf is what an attempt left behind of a row that is o now.
func attemptOf(row store.Outbound, o exchange.Outgoing, why string) store.Attempt {
	return store.Attempt{Key: row.Key, Offered: row.Offered, Attempts: o.Attempts, Next: o.Next, Error: why, Withdrawn: row.Outgoing().Withdrawn}
}

// remember stores it. A row that was settled meanwhile stays so.
func (l *link) remember(ctx context.Context, attempt store.Attempt) {
	if err := l.g.Store.Reschedule(ctx, attempt); err != nil && ctx.Err() == nil {
		l.logger().Error("cannot store an attempt", "parcel", attempt.Key.Parcel, "error", err)
		// The row is still due, and its attempts cannot be counted: without a
		// pause, its bytes would go out again and again while the disk is full.
		pause(ctx, failPause)
	}
}

// fail issues the one RelayFailure. Evidence that arrived meanwhile wins: the
// row must still be queued.
func (l *link) fail(ctx context.Context, row store.Outbound, f exchange.Fail) error {
	env, err := envelope.Parse(row.Envelope.Document)
	if err != nil {
		return err
	}
	ev, err := l.g.issue(env, row.Envelope.Ref(), evidence.RelayFailure, because(f.Code, f.Text))
	if err != nil {
		return err
	}
	outcomes, err := l.g.seq.commit(ctx, store.FileEvidence{
		Key: row.Key, Evidence: ev, Expect: []exchange.State{exchange.Queued}, Release: true,
	})
	if err != nil {
		return err
	}
	var settled *store.StateError
	if err := outcomes[0].Err; errors.As(err, &settled) || protocol.CodeOf(err) == protocol.Equivocation {
		return nil // a RelayFailure is issued once
	} else if err != nil {
		return err
	}
	l.logger().Warn("a parcel was not accepted in time", "parcel", row.Key.Parcel, "to", row.Key.To, "code", f.Code)
	l.g.changes.ring()
	return nil
}

// uniform returns a number in [0,1) that spreads the retries of many parcels.
func uniform() float64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return float64(binary.BigEndian.Uint64(b[:])>>11) / (1 << 53)
}
