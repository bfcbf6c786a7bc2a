package parcel

import (
	"fmt"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/statement"
)

// Types of the documents inside a parcel.
const (
	Type         = "comity/manifest/v1"
	ApprovalType = "comity/approval/v1"
)

// Manifest is the signed list inside a parcel: who, to whom, which kind, which
// files. Its digest is the digest of the message.
type Manifest struct {
	Type   string            `json:"type"`
	Parcel protocol.ParcelID `json:"parcel"`
	// Nonce is 32 random bytes, so that the manifest's digest tells nothing outside.
	Nonce    protocol.Digest `json:"nonce"`
	Case     protocol.CaseID `json:"case"`
	Sequence int64           `json:"sequence"` // of the sender's messages in the case, from 1
	// Follows are the digests of the messages that the sender had seen and follows.
	Follows   []protocol.Digest `json:"follows"`
	Kind      Kind              `json:"kind"`
	From      Party             `json:"from"`
	To        []Party           `json:"to"`
	Test      bool              `json:"test"`
	Created   protocol.Time     `json:"created"`
	Approvals int64             `json:"approvals"` // how many approvals stand before the files
	Files     []File            `json:"files"`
}

// Party names an authority and its certificate (the digest of its primary key).
type Party struct {
	Authority   protocol.AuthorityID `json:"authority"`
	Certificate protocol.Digest      `json:"certificate"`
}

// File is one entry of the list.
type File struct {
	Path      string          `json:"path"` // files/0001, files/0002, … in order
	Name      string          `json:"name"` // the real name; stands only here
	MediaType string          `json:"media_type"`
	Size      int64           `json:"size"`
	Digest    protocol.Digest `json:"sha256"`
	Pages     *int64          `json:"pages"` // null when it has none or nobody counted
	Role      FileRole        `json:"role"`
}

// ParseManifest reads a manifest and checks every rule that needs no other
// document. Its refusals name files by number, never by name, because the
// reason of a refusal may be read outside the two offices.
func ParseManifest(doc []byte) (*Manifest, error) {
	m := new(Manifest)
	if err := statement.Decode(doc, Type, protocol.MaxManifest, m); err != nil {
		return nil, err
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m, nil
}

// Encode returns the document: the exact bytes to be approved, signed and kept.
// It sets no member; Type and all others are the caller's.
func (m *Manifest) Encode() ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("encoding a manifest: %w", err)
	}
	doc, err := statement.Encode(m)
	if err != nil {
		return nil, fmt.Errorf("encoding a manifest: %w", err)
	}
	if len(doc) > protocol.MaxManifest {
		return nil, protocol.Refuse(protocol.TooLarge, "manifest of %d bytes, at most %d allowed", len(doc), protocol.MaxManifest)
	}
	return doc, nil
}

// Sign encodes the manifest and signs it with the authority's act key. When
// people approve before, the document exists already: use SignDocument.
func (m *Manifest) Sign(act *pgp.Secret, at time.Time) (statement.Signed, error) {
	doc, err := m.Encode()
	if err != nil {
		return statement.Signed{}, err
	}
	return SignDocument(doc, act, at)
}

// SignDocument signs the exact bytes of a manifest, at being the time of the
// signature. The key must be one of the certificate that the manifest names for
// its sender; that it is an act key is for the caller to know.
func SignDocument(doc []byte, act *pgp.Secret, at time.Time) (statement.Signed, error) {
	m, err := ParseManifest(doc)
	if err != nil {
		return statement.Signed{}, fmt.Errorf("signing a manifest: %w", err)
	}
	if m.From.Certificate != act.Certificate().Primary() {
		return statement.Signed{}, fmt.Errorf("signing manifest %s: the key is not one of the certificate that the manifest names for %s",
			m.Parcel, m.From.Authority)
	}
	return sign(doc, act, at)
}

// sign signs any document of a parcel. The primary key signs record entries and
// certificates only, whoever asks.
func sign(doc []byte, act *pgp.Secret, at time.Time) (statement.Signed, error) {
	if act.Digest() == act.Certificate().Primary() {
		return statement.Signed{}, fmt.Errorf("signing a document of a parcel: want an act key, got the certificate's primary key")
	}
	armored, err := act.Sign(doc, at)
	if err != nil {
		return statement.Signed{}, fmt.Errorf("signing a document of a parcel: %w", err)
	}
	return statement.Signed{Document: doc, Signature: armored}, nil
}

// TotalSize is the sum of the sizes of the files in bytes.
func (m *Manifest) TotalSize() (total int64) {
	for _, f := range m.Files {
		total += f.Size
	}
	return total
}

// Key returns the identity of the transmission to one of the recipients.
func (m *Manifest) Key(to protocol.AuthorityID) protocol.Key {
	return protocol.Key{From: m.From.Authority, Parcel: m.Parcel, To: to}
}
