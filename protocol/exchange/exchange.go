// Package exchange decides what to do next. It holds the state machines of a
// transmission, as pure functions of (state, event, now), and the words in
// which an office and a gateway speak to each other. It does nothing itself:
// no I/O, clock, log or goroutine (SPEC.md, "Exchange").
//
// Power may go at any moment: every state here is stored by the caller in the
// same transaction as the evidence it follows from, and every action may be
// repeated, because the other side answers a repeat with the same evidence.
package exchange

import (
	"io"
	"slices"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// Submission is what an office hands to its gateway: a sealed parcel and all
// that the gateway, which cannot look inside, must state about it.
type Submission struct {
	Parcel   protocol.ParcelID
	From     protocol.AuthorityID
	To       []Addressee
	Priority protocol.Priority
	Test     bool
	Sealed   envelope.Sealed
	Manifest statement.Ref
	Created  protocol.Time
	Expires  protocol.Time
}

// Addressee is one recipient and the age recipient that the office sealed to.
type Addressee struct {
	To  protocol.AuthorityID
	Key protocol.Digest
}

// Receipt answers a submission, one per addressee: the envelope as it will
// travel and the SubmissionAcceptance with its proof. It exists only after
// both are durable.
type Receipt struct {
	Key      protocol.Key
	Envelope statement.Signed
	Evidence statement.Packet
}

// Consignment is one parcel that waits for an office.
type Consignment struct {
	Key      protocol.Key
	Envelope statement.Signed
	Parsed   *envelope.Envelope
	// Events are those already signed for it on this side, so that an office
	// that was interrupted knows where it stopped.
	Events []evidence.Event
	// Earlier is what the office has signed about it before, and lost: it stands,
	// and nothing is signed in its place.
	Earlier []statement.Packet
}

// Has reports whether ev was already signed for the parcel.
func (c *Consignment) Has(ev evidence.Event) bool {
	for _, e := range c.Events {
		if e == ev {
			return true
		}
	}
	return false
}

// Attested is one evidence with its parsed form, as lists show it.
type Attested struct {
	statement.Packet
	Parsed *evidence.Evidence
}

// Status is where a transmission stands, in the words that officers see. It
// is derived from signed evidence alone and never set.
type Status string

// The statuses.
const (
	StatusQueued       Status = "queued"       // durable at the sender's node
	StatusTransmitted  Status = "transmitted"  // durable at the recipient's node
	StatusDelivered    Status = "delivered"    // handed to the recipient's office
	StatusAcknowledged Status = "acknowledged" // formally accepted by an officer
	StatusDeclined     Status = "declined"     // formally rejected by an officer
	StatusRefused      Status = "refused"      // refused by the recipient's node or office
	StatusFailed       Status = "failed"       // not accepted in time
	StatusWithdrawn    Status = "withdrawn"    // taken back by the sending authority before the recipient's node had it
	// StatusWithdrawing is queued, and taken back; the recipient's node decides,
	// because it may have seen the envelope. It rests on the withdrawal, the
	// authority's own signed act.
	StatusWithdrawing Status = "withdrawal pending"
)

// StatusOf derives the status from the events for which evidence exists, in
// any order. A RelayAcceptance supersedes a RelayFailure; StatusFrom knows of one
// that came too late for that (R-EVID-10).
func StatusOf(events []evidence.Event) Status {
	state := Queued
	for _, e := range events {
		if s, ok := stateAfter[e]; ok && s.rank() > state.rank() {
			state = s
		}
	}
	return state.Status()
}

// Said is what one evidence says, as far as the status follows from it.
type Said struct {
	Event  evidence.Event
	Time   time.Time
	Reason protocol.Code // of a negative event; else empty
}

// Said returns what the evidence says.
func (a Attested) Said() Said {
	s := Said{Event: a.Parsed.Event, Time: a.Parsed.Time.Time}
	if a.Parsed.Reason != nil {
		s.Reason = a.Parsed.Reason.Code
	}
	return s
}

// TookBack reports whether a withdrawal ended the parcel: by a RelayFailure when
// it was never offered, else by the RelayRejection of the recipient's node.
func (s Said) TookBack() bool {
	return s.Reason == protocol.Withdrawn && (s.Event == evidence.RelayFailure || s.Event == evidence.RelayRejection)
}

// StatusFrom is StatusOf with reasons and times looked at. What a withdrawal ended is
// withdrawn, and neither failed nor refused; withdrawn says that the sending
// authority's withdrawal is stored. A RelayAcceptance from after the parcel's end lifts
// no RelayFailure (R-EVID-10); a zero expires judges none.
func StatusFrom(all []Said, expires time.Time, withdrawn bool) Status {
	failed := slices.ContainsFunc(all, func(s Said) bool { return s.Event == evidence.RelayFailure })
	var events []evidence.Event
	tookBack := false
	for _, s := range all {
		if !failed || expires.IsZero() || !isLate(s.Event, s.Time, expires) {
			events = append(events, s.Event)
		}
		tookBack = tookBack || s.TookBack()
	}
	switch status := StatusOf(events); {
	case status == StatusQueued && withdrawn:
		return StatusWithdrawing
	case tookBack && (status == StatusFailed || status == StatusRefused):
		return StatusWithdrawn
	default:
		return status
	}
}

// Spool takes the sealed bytes of one parcel. It holds small ones in memory
// and puts larger ones on disk; nothing is kept before Submit.
type Spool interface {
	io.Writer
	Size() int64
	Digest() protocol.Digest
	// Discard gives up what was written; after a successful Submit it does nothing.
	Discard()
}

// Sealed reads sealed bytes at any offset. Close it.
type Sealed interface {
	io.ReaderAt
	io.Closer
	Size() int64
}
