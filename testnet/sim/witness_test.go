package sim

import (
	"testing"
	"time"

	"comity/node/gateway"
)

// peerOf is what a host's operator sees of another node.
func (h *Host) peerOf(other *Host) gateway.Peer {
	h.world.T.Helper()
	all, err := h.running.Gateway.Peers(h.world.T.Context())
	h.world.must(err, "peers of %s", h.Node)
	for _, p := range all {
		if p.Node == other.Node {
			return p
		}
	}
	h.world.T.Fatalf("%s does not know %s", h.Node, other.Node)
	return gateway.Peer{}
}

func (h *Host) logSize() int64 {
	h.world.T.Helper()
	size, err := h.store().Size(h.world.T.Context())
	h.world.must(err, "size of the log of %s", h.Node)
	return size
}

// I8, R-WIT-4: while all peers but two are away for a week, deliveries between the two go on, each cosigns the other's
// log, and who is away is an alarm with an age. When they return they catch up by themselves, and no log has a fault.
func TestAWeekWithoutWitnesses(t *testing.T) {
	Run(t, 400, three, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		away := []*Host{w.Host("xc")}
		for _, h := range away {
			h.Stop()
		}
		days := week(t)
		for range days {
			a.Send(Letter{To: []*Host{b}, Size: 1000})
			b.Send(Letter{To: []*Host{a}, Size: 1000})
			w.Await(time.Minute, Delivered)
			w.Pass(24 * time.Hour)
		}
		for _, pair := range [][2]*Host{{a, b}, {b, a}} {
			owner, witness := pair[0], pair[1]
			if p := owner.peerOf(witness); p.Witnessed != owner.logSize() || p.Unwitnessed != 0 || p.LogFault != "" {
				w.T.Errorf("%s of %s: %+v, want all of %d leaves witnessed", owner.Node, witness.Node, p, owner.logSize())
			}
			for _, gone := range away {
				if p := owner.peerOf(gone); p.Unwitnessed < time.Duration(days)*24*time.Hour-time.Hour {
					w.T.Errorf("%s of %s, away for %d days: late by %s", owner.Node, gone.Node, days, p.Unwitnessed)
				}
			}
		}
		for _, h := range away {
			h.Start()
		}
		w.Pass(time.Hour)
		for _, h := range w.Hosts {
			for _, witness := range w.Hosts {
				if h == witness {
					continue
				}
				if p := h.peerOf(witness); p.Witnessed != h.logSize() || p.Unwitnessed != 0 || p.LogFault != "" {
					w.T.Errorf("afterwards %s of %s: %+v, want all of %d leaves witnessed", h.Node, witness.Node, p, h.logSize())
				}
			}
		}
	})
}

// R-WIT-7: what nodes see of each other's honest logs is compared and found consistent, over restarts and a line that
// loses, and nothing waits for long.
func TestHonestLogsAreFollowed(t *testing.T) {
	Run(t, 401, three, func(w *World) {
		w.Net.Lose(0.05)
		for i := range 6 {
			from, to := w.Hosts[i%3], w.Hosts[(i+1)%3]
			from.Send(Letter{To: []*Host{to}, Size: 1000})
			w.Await(time.Hour, Delivered)
			w.Hosts[(i+2)%3].Restart()
		}
		w.Pass(3 * time.Hour)
		for _, h := range w.Hosts {
			for _, other := range w.Hosts {
				if h == other {
					continue
				}
				f, err := h.store().Following(w.T.Context(), other.running.Gateway.Own.Record().Node.Log.Origin, 1000)
				w.must(err, "what %s follows of %s", h.Node, other.Node)
				if f.Fork != nil || len(f.Seen) != 0 || f.Head.Checkpoint.Size != other.logSize() {
					w.T.Errorf("%s follows %s up to %d of %d leaves, %d states wait, fork: %v", h.Node, other.Node,
						f.Head.Checkpoint.Size, other.logSize(), len(f.Seen), f.Fork)
				}
			}
		}
	})
}
