package store

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/evidence"
)

// R-OLD-4, I4: a new era has a leaf for how it begins, for every record and for
// every evidence that had one; the whole log computes, old evidence is proven in
// it, and it goes on.
func TestANewEraOfTheLog(t *testing.T) {
	n := newNode(t)
	k := key(1, prosecution)
	n.commit(n.submit(1, prosecution), AdoptRecord{Record{State: "xb", Node: nodeB, Sequence: 1, Signed: document("record 1 of xb")}})
	n.commit(TakeEvidence{Key: k, Peer: nodeB, Evidence: n.foreign(k, evidence.RelayAcceptance)})
	n.commit(n.submit(2, prosecution), adopts(3, "three"))
	if err := n.NoteShown(t.Context(), Shown{Peer: nodeB, Note: []byte("a later checkpoint")}); err != nil {
		t.Fatal(err)
	}
	leaves := n.leaves()
	next, err := merkle.GenerateLog("comity/log/xa/2")
	if err != nil {
		t.Fatal(err)
	}
	ed, pq := next.VerifierKeys()
	v, err := merkle.NewVerifier(next.Origin(), ed, pq)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(size int64, root merkle.Hash) ([]byte, error) { return next.Checkpoint(size, root, n.clock.now()) }
	own := Record{State: "xa", Node: "xa", Sequence: 2, Signed: document("record 2 of xa"), Own: true}
	era := Era{Number: 2, Statement: document("how it begins"), Record: own}
	if err := n.NewEra(t.Context(), era, sign); err != nil {
		t.Fatal(err)
	}
	n.logV = v
	for range 2 {
		r, err := n.CheckLog(t.Context(), v.Checkpoint)
		if err != nil || r.Leaves != leaves+2 || r.Eras != 1 || r.Directories != 1 || r.Checkpoints != 1 {
			t.Fatalf("%d leaves after %d, %d eras, %d checkpoints: %v", r.Leaves, leaves, r.Eras, r.Checkpoints, err)
		}
		n.reopen()
	}
	all, err := n.Evidence(t.Context(), k)
	if err != nil || len(all) != 2 || !all[0].Own {
		t.Fatal(all, err)
	}
	ref := all[0].Ref()
	if _, _, err := v.Proof(all[0].Proof, ref.Document, ref.Signature); err != nil {
		t.Errorf("evidence of the log before is not proven in the new one: %v", err)
	}
	still, received, sent, err := n.Recovering(t.Context(), nodeB)
	if err != nil || !still || received != 0 || sent != 0 {
		t.Errorf("nothing is to be fetched from the peer: %v %d %d %v", still, received, sent, err)
	}
	if shown, err := n.Shown(t.Context()); err != nil || len(shown) != 0 {
		t.Errorf("it is an older copy still: %v, %v", shown, err)
	}
	out, err := n.Commit(t.Context(), []Fact{n.submit(3, prosecution)}, sign)
	if err != nil || out[0].Err != nil {
		t.Fatal(err, out[0].Err)
	}
	if r, err := n.CheckLog(t.Context(), v.Checkpoint); err != nil || r.Checkpoints != 2 {
		t.Errorf("going on: %+v, %v", r, err)
	}
	if err := errors.Join(n.SetRecovered(t.Context(), Page{Peer: nodeB, Received: 7}), n.EndRecovery(t.Context(), nodeB)); err != nil {
		t.Fatal(err)
	}
	if still, received, _, err := n.Recovering(t.Context(), nodeB); err != nil || still || received != 7 {
		t.Errorf("all was fetched: %v %d %v", still, received, err)
	}
	if eras, err := n.Eras(t.Context()); err != nil || len(eras) != 1 || !bytes.Equal(eras[0].Statement.Document, era.Statement.Document) {
		t.Errorf("eras: %v, %v", eras, err)
	}
}

// A long log is not held whole: it gets its leaves again page by page, in their
// order, in the one transaction.
func TestANewEraOfALongLog(t *testing.T) {
	n := newNode(t)
	var facts []Fact
	for i := range 3*eraPage + 7 {
		facts = append(facts, AdoptRecord{Record{State: "xb", Node: nodeB, Sequence: int64(i + 1), Signed: document("record ", i, " of xb")}})
		if i == eraPage {
			facts = append(facts, n.submit(1, prosecution))
		}
	}
	for page := range slices.Chunk(facts, 64) {
		n.commit(page...)
	}
	era := Era{Number: 2, Statement: document("how it begins"), Record: Record{State: "xa", Node: "xa", Sequence: 2, Signed: document("record 2 of xa"), Own: true}}
	leaves := n.leaves()
	if err := n.NewEra(t.Context(), era, n.sign); err != nil {
		t.Fatal(err)
	}
	r, err := n.CheckLog(t.Context(), n.logV.Checkpoint)
	if err != nil || r.Leaves != leaves+2 || r.Checkpoints != 4 {
		t.Fatalf("%d leaves after %d, under %d checkpoints: %v; want two more, under 4", r.Leaves, leaves, r.Checkpoints, err)
	}
	n.reopen()
	n.commit(n.submit(2, prosecution))
	if _, err := n.CheckLog(t.Context(), n.logV.Checkpoint); err != nil {
		t.Errorf("going on: %v", err)
	}
	all, err := n.Evidence(t.Context(), key(1, prosecution))
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	if p, err := merkle.ParseProof(all[0].Proof, protocol.MaxProof); err != nil || p.Index != eraPage+2 {
		t.Errorf("the evidence stands at %d, %v; want its place among the records, after the statement", p.Index, err)
	}
}
