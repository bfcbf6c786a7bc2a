// Package record is a state's signed, numbered description of its node and its
// authorities: names, keys with their roles and validity, addresses, limits.
// It is the root of all trust between two nodes; a person confirms the first
// one by words, and later ones follow by continuity (SPEC.md, "Record", R-REC).
//
// Verify turns the bytes of a record into a State, and a State judges what its
// node and its authorities sign: envelopes, evidence, and through Member every
// other document of an authority. It knows no clock and no storage: times are
// arguments, and which State is the newest is for the caller to know.
//
// A judgement here rests on the times that a document claims. Whoever holds a
// stolen key can claim any time, so for a key marked compromised the verdict
// valid, contested or invalid needs the time at which witnesses cosigned the
// leaf; package bundle gives those verdicts.
package record

import (
	"comity/protocol"
	"comity/protocol/evidence"
)

// Types of the two documents.
const (
	Type          = "comity/record/v1"
	AuthorityType = "comity/authority/v1"
)

// Record is the parsed document, signed by the state's offline primary key.
type Record struct {
	Type     string           `json:"type"`
	State    protocol.StateID `json:"state"`
	Name     []Name           `json:"name" max:"16"`
	Sequence int64            `json:"sequence"` // from 1, one more each time
	// Previous is the digest of the record before; null only at sequence 1.
	Previous    *protocol.Digest `json:"previous"`
	Created     protocol.Time    `json:"created"`
	Valid       protocol.Window  `json:"valid"`
	Versions    []string         `json:"versions" max:"8"`         // protocol versions spoken, "v1"
	Certificate []byte           `json:"certificate" long:"16384"` // the state's OpenPGP certificate, binary
	Keys        []Key            `json:"keys" max:"64"`            // exactly one, the primary
	// Former are the certificates before, the oldest first.
	Former      []Former `json:"former" max:"8" optional:"yes"`
	Node        Node     `json:"node"`
	Authorities []Entry  `json:"authorities" max:"64"`
}

// Node describes the state's node.
type Node struct {
	ID          protocol.NodeID `json:"id"`
	Certificate []byte          `json:"certificate" long:"16384"`
	Keys        []Key           `json:"keys" max:"64"` // one primary, and node keys
	// TLS lists the SHA-256 of the public keys (SPKI) by which the node is known on the wire.
	TLS []Pin `json:"tls" max:"64"`
	// Endpoints are "host:port"; none means that the node only calls out.
	Endpoints []string `json:"endpoints" max:"8"`
	Log       Log      `json:"log"`
	Witness   Keypair  `json:"witness"`
	Limits    Limits   `json:"limits"`
	// Compromised marks keys of logs and witnesses, past ones included; absent
	// while there are none, as in records from before there could be.
	Compromised []Mark `json:"compromised" max:"64" optional:"yes"`
}

// Key gives one OpenPGP key of a certificate its role. A key is named by the
// SHA-256 of its v4 fingerprint input.
type Key struct {
	Role        evidence.Role   `json:"role"`
	Digest      protocol.Digest `json:"digest"`
	Valid       protocol.Window `json:"valid"`
	Compromised *Compromised    `json:"compromised"` // null unless so
}

// Compromised marks a key: signatures whose leaf was cosigned before Since stay
// valid, after Announced they are invalid, between they are contested.
type Compromised struct {
	Since     protocol.Time `json:"since"`
	Announced protocol.Time `json:"announced"`
}

// Pin names one TLS key.
type Pin struct {
	SPKI  protocol.Digest `json:"spki_sha256"`
	Valid protocol.Window `json:"valid"`
}

// Log names a log and its two keys, as C2SP signed-note verifier keys.
type Log struct {
	Origin string  `json:"origin"`
	Keys   Keypair `json:"keys"`
}

// Keypair is a pair of C2SP verifier keys, classical and post-quantum.
type Keypair struct {
	Ed25519 string `json:"ed25519"`
	MLDSA44 string `json:"mldsa44"`
}

// Limits are what the node accepts, never above those of package protocol.
type Limits struct {
	Sealed int64 `json:"sealed_bytes"`
}

// Name is a name in one language (BCP 47 tag).
type Name struct {
	Language string `json:"language"`
	Text     string `json:"text"`
}

// Entry carries one authority's own signed document inside the record: the
// exact text of both files.
type Entry struct {
	Document  string `json:"document" long:"65536"`
	Signature string `json:"signature" long:"2048"`
}

// Authority is the parsed document of an entry, signed by the authority's own
// offline primary key, so that no state key alone can speak for it.
type Authority struct {
	Type        string               `json:"type"`
	ID          protocol.AuthorityID `json:"authority"`
	Name        []Name               `json:"name" max:"16"`
	Sequence    int64                `json:"sequence"`
	Created     protocol.Time        `json:"created"`
	Host        protocol.NodeID      `json:"host"` // the only node that may speak for it on the wire
	Certificate []byte               `json:"certificate" long:"16384"`
	Keys        []Key                `json:"keys" max:"64"`                 // one primary, and act and attest keys
	Former      []Former             `json:"former" max:"8" optional:"yes"` // certificates before, the oldest first
	Recipients  []Recipient          `json:"recipients" max:"64"`

	// Confirmed is when the authority last looked its particulars through; both stand
	// only in an entry of AuthorityType2, and are zero and nil in one of AuthorityType.
	Confirmed   protocol.Time `json:"-"`
	Particulars *Particulars  `json:"-"`
}

// Recipient is one age recipient of an authority, hybrid post-quantum only.
type Recipient struct {
	Recipient string          `json:"recipient"`
	Valid     protocol.Window `json:"valid"`
}
