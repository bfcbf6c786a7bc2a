package exchange

import (
	"math/rand"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"comity/protocol"
	"comity/protocol/evidence"
)

// R-WDR-3: what was never offered ends at once, R-WDR-4: what was is the peer's
// to decide, and it is asked now.
func TestWithdraw(t *testing.T) {
	o, actions := queued().Step(Withdraw{}, noon, 0)
	if f, ok := actions[0].(Fail); !ok || len(actions) != 1 || f.Code != protocol.Withdrawn || !o.Withdrawn {
		t.Errorf("R-WDR-3: %+v, %+v", o, actions)
	}
	offered := queued()
	offered.Offered, offered.Attempts, offered.Next = true, 9, noon.Add(time.Hour)
	o, actions = offered.Step(Withdraw{}, noon, 0)
	if len(actions) != 0 || !o.Withdrawn || o.State != Queued || o.Attempts != 0 || !o.Next.Equal(noon) {
		t.Errorf("R-WDR-4: %+v, %+v", o, actions)
	}
	if again, actions := o.Step(Withdraw{}, noon, 0); again != o || len(actions) != 0 {
		t.Errorf("a repeat: %+v, %+v", again, actions)
	}
	for _, s := range order[1:] {
		settled := queued()
		settled.State = s
		if o, actions := settled.Step(Withdraw{}, noon, 0); o != settled || len(actions) != 0 {
			t.Errorf("%s: %+v, %+v", s, o, actions)
		}
	}
}

// R-WDR-4: while it is pending nothing is delivered; the peer is asked as often
// as it would have been offered the parcel, and after the end it is as ever.
func TestAPendingWithdrawal(t *testing.T) {
	o := queued()
	o.Offered, o.Withdrawn = true, true
	end := o.Expires
	late := "; a withdrawal was pending, and the peer never answered it"
	for _, c := range []struct {
		name  string
		event Event
		at    time.Time
		want  []Action
	}{
		{"before expiry", Due{}, end.Add(-time.Second), []Action{TakeBack{}}},
		{"between expiry and skew", Due{}, end.Add(time.Second), nil},
		{"after skew: ask what it holds", Due{}, end.Add(protocol.MaxSkew + time.Second), []Action{AskStatus{}}},
		{"no answer yet", Unreachable{}, end.Add(-time.Hour), nil},
		{"asked, holds none", StatusNone{}, end.Add(protocol.MaxSkew + time.Second), []Action{
			Fail{protocol.NotAccepted, queued().fail(protocol.NotAccepted).Text + late},
		}},
		{"silent until the end", Unreachable{}, end.Add(protocol.MaxSkew + FailGrace + time.Second), []Action{
			Fail{protocol.PeerUnreachable, queued().fail(protocol.PeerUnreachable).Text + late},
		}},
	} {
		_, actions := o.Step(c.event, c.at, 0.5)
		if diff := cmp.Diff(c.want, actions); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
	accepted, _ := o.Step(Learned{evidence.RelayAcceptance, noon}, noon, 0)
	rejected, _ := o.Step(Learned{evidence.RelayRejection, noon}, noon, 0)
	if accepted.State != Relayed || rejected.State != Refused {
		t.Errorf("the answers lead to %s and %s", accepted.State, rejected.State)
	}
}

// The officer's word follows from the evidence with its reasons, in any order.
func TestStatusOfWhatWasWithdrawn(t *testing.T) {
	took := func(e evidence.Event) Said { return Said{Event: e, Reason: protocol.Withdrawn} }
	just := func(e evidence.Event) Said { return Said{Event: e} }
	queuedBy, accepted := just(evidence.SubmissionAcceptance), just(evidence.RelayAcceptance)
	silence := Said{Event: evidence.RelayFailure, Reason: protocol.NotAccepted}
	for _, c := range []struct {
		name      string
		said      []Said
		withdrawn bool
		want      Status
	}{
		{"not withdrawn", []Said{queuedBy}, false, StatusQueued},
		{"pending", []Said{queuedBy}, true, StatusWithdrawing},
		{"never left", []Said{queuedBy, took(evidence.RelayFailure)}, true, StatusWithdrawn},
		{"the peer agreed", []Said{queuedBy, took(evidence.RelayRejection)}, true, StatusWithdrawn},
		{"the peer agreed, after we had given up", []Said{queuedBy, silence, took(evidence.RelayRejection)}, true, StatusWithdrawn},
		{"too late", []Said{queuedBy, accepted}, true, StatusTransmitted},
		{"too late, after we had given up", []Said{queuedBy, silence, accepted}, true, StatusTransmitted},
		{"silence until the end", []Said{queuedBy, silence}, true, StatusFailed},
		{"refused for another reason", []Said{queuedBy, {Event: evidence.RelayRejection, Reason: protocol.TooLarge}}, true, StatusRefused},
		{"delivered and broken", []Said{queuedBy, accepted, {Event: evidence.ContentHandoverFailure, Reason: protocol.CannotOpen}}, false, StatusRefused},
	} {
		for range 20 {
			rand.Shuffle(len(c.said), func(i, j int) { c.said[i], c.said[j] = c.said[j], c.said[i] })
			if got := StatusFrom(c.said, noon, c.withdrawn); got != c.want {
				t.Errorf("%s: %v is %s, want %s", c.name, c.said, got, c.want)
			}
		}
	}
}
