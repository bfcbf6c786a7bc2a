package control

import (
	"comity/node/office"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/store"
)

// Exceptions is what did not go as it should in a period, and what was done to
// the node in it. It has only what the stores know; test parcels are left out
// (R-XCH-5). Every list is the oldest first.
type Exceptions struct {
	Node  protocol.NodeID `json:"node"`
	From  protocol.Time   `json:"from"`
	Until protocol.Time   `json:"until"` // not in the period
	Made  protocol.Time   `json:"made"`
	// As is the one authority that was asked for; absent: all of this node.
	As protocol.AuthorityID `json:"as,omitempty"`

	Unacknowledged []Unacknowledged `json:"unacknowledged"`
	Overdue        []Overdue        `json:"overdue"`
	Negative       []Refused        `json:"refused_or_failed"`
	Resent         []Resent         `json:"resent"`
	Clocks         []ClockDrift     `json:"clock_drift"`
	WitnessGaps    []WitnessGap     `json:"witness_gaps"`
	Forks          []ForkedLog      `json:"forked_logs"`
	Records        []KeyChange      `json:"records_adopted"`
	Acts           []NodeAct        `json:"administrative_acts"`
	Offices        []OfficeReport   `json:"offices"`
	// Cut names the sections that have more than is shown: a shorter period shows
	// the rest.
	Cut []string `json:"cut,omitempty"`
}

// Way is the transmission of which an exception speaks.
type Way struct {
	Parcel protocol.ParcelID    `json:"parcel"`
	From   protocol.AuthorityID `json:"from"`
	To     protocol.AuthorityID `json:"to"`
}

func wayOf(k protocol.Key) Way { return Way{Parcel: k.Parcel, From: k.From, To: k.To} }

// Unacknowledged is a parcel that was delivered in the period and neither
// acknowledged nor declined by its end.
type Unacknowledged struct {
	Way
	Direction string        `json:"direction"` // sent or received
	Delivered protocol.Time `json:"delivered"`
	Opened    protocol.Time `json:"opened,omitzero"`
	// Answered is when that happened after the period; absent: not until now.
	Answered protocol.Time `json:"answered_later,omitzero"`
}

// Overdue is a sent parcel for which the other node's evidence was not here in
// time. The limit ran out in the period.
type Overdue struct {
	Way
	Peer    protocol.NodeID `json:"peer"`
	Limit   string          `json:"limit"` // 1h or 12h
	Queued  protocol.Time   `json:"queued"`
	Expires protocol.Time   `json:"expires"`
	// Answered is when evidence ended the wait; absent: it waits still.
	Answered protocol.Time  `json:"answered,omitzero"`
	State    exchange.State `json:"state"` // now
}

// Refused is negative evidence of the period. Its text is foreign.
type Refused struct {
	Way
	Event  evidence.Event `json:"event"`
	At     protocol.Time  `json:"stored"`
	Issuer string         `json:"issuer"`
	Reason Reason         `json:"reason"`
}

// Resent is a parcel queued in the period that was tried more than once.
type Resent struct {
	Way
	Peer   protocol.NodeID `json:"peer"`
	Queued protocol.Time   `json:"queued"`
	// Failures are attempts that ended without evidence, Breaks those of them whose
	// body broke off on the way.
	Failures  int64         `json:"failures"`
	Breaks    int64         `json:"broken_off"`
	LastError string        `json:"last_error"` // may quote the peer
	LastAt    protocol.Time `json:"last_error_at,omitzero"`
}

// ClockDrift is one day on which a peer's clock was beyond the skew: its time
// minus ours, in milliseconds.
type ClockDrift struct {
	Peer  protocol.NodeID `json:"peer"`
	Day   string          `json:"day"` // UTC
	Least int64           `json:"least_ms"`
	Most  int64           `json:"most_ms"`
	Last  int64           `json:"last_ms"`
	Noted protocol.Time   `json:"last_noted"`
}

// WitnessGap is a time in which a witness was late to cosign this node's log.
type WitnessGap struct {
	Witness protocol.NodeID `json:"witness"`
	After   int64           `json:"after_size"` // what it had cosigned before; 0: nothing
	Since   protocol.Time   `json:"since"`      // the first checkpoint beyond that was signed
	// Until is when it cosigned again, and Size which state; absent: not until the
	// end of the period.
	Until protocol.Time `json:"until,omitzero"`
	Size  int64         `json:"size,omitempty"`
}

// ForkedLog is a log of another node that told two stories; both signed states
// are kept.
type ForkedLog struct {
	Node      protocol.NodeID `json:"node"`
	Origin    string          `json:"log"`
	Size      int64           `json:"size"`
	OtherSize int64           `json:"other_size"`
	Found     protocol.Time   `json:"found"`
}

// KeyChange is a record that was adopted in the period, with what it changed.
type KeyChange struct {
	State    protocol.StateID `json:"state"`
	Sequence int64            `json:"sequence"`
	Own      bool             `json:"own"`
	// Confirmed says that a person compared the words of this very record.
	Confirmed bool `json:"confirmed"`
	// Listed says that it is the first of its state here, and that nobody compared its
	// words: it rests on the word of the stewards of a federation.
	Listed  bool            `json:"on_the_stewards_word"`
	Digest  protocol.Digest `json:"sha256"`
	Adopted protocol.Time   `json:"adopted"`
	Changes []string        `json:"changes"`
}

// NodeAct is an act of whoever runs the node.
type NodeAct struct {
	At      protocol.Time `json:"at"`
	Kind    store.ActKind `json:"act"`
	Subject string        `json:"subject"`
	Detail  string        `json:"detail"`
}

// OfficeReport is what one office's own store knows of the period.
type OfficeReport struct {
	Authority protocol.AuthorityID `json:"authority"`
	// Acts are those out of the ordinary: exports, refusals, declines, withdrawals,
	// and what this program does not know.
	Acts []OfficeAct `json:"acts"`
	// Ordinary counts the others: sent, taken in, opened, acknowledged.
	Ordinary map[office.Act]int64 `json:"ordinary"`
	// Contested are manifests that arrived under an identity already used by
	// another one.
	Contested []Contested `json:"contested"`
}

// OfficeAct is one entry of an office's journal.
type OfficeAct struct {
	Sequence int64                `json:"sequence"`
	At       protocol.Time        `json:"at"`
	Act      office.Act           `json:"act"`
	Parcel   protocol.ParcelID    `json:"parcel"`
	From     protocol.AuthorityID `json:"from"`
	Detail   string               `json:"detail,omitempty"` // place, recipient or reason
}

// Contested is a second manifest under one identity.
type Contested struct {
	Parcel   protocol.ParcelID    `json:"parcel"`
	From     protocol.AuthorityID `json:"from"`
	Case     protocol.CaseID      `json:"case"`
	Sequence int64                `json:"sequence"`
	Digest   protocol.Digest      `json:"message"`
	At       protocol.Time        `json:"at"`
}
