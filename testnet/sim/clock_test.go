package sim

import (
	"testing"
	"time"

	"comity/protocol/exchange"
)

// R-EVID-9, R-EVID-8: a clock that is weeks ahead decides nothing, neither that a
// parcel was not accepted in time nor that it came too late.
func TestAClockWeeksAheadDecidesNothing(t *testing.T) {
	Run(t, 10, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		b.Stop()
		a.Send(Letter{To: []*Host{b}, Size: 300})
		a.Stop()
		a.SetClock(40 * 24 * time.Hour) // past the letter's expiry, by its own clock
		a.Start()
		b.Start()
		w.Pass(2 * time.Hour)
		w.Check()
		if s := w.Status(w.sent[0].Key); s != exchange.StatusQueued {
			w.T.Fatalf("the sender's clock is ahead: %s", s)
		}
		a.Stop()
		a.SetClock(0)
		a.Start()
		w.Await(2*time.Hour, Delivered)

		b.SetClock(40 * 24 * time.Hour) // steps while B runs
		a.Send(Letter{To: []*Host{b}, Size: 300})
		w.Pass(time.Hour)
		w.Check()
		if s := w.Status(w.sent[1].Key); s != exchange.StatusQueued {
			w.T.Fatalf("the recipient's clock is ahead: %s", s)
		}
		b.SetClock(0)
		w.Await(2*time.Hour, Delivered)
	})
}

// I1, R-EVID-9: a clock that is wrong by an hour or a year for a while, ahead or
// behind, at either end, refuses nothing and fails nothing. When it is right
// again, all that was written meanwhile arrives.
func TestAClockWrongByAnHourOrAYear(t *testing.T) {
	const year = 366 * 24 * time.Hour
	for i, skew := range []time.Duration{time.Hour, -time.Hour, year, -year} {
		for j, id := range pair {
			t.Run(skew.String()+" at "+string(id), func(t *testing.T) {
				Run(t, uint64(50+10*i+j), pair, func(w *World) {
					a, b := w.Host("xa"), w.Host("xb")
					wrong := w.Host(id)
					w.Net.Jitter(time.Second)
					a.Send(Letter{To: []*Host{b}, Size: 1000}) // on its way at the step
					w.Pass(time.Duration(w.Rand.IntN(3000)) * time.Millisecond)
					wrong.SetClock(skew)
					for range 3 {
						a.Try(Letter{To: []*Host{b}, Size: 1000})
						b.Try(Letter{To: []*Host{a}, Size: 1000})
						w.Pass(10 * time.Minute)
						w.Check()
					}
					wrong.SetClock(0)
					w.AwaitHandover(6 * time.Hour)
				})
			})
		}
	}
}

// R-ENV-9: a node that was started with its clock ahead has shown checkpoints
// dated too late. No envelope may rest on one: it could never be accepted.
func TestAPeerStartedWithItsClockAhead(t *testing.T) {
	Run(t, 90, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		b.Stop()
		b.SetClock(time.Hour)
		b.Start()
		b.Try(Letter{To: []*Host{a}, Size: 1000}) // signs a checkpoint
		w.Pass(10 * time.Minute)
		a.Try(Letter{To: []*Host{b}, Size: 1000})
		w.Pass(time.Minute)
		b.SetClock(0)
		w.Pass(time.Minute)
		a.Try(Letter{To: []*Host{b}, Size: 1000})
		w.AwaitHandover(6 * time.Hour)
	})
}
