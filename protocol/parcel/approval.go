package parcel

import (
	"fmt"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/statement"
)

// Approval is a further person's signed consent to exactly these manifest
// bytes, made before sealing with another act key of the same authority.
type Approval struct {
	Type      string               `json:"type"`
	Parcel    protocol.ParcelID    `json:"parcel"`
	Manifest  protocol.Digest      `json:"manifest_sha256"`
	Authority protocol.AuthorityID `json:"authority"`
	Key       protocol.Digest      `json:"key"` // the act key that signs this
	Created   protocol.Time        `json:"created"`
}

// SignedApproval is an approval as it stands in a container.
type SignedApproval struct {
	Approval *Approval
	Signed   statement.Signed
}

// ParseApproval reads an approval and checks every rule that needs no other document.
func ParseApproval(doc []byte) (*Approval, error) {
	a := new(Approval)
	if err := statement.Decode(doc, ApprovalType, protocol.MaxApproval, a); err != nil {
		return nil, err
	}
	if err := a.Validate(); err != nil {
		return nil, err
	}
	return a, nil
}

// Validate checks the rules of this one document (R-PCL-11).
func (a *Approval) Validate() error {
	switch {
	case a.Type != ApprovalType:
		return protocol.Refuse(protocol.Malformed, "approval: type %s, want %q", protocol.Quote([]byte(a.Type)), ApprovalType)
	case a.Manifest.IsZero():
		return protocol.Refuse(protocol.Malformed, "approval: the manifest's digest is all zeros")
	case a.Key.IsZero():
		return protocol.Refuse(protocol.Malformed, "approval: the key's digest is all zeros")
	}
	return nil
}

// Sign encodes the approval and signs it with the act key that it names, at
// being the time of the signature.
func (a *Approval) Sign(act *pgp.Secret, at time.Time) (statement.Signed, error) {
	if err := a.Validate(); err != nil {
		return statement.Signed{}, fmt.Errorf("signing an approval: %w", err)
	}
	if a.Key != act.Digest() {
		return statement.Signed{}, fmt.Errorf("signing an approval of %s: the approval names another key", a.Parcel)
	}
	doc, err := statement.Encode(a)
	if err != nil {
		return statement.Signed{}, fmt.Errorf("signing an approval of %s: %w", a.Parcel, err)
	}
	return sign(doc, act, at)
}

// Approve signs the approval of exactly these manifest bytes with a person's
// act key. Approvals go into the container in the order given to Write.
func Approve(manifest []byte, act *pgp.Secret, at time.Time) (statement.Signed, error) {
	m, err := ParseManifest(manifest)
	if err != nil {
		return statement.Signed{}, fmt.Errorf("approving a manifest: %w", err)
	}
	a := &Approval{
		Type:      ApprovalType,
		Parcel:    m.Parcel,
		Manifest:  protocol.Sum(manifest),
		Authority: m.From.Authority,
		Key:       act.Digest(),
		Created:   protocol.At(at),
	}
	return a.Sign(act, at)
}

// checkApprovals parses the approvals and compares them with the manifest, whose
// digest is given: as many as announced, all about these bytes, by the sending
// authority, each with a key of its own (R-PCL-9, without the signatures).
func (m *Manifest) checkApprovals(digest protocol.Digest, signed []statement.Signed) ([]SignedApproval, error) {
	if int64(len(signed)) != m.Approvals {
		return nil, protocol.Refuse(protocol.BadContainer, "%d approvals, the manifest announces %d", len(signed), m.Approvals)
	}
	approvals := make([]SignedApproval, len(signed))
	keys := make(map[protocol.Digest]bool, len(signed))
	for i, s := range signed {
		a, err := ParseApproval(s.Document)
		if err != nil {
			return nil, fmt.Errorf("approval %d: %w", i+1, err)
		}
		switch {
		case a.Manifest != digest || a.Parcel != m.Parcel:
			return nil, protocol.Refuse(protocol.WrongParcel, "approval %d speaks of another manifest", i+1)
		case a.Authority != m.From.Authority:
			return nil, protocol.Refuse(protocol.WrongRole, "approval %d is by another authority than the sender", i+1)
		case a.Created.Before(m.Created.Add(-protocol.MaxSkew)):
			return nil, protocol.Refuse(protocol.Malformed, "approval %d is dated before its manifest", i+1)
		case keys[a.Key]:
			return nil, protocol.Refuse(protocol.WrongRole, "approval %d is by the same key as another", i+1)
		}
		keys[a.Key] = true
		approvals[i] = SignedApproval{Approval: a, Signed: s}
	}
	return approvals, nil
}
