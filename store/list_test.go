package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"

	"github.com/google/go-cmp/cmp"
)

func parcels[T any](list []T, id func(T) protocol.ParcelID) (out []string) {
	for _, v := range list {
		out = append(out, strings.TrimLeft(string(id(v))[24:], "0"))
	}
	return out
}

func ofOutbound(o Outbound) protocol.ParcelID { return o.Key.Parcel }
func ofInbound(i Inbound) protocol.ParcelID   { return i.Key.Parcel }

// Urgent ones first, then the longest waiting; what is not due yet, has
// nothing left to send, or goes elsewhere is left out.
func TestDue(t *testing.T) {
	ctx := t.Context()
	n := newNode(t)
	now := n.clock.now()
	add := func(number int, p protocol.Priority, next time.Duration) {
		f := n.submit(number, prosecution)
		f.Out[0].Priority, f.Out[0].Next = p, now.Add(next)
		n.commit(f)
	}
	add(1, protocol.Routine, -time.Minute)
	add(2, protocol.Routine, -time.Hour)
	add(3, protocol.Emergency, -time.Second)
	add(4, protocol.Urgent, 0)
	add(5, protocol.Emergency, time.Minute)
	add(6, protocol.Routine, -2*time.Hour)
	elsewhere := n.submit(7, "xc/court")
	elsewhere.Out[0].Peer = "xc"
	n.commit(elsewhere)
	k := key(6, prosecution)
	n.commit(TakeEvidence{Key: k, Evidence: n.foreign(k, evidence.RelayAcceptance)})

	due, err := n.Due(ctx, nodeB, now, nil, 10, nil)
	if got, want := parcels(due, ofOutbound), []string{"3", "4", "2", "1"}; err != nil || !cmp.Equal(got, want) {
		t.Errorf("due: %v, %v; want %v", got, err, want)
	}
	due, err = n.Due(ctx, nodeB, now, nil, 2, nil)
	if got, want := parcels(due, ofOutbound), []string{"3", "4"}; err != nil || !cmp.Equal(got, want) {
		t.Errorf("due, two at most: %v, %v; want %v", got, err, want)
	}
	if next, _ := n.NextDue(ctx, nodeB, time.Time{}); !next.Equal(now.Add(-time.Hour)) {
		t.Errorf("next due at %v, want %v", next, now.Add(-time.Hour))
	}
	if next, _ := n.NextDue(ctx, nodeB, now); !next.Equal(now.Add(time.Minute)) {
		t.Errorf("next due after now at %v, want %v", next, now.Add(time.Minute))
	}
	if woken, err := n.Wake(ctx, nodeB, now); err != nil || woken != 1 {
		t.Errorf("woken: %d, %v; want the one in backoff", woken, err)
	}
	if due, _ = n.Due(ctx, nodeB, now, nil, 10, nil); len(due) != 5 {
		t.Errorf("after waking %d are due, want 5", len(due))
	}
	queues, err := n.Queues(ctx, WithoutTests)
	if err != nil || len(queues) != 2 || queues[0].Peer != nodeB || queues[0].Waiting != 5 || queues[0].Bytes != 500 || queues[1].Waiting != 1 {
		t.Errorf("queues: %+v, %v", queues, err)
	}
}

// An attempt rides with other facts; it keeps what it does not name, and never
// brings a settled row back into the queue.
func TestAttempt(t *testing.T) {
	n := newNode(t)
	k := key(1, prosecution)
	n.commit(n.submit(1, prosecution))
	next := n.clock.now().Add(time.Minute)
	n.commit(Attempt{Key: k, Offered: true, Attempts: 1, Next: next, Error: "no route"})
	n.clock.advance(time.Second)
	n.commit(Attempt{Key: k, Attempts: 2})
	o, err := n.Outbound(t.Context(), k)
	if err != nil || !o.Offered || o.Attempts != 2 || !o.Next.Equal(next) || o.LastError != "no route" || !o.LastErrorAt.Equal(n.clock.now().Add(-time.Second)) {
		t.Errorf("row after two attempts: %+v, %v", o, err)
	}
	n.commit(TakeEvidence{Key: k, Evidence: n.foreign(k, evidence.RelayRejection)})
	out := n.commit(Attempt{Key: k, Attempts: 3, Next: next})
	if !out[0].Repeat || out[0].State != exchange.Refused {
		t.Errorf("attempt on a settled row: %+v", out[0])
	}
	if o, _ = n.Outbound(t.Context(), k); !o.Next.IsZero() || o.Attempts != 2 {
		t.Errorf("settled row after an attempt: %+v", o)
	}
	if err := n.Reschedule(t.Context(), Attempt{Key: key(9, court)}, Attempt{Key: k}); err != nil {
		t.Errorf("rescheduling what is not there: %v", err)
	}
}

// R-XCH-5: test parcels show in no list, count or queue unless asked for; the
// office still gets them.
func TestTestParcelsAreLeftOut(t *testing.T) {
	ctx := t.Context()
	n := newNode(t)
	real, test := n.submit(1, prosecution), n.submit(2, prosecution)
	test.Out[0].Test = true
	realIn, testIn := n.accept(3), n.accept(4)
	testIn.Test = true
	n.commit(real, test, realIn, testIn)
	for mode, want := range map[Tests][2][]string{
		WithoutTests: {{"1"}, {"3"}}, WithTests: {{"2", "1"}, {"4", "3"}}, OnlyTests: {{"2"}, {"4"}},
	} {
		out, err := n.OutboundList(ctx, Filter{Test: mode})
		if got := parcels(out, ofOutbound); err != nil || !cmp.Equal(got, want[0]) {
			t.Errorf("mode %d: outbound %v, %v; want %v", mode, got, err, want[0])
		}
		in, err := n.InboundList(ctx, Filter{Test: mode})
		if got := parcels(in, ofInbound); err != nil || !cmp.Equal(got, want[1]) {
			t.Errorf("mode %d: inbound %v, %v; want %v", mode, got, err, want[1])
		}
		c, err := n.Counts(ctx, mode)
		if err != nil || c.Outbound[exchange.Queued] != int64(len(want[0])) || c.Inbound[exchange.Relayed] != int64(len(want[1])) || c.Leaves != 6 {
			t.Errorf("mode %d: counts %+v, %v", mode, c, err)
		}
		q, err := n.Queues(ctx, mode)
		if err != nil || q[0].Waiting != int64(len(want[0])) {
			t.Errorf("mode %d: queues %+v, %v", mode, q, err)
		}
	}
	if w, _ := n.Waiting(ctx, prosecution, nil, 0); len(w) != 2 {
		t.Errorf("waiting for the office: %d, want both", len(w))
	}
}

func TestFilters(t *testing.T) {
	ctx := t.Context()
	n := newNode(t)
	for i := range 6 {
		to := prosecution
		if i%2 == 1 {
			to = court
		}
		n.commit(n.submit(i+1, to))
	}
	k := key(1, prosecution)
	n.commit(TakeEvidence{Key: k, Evidence: n.foreign(k, evidence.RelayAcceptance)})
	for _, test := range []struct {
		filter Filter
		want   []string
	}{
		{Filter{}, []string{"6", "5", "4", "3", "2", "1"}},
		{Filter{To: court}, []string{"6", "4", "2"}},
		{Filter{From: "xa/nobody"}, nil},
		{Filter{Peer: nodeB, States: []exchange.State{exchange.Relayed, exchange.Failed}}, []string{"1"}},
		{Filter{Parcel: parcelID(3)}, []string{"3"}},
		{Filter{Limit: 2}, []string{"6", "5"}},
		{Filter{Before: 5, Limit: 2, From: central}, []string{"4", "3"}},
	} {
		list, err := n.OutboundList(ctx, test.filter)
		if got := parcels(list, ofOutbound); err != nil || !cmp.Equal(got, test.want) {
			t.Errorf("%+v: %v, %v; want %v", test.filter, got, err, test.want)
		}
	}
}

func TestWaitingOrder(t *testing.T) {
	n := newNode(t)
	for i, p := range []protocol.Priority{protocol.Routine, protocol.Emergency, protocol.Routine, protocol.Urgent} {
		f := n.accept(i + 1)
		f.Priority = p
		n.commit(f)
	}
	k := key(3, prosecution)
	n.commit(FileEvidence{Key: k, Evidence: n.evidence(k, evidence.ContentConsignment)}, n.refuse(9))
	w, err := n.Waiting(t.Context(), prosecution, nil, 10)
	if got, want := parcels(w, ofInbound), []string{"2", "4", "3", "1"}; err != nil || !cmp.Equal(got, want) {
		t.Errorf("waiting: %v, %v; want %v", got, err, want)
	}
	n.commit(FileEvidence{Key: k, Evidence: n.evidence(k, evidence.ContentHandover)})
	if w, _ = n.Waiting(t.Context(), prosecution, nil, 1); len(w) != 1 || w[0].Key.Parcel != parcelID(2) {
		t.Errorf("waiting, one at most: %v", w)
	}
	if w, _ = n.Waiting(t.Context(), court, nil, 10); len(w) != 0 {
		t.Errorf("waiting for another authority: %v", w)
	}
}

// Why an attempt failed may be told in a peer's own bytes.
func TestForeignWordsAreStored(t *testing.T) {
	n := newNode(t)
	n.commit(n.submit(1, prosecution))
	k := key(1, prosecution)
	n.commit(Attempt{Key: k, Attempts: 1, Error: "refused: a\x00b\xff\xfeс"})
	o, err := n.Outbound(t.Context(), k)
	if want := "refused: a\uFFFDb\uFFFDс"; err != nil || o.LastError != want {
		t.Errorf("stored %q, %v; want %q", o.LastError, err, want)
	}
}

func TestInboundByEnvelope(t *testing.T) {
	n := newNode(t)
	f := n.accept(1)
	n.commit(f)
	in, err := n.InboundByEnvelope(t.Context(), f.Envelope.Digest())
	if err != nil || in.Key != f.Key || in.Sealed != f.Sealed || !cmp.Equal(in.Envelope, f.Envelope) || !in.Expires.Equal(f.Expires) {
		t.Errorf("row: %+v, %v", in, err)
	}
	if _, err := n.InboundByEnvelope(t.Context(), protocol.Sum(nil)); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown envelope: %v", err)
	}
}

func TestFeedPagesAreBounded(t *testing.T) {
	n := newNode(t)
	var facts []Fact
	for i := range 100 {
		facts = append(facts, n.accept(i))
	}
	n.commit(facts...)
	var after int64
	var sizes []int
	for {
		page, err := n.Feed(t.Context(), nodeA, after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		sizes = append(sizes, len(page))
		for _, e := range page {
			if e.Position <= after {
				t.Fatalf("position %d after %d", e.Position, after)
			}
			after = e.Position
			n.provable(e.Evidence.Packet)
		}
	}
	if !cmp.Equal(sizes, []int{64, 36}) {
		t.Errorf("pages of %v, want 64 and 36", sizes)
	}
	n.commit(AdvanceFeed{nodeB, 7})
	n.commit(AdvanceFeed{nodeB, 3})
	if c, _ := n.FeedCursor(t.Context(), nodeB); c != 7 {
		t.Errorf("cursor %d, want 7: it never goes back", c)
	}
}

func TestRecordsAndPeers(t *testing.T) {
	ctx := t.Context()
	n := newNode(t)
	record := func(state protocol.StateID, sequence int64, own, pinned bool) AdoptRecord {
		return AdoptRecord{Record{
			State: state, Node: protocol.NodeID(state), Sequence: sequence,
			Signed: document("record", state, sequence), Own: own, Pinned: pinned,
		}}
	}
	n.commit(record("xb", 1, true, false), record("xa", 1, false, true), record("xa", 2, false, false), record("xc", 5, false, false))
	if o := n.commit(record("xc", 5, false, true))[0]; !o.Repeat || len(o.Packets) != 1 {
		t.Errorf("pinning what is known: %+v", o)
	}
	records, err := n.Records(ctx)
	var got []string
	for _, r := range records {
		got = append(got, fmt.Sprintln(r.State, r.Sequence, r.Own, r.Pinned))
	}
	if want := []string{"xa 2 false false\n", "xb 1 true false\n", "xc 5 false true\n"}; err != nil || !cmp.Equal(got, want) {
		t.Errorf("records: %v, %v; want %v", got, err, want)
	}
	r, err := n.RecordByDigest(ctx, record("xa", 1, false, true).Signed.Digest())
	if err != nil || r.Sequence != 1 || r.Node != "xa" {
		t.Errorf("record by digest: %+v, %v", r, err)
	}

	c := merkle.Checkpoint{Origin: "xa.example/log/1", Size: 10, Root: merkle.Hash{1}}
	if err := n.SetPeerCheckpoint(ctx, "xa", c, []byte("note over 10")); err != nil {
		t.Fatal(err)
	}
	smaller := c
	smaller.Size = 9
	if err := n.SetPeerCheckpoint(ctx, "xa", smaller, []byte("note over 9")); err != nil {
		t.Errorf("smaller checkpoint: %v, want it ignored", err)
	}
	fork := c
	fork.Root[0]++
	if err := n.SetPeerCheckpoint(ctx, "xa", fork, []byte("fork")); !errors.Is(err, ErrIntegrity) {
		t.Errorf("fork of the peer's log: %v, want ErrIntegrity", err)
	}
	have, note, err := n.PeerCheckpoint(ctx, "xa")
	if err != nil || have != c || string(note) != "note over 10" {
		t.Errorf("checkpoint of xa: %+v %q, %v", have, note, err)
	}
	if have, note, err := n.PeerCheckpoint(ctx, "xz"); err != nil || have.Size != 0 || note != nil {
		t.Errorf("checkpoint of a stranger: %+v %q, %v", have, note, err)
	}
	peers, err := n.Peers(ctx)
	if err != nil || len(peers) != 2 || peers[0].Node != "xa" || peers[0].Size != 10 || peers[0].Sequence != 2 || peers[1].Node != "xc" || !peers[1].Pinned {
		t.Errorf("peers: %+v, %v", peers, err)
	}
}
