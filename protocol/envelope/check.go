package envelope

import (
	"fmt"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/statement"
)

// Parse reads the document of an envelope and refuses one that breaks a rule of
// the format. It says nothing about the signature.
func Parse(doc []byte) (*Envelope, error) {
	e := new(Envelope)
	if err := statement.Decode(doc, Type, protocol.MaxEnvelope, e); err != nil {
		return nil, err
	}
	if err := e.Validate(); err != nil {
		return nil, err
	}
	return e, nil
}

// Sign writes the envelope and signs it with a node key, dated at. It is called
// once for each envelope (R-ENV-7): a repeat sends the bytes that are stored.
func (e *Envelope) Sign(key *pgp.Secret, at time.Time) (statement.Signed, error) {
	if err := e.Validate(); err != nil {
		return statement.Signed{}, fmt.Errorf("signing an envelope: %w", err)
	}
	return statement.Sign(e, protocol.MaxEnvelope, key, at)
}

// Validate checks the rules that need nothing but the envelope itself. Its
// errors are refusals.
func (e *Envelope) Validate() error {
	if e.Type != Type {
		return refuse("the type is %s", protocol.Quote([]byte(e.Type)))
	}
	if e.From == e.To {
		return refuse("from and to are the same authority")
	}
	if e.RecipientKey.IsZero() || e.Manifest.Document.IsZero() || e.Manifest.Signature.IsZero() {
		return refuse("a digest is zero")
	}
	for _, check := range []func() error{e.Sealed.validate, e.checkLifetime, e.checkReferences} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (s Sealed) validate() error {
	switch {
	case s.Size < 1 || s.Recipients < 1:
		return refuse("%d sealed bytes to %d recipients: want at least one of each", s.Size, s.Recipients)
	case s.Size > protocol.MaxSealed:
		return protocol.Refuse(protocol.TooLarge, "envelope: %d sealed bytes, at most %d allowed", s.Size, int64(protocol.MaxSealed))
	case s.Recipients > protocol.MaxRecipients:
		return protocol.Refuse(protocol.TooLarge, "envelope: %d recipients, at most %d allowed", s.Recipients, protocol.MaxRecipients)
	case s.Digest.IsZero():
		return refuse("the sealed digest is zero")
	}
	return nil
}

// checkLifetime carries out R-ENV-5.
func (e *Envelope) checkLifetime() error {
	switch lifetime := e.Expires.Sub(e.Created.Time); {
	case lifetime <= 0:
		return refuse("it expires %s, which is not after it was created, %s", e.Expires, e.Created)
	case lifetime > protocol.MaxLifetime:
		return protocol.Refuse(protocol.TooLarge, "envelope: it asks for %s, at most %s allowed", lifetime, protocol.MaxLifetime)
	}
	return nil
}

// checkReferences checks what the envelope says of other documents.
func (e *Envelope) checkReferences() error {
	if d := e.Directory; d != nil && (d.Version < 1 || d.Digest.IsZero()) {
		return refuse("the directory has version %d, digest %s", d.Version, d.Digest.Short())
	}
	if e.NotBefore != nil && *e.NotBefore == "" {
		return refuse("not_before is empty; without a checkpoint it is null")
	}
	if err := e.Records.From.Validate(e.From.State()); err != nil {
		return err
	}
	return e.Records.To.Validate(e.To.State())
}

// Validate checks that r can name a record of state.
func (r RecordRef) Validate(state protocol.StateID) error {
	if r.State != state || r.Sequence < 1 || r.Digest.IsZero() {
		return protocol.Refuse(protocol.Malformed, "record %s number %d: want one of state %s, counted from 1, with its digest",
			protocol.Quote([]byte(r.State)), r.Sequence, state)
	}
	return nil
}

// CheckTimes judges a valid envelope that arrives now: R-ENV-4 refuses one from
// the future with ClockSkew, R-ENV-8 one whose time has passed with Expired.
// The skew is granted to created only. An envelope refused early by a clock that
// runs ahead harms nobody: its sender may not report failure before expires and
// the skew have passed and this node was asked (R-EVID-9).
func (e *Envelope) CheckTimes(now time.Time) error {
	if err := e.checkLifetime(); err != nil {
		return err
	}
	if e.Created.After(now.Add(protocol.MaxSkew)) {
		return protocol.Refuse(protocol.ClockSkew, "envelope: created %s, more than %s after this node's clock, %s",
			e.Created, protocol.MaxSkew, protocol.At(now))
	}
	if !now.Before(e.Expires.Time) {
		return protocol.Refuse(protocol.Expired, "envelope: expired %s, this node's clock says %s", e.Expires, protocol.At(now))
	}
	return nil
}

func refuse(format string, args ...any) error {
	return protocol.Refuse(protocol.Malformed, "envelope: %s", fmt.Sprintf(format, args...))
}
