package gateway_test

import (
	"bytes"
	"net/http"
	"slices"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
	"comity/store"
)

// three makes three nodes, introduced to each other.
func three(t *testing.T) (a, b, c *node) {
	t.Helper()
	a, b = pair(t)
	c = newNode(t, "xc", []protocol.AuthorityID{"xc/court"})
	a.pin(c.party)
	b.pin(c.party)
	c.pin(a.party, b.party)
	return a, b, c
}

// R-PRF-1, R-PRF-2: both sides end up with proofs of each other's evidence, and of
// their own in the other's log, under checkpoints that a third node has cosigned.
// The proof that came with evidence stays.
func TestProofsAreUpgraded(t *testing.T) {
	a, b, c := three(t)
	k := a.submit(newLetter(central, 1000, b.party, prosecution))[0].Key
	came := a.await(k, evidence.RelayAcceptance)
	b.cosigned(a.party, c.party)
	a.cosigned(b.party, c.party)
	for _, side := range []struct{ here, there *node }{{a, b}, {b, a}} {
		if err := side.here.RefreshProofs(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		all, err := side.here.ProofsOf(t.Context(), k)
		if err != nil || len(all) != 2 {
			t.Fatalf("%d proofs at %s, %v", len(all), side.here.id, err)
		}
		for _, p := range all {
			issuer, other := side.here, side.there
			if !p.Own {
				issuer, other = other, issuer
			}
			issuer.proves(t, p, p.Witnessed, p.Witnesses, other.id, c.id)
			other.proves(t, p, p.Other, p.Others, issuer.id, c.id)
			if p.Event == evidence.RelayAcceptance && !p.Own && !bytes.Equal(p.Proof, came.Proof) {
				t.Error("the proof that came with the evidence has changed")
			}
		}
	}
}

// proves fails the test unless the proof leads to a state of the node's log that
// these nodes cosigned.
func (n *node) proves(t *testing.T, p gateway.Proven, proof []byte, by []gateway.Witness, want ...protocol.NodeID) {
	t.Helper()
	ref := p.Ref()
	if _, _, err := n.state.LogVerifier().Proof(proof, ref.Document, ref.Signature); err != nil {
		t.Errorf("%s in the log of %s: %v", p.Event, n.id, err)
		return
	}
	var names []protocol.NodeID
	for _, w := range by {
		names = append(names, w.Node)
		if age := time.Since(w.Time); age < -time.Minute || age > time.Hour {
			t.Errorf("%s in the log of %s was witnessed at %s", p.Event, n.id, w.Time)
		}
	}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("%s in the log of %s: witnessed by %v, want %v", p.Event, n.id, names, want)
	}
}

// R-PRF-1: only the other side of a transmission is told where its evidence stands.
func TestProofsAreForTheOtherSide(t *testing.T) {
	h, b := besiege(t)
	o := h.offering(100)
	m := h.make(o)
	h.put(m)
	h.patch(m, o.body)
	if r := h.do(http.MethodGet, m.path+"/proofs", nil, nil); r.status != http.StatusNotFound {
		t.Errorf("before anybody cosigned: %d %s", r.status, r.body)
	}
	size := must(b.db.Size(t.Context()))
	note := must(b.db.Checkpoint(t.Context()))
	c := must(b.state.LogVerifier().Checkpoint(note))
	lines := must(h.witness.Cosign(note, time.Now()))
	if err := b.db.AddCosignature(t.Context(), store.Cosignature{Size: c.Size, Root: c.Root, Witness: "xa", Lines: lines, Claimed: time.Now()}); err != nil {
		t.Fatal(err)
	}
	r := h.do(http.MethodGet, m.path+"/proofs", nil, nil)
	if packets := r.packets(t); r.status != http.StatusOK || len(packets) != 2 {
		t.Errorf("%d packets under a checkpoint over %d leaves, want both sides' evidence", len(packets), size)
	}
	other := newParty("xc", "127.0.0.1:1", "xc/court")
	b.pin(other)
	stranger := &hostile{party: other, t: t, to: b, over: gateway.QUIC}
	stranger.connect()
	for _, path := range []string{m.path, "/v1/parcels/" + digest("nothing").String()} {
		if r := stranger.do(http.MethodGet, path+"/proofs", nil, nil); r.status != http.StatusNotFound {
			t.Errorf("a third node asks %s: %d %s", path, r.status, r.body)
		}
	}
}

// R-PRF-2: a proof of the same evidence by another leaf, or in another log, is
// refused and raises an alarm; what is stored stands.
func TestProofsOfAnotherLog(t *testing.T) {
	for name, forge := range map[string]func(*receiver, statement.Packet) statement.Packet{
		"another leaf": func(r *receiver, p statement.Packet) statement.Packet { return r.packet(p.Signed, time.Now()) },
		"another log": func(_ *receiver, p statement.Packet) statement.Packet {
			return newParty("xb", "127.0.0.1:1").packet(p.Signed, time.Now())
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newNode(t, "xa", []protocol.AuthorityID{central})
			b := newReceiver(t, func(r *receiver, env *envelope.Envelope, ref statement.Ref, w http.ResponseWriter, _ *http.Request) {
				r.answer(env, ref, evidence.RelayAcceptance, w)
			})
			a.pin(b.party)
			k := a.submit(newLetter(central, 100, b.party, prosecution))[0].Key
			came := a.await(k, evidence.RelayAcceptance)
			forged := forge(b, came.Packet)
			proof := must(merkle.ParseProof(forged.Proof, protocol.MaxProof))
			proof.Checkpoint = must(merkle.WithCosignatures(proof.Checkpoint, must(a.witness.Cosign(proof.Checkpoint, time.Now()))))
			forged.Proof = proof.Marshal()
			answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(must(statement.EncodePackets([]statement.Packet{forged})))
			})
			b.proves.Store(&answer)
			if err := a.RefreshProofs(t.Context(), k); protocol.CodeOf(err) != protocol.BadSignature {
				t.Errorf("a forged proof: %v, want %s", err, protocol.BadSignature)
			}
			all := must(a.ProofsOf(t.Context(), k))
			i := slices.IndexFunc(all, func(p gateway.Proven) bool { return p.Event == evidence.RelayAcceptance })
			if all[i].Witnessed != nil || !bytes.Equal(all[i].Proof, came.Proof) {
				t.Error("the forged proof was kept")
			}
			if peers := must(a.Peers(t.Context())); peers[0].LastError == "" {
				t.Error("no alarm about the peer")
			}
		})
	}
}
