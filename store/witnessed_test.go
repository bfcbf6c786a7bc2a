package store

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// cosign has a witness cosign the newest checkpoint of the node.
func (n *node) cosign(c *merkle.Cosigner, witness protocol.NodeID) {
	n.t.Helper()
	note, err := n.Checkpoint(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	at, err := n.logV.Checkpoint(note)
	if err != nil {
		n.t.Fatal(err)
	}
	lines, err := c.Cosign(note, n.clock.now())
	if err == nil {
		err = n.AddCosignature(n.t.Context(), Cosignature{Size: at.Size, Root: at.Root, Witness: witness, Lines: lines, Claimed: n.clock.now()})
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

func newCosigner(t *testing.T, name string) *merkle.Cosigner {
	t.Helper()
	secret, _, _, err := merkle.GenerateKeypair(name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := merkle.ParseCosigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// there is a proof of a document from the log of another node.
func there(s statement.Signed, index int64, note string) *merkle.Proof {
	ref := s.Ref()
	return &merkle.Proof{
		Index: index, Hashes: []merkle.Hash{{1}, {2}}, Checkpoint: []byte(note), Salt: [merkle.SaltSize]byte{byte(index)},
		Document: ref.Document, Signature: ref.Signature,
	}
}

// R-PRF-2: proofs from the peer's log stand beside those that came with evidence.
// A better one replaces a worse one, and nothing else changes.
func TestProofsFromThePeersLog(t *testing.T) {
	n := newNode(t)
	k := key(1, prosecution)
	n.commit(n.accept(1))
	all, err := n.Evidence(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	foreign, own := all[0], all[1]
	keep := func(note string, witnesses int) int {
		kept, err := n.KeepProofs(t.Context(), nodeA, k, []PeerProof{
			{Event: foreign.Event, Proof: there(foreign.Signed, 3, note), Witnesses: witnesses},
			{Event: own.Event, Proof: there(own.Signed, 9, note), Witnesses: witnesses},
		})
		if err != nil {
			t.Fatal(err)
		}
		return kept
	}
	for i, step := range []struct {
		note       string
		witnesses  int
		kept       int
		standsThen string
	}{
		{"nobody cosigned", 0, 0, ""},
		{"one", 1, 2, "one"},
		{"another one", 1, 0, "one"},
		{"three", 3, 2, "three"},
		{"two", 2, 0, "three"},
	} {
		if kept := keep(step.note, step.witnesses); kept != step.kept {
			t.Errorf("step %d: %d proofs kept, want %d", i, kept, step.kept)
		}
		proofs, err := n.ProofsOf(t.Context(), k)
		if err != nil || len(proofs) != 2 {
			t.Fatal(proofs, err)
		}
		var wantForeign, wantOwn []byte
		if step.standsThen != "" {
			wantForeign, wantOwn = there(foreign.Signed, 3, step.standsThen).Marshal(), there(own.Signed, 9, step.standsThen).Marshal()
		}
		if !bytes.Equal(proofs[0].Witnessed, wantForeign) || !bytes.Equal(proofs[1].Other, wantOwn) {
			t.Errorf("step %d: proofs from the other log %q, %q", i, proofs[0].Witnessed, proofs[1].Other)
		}
		if !bytes.Equal(proofs[0].Proof, foreignProof) || !bytes.Equal(proofs[1].Proof, own.Proof) {
			t.Errorf("step %d: the first proofs changed", i)
		}
	}
	_, err = n.KeepProofs(t.Context(), nodeA, k, []PeerProof{{Event: own.Event, Proof: there(foreign.Signed, 9, "four"), Witnesses: 4}})
	wantCode(t, "a proof of another document", err, protocol.WrongParcel)
}

// R-PRF-1: what the node proves under its cosigned checkpoint is what stands below
// it, own and others'.
func TestProofsUnderTheCosignedCheckpoint(t *testing.T) {
	n := newNode(t)
	k := key(1, prosecution)
	n.commit(n.accept(1))
	if packets, err := n.CosignedPackets(t.Context(), k); err != nil || packets != nil {
		t.Fatalf("without a cosignature: %v, %v", packets, err)
	}
	proofs, err := n.ProofsOf(t.Context(), k)
	if err != nil || proofs[0].Other == nil || proofs[1].Witnessed != nil {
		t.Fatalf("without a cosignature: %+v, %v", proofs, err)
	}
	one, two := newCosigner(t, "comity/witness/xc"), newCosigner(t, "comity/witness/xd")
	n.cosign(one, "xc")
	n.commit(n.accept(2), FileEvidence{Key: k, Evidence: n.evidence(k, evidence.ContentConsignment)})
	for _, c := range []struct {
		also *merkle.Cosigner
		want []evidence.Event
	}{
		{nil, []evidence.Event{evidence.SubmissionAcceptance, evidence.RelayAcceptance}},
		{two, []evidence.Event{evidence.SubmissionAcceptance, evidence.RelayAcceptance, evidence.ContentConsignment}},
	} {
		if c.also != nil {
			n.cosign(c.also, "xd")
		}
		note, _, err := n.CosignedCheckpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		packets, err := n.CosignedPackets(t.Context(), k)
		if err != nil || len(packets) != len(c.want) {
			t.Fatalf("%d packets, %v; want %v", len(packets), err, c.want)
		}
		proofs, err := n.ProofsOf(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range packets {
			ref := p.Ref()
			proof, _, err := n.logV.Proof(p.Proof, ref.Document, ref.Signature)
			if err != nil || !bytes.Equal(proof.Checkpoint, note) {
				t.Errorf("proof %d does not hold under the cosigned checkpoint: %v", i, err)
			}
			if here := map[bool][]byte{true: proofs[i].Witnessed, false: proofs[i].Other}[proofs[i].Own]; !bytes.Equal(here, p.Proof) || proofs[i].Event != c.want[i] {
				t.Errorf("ProofsOf has another proof of %s", proofs[i].Event)
			}
		}
	}
}

// What is open is asked for once a transmission, and only where the peer has
// answered anything; what has enough witnesses, or is too old, is not open.
func TestUnwitnessed(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	n.commit(n.accept(1), n.accept(2), n.submit(3, prosecution), n.submit(4, prosecution))
	k := key(4, prosecution)
	n.commit(TakeEvidence{Key: k, Peer: nodeB, Evidence: n.foreign(k, evidence.RelayAcceptance)})
	open := func(peer protocol.NodeID, witnesses int, after int64, since time.Time) (numbers []string) {
		t.Helper()
		list, err := n.Unwitnessed(ctx, peer, witnesses, after, since, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list {
			numbers = append(numbers, string(o.Key.Parcel[len(o.Key.Parcel)-1:]))
		}
		return numbers
	}
	if a, b := open(nodeA, 0, 0, time.Time{}), open(nodeB, 0, 0, time.Time{}); !slices.Equal(a, []string{"1", "2"}) || !slices.Equal(b, []string{"4"}) {
		t.Errorf("open with xa: %v, with xb: %v", a, b)
	}
	for i := range 2 {
		all, err := n.Evidence(ctx, key(1, prosecution))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.KeepProofs(ctx, nodeA, key(1, prosecution), []PeerProof{{Event: all[i].Event, Proof: there(all[i].Signed, 1, "note"), Witnesses: 2}}); err != nil {
			t.Fatal(err)
		}
	}
	if zero, two := open(nodeA, 0, 0, time.Time{}), open(nodeA, 2, 0, time.Time{}); !slices.Equal(zero, []string{"2"}) || !slices.Equal(two, []string{"1"}) {
		t.Errorf("open without a witness: %v, with two: %v", zero, two)
	}
	if late := open(nodeA, 0, 0, n.clock.now().Add(time.Hour)); late != nil {
		t.Errorf("open, but too old: %v", late)
	}
	if rest := open(nodeA, 0, 4, time.Time{}); rest != nil {
		t.Errorf("open after the last: %v", rest)
	}
}
