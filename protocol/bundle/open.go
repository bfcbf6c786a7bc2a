package bundle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/parcel"
	"comity/protocol/record"
)

// Opened is what was found in a parcel whose file key the bundle discloses. Real
// names of files stand in it.
type Opened struct {
	Message protocol.Digest `json:"message"` // of the manifest
	Case    protocol.CaseID `json:"case"`
	Kind    parcel.Kind     `json:"kind"`
	Created protocol.Time   `json:"created"`
	// Signer is the act key that signed the manifest, Approvals how many more
	// persons approved it.
	Signer    protocol.Digest `json:"signer"`
	Approvals int             `json:"approvals"`
	Files     []parcel.File   `json:"files"`
	// Broken says what is wrong inside a parcel of which the recipient's office
	// signed that something is; the members above are empty then.
	Broken string `json:"broken,omitempty"`

	approvals []parcel.SignedApproval
}

// open verifies the inside of a parcel that is in the bundle with its file key:
// that the key is the one of exactly this header (which the digest in the
// envelope fixes), the container, that envelope and manifest agree, the
// signatures of manifest and approvals, and the digest of every file. nil
// without a key.
func (x *examined) open() (*Opened, error) {
	if x.FileKey == nil {
		return nil, nil
	}
	if x.Parcel == nil {
		return nil, fault(fileKeyName, protocol.Refuse(protocol.BadContainer, "a key without its parcel proves nothing"))
	}
	o, err := x.read()
	switch {
	case errors.Is(err, seal.ErrNoKey):
		return nil, fault(fileKeyName, protocol.Refuse(protocol.CannotOpen, "it is not the key of this parcel"))
	case err != nil && protocol.CodeOf(err) == "":
		return nil, fmt.Errorf("reading a bundle at %s: %w", parcelName, err) // trouble of whoever reads it
	case err != nil && slices.ContainsFunc(x.facts, func(f *fact) bool { return f.Event == evidence.ContentHandoverFailure }):
		return &Opened{Broken: err.Error()}, nil
	}
	return o, fault(parcelName, err)
}

// read opens the parcel. Its errors are refusals, seal.ErrNoKey, or come from the
// source of the bundle.
func (x *examined) read() (*Opened, error) {
	plain, size, err := seal.Open(x.Parcel, x.env.Sealed.Size, x.FileKey)
	if err != nil {
		return nil, sealed(err)
	}
	contents, err := parcel.Read(plain, size)
	if err != nil {
		return nil, sealed(err)
	}
	o, err := x.inside(contents)
	return o, sealed(err)
}

// sealed gives what is wrong with the sealed bytes themselves its code (SPEC.md,
// section 8) and leaves all other errors as they are.
func sealed(err error) error {
	switch {
	case errors.Is(err, seal.ErrHeader):
		return fmt.Errorf("%w: %w", protocol.Refuse(protocol.BadHeader, "it does not open"), err)
	case errors.Is(err, seal.ErrDamaged):
		return fmt.Errorf("%w: %w", protocol.Refuse(protocol.BadContainer, "it does not open"), err)
	}
	return err
}

// inside carries out what the office of the recipient did at take-in. Times of
// keys are those that the documents claim, and the records those of the bundle.
func (x *examined) inside(c *parcel.Contents) (*Opened, error) {
	m := c.Manifest
	if err := m.CheckEnvelope(x.env, c.Signed.Ref()); err != nil {
		return nil, err
	}
	sender, err := x.histories.named(x.env.Records.From)
	if err != nil {
		return nil, err
	}
	to, err := x.histories.named(x.env.Records.To)
	if err != nil {
		return nil, err
	}
	from, ok := sender.Authority(x.env.From)
	recipient, listed := to.Authority(x.env.To)
	if !ok || !listed {
		return nil, protocol.Refuse(protocol.WrongParcel, "the records do not list both %s and %s", x.env.From, x.env.To)
	}
	if err := m.CheckAddressed(x.env.To, primaries(recipient)...); err != nil {
		return nil, err
	}
	if !from.Had(m.From.Certificate) {
		return nil, protocol.Refuse(protocol.WrongRole, "the manifest names another certificate of %s than its record", x.env.From)
	}
	signer, err := from.Signer(c.Signed, evidence.Act, m.Created.Time, endOfTime)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if !from.Lists(m.From.Certificate, signer) {
		return nil, protocol.Refuse(protocol.WrongRole, "the manifest names another certificate of %s than that of the key which signed it", x.env.From)
	}
	for i, a := range c.Approvals {
		if a.Approval.Key == signer {
			return nil, protocol.Refuse(protocol.WrongRole, "approval %d is by the key that signed the manifest", i+1)
		}
		if err := from.Verify(a.Signed, evidence.Act, a.Approval.Key, a.Approval.Created.Time, endOfTime); err != nil {
			return nil, fmt.Errorf("approval %d: %w", i+1, err)
		}
	}
	if err := c.VerifyAll(context.Background(), nil); err != nil {
		return nil, err
	}
	return &Opened{
		Message: c.Signed.Digest(), Case: m.Case, Kind: m.Kind, Created: m.Created, Signer: signer,
		Approvals: len(c.Approvals), Files: m.Files, approvals: c.Approvals,
	}, nil
}

// primaries name the certificates that an authority has and had.
func primaries(m *record.Member) (all []protocol.Digest) {
	for _, c := range m.Certificates() {
		all = append(all, c.Primary())
	}
	return all
}
