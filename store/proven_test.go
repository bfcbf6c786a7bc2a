package store

import (
	"bytes"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/evidence"
)

// Of a leaf that several witnesses have seen, in several states of the log, the
// proof is under the first that a third party cosigned; until one has, under the
// first that a party did.
func TestProofsUnderCosignedCheckpoints(t *testing.T) {
	n := newNode(t)
	parties := [2]protocol.NodeID{"xa", "xb"}
	party, third := newWitness(t, "comity/witness/xb"), newWitness(t, "comity/witness/xc")
	cosign := func(by protocol.NodeID, w *merkle.Cosigner) merkle.Checkpoint {
		t.Helper()
		c := n.mustCheckpoint()
		lines, err := w.Cosign(n.mustNote(c.Size), n.clock.now())
		if err == nil {
			err = n.AddCosignature(t.Context(), Cosignature{Size: c.Size, Root: c.Root, Witness: by, Lines: lines, Claimed: n.clock.now()})
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	more := func(number int) {
		t.Helper()
		n.clock.advance(time.Minute)
		n.commit(n.accept(number))
	}
	wants := func(what string, c merkle.Checkpoint, names ...string) {
		t.Helper()
		list, err := n.FirstProofs(t.Context(), key(1, prosecution), parties)
		if err != nil || len(list) == 0 {
			t.Fatalf("%s: %v, %v", what, list, err)
		}
		rows, err := n.Evidence(t.Context(), key(1, prosecution))
		if err != nil {
			t.Fatal(err)
		}
		shown := false
		for _, p := range list {
			for _, r := range rows {
				if r.Event != p.Event {
					continue
				}
				ref := r.Ref()
				_, got, err := n.logV.Proof(p.Proof, ref.Document, ref.Signature)
				if err != nil || got.Size != c.Size || got.Root != c.Root {
					t.Errorf("%s: %s is proven in %+v, %v; want size %d", what, p.Event, got, err, c.Size)
				}
				shown = shown || p.Event == evidence.RelayAcceptance
			}
			for _, name := range names {
				if bytes.Count(p.Proof, []byte("\n— comity/witness/"+name+" ")) != 2 {
					t.Errorf("%s: the proof lacks the lines of %s", what, name)
				}
			}
		}
		if !shown {
			t.Errorf("%s: the own evidence is not proven: %v", what, list)
		}
	}
	n.commit(n.adopt("xb"), n.adopt("xc"))
	cosign("xc", third) // before the leaf
	more(1)
	if list, err := n.FirstProofs(t.Context(), key(1, prosecution), parties); err != nil || len(list) != 0 {
		t.Errorf("before anybody has seen the leaf: %v, %v", list, err)
	}
	more(2)
	byParty := cosign("xb", party)
	wants("seen by a party", byParty, "xb")
	more(3)
	byThird := cosign("xc", third)
	wants("seen by a third party", byThird, "xc")
	more(4)
	cosign("xc", third)
	wants("seen again", byThird, "xc")
	more(5)
	wants("a larger log", byThird, "xc")

	// R-WIT-8: once its keys are marked, what it cosigned counts for nothing.
	ed, _ := third.VerifierKeys()
	start, err := merkle.LineStart(ed)
	if err != nil {
		t.Fatal(err)
	}
	marked := n.adopt("xc").(AdoptRecord)
	marked.Sequence, marked.Signed.Document, marked.Marked = 2, []byte("the second record of xc"), []string{start}
	n.commit(marked)
	wants("with a mark on the keys of the third party", byParty, "xb")
	if note, size, err := n.CosignedCheckpoint(t.Context()); err != nil || size != byParty.Size || bytes.Contains(note, []byte(start)) {
		t.Errorf("the newest cosigned checkpoint has %d leaves, %v\n%s", size, err, note)
	}
	renewed := newWitness(t, "comity/witness/xc")
	byThird = cosign("xc", renewed)
	wants("with new keys of the third party", byThird, "xc")
}
