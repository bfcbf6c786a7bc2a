package evidence

import "comity/protocol"

// words are what an event says to people, and what it leaves open.
type words struct{ says, leavesOpen string }

var sentences = map[Event]words{
	SubmissionAcceptance: {
		"the sending node took the sealed parcel, stored it safely and queued it for delivery",
		"that it has left, or that anyone received it",
	},
	SubmissionRejection: {
		"the sending node refused to take the parcel; it was not sent",
		"anything about the recipient, who was not asked",
	},
	RelayAcceptance: {
		"the receiving node has all sealed bytes, with the stated digest, and stored them safely",
		"that anyone could open them, or has seen them",
	},
	RelayRejection: {
		"the receiving node refused the parcel for good; sending it again will not help",
		"anything about what the parcel holds, which no node can read",
	},
	RelayFailure: {
		"the sending node held no acceptance by the receiving node when it wrote this",
		"that the receiving side does not have the parcel: an acceptance from before the end may still surface and then prevails",
	},
	ContentConsignment: {
		"the receiving node handed the sealed bytes to the recipient's office, known by the stated key",
		"that the office opened them",
	},
	ContentHandover: {
		"the recipient's office unsealed the parcel and found every signature and every byte in order",
		"that a person has looked at it",
	},
	ContentHandoverFailure: {
		"the recipient's office could not open the parcel, or found that its inside does not agree with its signatures",
		"who is at fault",
	},
	ContentAccessTracking: {
		"someone in an authorised role at the recipient's office opened a document of the parcel for the first time",
		"who it was, or what they made of it",
	},
	ConsignmentAcceptance: {
		"an officer of the recipient formally acknowledged receipt",
		"that the recipient agrees with what the parcel asks, or will do it",
	},
	ConsignmentRejection: {
		"an officer of the recipient formally rejected the parcel",
		"anything about a new parcel with the same matter",
	},
}

// withdrawn are the sentences of the events that end a withdrawn parcel.
var withdrawn = map[Event]words{
	RelayRejection: {
		"the receiving node took the withdrawal; it does not have the parcel",
		"anything about what the parcel holds, which no node can read",
	},
	RelayFailure: {
		"the parcel was withdrawn before it left the sending node",
		"anything about the recipient, who was not asked",
	},
}

// words are those of the event, and of its reason where that changes them.
func (e *Evidence) words() words {
	if w, ok := withdrawn[e.Event]; ok && e.Reason != nil && e.Reason.Code == protocol.Withdrawn {
		return w
	}
	return sentences[e.Event]
}

// Says returns what the evidence proves, in plain words, as a clause without a capital
// and a full stop. A parcel that was withdrawn was not refused: the reason counts.
func (e *Evidence) Says() string { return e.words().says }

// DoesNotSay returns what people might read into the evidence although it does not
// prove it: a clause that goes on after "it does not say".
func (e *Evidence) DoesNotSay() string { return e.words().leavesOpen }
