package evidence

import (
	"fmt"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/statement"
)

// Parse reads the document of an evidence and refuses one that breaks a rule of
// the format. It says nothing about the signature.
func Parse(doc []byte) (*Evidence, error) {
	e := new(Evidence)
	if err := statement.Decode(doc, Type, protocol.MaxEvidence, e); err != nil {
		return nil, err
	}
	if err := e.Validate(); err != nil {
		return nil, err
	}
	return e, nil
}

// Sign writes the evidence and signs it, dated at, with the key that its issuer
// names; another key is an error. The caller lets nothing of it out before its
// leaf and what it promises are durable (R-EVID-4).
func (e *Evidence) Sign(key *pgp.Secret, at time.Time) (statement.Signed, error) {
	if err := e.Validate(); err != nil {
		return statement.Signed{}, fmt.Errorf("signing evidence: %w", err)
	}
	if key != nil && key.Digest() != e.Issuer.Key {
		return statement.Signed{}, fmt.Errorf("signing evidence: it names the key %s, not %s",
			e.Issuer.Key.Short(), protocol.Digest(key.Digest()).Short())
	}
	return statement.Sign(e, protocol.MaxEvidence, key, at)
}

// Validate checks the rules that need nothing but the evidence itself. Its
// errors are refusals: WrongRole where another side or role than the event's
// rule signs (R-EVID-1), Malformed for all else.
func (e *Evidence) Validate() error {
	if e.Type != Type {
		return refuse("the type is %s", protocol.Quote([]byte(e.Type)))
	}
	if e.Event.Rule() == (Rule{}) {
		return refuse("the event %s is not in the list", protocol.Quote([]byte(e.Event)))
	}
	if e.From == e.To {
		return refuse("from and to are the same authority")
	}
	for _, check := range []func() error{e.checkIssuer, e.checkReason, e.checkSubject, e.checkLog} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// Side returns the authority on whose side the event is signed.
func (e *Evidence) Side() protocol.AuthorityID {
	if e.Event.Rule().Sender {
		return e.From
	}
	return e.To
}

// checkIssuer carries out R-EVID-1 as far as the document alone tells. That the
// node hosts the authority, and that the key holds the role, the record tells.
func (e *Evidence) checkIssuer() error {
	rule, side := e.Event.Rule(), e.Side()
	if e.Issuer.Role != rule.Role {
		return protocol.Refuse(protocol.WrongRole, "evidence: %s is signed by the role %s, not by %s",
			e.Event, rule.Role, protocol.Quote([]byte(e.Issuer.Role)))
	}
	named := e.Issuer.Name == string(side)
	if rule.Role == Node {
		var node protocol.NodeID
		named = node.UnmarshalText([]byte(e.Issuer.Name)) == nil && node.State() == side.State()
	}
	if !named {
		return protocol.Refuse(protocol.WrongRole, "evidence: %s is signed on the side of %s, not by %s",
			e.Event, side, protocol.Quote([]byte(e.Issuer.Name)))
	}
	if e.Issuer.Key.IsZero() {
		return refuse("the digest of the issuer's key is zero")
	}
	return e.Record.Validate(side.State())
}

// checkReason carries out R-EVID-2.
func (e *Evidence) checkReason() error {
	switch negative := e.Event.Rule().Negative; {
	case negative != (e.Reason != nil):
		return refuse("%s: want a reason on negative events and on no other", e.Event)
	case !negative:
		return nil
	}
	if e.Reason.Code.UnmarshalText([]byte(e.Reason.Code)) != nil || e.Reason.Text == "" || len(e.Reason.Text) > protocol.MaxReasonText {
		return refuse("%s: want a reason code of the list and a text of at most %d bytes", e.Event, protocol.MaxReasonText)
	}
	// A failure is only ever silence until the end, or a withdrawal: what the
	// peer answered is the peer's to sign.
	if e.Event == RelayFailure {
		switch e.Reason.Code {
		case protocol.NotAccepted, protocol.PeerUnreachable, protocol.Withdrawn:
		default:
			return refuse("%s cannot have the reason %s", e.Event, e.Reason.Code)
		}
	}
	return nil
}

// checkSubject checks what the evidence speaks of.
func (e *Evidence) checkSubject() error {
	switch ref := e.Envelope; {
	case ref == nil && e.Event != SubmissionRejection:
		return refuse("%s names no envelope", e.Event)
	case ref != nil && (ref.Document.IsZero() || ref.Signature.IsZero()):
		return refuse("a digest of the envelope is zero")
	case ref != nil && e.Sealed.IsZero():
		return refuse("the sealed digest is zero")
	case (e.ConsigneeKey != nil) != (e.Event == ContentConsignment):
		return refuse("%s: want a consignee key on %s and on no other event", e.Event, ContentConsignment)
	case e.ConsigneeKey != nil && e.ConsigneeKey.IsZero():
		return refuse("the digest of the consignee's key is zero")
	}
	return nil
}

// checkLog checks that the leaf goes to a log of the issuer's side: that of the
// node which signs, or which hosts the office.
func (e *Evidence) checkLog() error {
	node, _, err := protocol.ParseLogOrigin(e.Log)
	if err != nil {
		return refuse("the log has no well-formed origin: %s", protocol.Quote([]byte(e.Log)))
	}
	if e.Issuer.Role == Node && e.Issuer.Name != string(node) || node.State() != e.Side().State() {
		return refuse("%s of %s has its leaf in the log of node %s", e.Event, e.Issuer.Name, node)
	}
	return nil
}

// About reports whether the valid evidence e speaks of exactly the envelope env,
// whose document and signature ref names (R-EVID-3); otherwise it refuses with
// WrongParcel and names what differs.
func (e *Evidence) About(env *envelope.Envelope, ref statement.Ref) error {
	var differs string
	switch {
	case e.Envelope == nil:
		differs = "the envelope: it names none"
	case e.Envelope.Document != ref.Document:
		differs = "the envelope's digest"
	case e.Envelope.Signature != ref.Signature:
		differs = "the digest of the envelope's signature"
	case e.TransmissionKey() != env.Key():
		differs = "parcel, from or to"
	case e.Test != env.Test:
		differs = "the test mark"
	case e.Sealed != env.Sealed.Digest:
		differs = "the digest of the sealed bytes"
	case e.Time.Before(env.Created.Add(-protocol.MaxSkew)):
		// A peer that dates its acceptance back could undo a RelayFailure.
		return refuse("%s for %s is dated %s, before its envelope of %s", e.Event, env.Key(), e.Time, env.Created)
	default:
		return nil
	}
	return protocol.Refuse(protocol.WrongParcel, "evidence %s for %s speaks of another envelope; it differs in %s", e.Event, env.Key(), differs)
}

func refuse(format string, args ...any) error {
	return protocol.Refuse(protocol.Malformed, "evidence: %s", fmt.Sprintf(format, args...))
}
