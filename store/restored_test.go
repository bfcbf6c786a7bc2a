package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
)

// An office that was restored from a copy takes back what it had signed since: the
// message stands as opened and answered by that, and there is nothing left to file.
func TestAnOfficeTakesBackWhatItHadSigned(t *testing.T) {
	ctx := t.Context()
	d := newDesk(t)
	m := d.takeIn(1, 1)
	k := keyOf(m)
	for _, e := range []evidence.Event{evidence.ContentHandover, evidence.ContentAccessTracking, evidence.ConsignmentAcceptance} {
		ev := d.evidence(k, e)
		ev.Proof = []byte("a proof of " + string(e))
		if _, err := d.Take(ctx, k, m.Transmissions[0].Envelope, ev); err != nil {
			t.Fatal(err)
		}
	}
	have, err := d.Message(ctx, m.Name)
	if err != nil {
		t.Fatal(err)
	}
	way := have.Transmissions[0]
	wantState(t, "taken back", way.State, exchange.Acknowledged)
	if way.Opened.IsZero() || way.Acknowledged.IsZero() {
		t.Errorf("opened %s, acknowledged %s; want both", way.Opened, way.Acknowledged)
	}
	if list, err := d.Inbox(ctx, MessageFilter{Unacknowledged: true}); err != nil || len(list) != 0 {
		t.Errorf("%d unanswered, %v; want none", len(list), err)
	}
	all, err := d.Evidence(ctx, k)
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	for _, e := range all {
		if !e.Own {
			t.Errorf("%s is not this office's own", e.Event)
		}
	}
	if left, err := d.Unfiled(ctx, 0); err != nil || len(left) != 0 {
		t.Errorf("%d to file, %v; want none", len(left), err)
	}
	wantCode(t, "another answer", func() error {
		_, err := d.Take(ctx, k, m.Transmissions[0].Envelope, d.evidence(k, evidence.ConsignmentAcceptance, "another"))
		return err
	}(), protocol.Equivocation)
}

// What was sent before a log was lost is told apart from what was sent since, and an
// office knows which of it is not here.
func TestParcelsSentBeforeALogWasLost(t *testing.T) {
	ctx := t.Context()
	n := newNode(t)
	n.commit(n.submit(1, prosecution)) // stands in the copy
	if list, err := n.SentBefore(ctx, central); err != nil || len(list) != 0 {
		t.Fatalf("%d, %v, where no log was lost", len(list), err)
	}
	lost := n.outbound(2, prosecution, body(2, 100))
	n.clock.advance(time.Hour)
	era := Era{Number: 2, Statement: document("how it begins"), Record: Record{State: "xa", Node: nodeA, Sequence: 2, Signed: document("record 2 of xa"), Own: true}}
	if err := n.NewEra(ctx, era, n.sign); err != nil {
		t.Fatal(err)
	}
	begun, more, err := n.ErasOf(ctx, Period{n.clock.now().Add(-time.Minute), n.clock.now().Add(time.Minute)}, 10)
	if err != nil || more || len(begun) != 1 || string(begun[0].Statement.Document) != string(era.Statement.Document) || begun[0].ShownBy != "" {
		t.Errorf("eras of the period: %v, %v", begun, err)
	}
	n.clock.advance(time.Hour)
	n.commit(RestoreOutbound{Outbound: lost})
	begun, _, err = n.ErasOf(ctx, Period{n.clock.now().Add(-2 * time.Hour), n.clock.now()}, 10)
	if err != nil || len(begun) != 1 || begun[0].ShownBy != lost.Peer {
		t.Errorf("%s gave back what was lost: %v, %v", lost.Peer, begun, err)
	}
	n.commit(n.submit(3, prosecution))
	list, err := n.SentBefore(ctx, central)
	if err != nil || len(list) != 1 || list[0].Key.Parcel != parcelID(2) {
		t.Errorf("%v, %v; want the parcel that was fetched back", list, err)
	}
}

// R-OLD-4, R-EVID-11: of what comes back of a lost parcel, two words of which only one
// can be true cost the later one, and not the parcel.
func TestOneWordInDisputeDoesNotCostTheParcel(t *testing.T) {
	for name, before := range map[string]bool{"a parcel that was lost": false, "a parcel that is here": true} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			f := n.accept(1)
			k := f.Key
			back := RestoreInbound{Inbound: f.Inbound, Submission: f.Submission, Evidence: []Evidence{
				f.Evidence, n.evidence(k, evidence.ContentConsignment), n.evidence(k, evidence.ContentHandover),
				n.evidence(k, evidence.ConsignmentRejection), n.evidence(k, evidence.ConsignmentAcceptance), n.evidence(k, evidence.RelayRejection),
			}}
			if before {
				n.commit(f, FileEvidence{Key: k, Evidence: n.evidence(k, evidence.ContentConsignment, "by this log")})
			}
			o := n.commitOne(back)
			disputed := 2
			if before {
				disputed = 3
			}
			if o.Err != nil || o.Repeat || len(o.Disputed) != disputed {
				t.Errorf("%v, repeat %v, disputed %v; want %d in dispute", o.Err, o.Repeat, o.Disputed, disputed)
			}
			for _, err := range o.Disputed {
				wantCode(t, "dispute", err, protocol.Equivocation)
			}
			var events []evidence.Event
			all, err := n.Evidence(t.Context(), k)
			for _, e := range all {
				events = append(events, e.Event)
			}
			want := []evidence.Event{
				evidence.SubmissionAcceptance, evidence.RelayAcceptance, evidence.ContentConsignment, evidence.ContentHandover, evidence.ConsignmentRejection,
			}
			if diff := cmp.Diff(want, events); diff != "" || err != nil {
				t.Error(diff, err)
			}
			if row, err := n.Inbound(t.Context(), k); err != nil || !row.Keeps {
				t.Errorf("its bytes are not kept: %+v, %v", row, err)
			}
		})
	}
}
