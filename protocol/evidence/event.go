package evidence

import "comity/protocol"

// Event is what happened, by its name in ETSI EN 319 522.
type Event string

// The events. SPEC.md says what each proves and, as important, what it does not.
const (
	SubmissionAcceptance   Event = "SubmissionAcceptance"
	SubmissionRejection    Event = "SubmissionRejection"
	RelayAcceptance        Event = "RelayAcceptance"
	RelayRejection         Event = "RelayRejection"
	RelayFailure           Event = "RelayFailure"
	ContentConsignment     Event = "ContentConsignment"
	ContentHandover        Event = "ContentHandover"
	ContentHandoverFailure Event = "ContentHandoverFailure"
	ContentAccessTracking  Event = "ContentAccessTracking"
	ConsignmentAcceptance  Event = "ConsignmentAcceptance"
	ConsignmentRejection   Event = "ConsignmentRejection"
)

// Role is what a key may do, as the record of its state says.
type Role string

// The roles. OpenPGP cannot tell them apart: only the record does.
const (
	Node    Role = "node"    // a node's own statements
	Act     Role = "act"     // an authority's acts, unlocked by a person
	Attest  Role = "attest"  // an office's unattended statements
	Primary Role = "primary" // offline; counts on record entries only
)

// Rule says who may sign an event and whether it must give a reason.
type Rule struct {
	Role     Role
	Sender   bool // signed on the sending side; otherwise on the receiving side
	Negative bool // carries a reason
}

var rules = map[Event]Rule{
	SubmissionAcceptance:   {Role: Node, Sender: true},
	SubmissionRejection:    {Role: Node, Sender: true, Negative: true},
	RelayAcceptance:        {Role: Node},
	RelayRejection:         {Role: Node, Negative: true},
	RelayFailure:           {Role: Node, Sender: true, Negative: true},
	ContentConsignment:     {Role: Node},
	ContentHandover:        {Role: Attest},
	ContentHandoverFailure: {Role: Attest, Negative: true},
	ContentAccessTracking:  {Role: Attest},
	ConsignmentAcceptance:  {Role: Act},
	ConsignmentRejection:   {Role: Act, Negative: true},
}

// Rule returns who may sign e. The zero Rule belongs to no event.
func (e Event) Rule() Rule { return rules[e] }

var opposites = map[Event]Event{
	RelayAcceptance: RelayRejection, RelayRejection: RelayAcceptance,
	ConsignmentAcceptance: ConsignmentRejection, ConsignmentRejection: ConsignmentAcceptance,
}

// Opposite returns the event that excludes e: a parcel is taken over or refused, and
// acknowledged or declined, and never both (R-EVID-11). It is empty for other events.
// A ContentHandoverFailure excludes nothing: an office that has lost its keys since it
// handed a parcel over may have to say both.
func (e Event) Opposite() Event { return opposites[e] }

// Events returns all events in the order in which they can happen.
func Events() []Event {
	return []Event{
		SubmissionAcceptance, SubmissionRejection, RelayAcceptance, RelayRejection, RelayFailure, ContentConsignment,
		ContentHandover, ContentHandoverFailure, ContentAccessTracking, ConsignmentAcceptance, ConsignmentRejection,
	}
}

// UnmarshalText refuses a name that is not an event.
func (e *Event) UnmarshalText(b []byte) error {
	if _, ok := rules[Event(b)]; !ok {
		return protocol.Refuse(protocol.Malformed, "evidence event %s is not in the list", protocol.Quote(b))
	}
	*e = Event(b)
	return nil
}

// UnmarshalText refuses a word that is not a role.
func (r *Role) UnmarshalText(b []byte) error {
	switch v := Role(b); v {
	case Node, Act, Attest, Primary:
		*r = v
		return nil
	}
	return protocol.Refuse(protocol.Malformed, "role %s is not in the list", protocol.Quote(b))
}
