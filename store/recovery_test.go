package store

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"comity/crypto/merkle"
	"comity/protocol"
)

// begins begins the node's second log, with records that peers showed before its own,
// and returns what signs it.
func (n *node) begins(shown ...Record) Signer {
	n.t.Helper()
	next, err := merkle.GenerateLog("comity/log/xa/2")
	if err != nil {
		n.t.Fatal(err)
	}
	own := Record{State: "xa", Node: "xa", Sequence: 9, Signed: document("record 9 of xa"), Own: true}
	sign := func(size int64, root merkle.Hash) ([]byte, error) { return next.Checkpoint(size, root, n.clock.now()) }
	if err := n.NewEra(n.t.Context(), Era{Number: 2, Statement: document("how it begins"), Shown: shown, Record: own}, sign); err != nil {
		n.t.Fatal(err)
	}
	ed, pq := next.VerifierKeys()
	if n.logV, err = merkle.NewVerifier(next.Origin(), ed, pq); err != nil {
		n.t.Fatal(err)
	}
	return sign
}

// R-OLD-7: what of a page is in doubt is stored with the place up to which the list
// was read, up to a limit, and beyond it the place does not move.
func TestWhatIsInDoubt(t *testing.T) {
	n := newNode(t)
	n.commit(AdoptRecord{Record{State: "xb", Node: nodeB, Sequence: 1, Signed: document("record 1 of xb")}})
	n.begins()
	ctx := t.Context()
	want := []Doubt{{key(1, prosecution), false, 3}, {key(2, prosecution), false, 7}, {key(3, prosecution), true, 1}}
	for _, p := range []Page{
		{Peer: nodeB, Doubts: []Doubt{want[1]}, Received: 8},
		{Peer: nodeB, Doubts: []Doubt{want[0], want[1]}, Received: 9},
		{Peer: nodeB, Doubts: []Doubt{want[2]}, Received: 9, Sent: 2},
	} {
		if err := n.SetRecovered(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	n.reopen()
	check := func(want []Doubt) {
		t.Helper()
		got, err := n.Doubts(ctx, nodeB)
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("in doubt: %v, %s", err, cmp.Diff(got, want))
		}
		if still, received, sent, err := n.Recovering(ctx, nodeB); !still || received != 9 || sent != 2 || err != nil {
			t.Errorf("read up to %d and %d, %v, %v", received, sent, still, err)
		}
	}
	check(want)
	many := Page{Peer: nodeB, Received: 100, Sent: 100}
	for i := range MaxDoubts {
		many.Doubts = append(many.Doubts, Doubt{Key: key(10+i, prosecution), After: 50})
	}
	if err := n.SetRecovered(ctx, many); err == nil {
		t.Error("more than MaxDoubts were stored")
	}
	check(want)
	if err := n.EndDoubt(ctx, nodeB, want[1].Key); err != nil {
		t.Fatal(err)
	}
	check([]Doubt{want[0], want[2]})
}

// R-OLD-4: after a new era a peer that is pinned first now is asked what it holds;
// one that is known already, and was asked, is not asked again.
func TestAPeerIsAskedWhenItIsPinnedInALaterEra(t *testing.T) {
	n := newNode(t)
	sign := Signer(n.sign)
	pin := func(state string, sequence int64) {
		t.Helper()
		d := document("record of " + state + string(rune('0'+sequence)))
		out, err := n.Commit(t.Context(), []Fact{AdoptRecord{Record{
			State: protocol.StateID(state), Node: protocol.NodeID(state), Sequence: sequence, Signed: d,
		}}}, sign)
		if err != nil || out[0].Err != nil {
			t.Fatal(err, out[0].Err)
		}
	}
	recovering := func(peer protocol.NodeID, want bool) {
		t.Helper()
		if still, _, _, err := n.Recovering(t.Context(), peer); err != nil || still != want {
			t.Errorf("%s is to be asked: %v, %v; want %v", peer, still, err, want)
		}
	}
	pin("xb", 1)
	recovering("xb", false)
	sign = n.begins()
	recovering("xb", true)
	pin("xc", 1)
	recovering("xc", true)
	if err := n.EndRecovery(t.Context(), "xb"); err != nil {
		t.Fatal(err)
	}
	pin("xb", 2)
	recovering("xb", false)
}

// R-OLD-1, R-OLD-4: a peer's record of this node, and its checkpoint, are remembered
// whichever comes first, and the new era has a leaf for the record.
func TestARecordThatAPeerShowed(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	n.commit(AdoptRecord{Record{State: "xa", Node: "xa", Sequence: 1, Signed: document("record 1 of xa"), Own: true}},
		AdoptRecord{Record{State: "xb", Node: nodeB, Sequence: 1, Signed: document("record 1 of xb")}})
	lost := document("record 5 of xa")
	for _, s := range []Shown{{Peer: nodeB, Record: lost}, {Peer: nodeB, Note: []byte("a later checkpoint")}, {Peer: "xc", Record: lost}} {
		if err := n.NoteShown(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	want := []Shown{{nodeB, []byte("a later checkpoint"), lost}, {"xc", nil, lost}}
	if got, err := n.Shown(ctx); err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v, %s", err, cmp.Diff(got, want))
	}
	n.begins(Record{State: "xa", Node: "xa", Sequence: 5, Signed: lost, Own: true})
	if got, err := n.Shown(ctx); err != nil || len(got) != 0 {
		t.Errorf("still an older copy: %v, %v", got, err)
	}
	row, err := n.RecordByDigest(ctx, lost.Digest())
	if err != nil || row.Sequence != 5 || !row.Own {
		t.Errorf("the record that was lost: %+v, %v", row, err)
	}
	if r, err := n.CheckLog(ctx, n.logV.Checkpoint); err != nil || r.Leaves != 5 {
		t.Errorf("%d leaves: the statement and four records; %v", r.Leaves, err)
	}
}
