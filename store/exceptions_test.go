package store

import (
	"strings"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"

	"github.com/google/go-cmp/cmp"
)

// since is the period from a moment until now.
func (n *node) since(from time.Time) Period { return Period{from, n.clock.now()} }

// A parcel is late when an hour has gone without a word of the other node. It is
// in the report of the period in which that hour ran out, and in no other.
func TestSlowDeliveriesAreToldOnce(t *testing.T) {
	n := newNode(t)
	start := n.clock.now()
	for i := 1; i <= 4; i++ {
		n.commit(n.submit(i, prosecution))
	}
	test := n.submit(5, prosecution)
	test.Out[0].Test = true
	n.commit(test)
	n.clock.advance(30 * time.Minute)
	n.commit(TakeEvidence{Key: key(1, prosecution), Evidence: n.foreign(key(1, prosecution), evidence.RelayAcceptance)}) // in time
	n.clock.advance(40 * time.Minute)
	n.commit(TakeEvidence{Key: key(2, prosecution), Evidence: n.foreign(key(2, prosecution), evidence.RelayAcceptance)}) // late
	n.commit(FileEvidence{Key: key(3, prosecution), Evidence: n.evidence(key(3, prosecution), evidence.RelayFailure)})   // late, and in vain
	n.clock.advance(time.Minute)

	list, more, err := n.Slow(t.Context(), n.since(start), "", time.Hour, 10)
	if err != nil || more {
		t.Fatal(more, err)
	}
	var got []string
	for _, s := range list {
		waits := "answered"
		if s.Answered.IsZero() {
			waits = "waits"
		}
		got = append(got, strings.TrimLeft(string(s.Key.Parcel)[24:], "0")+" "+waits)
	}
	if want := []string{"2 answered", "3 answered", "4 waits"}; !cmp.Equal(got, want) {
		t.Errorf("over an hour: %v, want %v", got, want)
	}
	ranOut := start.Add(time.Hour)
	for name, p := range map[string]Period{"the hour before": {start, ranOut}, "the time after": {ranOut.Add(time.Microsecond), n.clock.now()}} {
		if list, _, err := n.Slow(t.Context(), p, "", time.Hour, 10); err != nil || len(list) > 0 {
			t.Errorf("%s: %d parcels, %v; want none", name, len(list), err)
		}
	}
	if list, _, err := n.Slow(t.Context(), n.since(start), "", 12*time.Hour, 10); err != nil || len(list) > 0 {
		t.Errorf("over twelve hours: %d parcels, %v; want none", len(list), err)
	}
	if list, more, err := n.Slow(t.Context(), n.since(start), "", time.Hour, 2); err != nil || len(list) != 2 || !more {
		t.Errorf("two at most: %d parcels, more %v, %v", len(list), more, err)
	}
}

// What was delivered and not answered by the end of the period stays in its
// report for ever, with what came later beside it.
func TestUnansweredAsOfThePeriodsEnd(t *testing.T) {
	n := newNode(t)
	start := n.clock.now()
	deliver := func(number int, answer evidence.Event) {
		n.commit(n.accept(number))
		k := key(number, prosecution)
		n.commit(FileEvidence{Key: k, Evidence: n.evidence(k, evidence.ContentConsignment), Feed: nodeA})
		if answer != "" {
			n.commit(FileEvidence{Key: k, Evidence: n.evidence(k, answer), Feed: nodeA})
		}
	}
	deliver(1, "")
	deliver(2, evidence.ConsignmentAcceptance)
	deliver(3, evidence.ConsignmentRejection)
	deliver(4, evidence.ContentHandoverFailure)
	n.commit(n.submit(5, court)) // sent, and delivered there
	k := key(5, court)
	for _, e := range []evidence.Event{evidence.RelayAcceptance, evidence.ContentConsignment, evidence.ContentHandover, evidence.ContentAccessTracking} {
		n.commit(TakeEvidence{Key: k, Evidence: n.foreign(k, e)})
	}
	n.clock.advance(time.Hour)
	period := n.since(start)
	n.clock.advance(time.Hour)
	late := key(1, prosecution)
	n.commit(FileEvidence{Key: late, Evidence: n.evidence(late, evidence.ConsignmentAcceptance), Feed: nodeA})
	answered := n.clock.now().UTC()
	n.clock.advance(time.Second)

	list, _, err := n.Unanswered(t.Context(), period, "", 10)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d parcels, %v; want 2", len(list), err)
	}
	if got, want := list[0], (Unanswered{Key: late, Delivered: start.UTC(), Answered: answered}); got != want {
		t.Errorf("answered later: %+v, want %+v", got, want)
	}
	if got, want := list[1], (Unanswered{Key: k, Sent: true, Delivered: start.UTC(), Opened: start.UTC()}); got != want {
		t.Errorf("sent: %+v, want %+v", got, want)
	}
	if list, _, err := n.Unanswered(t.Context(), n.since(start), "", 10); err != nil || len(list) != 1 {
		t.Errorf("until now: %d parcels, %v; want 1", len(list), err)
	}
	negative, _, err := n.Negative(t.Context(), n.since(start), "", 10)
	if err != nil || len(negative) != 2 || negative[0].Event != evidence.ConsignmentRejection || negative[1].Event != evidence.ContentHandoverFailure {
		t.Errorf("negative evidence: %+v, %v; want a rejection and a handover failure", negative, err)
	}
}

// Attempts are counted over the life of a row, also when the schedule begins anew.
func TestAttemptsInVainAreCounted(t *testing.T) {
	n := newNode(t)
	start := n.clock.now()
	n.commit(n.submit(1, prosecution))
	n.commit(n.submit(2, prosecution))
	for _, a := range []Attempt{
		{Failed: true, Attempts: 1, Error: "it does not answer"},
		{Failed: true, BrokeOff: true, Attempts: 0, Error: "the connection broke"},
		{Attempts: 0, Error: "it asked to wait"},
	} {
		a.Key = key(1, prosecution)
		if err := n.Reschedule(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	n.clock.advance(time.Second)
	list, _, err := n.Resent(t.Context(), n.since(start), "", 10)
	if err != nil || len(list) != 1 || list[0].Key != key(1, prosecution) || list[0].Failures != 2 || list[0].Breaks != 1 || list[0].LastError != "it asked to wait" {
		t.Errorf("tried again: %+v, %v; want parcel 1 with 2 failures and 1 break", list, err)
	}
}

// Of a peer's clock each day has one row with both extremes; a year and some is kept.
func TestPeerClocksByTheDay(t *testing.T) {
	n := newNode(t)
	start := n.clock.now()
	note := func(least, most, last time.Duration) {
		t.Helper()
		if err := n.NoteClock(t.Context(), nodeB, least, most, last); err != nil {
			t.Fatal(err)
		}
	}
	note(-2*time.Second, time.Second, 0)
	note(-time.Second, 7*time.Minute, 3*time.Second)
	n.clock.advance(24 * time.Hour)
	note(0, time.Second, time.Second)
	list, _, err := n.Clocks(t.Context(), n.since(start), protocol.MaxSkew, 10)
	if err != nil || len(list) != 1 {
		t.Fatalf("days beyond the skew: %+v, %v; want one", list, err)
	}
	want := PeerClock{Node: nodeB, Day: start.UTC().Truncate(24 * time.Hour), Least: -2 * time.Second, Most: 7 * time.Minute, Last: 3 * time.Second, Noted: start.UTC()}
	if !cmp.Equal(list[0], want) {
		t.Error(cmp.Diff(want, list[0]))
	}
	if list, _, _ := n.Clocks(t.Context(), n.since(start), 0, 10); len(list) != 2 {
		t.Errorf("all days: %d, want 2", len(list))
	}
	n.clock.advance((ClockDays + 1) * 24 * time.Hour)
	note(0, 0, 0)
	var rows int
	if err := n.v.reader.QueryRow(`SELECT count(*) FROM peer_clock`).Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d days are kept after a pause of more than %d, %v; want 1", rows, ClockDays, err)
	}
}

// Acts are kept to a bound, the newest ones.
func TestAdministrativeActsAreBounded(t *testing.T) {
	n := newNode(t)
	start := n.clock.now()
	for _, a := range []Act{{Kind: ActPin, Subject: "xb", Detail: "record 1"}, {Kind: ActStart}} {
		if err := n.NoteAct(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	n.clock.advance(time.Second)
	list, _, err := n.Acts(t.Context(), n.since(start), 10)
	if err != nil || len(list) != 2 || list[0] != (Act{At: start.UTC(), Kind: ActPin, Subject: "xb", Detail: "record 1"}) {
		t.Errorf("acts: %+v, %v", list, err)
	}
	execute(t, n.v.database, `UPDATE act SET ordinal = 99999 WHERE kind = 'start'`) // as if there had been so many
	if err := n.NoteAct(t.Context(), Act{Kind: ActStart}); err != nil {
		t.Fatal(err)
	}
	n.clock.advance(time.Second)
	if list, _, _ = n.Acts(t.Context(), n.since(start), 10); len(list) != 3 {
		t.Errorf("%d acts at the bound, want 3", len(list))
	}
	if err := n.NoteAct(t.Context(), Act{Kind: ActStart}); err != nil {
		t.Fatal(err)
	}
	n.clock.advance(time.Second)
	if list, _, _ = n.Acts(t.Context(), n.since(start), 10); len(list) != 3 || list[0].Kind != ActStart {
		t.Errorf("acts beyond the bound: %+v; want the newest three", list)
	}
}

// Records of a period come with the one before, from which changes are told.
func TestRecordsOfAPeriod(t *testing.T) {
	n := newNode(t)
	adopt := func(sequence int64) {
		n.commit(AdoptRecord{Record{State: "xb", Node: nodeB, Sequence: sequence, Signed: document("record", sequence)}})
	}
	adopt(1)
	n.clock.advance(time.Hour)
	start := n.clock.now()
	adopt(2)
	adopt(5)
	n.clock.advance(time.Second)
	list, _, err := n.RecordsOf(t.Context(), n.since(start), 10)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d records, %v; want 2", len(list), err)
	}
	for i, before := range []int64{1, 2} {
		if string(list[i].Before.Document) != string(document("record", before).Document) {
			t.Errorf("record %d: before it %s, want record %d", list[i].Sequence, list[i].Before.Document, before)
		}
	}
}
