// Package evidence is the signed statement that something happened to a
// parcel, named after ETSI EN 319 522. Who may sign which event is part of the
// format, and Validate enforces it (SPEC.md, "Evidence"). The signature itself
// and the validity of its key need a record: package record verifies them.
package evidence

import (
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/statement"
)

// Type is the first member of every evidence.
const Type = "comity/evidence/v1"

// Evidence is the parsed document. A value that Parse returned satisfies every
// rule that needs no other document.
type Evidence struct {
	Type   string               `json:"type"`
	Event  Event                `json:"event"`
	Parcel protocol.ParcelID    `json:"parcel"`
	From   protocol.AuthorityID `json:"from"`
	To     protocol.AuthorityID `json:"to"`
	Test   bool                 `json:"test"`
	// Envelope names the envelope and its signature; null only in a
	// SubmissionRejection, where there may be none.
	Envelope *statement.Ref  `json:"envelope"`
	Sealed   protocol.Digest `json:"sealed_sha256"`
	Time     protocol.Time   `json:"time"`
	// Reason is null on positive events and present on negative ones.
	Reason *Reason `json:"reason"`
	Issuer Issuer  `json:"issuer"`
	// Log is the origin of the log that takes the leaf of this evidence.
	Log string `json:"log" long:"128"`
	// Record is the issuer's record under which its key counts.
	Record envelope.RecordRef `json:"record"`
	// ConsigneeKey is the SHA-256 of the office's TLS public key (SPKI); present
	// only on ContentConsignment, null otherwise.
	ConsigneeKey *protocol.Digest `json:"consignee_key"`
}

// Reason says why an event is negative: a code for machines, a sentence for people.
type Reason struct {
	Code protocol.Code `json:"code"`
	Text string        `json:"text" long:"1024"` // protocol.MaxReasonText
}

// Issuer names who signed: a node by its NodeID, or an authority by its
// AuthorityID, and the key by its digest.
type Issuer struct {
	Name string          `json:"name" long:"64"` // protocol.MaxAuthorityName
	Role Role            `json:"role"`
	Key  protocol.Digest `json:"key"`
}

// TransmissionKey returns the identity of the transmission that this speaks of.
func (e *Evidence) TransmissionKey() protocol.Key {
	return protocol.Key{From: e.From, Parcel: e.Parcel, To: e.To}
}
