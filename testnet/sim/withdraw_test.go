package sim

import (
	"fmt"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
)

// one sends a letter so small that it reaches the peer in one flight, without an
// answer.
func (h *Host) one(to *Host, lifetime time.Duration) (protocol.ParcelID, protocol.Key) {
	id := h.Send(Letter{To: []*Host{to}, Size: 500, Lifetime: lifetime})
	return id, h.world.sent[len(h.world.sent)-1].Key
}

func (w *World) want(k protocol.Key, want exchange.Status) {
	w.T.Helper()
	if s := w.Status(k); s != want {
		w.T.Errorf("%s is %s, want %s", k, s, want)
	}
}

// R-WDR-3: withdrawn before it was offered, because the peer is away; when it is
// back, it hears nothing.
func TestWithdrawnBeforeTheOffer(t *testing.T) {
	Run(t, 21, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		a.Restart() // no connection is left
		b.Stop()
		w.Pass(time.Minute)
		id, k := a.one(b, 0)
		w.Pass(time.Hour)
		got := a.Withdraw(id)
		if len(got) != 1 || got[0].Status != exchange.StatusWithdrawn {
			w.T.Errorf("%+v", got)
		}
		w.want(k, exchange.StatusWithdrawn)
		b.Start()
		w.Pass(3 * time.Hour)
		if _, err := b.store().Inbound(w.T.Context(), k); err == nil {
			w.T.Error("R-WDR-3: it left after all")
		}
		w.EndedOnce()
	})
}

// The withdrawal is given at every moment of a delivery: before the offer, with
// the offer or the bytes in flight, and after. Whatever wins, there is one outcome.
func TestWithdrawnAtEveryMoment(t *testing.T) {
	won := map[exchange.Status]int{}
	Run(t, 22, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		for round := range 24 {
			if round%8 == 0 {
				a.Restart() // sometimes there is no connection yet
			}
			w.Net.Jitter(time.Duration(round%3) * latency)
			// Small ones leave with their envelope, large ones after the answer.
			id := a.Send(Letter{To: []*Host{b}, Size: []int{500, 90_000, 700_000}[round%3]})
			time.Sleep(w.shortly())
			a.Withdraw(id)
			w.Await(time.Hour, Delivered)
			won[w.Status(w.sent[len(w.sent)-1].Key)]++
		}
		w.EndedOnce()
	})
	t.Logf("how they ended: %v", won)
	if won[exchange.StatusWithdrawn] == 0 || won[exchange.StatusDelivered] == 0 {
		t.Errorf("all races were won by one side: %v", won)
	}
}

// The peer accepted and its answer is lost: the withdrawal is answered with the
// RelayAcceptance.
func TestAcceptedAndTheAnswerLostThenWithdrawn(t *testing.T) {
	Run(t, 23, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		w.Pass(time.Minute)
		w.Net.Cut(b, a) // everything reaches B, nothing comes back
		id, k := a.one(b, 0)
		w.Pass(time.Minute)
		if got := a.Withdraw(id); got[0].Status != exchange.StatusWithdrawing {
			w.T.Errorf("while nothing comes back: %+v", got)
		}
		w.Pass(time.Hour)
		w.want(k, exchange.StatusWithdrawing)
		if _, err := b.store().Inbound(w.T.Context(), k); err != nil {
			w.T.Fatalf("B should have accepted before the partition hid its answer: %v", err)
		}
		w.Net.Heal()
		w.Await(2*time.Hour, Delivered)
		w.want(k, exchange.StatusDelivered)
		if got := a.Withdraw(id); got[0].Status != exchange.StatusDelivered || !got[0].Repeat {
			w.T.Errorf("a repeat: %+v", got)
		}
		w.EndedOnce()
	})
}

// tombstone has B withdraw what it saw the envelope of and has no bytes of, and
// A never hears the answer. It returns with the partition standing.
func tombstone(w *World, a, b *Host, lifetime time.Duration) (id protocol.ParcelID, k protocol.Key) {
	w.Pass(time.Minute)
	// The envelope of a large letter leaves alone, and its bytes wait for an
	// answer that does not come.
	w.Net.Cut(b, a)
	id = a.Send(Letter{To: []*Host{b}, Size: 700_000, Lifetime: lifetime})
	k = w.sent[len(w.sent)-1].Key
	w.Pass(2 * time.Second)
	if got := a.Withdraw(id); got[0].Status != exchange.StatusWithdrawing {
		w.T.Errorf("%+v", got)
	}
	for range 100_000 {
		if _, err := b.store().Inbound(w.T.Context(), k); err == nil {
			w.Net.Part(a, b)
			return id, k
		}
		time.Sleep(time.Millisecond)
	}
	w.T.Fatal("B never heard of the withdrawal")
	return id, k
}

// The partition begins right after B's tombstone: A asks again when it heals,
// also after a restart of both, and gets the same evidence.
func TestPartitionRightAfterTheTombstone(t *testing.T) {
	Run(t, 24, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		_, k := tombstone(w, a, b, 0)
		w.Pass(26 * time.Hour)
		w.Check()
		a.Restart()
		b.Restart()
		w.Pass(time.Hour)
		w.Net.Heal()
		w.Await(2*time.Hour, Delivered)
		w.want(k, exchange.StatusWithdrawn)
		w.EndedOnce()
	})
}

// The same until past expiry: A says RelayFailure, whose text tells of the
// withdrawal, and B's tombstone, which surfaces later, makes it withdrawn.
func TestTombstoneThatSurfacesAfterTheFailure(t *testing.T) {
	Run(t, 25, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		_, k := tombstone(w, a, b, 24*time.Hour)
		w.Pass(72 * time.Hour)
		w.want(k, exchange.StatusFailed)
		w.Net.Heal()
		w.Await(3*time.Hour, func(s exchange.Status) bool { return s == exchange.StatusWithdrawn })
		w.EndedOnce()
	})
}

// R-WDR-4: a peer that stays away until past expiry costs a RelayFailure as ever.
func TestWithdrawalPendingUntilPastExpiry(t *testing.T) {
	Run(t, 26, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		w.Pass(time.Minute)
		w.Net.Part(a, b) // on a connection that stands: the offer leaves, and is lost
		id, k := a.one(b, 24*time.Hour)
		w.Pass(time.Second)
		a.Withdraw(id)
		w.Pass(20 * time.Hour)
		w.want(k, exchange.StatusWithdrawing)
		w.Pass(20 * time.Hour)
		w.want(k, exchange.StatusFailed)
		all, err := a.running.Gateway.Evidence(w.T.Context(), k)
		w.must(err, "evidence")
		for _, ev := range all {
			if ev.Parsed.Event == evidence.RelayFailure && ev.Parsed.Reason.Code == protocol.Withdrawn {
				w.T.Error("R-EVID-9: it was offered, and failed as never offered")
			}
		}
		w.Net.Heal()
		w.Pass(3 * time.Hour)
		w.EndedOnce()
	})
}

// R-EVID-10: B accepted, its answer was hidden until past expiry, the withdrawal
// was never heard: the RelayAcceptance supersedes the RelayFailure.
func TestAcceptanceThatSurfacesAfterAWithdrawalFailed(t *testing.T) {
	Run(t, 27, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		w.Pass(time.Minute)
		w.Net.Cut(b, a)
		id, k := a.one(b, 24*time.Hour)
		w.Pass(time.Minute)
		w.Net.Cut(a, b)
		a.Withdraw(id)
		w.Pass(72 * time.Hour)
		w.want(k, exchange.StatusFailed)
		w.Net.Heal()
		w.Await(3*time.Hour, Delivered)
		w.want(k, exchange.StatusDelivered)
		w.EndedOnce()
	})
}

// Of two recipients one has it and one is away: each has its own outcome (R-XCH-6).
func TestWithdrawnFromTwoRecipients(t *testing.T) {
	Run(t, 28, []protocol.NodeID{"xa", "xb", "xc"}, func(w *World) {
		a, b, c := w.Host("xa"), w.Host("xb"), w.Host("xc")
		a.Restart()
		c.Stop()
		w.Pass(time.Minute)
		id := a.Send(Letter{To: []*Host{b, c}, Size: 70_000})
		w.Pass(time.Minute)
		got := a.Withdraw(id)
		if len(got) != 2 || got[0].Status != exchange.StatusDelivered || got[1].Status != exchange.StatusWithdrawn {
			w.T.Errorf("%+v", got)
		}
		c.Start()
		w.Pass(time.Hour)
		w.want(w.sent[0].Key, exchange.StatusDelivered)
		w.want(w.sent[1].Key, exchange.StatusWithdrawn)
		w.EndedOnce()
	})
}

// A or B is cut down at every commit of the way, in every manner, with the
// withdrawal in the middle of it; the letter takes several round trips, so that
// either side may win. Few SEEDS play a sample of these stories.
func TestCrashAtEveryCommitOfAWithdrawal(t *testing.T) {
	ended := map[exchange.Status]int{}
	all := number(t, "SEEDS", 10) >= enoughSeeds
	story := 0
	for _, side := range pair {
		for n := range 6 {
			for _, b := range blows {
				if b.at != AtCommit {
					continue
				}
				if story++; !all && story%4 != 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s-%d/%s", side, n, b.fault), func(t *testing.T) {
					Run(t, uint64(2900+story), pair, func(w *World) {
						a, to := w.Host("xa"), w.Host("xb")
						id := a.Send(Letter{To: []*Host{to}, Size: 700_000})
						w.Host(side).disk.Strike(b.at, n, b.fault)
						time.Sleep(w.shortly() / 2)
						a.TryWithdraw(id)
						w.Pass(2 * time.Minute)
						// Whatever the officer was told, asking again settles it.
						w.Host(side).disk.Heal()
						a.Withdraw(id)
						w.AwaitHandover(3 * time.Hour)
						ended[w.Status(w.sent[0].Key)]++
						w.EndedOnce()
					})
				})
			}
		}
	}
	t.Logf("how they ended: %v", ended)
}
