package sim

import (
	"testing"
	"time"

	"comity/protocol"
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
// behind, at either end, refuses nothing, fails nothing and dates nothing. When it
// is right again, all that was written meanwhile arrives.
func TestAClockWrongByAnHourOrAYear(t *testing.T) {
	const year = 366 * 24 * time.Hour
	type wrong struct {
		skew time.Duration
		id   protocol.NodeID
	}
	var all []wrong
	for _, skew := range []time.Duration{time.Hour, -time.Hour, year, -year} {
		for _, id := range pair {
			all = append(all, wrong{skew, id})
		}
	}
	for i, c := range some(t, all...) {
		t.Run(c.skew.String()+" at "+string(c.id), func(t *testing.T) {
			Run(t, uint64(50+i), pair, func(w *World) {
				a, b := w.Host("xa"), w.Host("xb")
				w.Net.Jitter(time.Second)
				a.Send(Letter{To: []*Host{b}, Size: 1000}) // on its way at the step
				w.Pass(time.Duration(w.Rand.IntN(3000)) * time.Millisecond)
				w.Host(c.id).SetClock(c.skew)
				for range 3 {
					a.Try(Letter{To: []*Host{b}, Size: 1000})
					b.Try(Letter{To: []*Host{a}, Size: 1000})
					w.Pass(10 * time.Minute)
					w.Check()
					w.datedAhead()
				}
				w.Host(c.id).SetClock(0)
				w.AwaitHandover(6 * time.Hour)
			})
		})
	}
}

// R-ENV-9: a node that was started with its clock ahead, and waited in vain for
// somebody to say more than one peer does, has shown checkpoints dated too late. No
// envelope may rest on one: it could never be accepted.
func TestAPeerStartedWithItsClockAhead(t *testing.T) {
	Run(t, 90, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		b.Send(Letter{To: []*Host{a}, Size: 1000})
		w.AwaitHandover(time.Hour)
		b.Stop()
		b.SetClock(time.Hour)
		b.Start()
		w.Pass(protocol.MaxDissent + 5*time.Minute)
		b.Try(Letter{To: []*Host{a}, Size: 1000}) // signs a checkpoint
		w.Pass(10 * time.Minute)
		_, note, err := a.store().PeerCheckpoint(w.T.Context(), b.Node)
		w.must(err, "what %s holds of the log of %s", a.Node, b.Node)
		state, _ := a.running.Gateway.State(b.Node.State())
		seen, err := state.LogVerifier().Checkpoint(note)
		w.must(err, "the checkpoint that %s showed", b.Node)
		if !seen.Time.After(time.Now().Add(protocol.MaxSkew)) {
			w.T.Fatalf("no checkpoint that is dated too late was shown, but one of %s", seen.Time)
		}
		a.Try(Letter{To: []*Host{b}, Size: 1000})
		w.Pass(time.Minute)
		b.SetClock(0)
		w.Pass(time.Minute)
		a.Try(Letter{To: []*Host{b}, Size: 1000})
		w.AwaitHandover(6 * time.Hour)
	})
}

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// datedAhead fails the story when any node holds something dated later than now.
func (w *World) datedAhead() {
	w.T.Helper()
	for _, h := range w.Hosts {
		if h.running == nil {
			continue
		}
		last, err := h.store().LastSigned(w.T.Context())
		w.must(err, "what %s signed last", h.Node)
		if last.After(time.Now().Add(protocol.MaxSkew)) {
			w.T.Errorf("%s signed a checkpoint dated %s, and it is %s", h.Node, last, time.Now())
		}
		for _, p := range w.sent {
			all, err := h.store().Evidence(w.T.Context(), p.Key)
			w.must(err, "evidence of %s", p.Key)
			for _, ev := range all {
				if ev.Time.After(time.Now().Add(protocol.MaxSkew)) {
					w.T.Errorf("%s holds a %s dated %s, and it is %s", h.Node, ev.Event, ev.Time, time.Now())
				}
			}
		}
	}
}

// R-TIME-1, R-TIME-3: a clock is wrong by a year for one minute, while the node runs
// or from its start on, with all peers there, one, or none. Nothing is signed by it,
// and when it is right again everything goes on: nothing waits for a year, and the
// log is the same.
func TestAClockWrongByAYearForAMinute(t *testing.T) {
	type wrong struct {
		name  string
		skew  time.Duration
		start bool     // it is started so
		away  []string // peers that are down meanwhile
	}
	for _, c := range some(t,
		wrong{"ahead, while it runs", year, false, nil},
		wrong{"behind, while it runs", -year, false, nil},
		wrong{"ahead, from its start on", 360 * day, true, nil}, // the record still holds
		wrong{"ahead, with one peer", 360 * day, true, []string{"xc"}},
		wrong{"ahead, with nobody to ask", 360 * day, true, []string{"xa", "xc"}},
		wrong{"behind, from its start on", -year, true, nil},
	) {
		t.Run(c.name, func(t *testing.T) {
			Run(t, 310, three, func(w *World) {
				a, b, d := w.Host("xa"), w.Host("xb"), w.Host("xc")
				b.Send(Letter{To: []*Host{a, d}, Size: 300})
				w.Await(time.Hour, Delivered)
				for _, id := range c.away {
					w.Host(protocol.NodeID(id)).Stop()
				}
				if c.start {
					b.Stop()
				}
				b.SetClock(c.skew)
				b.Start()
				if b.running != nil {
					b.Try(Letter{To: []*Host{a}, Size: 300})
				}
				if a.running != nil {
					a.Send(Letter{To: []*Host{b}, Size: 300})
				}
				w.Pass(time.Minute)
				w.Check()
				w.datedAhead()
				b.Stop()
				b.SetClock(0)
				for _, h := range []*Host{a, b, d} {
					h.Start()
				}
				b.Send(Letter{To: []*Host{a, d}, Size: 300})
				d.Send(Letter{To: []*Host{b}, Size: 300})
				w.Await(3*time.Hour, Delivered)
				w.datedAhead()
			})
		})
	}
}

// R-TIME-3: a node that nobody could warn signed with a clock hours ahead. When
// the clock is right again its peers confirm it, and it goes on at once, on the
// same log; what it dated so waits until that hour has come.
func TestAClockThatWasAheadUnwarned(t *testing.T) {
	Run(t, 311, three, func(w *World) {
		a, b, d := w.Host("xa"), w.Host("xb"), w.Host("xc")
		a.Stop()
		d.Stop()
		b.Stop()
		b.SetClock(5 * time.Hour)
		b.Start()
		early := b.Send(Letter{To: []*Host{a}, Size: 300})
		b.Stop()
		b.SetClock(0)
		a.Start()
		d.Start()
		b.Start()
		began := time.Now()
		b.Send(Letter{To: []*Host{d}, Size: 300})
		a.Send(Letter{To: []*Host{b}, Size: 300})
		for {
			w.Pass(time.Minute)
			w.Check()
			missing := 0
			for _, p := range w.sent {
				if p.Key.Parcel != early && !Delivered(w.Status(p.Key)) {
					missing++
				}
			}
			if missing == 0 {
				break
			}
			if time.Since(began) > 3*time.Hour {
				w.T.Fatalf("%d letters wait", missing)
			}
		}
		w.Await(12*time.Hour, Delivered)
	})
}

// R-TIME-1: a peer whose clock is wrong stops nobody: the others go on with each
// other, restarted or not, and with it when its clock is right again.
func TestAPeerWithAWrongClock(t *testing.T) {
	for _, skew := range some(t, 300*day, -300*day, -2*time.Hour) {
		t.Run(skew.String(), func(t *testing.T) {
			Run(t, 312, three, func(w *World) {
				a, b, d := w.Host("xa"), w.Host("xb"), w.Host("xc")
				d.Stop()
				d.SetClock(skew)
				d.Start()
				d.Try(Letter{To: []*Host{a}, Size: 300})
				a.Restart()
				for range 3 {
					a.Send(Letter{To: []*Host{b, d}, Size: 300})
					b.Send(Letter{To: []*Host{a}, Size: 300})
					w.Pass(10 * time.Minute)
					w.Check()
				}
				for _, p := range w.sent {
					if s := w.Status(p.Key); p.Key.To != d.Office && p.Key.From != d.Office && !Delivered(s) {
						w.T.Errorf("%s is %s because of the clock of a third", p.Key, s)
					}
				}
				b.Stop() // the one with the wrong clock is the only one to be heard
				a.Restart()
				a.Send(Letter{To: []*Host{b}, Size: 300})
				b.Start()
				d.Stop()
				d.SetClock(0)
				d.Start()
				w.AwaitHandover(6 * time.Hour)
			})
		})
	}
}

// R-TIME-1: the only peer that is heard has a clock that is behind, and so nearer to
// this node's last signature than its own, which was down meanwhile. That delays
// signing by minutes, or by a day after a week; it does not stop it.
func TestALonePeerWhoseClockIsBehindOnlyDelays(t *testing.T) {
	type away struct{ down, delay time.Duration }
	for _, c := range some(t, away{8 * time.Hour, protocol.MaxDissent}, away{protocol.MaxLeap + day, protocol.MaxLoneDissent}) {
		t.Run("down for "+c.down.String(), func(t *testing.T) { lonePeerBehind(t, c.down, c.delay) })
	}
}

func lonePeerBehind(t *testing.T, down, delay time.Duration) {
	Run(t, 313, three, func(w *World) {
		a, b, d := w.Host("xa"), w.Host("xb"), w.Host("xc")
		a.Send(Letter{To: []*Host{b}, Size: 300})
		w.Await(time.Hour, Delivered)
		a.Stop()
		b.Stop()
		d.Stop()
		d.SetClock(-2 * time.Hour)
		w.Pass(down)
		d.Start()
		a.Start()
		w.Pass(delay - 8*time.Minute)
		if a.running.Gateway.Standing().Refusal == nil {
			w.T.Error("xa signs at once although the only peer that it hears disagrees with its clock")
		}
		w.Pass(10 * time.Minute)
		a.Send(Letter{To: []*Host{b}, Size: 300})
		w.Check()
		b.Start()
		w.AwaitHandover(6 * time.Hour)
	})
}
