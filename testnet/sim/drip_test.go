package sim

import (
	"testing"
	"time"

	"comity/protocol"
)

// I1: a line that lets a few bytes through at a time brings a letter across, and
// keeps nothing from a peer whose line is good (R-XCH-6).
func TestASlowDrip(t *testing.T) {
	Run(t, 40, []protocol.NodeID{"xa", "xb", "xc"}, func(w *World) {
		a, b, c := w.Host("xa"), w.Host("xb"), w.Host("xc")
		w.Net.Drip(b, 3000)
		a.Send(Letter{To: []*Host{b}, Size: 100_000})
		w.Pass(time.Second)
		a.Send(Letter{To: []*Host{c}, Size: 100_000})
		w.Pass(5 * time.Second)
		if s := w.Status(w.sent[1].Key); !Delivered(s) {
			t.Errorf("the letter over the good line is %s", s)
		}
		w.AwaitHandover(24 * time.Hour)
		if w.Tally.Of(Drip) == 0 {
			t.Error("nothing dripped")
		}
	})
}

// I1, I2: either end is killed in mid-upload, again and again; the bodies of some
// MiB arrive once.
func TestKilledInMidUpload(t *testing.T) {
	Run(t, 41, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		for range 6 {
			w.killInUpload(a, b)
			w.Check()
			w.AwaitHandover(6 * time.Hour)
		}
		if n := w.Tally.Of(KilledInUpload); n < 4 {
			t.Errorf("%d of 6 uploads were cut", n)
		}
	})
}
