package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"

	"github.com/google/go-cmp/cmp"
)

// A parcel's way on both sides, each step a fact, each evidence with a proof
// that stands alone.
func TestParcelGoesItsWay(t *testing.T) {
	ctx := context.Background()
	a, b := newNode(t), newNode(t)
	k := key(1, prosecution)

	receipt := a.commit(a.submit(1, prosecution))[0].Packets[0]
	due, err := a.Due(ctx, nodeB, a.clock.now(), nil, 10, nil)
	if err != nil || len(due) != 1 || due[0].Key != k {
		t.Fatalf("due at once: %v, %v", due, err)
	}
	a.commit(Attempt{Key: k, Offered: true, Attempts: 1, Next: a.clock.now().Add(time.Minute)})

	accept := b.accept(1)
	accept.Submission = Evidence{Packet: receipt, Event: evidence.SubmissionAcceptance, Time: a.clock.now()}
	relayed := b.commit(accept)[0].Packets[0]

	take := TakeEvidence{Key: k, Peer: nodeB, Evidence: Evidence{Packet: relayed, Event: evidence.RelayAcceptance, Time: b.clock.now()}}
	wantState(t, "taken", a.commit(take)[0].State, exchange.Relayed)
	if next, err := a.NextDue(ctx, nodeB, time.Time{}); err != nil || !next.IsZero() {
		t.Errorf("after the acceptance something is due at %v, %v", next, err)
	}

	waiting, err := b.Waiting(ctx, prosecution, nil, 10)
	if err != nil || len(waiting) != 1 || waiting[0].Key != k {
		t.Fatalf("waiting for the office: %v, %v", waiting, err)
	}
	for _, step := range []struct {
		event evidence.Event
		want  exchange.State
	}{
		{evidence.ContentConsignment, exchange.Consigned},
		{evidence.ContentHandover, exchange.HandedOver},
		{evidence.ContentAccessTracking, exchange.HandedOver},
		{evidence.ConsignmentAcceptance, exchange.Acknowledged},
	} {
		release := step.event == evidence.ContentHandover
		o := b.commit(FileEvidence{Key: k, Evidence: b.evidence(k, step.event), Feed: nodeA, Release: release})[0]
		wantState(t, string(step.event)+" at xb", o.State, step.want)
	}
	feed, err := b.Feed(ctx, nodeA, 0, 0)
	if err != nil || len(feed) != 5 {
		t.Fatalf("feed of xa has %d entries, %v; want 5", len(feed), err)
	}
	var page []Fact
	for _, f := range feed {
		page = append(page, TakeEvidence{Key: f.Key, Peer: nodeB, Evidence: f.Evidence, Release: f.Evidence.Event == evidence.ContentHandover})
	}
	out := a.commit(append(page, AdvanceFeed{Peer: nodeB, Cursor: feed[4].Position})...)
	if !out[0].Repeat || out[1].Repeat {
		t.Errorf("repeats of the feed's page: %v, %v; want the first only", out[0].Repeat, out[1].Repeat)
	}
	row, err := a.Outbound(ctx, k)
	if err != nil {
		t.Fatal(err)
	}
	wantState(t, "xa at the end", row.State, exchange.Acknowledged)
	if row.Keeps || !row.Offered || row.Attempts != 1 {
		t.Errorf("row at the end: %+v", row)
	}
	if cursor, _ := a.FeedCursor(ctx, nodeB); cursor != feed[4].Position {
		t.Errorf("cursor %d, want %d", cursor, feed[4].Position)
	}
	rest, err := b.Feed(ctx, nodeA, feed[4].Position, 0)
	if err != nil || len(rest) != 0 {
		t.Errorf("feed after the last position: %v, %v", rest, err)
	}

	// Both sides tell the same story, in the same bytes.
	both := [2][]Evidence{}
	for i, n := range []*node{a, b} {
		if both[i], err = n.Evidence(ctx, k); err != nil || len(both[i]) != 6 {
			t.Fatalf("evidence: %d, %v; want 6", len(both[i]), err)
		}
		for j := range both[i] {
			both[i][j].Own, both[i][j].Stored = false, time.Time{}
		}
	}
	if diff := cmp.Diff(both[0], both[1]); diff != "" {
		t.Errorf("xa and xb differ:\n%s", diff)
	}
}

// R-EVID-5: a repeat gets the same stored bytes, proof included, also when the
// log has grown and the store was opened again: the proof is the one under the
// checkpoint of its own commit (R-LOG-3).
func TestRepeatGetsTheSameBytes(t *testing.T) {
	n := newNode(t)
	first := n.commit(n.accept(1), n.refuse(2), n.submit(3, prosecution, court))
	for i := range 20 {
		n.commit(n.accept(10+i), n.accept(40+i))
	}
	n.reopen()
	n.clock.advance(time.Hour)
	// The node has signed anew, not knowing that it had before.
	accept, refuse, submit := n.accept(1), n.refuse(2), n.submit(3, prosecution, court)
	refuse.Evidence, accept.Evidence = n.evidence(refuse.Key, evidence.RelayRejection, "again"), n.evidence(accept.Key, evidence.RelayAcceptance, "again")
	for i := range submit.Out {
		submit.Out[i].Envelope = document("envelope", submit.Out[i].Key, "again")
		submit.Out[i].Evidence = n.evidence(submit.Out[i].Key, evidence.SubmissionAcceptance, "again")
	}
	size, _ := n.Size(t.Context())
	again := n.commit(accept, refuse, submit)
	for i := range again {
		if !again[i].Repeat {
			t.Errorf("fact %d: not told as a repeat", i)
		}
		again[i].Repeat = false
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("repeat differs from the first answer:\n%s", diff)
	}
	if now, _ := n.Size(t.Context()); now != size {
		t.Errorf("repeats appended %d leaves", now-size)
	}
	// The other way round: a refusal stays one although now it could be accepted.
	late := n.accept(2)
	late.Envelope = refuse.Envelope
	if o := n.commitOne(late); !o.Repeat || !cmp.Equal(o.Packets, first[1].Packets) {
		t.Errorf("accepting what was refused: %+v", o)
	}
}

// R-EVID-6, I2: another document under a used identity takes no effect and is
// refused, with what stands in the way.
func TestEquivocationIsRefused(t *testing.T) {
	n := newNode(t)
	k := key(1, prosecution)
	stored := n.commit(n.accept(1), n.submit(2, prosecution), AdoptRecord{Record{State: "xb", Node: nodeB, Sequence: 3, Signed: document("record 3")}})
	n.commit(FileEvidence{Key: k, Evidence: n.evidence(k, evidence.ContentConsignment)})
	size, _ := n.Size(t.Context())

	otherEnvelope := n.accept(1)
	otherEnvelope.Envelope = document("another envelope", k)
	otherSealed := n.submit(2, court, prosecution)
	other := body(99, 100)
	otherSealed.Spool = n.spool(other)
	for i := range otherSealed.Out {
		otherSealed.Out[i].Sealed = sealedOf(other)
	}
	for _, test := range []struct {
		name string
		fact Fact
		want []statement.Packet
	}{
		{"envelope", otherEnvelope, stored[0].Packets},
		{"refusal of another envelope", RefuseRelay{Inbound: otherEnvelope.Inbound, Evidence: n.evidence(k, evidence.RelayRejection)}, stored[0].Packets},
		{"sealed bytes", otherSealed, stored[1].Packets},
		{"record", AdoptRecord{Record{State: "xb", Node: nodeB, Sequence: 3, Signed: document("another record 3")}}, stored[2].Packets},
		{"own evidence", FileEvidence{Key: k, Evidence: n.evidence(k, evidence.ContentConsignment, "again")}, nil},
		{"peer's evidence", TakeEvidence{Key: k, Evidence: n.foreign(k, evidence.SubmissionAcceptance, "again")}, nil},
	} {
		o := n.commitOne(test.fact)
		wantCode(t, test.name, o.Err, protocol.Equivocation)
		if len(o.Packets) != 1 || test.want != nil && !cmp.Equal(o.Packets, test.want) {
			t.Errorf("%s: refused with %d packets, want the stored one", test.name, len(o.Packets))
		}
	}
	if now, _ := n.Size(t.Context()); now != size {
		t.Errorf("refused facts appended %d leaves", now-size)
	}
	if _, err := n.Outbound(t.Context(), key(2, court)); !errors.Is(err, ErrNotFound) {
		t.Errorf("a refused submission left a row: %v", err)
	}
	wantCode(t, "older record", n.commitOne(AdoptRecord{Record{State: "xb", Node: nodeB, Sequence: 2, Signed: document("record 2")}}).Err, protocol.Expired)
}

// R-EVID-11: a parcel is taken over or refused, and acknowledged or declined, never
// both; who signs both is refused the second one, on either side.
func TestOneDecisionExcludesTheOther(t *testing.T) {
	n := newNode(t)
	here, sent := key(1, prosecution), key(2, prosecution)
	n.commit(n.accept(1), n.submit(2, prosecution))
	ours := func(e evidence.Event) Fact { return FileEvidence{Key: here, Evidence: n.evidence(here, e)} }
	theirs := func(e evidence.Event) Fact { return TakeEvidence{Key: sent, Evidence: n.foreign(sent, e)} }
	n.commit(ours(evidence.ConsignmentAcceptance), theirs(evidence.RelayAcceptance), theirs(evidence.ConsignmentRejection))
	size, _ := n.Size(t.Context())
	for name, f := range map[string]Fact{
		"refused after it was taken over": ours(evidence.RelayRejection), "declined after it was acknowledged": ours(evidence.ConsignmentRejection),
		"a peer's rejection": theirs(evidence.RelayRejection), "a peer's acknowledgement": theirs(evidence.ConsignmentAcceptance),
	} {
		o := n.commitOne(f)
		wantCode(t, name, o.Err, protocol.Equivocation)
		if len(o.Packets) != 1 {
			t.Errorf("%s: refused with %d packets, want the one that stands", name, len(o.Packets))
		}
	}
	if now, _ := n.Size(t.Context()); now != size {
		t.Errorf("refused evidence appended %d leaves", now-size)
	}
	if row, err := n.Outbound(t.Context(), sent); err != nil || row.State != exchange.Declined {
		t.Errorf("the parcel sent is %s, %v; want %s", row.State, err, exchange.Declined)
	}
}

// One bad fact fails alone; the leaves of its neighbours stay without a gap.
func TestBadFactFailsAlone(t *testing.T) {
	n := newNode(t)
	good := func(i int) Fact { return n.accept(i) }
	wrongSize := n.accept(100)
	wrongSize.Sealed.Size++
	wrongDigest := n.accept(101)
	wrongDigest.Sealed.Digest[0]++
	unkept := n.accept(102)
	unkept.Spool = n.NewSpool()
	noBytes := n.accept(103)
	noBytes.Spool, noBytes.Sealed.Digest = nil, protocol.Sum([]byte("nowhere"))
	noEvidence := n.accept(104)
	noEvidence.Evidence = Evidence{}
	sameEnvelope := n.accept(105)
	sameEnvelope.Envelope = n.accept(1).Envelope // a constraint of the table
	halfWay := n.submit(106, prosecution, court)
	halfWay.Out[1].Evidence = Evidence{} // its first row and leaf are undone
	k := key(1, prosecution)
	facts := []Fact{
		good(1), wrongSize, good(2), wrongDigest, unkept, good(3), noBytes, noEvidence, sameEnvelope, halfWay, good(4),
		FileEvidence{Key: key(200, prosecution), Evidence: n.evidence(key(200, prosecution), evidence.ContentConsignment)},
		FileEvidence{Key: k, Evidence: n.evidence(k, evidence.ContentConsignment), Expect: []exchange.State{exchange.Consigned}},
		TakeEvidence{Key: k, Peer: "xc", Evidence: n.foreign(k, evidence.RelayFailure)},
		Attempt{Key: key(200, prosecution)},
		Submit{},
		AdoptRecord{},
		good(5),
	}
	out, err := n.Commit(t.Context(), facts, n.sign)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range facts {
		a, isAccept := f.(AcceptRelay)
		wantOK := isAccept && a.Key.Parcel <= parcelID(5)
		if (out[i].Err == nil) != wantOK {
			t.Errorf("fact %d (%T): error %v, want success %v", i, f, out[i].Err, wantOK)
		}
		if !wantOK && (len(out[i].Packets) != 0) {
			t.Errorf("fact %d (%T): failed and yet has packets", i, f)
		}
		for _, p := range out[i].Packets {
			n.provable(p)
		}
	}
	wantCode(t, "wrong size", out[1].Err, protocol.SizeMismatch)
	wantCode(t, "wrong digest", out[3].Err, protocol.DigestMismatch)
	wantCode(t, "evidence of another node", out[13].Err, protocol.WrongParcel)
	var state *StateError
	if !errors.As(out[12].Err, &state) || state.Have != exchange.Relayed {
		t.Errorf("unexpected state: %v", out[12].Err)
	}
	if size, _ := n.Size(t.Context()); size != 10 {
		t.Errorf("log has %d leaves, want 10", size)
	}
}

// The same fact twice in one batch: the second is a repeat of the first, with
// the proof under the checkpoint that both wait for.
func TestRepeatWithinOneBatch(t *testing.T) {
	n := newNode(t)
	again := n.accept(1)
	again.Evidence = n.evidence(again.Key, evidence.RelayAcceptance, "signed a second time")
	out := n.commit(n.accept(1), n.accept(2), again)
	if !out[2].Repeat || !cmp.Equal(out[0].Packets, out[2].Packets) {
		t.Errorf("second answer: %+v, want %+v", out[2], out[0])
	}
}

func TestNoLeafNoCheckpoint(t *testing.T) {
	n := newNode(t)
	n.commit(n.submit(1, prosecution))
	before, _ := n.Checkpoint(t.Context())
	out, err := n.Commit(t.Context(), []Fact{Attempt{Key: key(1, prosecution), Attempts: 1}, AdvanceFeed{nodeB, 4}},
		func(int64, merkle.Hash) ([]byte, error) { return nil, errors.New("asked to sign") })
	if err != nil || out[0].Err != nil || out[1].Err != nil {
		t.Fatalf("facts without leaf: %v, %v", out, err)
	}
	if after, _ := n.Checkpoint(t.Context()); !cmp.Equal(before, after) {
		t.Errorf("checkpoint changed without a leaf")
	}
}

// Without a signature nothing is stored at all.
func TestUnsignedCheckpointStoresNothing(t *testing.T) {
	n := newNode(t)
	boom := errors.New("key is locked")
	_, err := n.Commit(t.Context(), []Fact{n.accept(1)}, func(int64, merkle.Hash) ([]byte, error) { return nil, boom })
	if !errors.Is(err, boom) || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("error %v, want %v and a known outcome", err, boom)
	}
	if _, err := n.Inbound(t.Context(), key(1, prosecution)); !errors.Is(err, ErrNotFound) {
		t.Errorf("row after the failed commit: %v", err)
	}
	n.commit(n.accept(1))
}

// Evidence arrives in any order; a state never goes back, also when a whole
// page of the feed is stored in one commit.
func TestStateNeverGoesBack(t *testing.T) {
	n := newNode(t)
	k := key(1, prosecution)
	n.commit(n.submit(1, prosecution))
	take := func(e evidence.Event) Fact { return TakeEvidence{Key: k, Peer: nodeB, Evidence: n.foreign(k, e)} }
	out := n.commit(take(evidence.ContentHandover), take(evidence.RelayAcceptance), take(evidence.ContentConsignment))
	for i, o := range out {
		wantState(t, string(rune('0'+i)), o.State, exchange.HandedOver)
	}
}

// R-EVID-10: a RelayAcceptance from before expiry supersedes a RelayFailure.
func TestLateAcceptanceSupersedesFailure(t *testing.T) {
	for _, test := range []struct {
		name string
		late time.Duration // of the acceptance, after the end of the parcel's life
		want exchange.State
	}{
		{"in time", -time.Hour, exchange.Relayed},
		{"too late", protocol.MaxSkew + time.Second, exchange.Failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t)
			k := key(1, prosecution)
			f := n.submit(1, prosecution)
			n.commit(f)
			expires := f.Out[0].Expires
			n.clock.advance(protocol.DefaultLifetime + time.Hour)
			wantState(t, "failed", n.commit(FileEvidence{Key: k, Evidence: n.evidence(k, evidence.RelayFailure)})[0].State, exchange.Failed)
			ev := n.foreign(k, evidence.RelayAcceptance)
			ev.Time = expires.Add(test.late)
			wantState(t, "accepted", n.commit(TakeEvidence{Key: k, Evidence: ev})[0].State, test.want)
		})
	}
}

// A node that hosts both authorities files the evidence itself and then takes
// its own copy as the peer's.
func TestOneNodeOnBothSides(t *testing.T) {
	n := newNode(t)
	k := key(1, prosecution)
	receipt := n.commit(n.submit(1, prosecution))[0].Packets[0]
	accept := n.accept(1)
	accept.Peer = nodeB
	accept.Submission = Evidence{Packet: receipt, Event: evidence.SubmissionAcceptance, Time: n.clock.now()}
	relayed := n.commit(accept)[0].Packets[0]
	take := TakeEvidence{Key: k, Peer: nodeB, Evidence: Evidence{Packet: relayed, Event: evidence.RelayAcceptance, Time: n.clock.now()}}
	o := n.commit(take)[0]
	if o.Repeat {
		t.Errorf("taking one's own evidence the first time is told as a repeat")
	}
	wantState(t, "outbound", o.State, exchange.Relayed)
	if !n.commit(take)[0].Repeat {
		t.Errorf("the second time is not told as a repeat")
	}
	all, err := n.Evidence(t.Context(), k)
	if err != nil || len(all) != 2 || !all[0].Own || !all[1].Own {
		t.Errorf("evidence: %v, %v", all, err)
	}
}

func TestSubmissionRejectionNeedsNoRow(t *testing.T) {
	n := newNode(t)
	k := key(1, prosecution)
	n.commit(FileEvidence{Key: k, Evidence: n.evidence(k, evidence.SubmissionRejection)})
	n.commit(n.submit(1, prosecution))
}
