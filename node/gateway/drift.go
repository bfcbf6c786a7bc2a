package gateway

import (
	"context"
	"time"

	"comity/protocol"
)

const (
	// driftEvery is how often a peer's clock is noted: hellos come more often, and
	// each note is a commit.
	driftEvery = 10 * time.Minute
	// driftSoonest is the same for a clock that has just gone wrong, or right.
	driftSoonest = time.Minute
)

// drift gathers what was seen of a peer's clock since it was last noted. At a
// crash that much is lost, which no decision rests on.
type drift struct {
	least, most time.Duration
	some        bool      // something was seen since
	noted       time.Time // zero: nothing was noted yet
	wrong       bool      // when it was noted, it was beyond the skew
}

// see takes in one offset and reports whether it is time to note what was seen.
func (d *drift) see(offset time.Duration, now time.Time) bool {
	if !d.some {
		d.least, d.most, d.some = offset, offset, true
	}
	d.least, d.most = min(d.least, offset), max(d.most, offset)
	since := now.Sub(d.noted)
	turned := d.wrong != (offset.Abs() > protocol.MaxSkew)
	return d.noted.IsZero() || since >= driftEvery || turned && since >= driftSoonest
}

// noteClock keeps how far the peer's clock stands from ours, for the report of
// exceptions. Trouble is logged and stops nothing.
func (l *link) noteClock(ctx context.Context, offset time.Duration) {
	l.mu.Lock()
	due := l.drift.see(offset, time.Now())
	seen := l.drift
	if due {
		l.drift = drift{noted: time.Now(), wrong: offset.Abs() > protocol.MaxSkew}
	}
	l.mu.Unlock()
	if !due {
		return
	}
	if err := l.g.Store.NoteClock(ctx, l.peer, seen.least, seen.most, offset); err != nil && ctx.Err() == nil {
		l.logger().Error("cannot note the peer's clock", "error", err)
	}
}
