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
		a.Skew = 40 * 24 * time.Hour // past the letter's expiry, by its own clock
		a.Start()
		b.Start()
		w.Pass(2 * time.Hour)
		w.Check()
		if s := w.Status(w.sent[0].Key); s != exchange.StatusQueued {
			w.T.Fatalf("the sender's clock is ahead: %s", s)
		}
		a.Stop()
		a.Skew = 0
		a.Start()
		w.Await(2*time.Hour, Delivered)

		b.Skew = 40 * 24 * time.Hour // steps while B runs
		a.Send(Letter{To: []*Host{b}, Size: 300})
		w.Pass(time.Hour)
		w.Check()
		if s := w.Status(w.sent[1].Key); s != exchange.StatusQueued {
			w.T.Fatalf("the recipient's clock is ahead: %s", s)
		}
		b.Skew = 0
		w.Await(2*time.Hour, Delivered)
	})
}
