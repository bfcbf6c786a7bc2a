package store

import (
	"context"
	"testing"

	"comity/protocol/evidence"
)

// R-LOG-6: evidence of another node takes a leaf here in the commit that takes it
// in, and a repeat takes none. It goes on with the proof that it came with.
func TestForeignEvidenceStandsInTwoLogs(t *testing.T) {
	n := newNode(t)
	k := key(1, prosecution)
	n.commit(n.submit(1, prosecution)) // one leaf
	take := TakeEvidence{Key: k, Peer: nodeB, Evidence: n.foreign(k, evidence.RelayAcceptance)}
	for range 2 {
		n.commit(take)
		all, err := n.Evidence(t.Context(), k)
		if err != nil || len(all) != 2 || all[1].Own || string(all[1].Proof) != string(foreignProof) {
			t.Fatalf("evidence: %+v, %v", all, err)
		}
		if n.leaves() != 2 {
			t.Errorf("%d leaves, want one for each evidence", n.leaves())
		}
	}
	r, err := n.CheckLog(t.Context(), n.logV.Checkpoint)
	if err != nil || r.Evidence != 1 || r.Foreign != 1 || r.ForeignLeaves != 1 {
		t.Errorf("%d own, %d of others, %d of them with a leaf; %v", r.Evidence, r.Foreign, r.ForeignLeaves, err)
	}
}

// Evidence that was taken in before there was such a rule stays as it is: a leaf
// given to it later would say that it was first seen then.
func TestForeignEvidenceWithoutALeafStays(t *testing.T) {
	n := newNode(t)
	k := key(1, prosecution)
	n.commit(n.submit(1, prosecution))
	old := n.foreign(k, evidence.RelayAcceptance)
	err := n.v.write(t.Context(), func(ctx context.Context, x *tx) error {
		_, err := x.exec(ctx, insertEvidence, 77, k.From, k.Parcel, k.To, old.Event, string(old.Document), string(old.Signature),
			old.Time.UnixMicro(), x.now.UnixMicro(), 0, nil, string(old.Proof), x.now.UnixMicro(), nil, 1, "")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	n.commit(TakeEvidence{Key: k, Peer: nodeB, Evidence: old})
	r, err := n.CheckLog(t.Context(), n.logV.Checkpoint)
	if err != nil || n.leaves() != 1 || r.Foreign != 1 || r.ForeignLeaves != 0 {
		t.Errorf("%d leaves; %d of others, %d of them with a leaf; %v", n.leaves(), r.Foreign, r.ForeignLeaves, err)
	}
}
