package exchange

import "comity/protocol/evidence"

// State is where one transmission stands at one node, sending or receiving.
// The words are stored in the database.
type State string

// The states, in the order in which they can follow each other.
const (
	Queued         State = "queued"          // sending side: durable, trying
	Failed         State = "failed"          // RelayFailure issued; a late RelayAcceptance still supersedes it
	Refused        State = "refused"         // RelayRejection
	Relayed        State = "relayed"         // RelayAcceptance
	Consigned      State = "consigned"       // ContentConsignment
	HandoverFailed State = "handover-failed" // ContentHandoverFailure
	HandedOver     State = "handed-over"     // ContentHandover
	Declined       State = "declined"        // ConsignmentRejection
	Acknowledged   State = "acknowledged"    // ConsignmentAcceptance
)

var stateAfter = map[evidence.Event]State{
	evidence.SubmissionAcceptance:   Queued,
	evidence.RelayFailure:           Failed,
	evidence.RelayRejection:         Refused,
	evidence.RelayAcceptance:        Relayed,
	evidence.ContentConsignment:     Consigned,
	evidence.ContentHandoverFailure: HandoverFailed,
	evidence.ContentHandover:        HandedOver,
	evidence.ContentAccessTracking:  HandedOver,
	evidence.ConsignmentRejection:   Declined,
	evidence.ConsignmentAcceptance:  Acknowledged,
}

var order = []State{
	Queued, Failed, Refused, Relayed, Consigned, HandoverFailed, HandedOver, Declined, Acknowledged,
}

func (s State) rank() int {
	for i, o := range order {
		if o == s {
			return i
		}
	}
	return -1
}

// After returns the state that follows from evidence of e. Evidence may arrive
// in any order, so a state never goes back.
func (s State) After(e evidence.Event) State {
	if next, ok := stateAfter[e]; ok && next.rank() > s.rank() {
		return next
	}
	return s
}

// Settled reports whether the sending node has nothing left to send.
func (s State) Settled() bool { return s != Queued }

// Status returns the officer's word for the state.
func (s State) Status() Status {
	switch s {
	case Failed:
		return StatusFailed
	case Refused, HandoverFailed:
		return StatusRefused
	case Relayed:
		return StatusTransmitted
	case Consigned, HandedOver:
		return StatusDelivered
	case Declined:
		return StatusDeclined
	case Acknowledged:
		return StatusAcknowledged
	default:
		return StatusQueued
	}
}
