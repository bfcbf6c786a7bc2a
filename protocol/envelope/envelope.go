// Package envelope is the signed statement outside a parcel, one per recipient:
// who sends how many sealed bytes to whom. It is made once by the sending node
// and never signed again (SPEC.md, "Envelope"). What needs a record, such as the
// signature, hosting and keys, is left to package record.
package envelope

import (
	"comity/protocol"
	"comity/protocol/statement"
)

// Type is the first member of every envelope.
const Type = "comity/envelope/v1"

// Envelope is the parsed document. A value that Parse returned satisfies every
// rule that needs no other document.
type Envelope struct {
	Type   string               `json:"type"`
	Parcel protocol.ParcelID    `json:"parcel"`
	From   protocol.AuthorityID `json:"from"`
	To     protocol.AuthorityID `json:"to"`
	// RecipientKey is the SHA-256 of the ASCII age recipient ("age1pq1…").
	RecipientKey protocol.Digest   `json:"recipient_key"`
	Priority     protocol.Priority `json:"priority"`
	// Test marks a parcel without effect: it never shows in an inbox, count or statistic.
	Test     bool          `json:"test"`
	Sealed   Sealed        `json:"sealed"`
	Manifest statement.Ref `json:"manifest"`
	Created  protocol.Time `json:"created"`
	Expires  protocol.Time `json:"expires"`
	// Directory names the federation's directory version, null outside one.
	Directory *Directory `json:"directory"`
	Records   Records    `json:"records"`
	// NotBefore is the recipient's log checkpoint that the sender last saw,
	// verbatim; null before the first contact. It bounds the envelope's age from below.
	NotBefore *string `json:"not_before" long:"81920"`
}

// Sealed describes the sealed bytes.
type Sealed struct {
	Size       int64           `json:"size"`
	Digest     protocol.Digest `json:"sha256"`
	Recipients int64           `json:"recipients"` // age stanzas in the header
}

// Directory names one version of a federation's directory.
type Directory struct {
	Version int64           `json:"version"`
	Digest  protocol.Digest `json:"sha256"`
}

// Records names the records on which the sender relied.
type Records struct {
	From RecordRef `json:"from"`
	To   RecordRef `json:"to"`
}

// RecordRef names one version of a state's record.
type RecordRef struct {
	State    protocol.StateID `json:"state"`
	Sequence int64            `json:"sequence"`
	Digest   protocol.Digest  `json:"sha256"`
}

// Key returns the identity of this transmission.
func (e *Envelope) Key() protocol.Key {
	return protocol.Key{From: e.From, Parcel: e.Parcel, To: e.To}
}
