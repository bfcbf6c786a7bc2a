// Package withdrawal is the signed act of a sending authority that takes a
// parcel back before the other side has it (SPEC.md, "Withdrawal"). It holds
// the format; what becomes of a withdrawal is decided in package exchange and
// by the two nodes.
package withdrawal

import (
	"fmt"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/statement"
)

// Type is the first member of every withdrawal.
const Type = "comity/withdrawal/v1"

// Withdrawal is the parsed document. A value that Parse returned satisfies every
// rule that needs no other document.
type Withdrawal struct {
	Type     string               `json:"type"`
	Parcel   protocol.ParcelID    `json:"parcel"`
	From     protocol.AuthorityID `json:"from"`
	To       protocol.AuthorityID `json:"to"`
	Envelope statement.Ref        `json:"envelope"` // the transmission that it ends
	Created  protocol.Time        `json:"created"`
	Key      protocol.Digest      `json:"key"` // the act key of From that signs this
}

// Parse reads the document of a withdrawal and refuses one that breaks a rule
// of the format. It says nothing about the signature.
func Parse(doc []byte) (*Withdrawal, error) {
	w := new(Withdrawal)
	if err := statement.Decode(doc, Type, protocol.MaxWithdrawal, w); err != nil {
		return nil, err
	}
	if err := w.Validate(); err != nil {
		return nil, err
	}
	return w, nil
}

// Validate checks the rules that need nothing but the withdrawal itself. Its
// errors are refusals.
func (w *Withdrawal) Validate() error {
	switch {
	case w.Type != Type:
		return protocol.Refuse(protocol.Malformed, "withdrawal: the type is %s", protocol.Quote([]byte(w.Type)))
	case w.From == w.To:
		return protocol.Refuse(protocol.Malformed, "withdrawal: from and to are the same authority")
	case w.Envelope.Document.IsZero() || w.Envelope.Signature.IsZero() || w.Key.IsZero():
		return protocol.Refuse(protocol.Malformed, "withdrawal: a digest is zero")
	}
	return nil
}

// Sign writes the withdrawal and signs it, dated at, with the act key that it
// names (R-WDR-1); another key is an error. Whether the key holds the role is
// for the record to say.
func (w *Withdrawal) Sign(key *pgp.Secret, at time.Time) (statement.Signed, error) {
	if err := w.Validate(); err != nil {
		return statement.Signed{}, fmt.Errorf("signing a withdrawal: %w", err)
	}
	if key != nil && key.Digest() != w.Key {
		return statement.Signed{}, fmt.Errorf("signing a withdrawal: it names the key %s, not %s", w.Key.Short(), protocol.Digest(key.Digest()).Short())
	}
	return statement.Sign(w, protocol.MaxWithdrawal, key, at)
}

// About reports whether the valid withdrawal w takes back exactly the envelope
// env, whose document and signature ref names (R-WDR-2). Its errors are refusals.
func (w *Withdrawal) About(env *envelope.Envelope, ref statement.Ref) error {
	switch {
	case w.Envelope != ref:
		return protocol.Refuse(protocol.WrongParcel, "the withdrawal of %s names another envelope", w.TransmissionKey())
	case w.TransmissionKey() != env.Key():
		return protocol.Refuse(protocol.WrongParcel, "the withdrawal is of %s, its envelope of %s", w.TransmissionKey(), env.Key())
	case env.Test:
		return protocol.Refuse(protocol.Policy, "%s is a test without effect: there is nothing to withdraw", env.Key())
	case w.Created.Before(env.Created.Add(-protocol.MaxSkew)):
		return protocol.Refuse(protocol.Malformed, "the withdrawal of %s is dated %s, before its envelope of %s", env.Key(), w.Created, env.Created)
	}
	return nil
}

// TransmissionKey returns the identity of the transmission that this ends.
func (w *Withdrawal) TransmissionKey() protocol.Key {
	return protocol.Key{From: w.From, Parcel: w.Parcel, To: w.To}
}
