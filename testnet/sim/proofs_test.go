package sim

import (
	"slices"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/evidence"
)

// I8, R-PRF-2: all peers but two are away for a week. Deliveries between the two
// go on, and what they hold says that no third node has witnessed it. When the
// others return, every proof becomes better by itself.
func TestAllPeersButTwoAreAwayForAWeek(t *testing.T) {
	Run(t, 40, []protocol.NodeID{"xa", "xb", "xc", "xd"}, func(w *World) {
		a, b, c, d := w.Host("xa"), w.Host("xb"), w.Host("xc"), w.Host("xd")
		w.Pass(time.Minute)
		c.Stop()
		d.Stop()
		for range week(t) {
			a.Send(Letter{To: []*Host{b}, Size: 3000})
			b.Send(Letter{To: []*Host{a}, Size: 3000})
			w.Await(time.Hour, Delivered)
			w.Pass(24 * time.Hour)
		}
		for _, p := range w.sent {
			for _, h := range []*Host{a, b} {
				for _, e := range h.proven(p.Key) {
					if e.by("xc") || e.by("xd") {
						w.T.Errorf("%s of %s at %s is witnessed by a node that was away", e.Event, p.Key, h.Node)
					}
				}
			}
		}
		c.Start()
		d.Start()
		w.Pass(time.Hour)
		w.Check()
		for _, p := range w.sent {
			for _, h := range []*Host{a, b} {
				all := h.proven(p.Key)
				if len(all) < 4 { // accepted, relayed, consigned, handed over
					w.T.Errorf("%d evidences of %s at %s", len(all), p.Key, h.Node)
				}
				for _, e := range all {
					if !e.by("xc") || !e.by("xd") {
						w.T.Errorf("%s of %s at %s is witnessed by %v and, in the other log, by %v", e.Event, p.Key, h.Node, e.Witnesses, e.Others)
					}
				}
			}
		}
	})
}

// week is seven days. With few seeds, as under the race detector, which makes each
// day several times as long, it is one: the stories are the same.
func week(t *testing.T) int {
	if few(t) {
		return 1
	}
	return 7
}

// proven is an evidence as its holder can show it.
type proven struct{ gateway.Proven }

// proven returns what a host holds about a letter, after it was made sure that
// each proof is of its evidence, in the log that it says, and that the first one
// is still there.
func (h *Host) proven(k protocol.Key) (all []proven) {
	h.world.T.Helper()
	list, err := h.running.Gateway.ProofsOf(h.world.T.Context(), k)
	h.world.must(err, "proofs of %s at %s", k, h.Node)
	for _, p := range list {
		origins := map[string]bool{}
		for _, proof := range [][]byte{p.Proof, p.Witnessed, p.Other} {
			if proof == nil {
				continue
			}
			parsed, err := merkle.ParseProof(proof, protocol.MaxProof)
			h.world.must(err, "parse a proof at %s", h.Node)
			ref := p.Ref()
			for _, other := range h.world.Hosts {
				state, ok := h.running.Gateway.State(other.Node.State())
				if !ok {
					continue
				}
				if _, c, err := state.LogVerifier().Proof(proof, ref.Document, ref.Signature); err == nil {
					origins[c.Origin] = true
				}
			}
			if parsed.Document != ref.Document {
				h.world.T.Errorf("a proof of %s is of another document", p.Event)
			}
		}
		if !origins[p.Parsed.Log] || p.Event != evidence.RelayFailure && p.Other != nil && len(origins) != 2 {
			h.world.T.Errorf("%s at %s is proven in %v", p.Event, h.Node, origins)
		}
		all = append(all, proven{p})
	}
	return all
}

// by reports whether a node has cosigned what the evidence rests on, in both logs.
func (p proven) by(n protocol.NodeID) bool {
	is := func(w gateway.Witness) bool { return w.Node == n }
	return slices.ContainsFunc(p.Witnesses, is) && slices.ContainsFunc(p.Others, is)
}
