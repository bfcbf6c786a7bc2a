package gateway_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

// marks has the node adopt the next record of a party, in which keys are marked
// compromised since the party was made.
func (n *node) marks(p *party, keys record.Keypair) {
	n.t.Helper()
	signed := p.next(func(r *record.Record) {
		r.Node.Compromised = []record.Mark{{Keys: keys, Compromised: record.Compromised{Since: protocol.At(p.made), Announced: protocol.At(p.made)}}}
	})
	if err := n.Pin(n.t.Context(), must(record.Verify(signed, p.state))); err != nil {
		n.t.Fatal(err)
	}
}

// R-WIT-8: what a witness cosigned counts for nothing once its keys are marked: in
// the checkpoint that the node shows, in proofs that it holds, and in those that it
// hands out. It is asked for no more.
func TestWitnessWithMarkedKeys(t *testing.T) {
	a, b, c := three(t)
	k := a.submit(newLetter(central, 1000, b.party, prosecution))[0].Key
	a.await(k, evidence.RelayAcceptance)
	b.cosigned(a.party, c.party)
	a.cosigned(b.party, c.party)
	if err := a.RefreshProofs(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	whose := func() (names []protocol.NodeID) {
		t.Helper()
		all := must(a.ProofsOf(t.Context(), k))
		for _, p := range all {
			for _, w := range slices.Concat(p.Witnesses, p.Others) {
				names = append(names, w.Node)
			}
		}
		slices.Sort(names)
		return slices.Compact(names)
	}
	if got := whose(); !slices.Equal(got, []protocol.NodeID{"xa", "xb", "xc"}) {
		t.Fatalf("before: witnessed by %v", got)
	}
	a.marks(c.party, c.document.Node.Witness)
	if got := whose(); !slices.Equal(got, []protocol.NodeID{"xa", "xb"}) {
		t.Errorf("with the mark: witnessed by %v", got)
	}
	line := []byte("\n— comity/witness/xc ")
	note, _, err := a.db.CosignedCheckpoint(t.Context())
	if err != nil || bytes.Contains(note, line) || !bytes.Contains(note, []byte("\n— comity/witness/xb ")) {
		t.Errorf("the checkpoint that is shown: %v\n%s", err, note)
	}
	// The peer knows of no mark yet, and shows all it has; what is kept is without it.
	if err := a.RefreshProofs(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	for event, p := range must(a.Proofs(t.Context(), k)) {
		if bytes.Contains(p.Cosigned, line) || bytes.Contains(p.Peer, line) || p.Cosigned == nil || p.Peer == nil {
			t.Errorf("%s rests on a stolen key, or on nothing:\n%s%s", event, p.Cosigned, p.Peer)
		}
	}
	// It goes on without that witness.
	a.submit(newLetter(central, 1000, b.party, prosecution))
	a.cosigned(b.party)
	size := must(a.db.Size(t.Context()))
	for _, w := range must(a.db.WitnessStates(t.Context())) {
		if w.Node == "xc" && w.Size >= size {
			t.Errorf("xc was asked to cosign %d leaves", w.Size)
		}
	}
}

// R-WIT-8: a log with marked keys is not cosigned, and what it took since proves
// nothing: an offer with a proof from it is refused, and leaves no trace.
func TestLogWithMarkedKeys(t *testing.T) {
	h, b := besiege(t)
	honest := newHistory("honest", 0, 10)
	body := h.submission(honest, 5, 0)
	if r := h.do(http.MethodPost, "/v1/witness/add-checkpoint", nil, body); r.status != http.StatusOK {
		t.Fatalf("before: %d %s", r.status, r.body)
	}
	b.marks(h.party, h.document.Node.Log.Keys)
	if r := h.do(http.MethodPost, "/v1/witness/add-checkpoint", nil, h.submission(honest, 8, 5)); r.status != http.StatusForbidden {
		t.Errorf("it cosigned: %d %s", r.status, r.body)
	}
	o := h.offering(1000)
	if r := h.put(h.make(o)); r.status < 400 || !strings.Contains(string(r.body), "marked compromised") {
		t.Errorf("an offer: %d %s", r.status, r.body)
	}
	h.untouched("with a log whose keys are marked", o.env.Key())
}
