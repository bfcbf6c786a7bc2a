package sim

import (
	"testing"
	"time"

	"comity/protocol/exchange"
)

// I1, I3: a disk that is full at either end, for an hour, loses nothing, and costs
// neither a loop of retries nor the peer's patience.
func TestAFullDiskForAnHour(t *testing.T) {
	Run(t, 30, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		for _, full := range []*Host{a, b} {
			w.Net.Part(a, b)
			for range 3 {
				a.Send(Letter{To: []*Host{b}, Size: 100_000})
			}
			before := w.Tally.Of(DiskFull)
			full.disk.Fill(true)
			w.Net.Heal()
			w.Pass(time.Hour)
			w.Check()
			switch n := w.Tally.Of(DiskFull) - before; {
			case n == 0:
				t.Errorf("the disk of %s was full for an hour and nobody noticed", full.Node)
			case n > 60*3*4: // four failed writes for each letter and minute
				t.Errorf("the disk of %s was full for an hour and was written to %d times", full.Node, n)
			}
			full.disk.Fill(false)
			w.AwaitHandover(3 * time.Hour)
		}
	})
}

// I3: what a receipt promises survives a power cut, its name in the folder
// included: nothing that was promised rests on bytes that were not synced.
func TestAPowerCutAfterTheReceipt(t *testing.T) {
	Run(t, 31, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		for range 4 {
			a.Send(Letter{To: []*Host{b}, Size: 200_000})
			b.Send(Letter{To: []*Host{a}, Size: 100_000})
			for range 40 { // the moment at which the last receipt has come
				if w.Pass(25 * time.Millisecond); w.Status(w.sent[len(w.sent)-1].Key) != exchange.StatusQueued {
					break
				}
			}
			a.Kill(KilledIdle, true)
			b.Kill(KilledIdle, true)
			w.Check()
		}
		w.AwaitHandover(3 * time.Hour)
	})
}

// R-EVID-4: a commit that stays unknown stops the node; whoever starts it again
// finds one truth, and both sides agree on it.
func TestCommitsThatStayUnknown(t *testing.T) {
	Run(t, 32, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		for i := range 6 {
			for _, h := range w.Hosts {
				h.disk.Strike(AtCommit, i, CommitUnknown)
			}
			a.Try(Letter{To: []*Host{b}, Size: 1000})
			w.Pass(10 * time.Second)
			w.Check()
		}
		w.AwaitHandover(3 * time.Hour)
	})
}
