package sim

import (
	"errors"
	"testing"
	"time"

	"comity/node/gateway"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/era"
	"comity/protocol/exchange"
	"comity/store"
)

var three = []protocol.NodeID{"xa", "xb", "xc"}

// R-OLD-1, I4: a node that was restored from an old backup signs nothing. Any one
// of its peers can tell it; what the others hold of it does not change.
func TestAnOldBackupSignsNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		away []string // peers that are down when it starts
	}{
		{"all peers are there", nil},
		{"one peer is there", []string{"xa"}},
		{"the other one is", []string{"xc"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, operate.Database{}, 300, three, func(w *World) {
				a, b, d := w.Host("xa"), w.Host("xb"), w.Host("xc")
				a.Send(Letter{To: []*Host{b}, Size: 300})
				b.Send(Letter{To: []*Host{a, d}, Size: 300})
				w.Await(time.Hour, Delivered)
				backup := b.Backup()
				a.Send(Letter{To: []*Host{b}, Size: 300})
				d.Send(Letter{To: []*Host{b}, Size: 300})
				w.Await(time.Hour, Delivered)
				before, err := b.store().Size(w.T.Context())
				w.must(err, "size of the log")
				for _, id := range c.away {
					w.Host(protocol.NodeID(id)).Stop()
				}
				b.Restore(backup)
				b.Start()
				// Its office would have written at once; the letter must not leave.
				_, err = b.write(Letter{To: []*Host{a}, Size: 300})
				if err == nil || !errors.Is(err, gateway.ErrOlderCopy) {
					w.T.Errorf("a letter was taken by an older copy: %v", err)
				}
				w.Pass(time.Minute)
				if b.old == nil || b.running != nil {
					w.T.Fatalf("the older copy runs: %v", b.old)
				}
				b.Start() // it knows by itself now
				w.Pass(time.Second)
				if !errors.Is(b.old, gateway.ErrOlderCopy) || b.running != nil {
					w.T.Errorf("started again, the older copy runs: %v", b.old)
				}
				for _, h := range []*Host{a, d} {
					h.Start()
				}
				w.Pass(time.Minute)
				for _, h := range []*Host{a, d} {
					seen, _, err := h.store().PeerCheckpoint(w.T.Context(), b.Node)
					w.must(err, "what %s saw", h.Node)
					if seen.Size > before {
						w.T.Errorf("%s saw %d leaves of the log, and %d were signed", h.Node, seen.Size, before)
					}
				}
			})
		})
	}
}

// R-OLD-1, I8: a peer that is away keeps nobody from working: a node that finds
// nobody to ask goes on after CompareWait, and one that finds some at once.
func TestAPeerThatIsAwayKeepsNobodyWaiting(t *testing.T) {
	play(t, operate.Database{}, 301, three, func(w *World) {
		a, b, c := w.Host("xa"), w.Host("xb"), w.Host("xc")
		c.Stop()
		a.Restart()
		began := time.Now()
		a.Send(Letter{To: []*Host{b, c}, Size: 300})
		if took := time.Since(began); took > 10*time.Second {
			w.T.Errorf("with one peer of two there, the first letter took %s", took)
		}
		b.Stop()
		a.Restart()
		began = time.Now()
		a.Send(Letter{To: []*Host{b, c}, Size: 300})
		if took := time.Since(began); took < protocol.CompareWait/2 || took > 2*protocol.CompareWait {
			w.T.Errorf("with no peer there, the first letter took %s", took)
		}
		b.Start()
		c.Start()
		w.Await(3*time.Hour, Delivered)
	})
}

// R-OLD-3 to R-OLD-6 (R-OLD-3, R-OLD-4, R-OLD-5, R-OLD-6), I1, I2: a node is restored from an old backup, and
// there is no newer copy. It begins a new era of its log, fetches what its peers
// hold of it, and goes on: no accepted parcel is lost, none is taken twice, and
// what it signed and lost stands.
func TestRestoreOfAnOldBackup(t *testing.T) {
	play(t, operate.Database{}, 320, three, func(w *World) {
		a, b, c := w.Host("xa"), w.Host("xb"), w.Host("xc")
		ctx := w.T.Context()
		a.Send(Letter{To: []*Host{b}, Size: 300})
		b.Send(Letter{To: []*Host{a, c}, Size: 300})
		w.AwaitHandover(time.Hour)
		backup := b.Backup()
		a.Send(Letter{To: []*Host{b}, Size: 300})
		c.Send(Letter{To: []*Host{b}, Size: 3 << 20})
		b.Send(Letter{To: []*Host{a, c}, Size: 70_000})
		w.AwaitHandover(time.Hour)
		letter := w.sent[3].Key // the first after the backup
		_, _, err := b.office().OpenFile(ctx, store.Name{From: letter.From, Parcel: letter.Parcel}, 1)
		w.must(err, "open a letter")
		_, err = b.office().Acknowledge(ctx, store.Name{From: letter.From, Parcel: letter.Parcel})
		w.must(err, "acknowledge a letter")
		w.Pass(time.Minute)
		if s := w.Status(letter); s != exchange.StatusAcknowledged {
			w.T.Fatalf("%s is %s", letter, s)
		}
		held, err := a.store().Evidence(ctx, letter)
		w.must(err, "what the sender holds")

		b.Restore(backup)
		a.Send(Letter{To: []*Host{b}, Size: 300}) // while it is away
		b.Start()
		w.Pass(time.Minute)
		if b.old == nil {
			w.T.Fatal("the older copy runs")
		}
		b.NewEra()
		c.Stop() // of its peers one is away at first: nothing is accepted from that one
		b.Start()
		w.Pass(time.Minute)
		c.Start()
		b.AwaitRecovery(3 * time.Hour)
		w.Await(6*time.Hour, Delivered)

		row, err := b.store().Inbound(ctx, letter)
		w.must(err, "the id of a parcel that was accepted and lost")
		if row.State != exchange.Acknowledged {
			w.T.Errorf("it is %s", row.State)
		}
		for _, ev := range held {
			now, err := b.store().EvidenceOf(ctx, letter, ev.Event)
			w.must(err, "%s, which %s signed and lost", ev.Event, b.Node)
			if now.Digest() != ev.Digest() {
				w.T.Errorf("another %s stands now", ev.Event)
			}
		}
		if _, _, err = b.office().OpenFile(ctx, store.Name{From: letter.From, Parcel: letter.Parcel}, 1); err != nil {
			w.T.Errorf("open it again: %v", err)
		}
		eras, err := b.store().Eras(ctx)
		w.must(err, "eras")
		begun, err := era.Parse(eras[0].Statement.Document)
		w.must(err, "how the log begins")
		if len(eras) != 1 || len(begun.Shown) == 0 || begun.Previous != "comity/log/xb/1" || begun.Log != "comity/log/xb/2" {
			w.T.Errorf("the new log begins with %+v", begun)
		}
		// Both directions go on, and the other nodes read the new log.
		b.Send(Letter{To: []*Host{a, c}, Size: 300})
		a.Send(Letter{To: []*Host{b}, Size: 300})
		b.Restart()
		w.Await(3*time.Hour, Delivered)
	})
}

// R-OLD-7, I1: a node that is restored under a clock that is an hour behind, so that
// what it signed and lost is in its future, loses no accepted parcel over it,
// whether or not enough peers are there to keep it from signing.
func TestRestoreUnderAClockThatIsBehind(t *testing.T) {
	type there struct {
		name string
		away bool
	}
	for _, c := range some(t, there{"one peer is there", true}, there{"all peers are there", false}) {
		t.Run(c.name, func(t *testing.T) {
			play(t, operate.Database{}, 321, three, func(w *World) {
				a, b, d := w.Host("xa"), w.Host("xb"), w.Host("xc")
				a.Send(Letter{To: []*Host{b}, Size: 300})
				w.AwaitHandover(time.Hour)
				backup := b.Backup()
				w.Pass(3 * time.Hour)
				a.Send(Letter{To: []*Host{b}, Size: 300})
				w.AwaitHandover(time.Hour)
				b.Restore(backup)
				b.Start()
				w.Pass(time.Minute)
				b.SetClock(-time.Hour)
				b.NewEra() // by the same clock
				if c.away {
					d.Stop()
				}
				b.Start()
				w.Pass(20 * time.Minute)
				letter := w.sent[1].Key
				if _, err := b.store().Inbound(w.T.Context(), letter); err == nil {
					w.T.Fatal("what is dated an hour ahead was taken back") // then this story shows nothing
				}
				if doubts, err := b.store().Doubts(w.T.Context(), a.Node); err != nil || len(doubts) != 1 {
					w.T.Errorf("in doubt: %v, %v", doubts, err)
				}
				b.Stop()
				b.SetClock(0)
				d.Start()
				b.Start()
				b.AwaitRecovery(3 * time.Hour)
				w.Pass(time.Minute)
				if _, err := b.store().Inbound(w.T.Context(), letter); err != nil {
					w.T.Errorf("a parcel that was accepted and lost: %v", err)
				}
				w.Await(6*time.Hour, Delivered)
			})
		})
	}
}

// R-OLD-1, R-OLD-4: a backup from before the last era is no dead end. The peers show
// the record that was lost, the next one follows from it, and what was signed in
// both lost logs is recovered.
func TestASecondRestoreOfOneBackup(t *testing.T) {
	play(t, operate.Database{}, 322, three, func(w *World) {
		a, b, c := w.Host("xa"), w.Host("xb"), w.Host("xc")
		ctx := w.T.Context()
		a.Send(Letter{To: []*Host{b}, Size: 300})
		w.AwaitHandover(time.Hour)
		backup := b.Backup()
		for range 2 {
			a.Send(Letter{To: []*Host{b}, Size: 300})
			c.Send(Letter{To: []*Host{b}, Size: 300})
			b.Send(Letter{To: []*Host{a, c}, Size: 300})
			w.AwaitHandover(time.Hour)
			w.Pass(10 * time.Minute)
			b.Restore(backup)
			b.Start()
			w.Pass(time.Minute)
			if b.old == nil {
				w.T.Fatal("the older copy runs")
			}
			b.old = nil
			b.Start() // it knows by itself
			w.Pass(time.Second)
			if !errors.Is(b.old, gateway.ErrOlderCopy) {
				w.T.Fatalf("started again, the older copy runs: %v", b.old)
			}
			b.NewEra()
			b.Start()
			b.AwaitRecovery(3 * time.Hour)
			w.Await(6*time.Hour, Delivered)
		}
		for _, letter := range w.sent {
			if letter.Key.To != b.Office {
				continue
			}
			if row, err := b.store().Inbound(ctx, letter.Key); err != nil || row.State == exchange.Relayed {
				w.T.Errorf("%s: %+v, %v", letter.Key, row, err)
			}
		}
		eras, err := b.store().Eras(ctx)
		w.must(err, "eras")
		begun, err := era.Parse(eras[0].Statement.Document)
		w.must(err, "how the log begins")
		if len(eras) != 1 || begun.Log != "comity/log/xb/3" || begun.Previous != "comity/log/xb/2" || begun.Restored != nil || len(begun.Shown) != 2 {
			w.T.Errorf("%d eras; %s follows %s, restored %v, of %d peers that showed it", len(eras), begun.Log, begun.Previous, begun.Restored != nil, len(begun.Shown))
		}
		b.Send(Letter{To: []*Host{a, c}, Size: 300})
		a.Send(Letter{To: []*Host{b}, Size: 300})
		b.Restart()
		w.Await(3*time.Hour, Delivered)
	})
}
