package federation

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"time"
)

// Nudge says that something which is held may be out of date, such as the keys of a peer
// that shows others: the mirrors are asked soon, and not again within refreshSoon. It
// returns at once (R-FED-8), and does nothing where no federation is followed.
func (f *Follower) Nudge() {
	select {
	case f.nudged <- struct{}{}:
	default:
	}
}

// Run refreshes until ctx ends. It returns nil, whatever was found.
func (f *Follower) Run(ctx context.Context) error {
	for _, a := range f.Standing().Alarms {
		if a.Kind == OwnFault {
			f.log(a)
		}
	}
	select {
	case <-f.joined:
	case <-ctx.Done():
		return nil
	}
	begun := time.Now()
	last := begun.Add(-min(f.rested(), refreshSoon)) // when the mirrors were asked, by the timers' clock
	for next := soonest(begun, last); ; {
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
			wait := refreshSoon
			if err := f.Refresh(ctx); err == nil && f.reached() {
				wait = refreshEvery
			}
			last = time.Now()
			next = last.Add(spread(wait))
		case <-f.nudged:
			if sooner := soonest(time.Now(), last); sooner.Before(next) {
				next = sooner
			}
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

// soonest is when the mirrors may be asked, in seconds but not within refreshSoon of the
// last time.
func soonest(now, last time.Time) time.Time {
	if free := last.Add(refreshSoon); free.After(now) {
		now = free
	}
	return now.Add(spread(refreshNow))
}

// spread returns half to one and a half times d.
func spread(d time.Duration) time.Duration {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return d/2 + time.Duration(binary.LittleEndian.Uint64(b[:])%uint64(d))
}

// rested is for how long the mirrors have not been asked; refreshSoon where that is not
// known, as after the clock was set back.
func (f *Follower) rested() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	age := f.cfg.Now().Sub(f.asked)
	if f.asked.IsZero() || age < 0 {
		return refreshSoon
	}
	return age
}

const (
	askedFile = "asked"
	maxAsked  = 64
)

// readAsked is when the mirrors were asked last, also by a process before this one; zero
// where nothing tells.
func readAsked(dir string) time.Time {
	data, err := folder(dir).read(askedFile, maxAsked)
	if err != nil {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, string(data))
	if err != nil {
		return time.Time{}
	}
	return at
}

// noteAsked keeps when the mirrors were asked. Where it cannot, they are asked sooner
// after the next start, and that is all.
func (f *Follower) noteAsked(at time.Time) {
	if err := folder(f.cfg.Dir).put(askedFile, []byte(at.UTC().Format(time.RFC3339))); err != nil {
		f.cfg.Logger.Warn("when the mirrors of the directory were asked is not noted", "error", err)
	}
}
