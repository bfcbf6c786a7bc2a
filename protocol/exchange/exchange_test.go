package exchange

import (
	"math/rand"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"comity/protocol"
	"comity/protocol/evidence"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func queued() Outgoing {
	return Outgoing{State: Queued, Expires: noon.Add(24 * time.Hour), Next: noon}
}

// R-XCH-1: a queued parcel is delivered while it has time, and the offer is
// marked before it leaves.
func TestADueParcelIsDelivered(t *testing.T) {
	o, actions := queued().Step(Due{}, noon, 0.5)
	if diff := cmp.Diff([]Action{Deliver{}}, actions); diff != "" {
		t.Error(diff)
	}
	if !o.Offered {
		t.Error("the offer was not marked before it left")
	}
}

// R-EVID-9: RelayFailure needs expiry, the skew, and a status query when the
// peer ever saw the envelope.
func TestFailureOnlyAfterExpirySkewAndQuery(t *testing.T) {
	end := queued().Expires
	for _, c := range []struct {
		name    string
		offered bool
		event   Event
		at      time.Time
		want    []Action
	}{
		{"before expiry", true, Due{}, end.Add(-time.Second), []Action{Deliver{}}},
		{"between expiry and skew", true, Due{}, end.Add(time.Second), nil},
		{"after skew: ask first", true, Due{}, end.Add(protocol.MaxSkew + time.Second), []Action{AskStatus{}}},
		{"never offered: ask all the same", false, Due{}, end.Add(protocol.MaxSkew + time.Second), []Action{AskStatus{}}},
		{"asked, holds none", true, StatusNone{}, end.Add(protocol.MaxSkew + time.Second), []Action{queued().fail(protocol.NotAccepted)}},
		{"asked too early", true, StatusNone{}, end.Add(-time.Hour), nil},
		{"silent peer, within grace", true, Unreachable{}, end.Add(protocol.MaxSkew + time.Minute), nil},
		{"silent peer, after grace", true, Unreachable{}, end.Add(protocol.MaxSkew + FailGrace + time.Second), []Action{queued().fail(protocol.PeerUnreachable)}},
		{"busy peer, after grace", true, Busy{}, end.Add(protocol.MaxSkew + FailGrace + time.Second), []Action{Fail{protocol.PeerUnreachable, "the peer answered until the end that it could not serve"}}},
	} {
		o := queued()
		o.Offered = c.offered
		_, actions := o.Step(c.event, c.at, 0.5)
		if diff := cmp.Diff(c.want, actions); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

// R-EVID-10: an acceptance from before expiry supersedes the failure, a later one does not.
func TestLateAcceptanceSupersedesFailure(t *testing.T) {
	failed := queued()
	failed.State = Failed
	said := func(accepted time.Time) Status {
		return StatusFrom([]Said{{Event: evidence.RelayAcceptance, Time: accepted}, {Event: evidence.RelayFailure, Time: failed.Expires.Add(30 * time.Minute)}}, failed.Expires, false)
	}
	for accepted, want := range map[time.Duration]Status{-time.Minute: StatusTransmitted, protocol.MaxSkew: StatusTransmitted, time.Hour: StatusFailed} {
		if got := said(failed.Expires.Add(accepted)); got != want {
			t.Errorf("accepted %s after the end: %s, want %s", accepted, got, want)
		}
	}
	o, _ := failed.Step(Learned{evidence.RelayAcceptance, failed.Expires.Add(-time.Minute)}, noon.Add(72*time.Hour), 0)
	if o.State != Relayed {
		t.Errorf("acceptance from before expiry: state %s, want %s", o.State, Relayed)
	}
	o, _ = failed.Step(Learned{evidence.RelayAcceptance, failed.Expires.Add(time.Hour)}, noon.Add(72*time.Hour), 0)
	if o.State != Failed {
		t.Errorf("acceptance from after expiry: state %s, want %s", o.State, Failed)
	}
}

// Evidence may arrive in any order; the state and the status do not depend on it.
func TestStateDoesNotDependOnTheOrderOfEvidence(t *testing.T) {
	events := []evidence.Event{
		evidence.SubmissionAcceptance, evidence.RelayAcceptance, evidence.ContentConsignment,
		evidence.ContentHandover, evidence.ContentAccessTracking, evidence.ConsignmentAcceptance,
	}
	for range 200 {
		rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		o := queued()
		for _, e := range events {
			o, _ = o.Step(Learned{e, noon}, noon, 0)
		}
		if o.State != Acknowledged || StatusOf(events) != StatusAcknowledged {
			t.Fatalf("order %v: state %s, status %s", events, o.State, StatusOf(events))
		}
	}
}

func TestStatusOf(t *testing.T) {
	for _, c := range []struct {
		events []evidence.Event
		want   Status
	}{
		{nil, StatusQueued},
		{[]evidence.Event{evidence.SubmissionAcceptance}, StatusQueued},
		{[]evidence.Event{evidence.RelayFailure}, StatusFailed},
		{[]evidence.Event{evidence.RelayFailure, evidence.RelayAcceptance}, StatusTransmitted},
		{[]evidence.Event{evidence.RelayAcceptance, evidence.ContentConsignment}, StatusDelivered},
		{[]evidence.Event{evidence.RelayAcceptance, evidence.ContentHandoverFailure}, StatusRefused},
		{[]evidence.Event{evidence.ContentHandover, evidence.ConsignmentRejection}, StatusDeclined},
	} {
		if got := StatusOf(c.events); got != c.want {
			t.Errorf("StatusOf(%v) = %s, want %s", c.events, got, c.want)
		}
	}
}

func TestRetriesStayWithinBoundsAndBeforeTheEnd(t *testing.T) {
	o := queued()
	now := noon
	for range 200 {
		before := now
		o, _ = o.Step(Unreachable{}, now, rand.Float64())
		if wait := o.Next.Sub(before); wait < 0 || wait > RetryCap {
			t.Fatalf("attempt %d waits %s", o.Attempts, wait)
		}
		if end := o.Expires.Add(protocol.MaxSkew + time.Second); o.Next.After(end) && before.Before(end) {
			t.Fatalf("attempt %d sleeps past the end", o.Attempts)
		}
		now = o.Next
		if now.After(o.Expires) {
			break
		}
	}
	o, _ = queued().Step(Busy{After: 10 * time.Minute}, noon, 0)
	if got := o.Next.Sub(noon); got != 10*time.Minute {
		t.Errorf("a busy peer asked for 10 minutes, got %s", got)
	}
}

// R-XCH-3, R-EVID-5, R-EVID-6.
func TestOfferIsNewRepeatOrEquivocation(t *testing.T) {
	one, other := protocol.Sum([]byte("one")), protocol.Sum([]byte("other"))
	if repeat, err := Offer(nil, one); repeat || err != nil {
		t.Errorf("new: %v, %v", repeat, err)
	}
	if repeat, err := Offer(&Known{Envelope: one}, one); !repeat || err != nil {
		t.Errorf("repeat: %v, %v", repeat, err)
	}
	if _, err := Offer(&Known{Envelope: one}, other); protocol.CodeOf(err) != protocol.Equivocation {
		t.Errorf("equivocation: %v", err)
	}
}
