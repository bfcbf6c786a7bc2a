package sim

import (
	"errors"
	"testing"
	"time"

	"comity/node/gateway"
	"comity/node/operate"
	"comity/protocol"
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
