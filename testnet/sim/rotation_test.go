package sim

import (
	"slices"
	"testing"
	"time"

	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/bundle"
	"comity/protocol/evidence"
	"comity/store"
)

var five = []protocol.NodeID{"xa", "xb", "xc", "xd", "xe"}

// R-REC-3, R-WIRE-14, R-OLD-4, R-BND-5: every kind of key is replaced, each at
// another node than the one before, while all five send to each other. No letter
// fails, also those that were on their way to a node while its keys changed, or
// waited there to leave; and what was shown to auditors before verifies as it did,
// by the introductions from before and by those from afterwards.
func TestEveryKindOfKeyIsRotatedUnderLoad(t *testing.T) {
	nodes, kinds := five, operate.Kinds()
	if few(t) { // those that are replaced in ways of their own
		nodes, kinds = three, []operate.Kind{operate.TLSKind, operate.LogKind, operate.AuthorityKind}
	}
	Run(t, 500, nodes, func(w *World) {
		load := func(but ...*Host) {
			for i, h := range w.Hosts {
				if !slices.Contains(but, h) {
					h.Send(Letter{To: []*Host{w.Hosts[(i+1)%len(w.Hosts)]}, Size: 1000})
				}
			}
		}
		load()
		w.AwaitHandover(time.Hour)
		w.Pass(10 * time.Minute) // witnesses see it
		before := w.anchors()
		var old []string
		for _, p := range w.sent {
			old = append(old, w.officeHost(p.Key.From).bundle(p.Key))
		}
		for i, kind := range kinds {
			n := len(w.Hosts)
			h, from, away := w.Hosts[i%n], w.Hosts[(i+1)%n], w.Hosts[(i+2)%n]
			away.Stop() // it hears of the change later than others
			load(away)
			h.Send(Letter{To: []*Host{away}, Size: 1000}) // waits in the queue of the node whose keys change
			h.Stop()
			from.Send(Letter{To: []*Host{h}, Size: 1000}) // waits for it
			h.Rotate(nil, kind)
			w.Pass(5 * time.Minute)
			away.Start()
			w.Pass(time.Minute)
		}
		load()
		w.Await(12*time.Hour, Delivered)
		for _, h := range w.Hosts {
			if missing := h.running.Gateway.Uninformed(); len(missing) != 0 {
				w.T.Errorf("of %s, which has another TLS key, %v do not know", h.Node, missing)
			}
		}
		w.Pass(10 * time.Minute)
		now := w.anchors()
		for _, path := range old {
			for _, trust := range []*bundle.Trust{before, now} {
				if r := w.verify(path, trust); r.Verdict != bundle.Valid || !r.Trusted || slices.ContainsFunc(r.Evidence, func(e bundle.EvidenceSeen) bool { return e.Latest == nil }) {
					w.T.Errorf("a bundle from before is %s now, identities checked: %t", r.Verdict, r.Trusted)
				}
			}
		}
		for i := 0; i < len(w.sent); i += 4 {
			p := w.sent[i]
			if r := w.verify(w.officeHost(p.Key.From).bundle(p.Key), now); r.Verdict != bundle.Valid || !r.Trusted {
				w.T.Errorf("the bundle of %s is %s, identities checked: %t", p.Key, r.Verdict, r.Trusted)
			}
		}
	})
}

// R-REC-8, R-BND-8: the act key of xb was stolen. What it acknowledged before, a
// third state had seen before, and stands; what it acknowledged between the theft
// and the announcement is contested; the new key's acknowledgements stand, and what
// the thief signs afterwards no peer takes.
func TestAStolenKeyIsJudgedByWhatOthersSaw(t *testing.T) {
	Run(t, 501, three, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		acknowledged := func() protocol.Key {
			a.Send(Letter{To: []*Host{b}, Size: 1000})
			w.Await(time.Hour, Delivered)
			w.Pass(time.Minute)
			k := w.sent[len(w.sent)-1].Key
			_, err := b.office().Acknowledge(w.T.Context(), store.Name{From: k.From, Parcel: k.Parcel})
			w.must(err, "acknowledge %s", k)
			w.Pass(2 * time.Hour) // a third state sees it
			return k
		}
		earlier := acknowledged()
		theft := time.Now()
		w.Pass(time.Hour)
		between := acknowledged()
		own, _ := b.running.Gateway.OwnState().Authority(b.Office)
		stolen := own.Document().Keys[1].Digest
		b.Rotate(&theft, operate.ActKind)
		w.Pass(time.Hour)
		later := acknowledged()
		trust := w.anchors()
		for k, want := range map[protocol.Key]bundle.Verdict{earlier: bundle.Valid, between: bundle.Contested, later: bundle.Valid} {
			r := w.verify(a.bundle(k), trust)
			i := slices.IndexFunc(r.Evidence, func(e bundle.EvidenceSeen) bool { return e.Event == evidence.ConsignmentAcceptance })
			if i < 0 || r.Evidence[i].Verdict != want || !r.Trusted {
				w.T.Errorf("the acknowledgement of %s: %+v, want %s", k.Parcel, r.Evidence, want)
			}
		}
		state, _ := a.running.Gateway.State("xb")
		member, _ := state.Authority(b.Office)
		if err := member.Key(evidence.Act, stolen, time.Now()); protocol.CodeOf(err) != protocol.KeyCompromised {
			w.T.Errorf("what the thief signs now: %v", err)
		}
	})
}

// R-WIRE-14: the TLS key of xb was stolen, and so is no longer listed. Its peers
// still know no other, let the node in by it once more, and hear of the new one.
func TestAStolenTLSKeyIsReplaced(t *testing.T) {
	Run(t, 502, three, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		w.Pass(time.Minute)
		theft := time.Now()
		a.Send(Letter{To: []*Host{b}, Size: 1000})
		b.Rotate(&theft, operate.TLSKind)
		b.Send(Letter{To: []*Host{a}, Size: 1000})
		w.Await(3*time.Hour, Delivered)
		w.Pass(3 * time.Hour)
		if missing := b.running.Gateway.Uninformed(); len(missing) != 0 {
			w.T.Errorf("%v do not know the new key", missing)
		}
	})
}
