package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"comity/protocol"
	"comity/protocol/evidence"
)

// What waits to be delivered counts for its sender, what waits for an office for its
// recipient, and neither when it is done.
func TestLoads(t *testing.T) {
	n := newNode(t)
	loads := func() map[protocol.AuthorityID]Load {
		t.Helper()
		all, err := n.Loads(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if got := loads(); len(got) != 0 {
		t.Errorf("an empty node: %v", got)
	}
	n.commit(n.submit(1, prosecution, court), n.submit(2, court), n.accept(3), n.accept(4))
	want := map[protocol.AuthorityID]Load{central: {Queued: 3}, prosecution: {Arrived: 200}}
	if diff := cmp.Diff(want, loads()); diff != "" {
		t.Error(diff)
	}
	n.commit(TakeEvidence{Key: key(2, court), Evidence: n.foreign(key(2, court), evidence.RelayAcceptance)})
	want[central] = Load{Queued: 2}
	if diff := cmp.Diff(want, loads()); diff != "" {
		t.Error(diff)
	}
}

// One authority's exceptions are its own, as sender or recipient, and the limit
// counts no others: those of another one, however many, hide none.
func TestExceptionsOfOneAuthority(t *testing.T) {
	n := newNode(t)
	start := n.clock.now()
	for i := range 5 {
		n.commit(n.submit(10+i, prosecution))
		k := key(10+i, prosecution)
		if err := n.Reschedule(t.Context(), Attempt{Key: k, Failed: true, Attempts: 1, Error: "it does not answer"}); err != nil {
			t.Fatal(err)
		}
	}
	k := key(20, court)
	n.commit(n.submit(20, court))
	if err := n.Reschedule(t.Context(), Attempt{Key: k, Failed: true, Attempts: 1, Error: "it does not answer"}); err != nil {
		t.Fatal(err)
	}
	n.clock.advance(2 * time.Hour)
	period := n.since(start)
	slow, more, err := n.Slow(t.Context(), period, court, time.Hour, 1)
	if err != nil || more || len(slow) != 1 || slow[0].Key != k {
		t.Errorf("late, of the court: %v, more %v, %v", slow, more, err)
	}
	resent, more, err := n.Resent(t.Context(), period, court, 1)
	if err != nil || more || len(resent) != 1 || resent[0].Key != k {
		t.Errorf("tried again, of the court: %v, more %v, %v", resent, more, err)
	}
	if all, more, err := n.Resent(t.Context(), period, central, 10); err != nil || more || len(all) != 6 {
		t.Errorf("of the sender: %d, %v", len(all), err)
	}
	n.commit(FileEvidence{Key: k, Evidence: n.evidence(k, evidence.RelayFailure)})
	n.commit(n.accept(30))
	delivered := key(30, prosecution)
	n.commit(FileEvidence{Key: delivered, Evidence: n.evidence(delivered, evidence.ContentConsignment), Feed: nodeA})
	n.clock.advance(time.Second)
	period = n.since(start)
	negative, _, err := n.Negative(t.Context(), period, court, 10)
	if err != nil || len(negative) != 1 || negative[0].Key != k {
		t.Errorf("failed, of the court: %v, %v", negative, err)
	}
	if negative, _, err = n.Negative(t.Context(), period, prosecution, 10); err != nil || len(negative) != 0 {
		t.Errorf("failed, of the prosecution: %v, %v", negative, err)
	}
	unanswered, _, err := n.Unanswered(t.Context(), period, prosecution, 10)
	if err != nil || len(unanswered) != 1 || unanswered[0].Key != delivered {
		t.Errorf("unanswered, of the prosecution: %v, %v", unanswered, err)
	}
	if unanswered, _, err = n.Unanswered(t.Context(), period, court, 10); err != nil || len(unanswered) != 0 {
		t.Errorf("unanswered, of the court: %v, %v", unanswered, err)
	}
}

func TestKept(t *testing.T) {
	d := newDesk(t)
	for i := range 3 {
		if got, err := d.Kept(t.Context()); err != nil || got != int64(100*i) {
			t.Errorf("an office with %d parcels keeps %d bytes, %v; want %d", i, got, err, 100*i)
		}
		d.takeIn(i+1, int64(i+1))
	}
}
