package sim

import (
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
)

var pair = []protocol.NodeID{"xa", "xb"}

// A letter crosses an honest network, and every evidence comes back.
func TestALetterCrosses(t *testing.T) {
	Run(t, 1, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		a.Send(Letter{To: []*Host{b}, Size: 3000})
		w.Await(time.Minute, Delivered)
	})
}

// I1: nothing is lost on a network that loses, doubles and reorders.
func TestLossLatencyDuplicates(t *testing.T) {
	Run(t, 2, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		w.Net.Lose(0.1)
		w.Net.Double(0.1)
		w.Net.Jitter(300 * time.Millisecond)
		for range 10 {
			a.Send(Letter{To: []*Host{b}, Size: 40_000})
			b.Send(Letter{To: []*Host{a}, Size: 100_000})
		}
		w.Await(24*time.Hour, Delivered)
	})
}

// R-XCH-1, R-XCH-2: a peer that is away for days gets everything when it returns.
func TestAPartitionOfDays(t *testing.T) {
	Run(t, 3, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		w.Net.Part(a, b)
		for range 5 {
			a.Send(Letter{To: []*Host{b}, Size: 10_000})
		}
		w.Pass(5 * 24 * time.Hour)
		w.Check()
		for _, p := range w.sent {
			if s := w.Status(p.Key); s != exchange.StatusQueued {
				w.T.Errorf("%s is %s while the peer is away", p.Key, s)
			}
		}
		w.Net.Heal()
		w.Await(3*time.Hour, Delivered)
	})
}

// R-EVID-9: a peer that never returns costs a signed RelayFailure, after expiry.
func TestAPeerThatNeverReturns(t *testing.T) {
	Run(t, 4, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		b.Stop()
		a.Send(Letter{To: []*Host{b}, Size: 100, Lifetime: 48 * time.Hour})
		w.Await(72*time.Hour, Ended)
		if s := w.Status(w.sent[0].Key); s != exchange.StatusFailed {
			w.T.Errorf("status %s, want %s", s, exchange.StatusFailed)
		}
	})
}

// R-EVID-10: the partition begins right after B's commit, so A never hears of
// it, and lasts past expiry: A says RelayFailure, and B's RelayAcceptance
// supersedes it when the network heals. Both stand.
func TestPartitionRightAfterTheCommitUntilPastExpiry(t *testing.T) {
	Run(t, 5, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		w.Pass(time.Minute)
		w.Net.Cut(b, a) // everything reaches B, nothing comes back
		a.Send(Letter{To: []*Host{b}, Size: 500, Lifetime: 24 * time.Hour})
		w.Pass(72 * time.Hour)
		w.Check()
		if s := w.Status(w.sent[0].Key); s != exchange.StatusFailed {
			w.T.Fatalf("status %s, want %s", s, exchange.StatusFailed)
		}
		w.Net.Heal()
		taken, err := b.store().Inbound(w.T.Context(), w.sent[0].Key)
		w.must(err, "B should have committed before the partition hid its answer")
		w.Await(2*time.Hour, Delivered)
		events := map[evidence.Event]bool{}
		all, err := a.running.Gateway.Evidence(w.T.Context(), taken.Key)
		w.must(err, "evidence")
		for _, ev := range all {
			events[ev.Parsed.Event] = true
		}
		if !events[evidence.RelayFailure] || !events[evidence.RelayAcceptance] {
			w.T.Errorf("want both RelayFailure and RelayAcceptance, have %v", events)
		}
	})
}

// R-XCH-6: one letter to two authorities on two nodes, one of them down.
func TestTwoRecipientsOneDown(t *testing.T) {
	Run(t, 6, []protocol.NodeID{"xa", "xb", "xc"}, func(w *World) {
		a, b, c := w.Host("xa"), w.Host("xb"), w.Host("xc")
		c.Stop()
		a.Send(Letter{To: []*Host{b, c}, Size: 70_000})
		w.Pass(10 * time.Second)
		if s := w.Status(w.sent[0].Key); !Delivered(s) {
			w.T.Errorf("the recipient that is up: %s", s)
		}
		if s := w.Status(w.sent[1].Key); s != exchange.StatusQueued {
			w.T.Errorf("the recipient that is down: %s", s)
		}
		c.Start()
		w.Await(3*time.Hour, Delivered)
	})
}

// R-WIRE-6: A admits no new inbound flow, and still gets every evidence.
func TestBehindAFirewall(t *testing.T) {
	Run(t, 7, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		w.Net.Wall(a)
		a.Send(Letter{To: []*Host{b}, Size: 5000})
		w.Await(time.Hour, Delivered)
		a.Restart()
		a.Send(Letter{To: []*Host{b}, Size: 5000})
		w.Await(time.Hour, Delivered)
	})
}

// I3: both nodes stop and start in the middle of things.
func TestRestarts(t *testing.T) {
	Run(t, 8, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		for i := range 12 {
			a.Send(Letter{To: []*Host{b}, Size: 20_000 * i})
			w.Pass(time.Duration(w.Rand.IntN(80)) * time.Millisecond)
			if i%3 == 0 {
				b.Restart()
			} else if i%3 == 1 {
				a.Restart()
			}
			w.Check()
		}
		w.Await(24*time.Hour, Delivered)
	})
}

// R-XCH-5: a test parcel crosses and is answered, and nobody sees it.
func TestATestParcelIsNeverSeen(t *testing.T) {
	Run(t, 9, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		a.Send(Letter{To: []*Host{b}, Size: 100, Test: true})
		w.Await(time.Minute, Delivered)
		counts, err := b.store().Counts(w.T.Context(), 0)
		w.must(err, "counts")
		for state, n := range counts.Inbound {
			if n != 0 {
				w.T.Errorf("%d test parcels are counted as %s", n, state)
			}
		}
	})
}
