package record

import (
	"time"

	"comity/protocol"
	"comity/protocol/adoption"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
	"comity/protocol/withdrawal"
)

// VerifyEnvelope parses an envelope and checks that the node of this record
// signed it, for an authority it hosts, with a key that counted when it was
// created (R-ENV-1, R-REC-8). The recipient's side (hosting, recipient key,
// expiry, not_before) is for the caller.
//
// Malformed, TooLarge, UnsupportedVersion, UnknownSender, BadSignature,
// WrongRole, KeyExpired and KeyCompromised say that nobody answers for these
// bytes: no evidence, no leaf, no used id (R-EVID-7). ClockSkew, and
// Equivocation about the record it names, come only after all of that held.
func (s *State) VerifyEnvelope(sg statement.Signed, now time.Time) (*envelope.Envelope, error) {
	e, err := envelope.Parse(sg.Document)
	if err != nil {
		return nil, err
	}
	if s.byID[e.From] == nil {
		return nil, protocol.Refuse(protocol.UnknownSender, "node %s does not host %s", s.record.Node.ID, e.From)
	}
	if _, err := s.node.signer(sg, evidence.Node, e.Created.Time, now); err != nil {
		return nil, err
	}
	if err := s.CheckRef(e.Records.From); err != nil {
		return nil, err
	}
	return e, nil
}

// EnvelopeSigner returns the node key that signed an envelope which VerifyEnvelope
// has passed: an envelope does not name its key, and whoever judges it years later
// asks whether that key was marked compromised meanwhile.
func (s *State) EnvelopeSigner(sg statement.Signed) (protocol.Digest, error) {
	e, err := envelope.Parse(sg.Document)
	if err != nil {
		return protocol.Digest{}, err
	}
	return s.node.signer(sg, evidence.Node, e.Created.Time, endOfTime)
}

// VerifyEvidence parses an evidence and checks it against the table of who may
// sign what (R-EVID-1): this record's node or, for the office events, the
// authority that received the parcel; on the side that the event belongs to;
// with a listed key of the event's role that counted at the evidence's time and
// at the signature's (R-REC-8); for the log of this record's node. Whether it
// speaks of the right envelope is for Evidence.About.
//
// A key marked compromised is refused for times from the marked one on; see the
// package comment for what that cannot decide. Evidence that names an older
// record, from before the node changed its log, must be checked with that record.
func (s *State) VerifyEvidence(sg statement.Signed, now time.Time) (*evidence.Evidence, error) {
	e, err := evidence.Parse(sg.Document)
	if err != nil {
		return nil, err
	}
	keys, err := s.issuer(e)
	if err != nil {
		return nil, err
	}
	if err := keys.verify(sg, e.Event.Rule().Role, e.Issuer.Key, e.Time.Time, now); err != nil {
		return nil, err
	}
	if origin := s.record.Node.Log.Origin; e.Log != origin {
		return nil, protocol.Refuse(protocol.Malformed, "evidence for the log %s; in record %d the log of node %s is %s", quote(e.Log), s.record.Sequence, s.record.Node.ID, origin)
	}
	if err := s.CheckRef(e.Record); err != nil {
		return nil, err
	}
	return e, nil
}

// issuer returns the keys of whoever must have signed e, if e says so itself.
func (s *State) issuer(e *evidence.Evidence) (*keyring, error) {
	rule := e.Event.Rule()
	keys, name := s.node, string(s.record.Node.ID)
	switch {
	case e.Side().State() != s.record.State:
		return nil, protocol.Refuse(protocol.WrongRole, "%s is signed on the side of %s, not by state %s", e.Event, e.Side(), s.record.State)
	case rule.Role != evidence.Node:
		m := s.byID[e.To]
		if m == nil {
			return nil, protocol.Refuse(protocol.UnknownRecipient, "node %s does not host %s, in whose name this is said", s.record.Node.ID, e.To)
		}
		keys, name = m.keys, string(m.ID())
	}
	if e.Issuer.Name != name || e.Issuer.Role != rule.Role {
		return nil, protocol.Refuse(protocol.WrongRole, "%s is for %s to sign in the role %s, not for %s in the role %s", e.Event, name, rule.Role, quote(e.Issuer.Name), e.Issuer.Role)
	}
	return keys, nil
}

// VerifyWithdrawal parses a withdrawal and checks that an authority of this
// record signed it, with the act key that it names and that counted when it was
// created (R-WDR-1, R-REC-8). Which envelope it takes back, and whether that can
// still be done, is for the caller.
func (s *State) VerifyWithdrawal(sg statement.Signed, now time.Time) (*withdrawal.Withdrawal, error) {
	w, err := withdrawal.Parse(sg.Document)
	if err != nil {
		return nil, err
	}
	m := s.byID[w.From]
	if m == nil {
		return nil, protocol.Refuse(protocol.UnknownSender, "node %s does not host %s, in whose name this is withdrawn", s.record.Node.ID, w.From)
	}
	return w, m.keys.verify(sg, evidence.Act, w.Key, w.Created.Time, now)
}

// VerifyAdoption parses the statement by which a node adopted a version of a
// federation's directory, and checks that the node of this record signed it, with a
// key that counted when it was created (R-FED-9, R-REC-8).
func (s *State) VerifyAdoption(sg statement.Signed, now time.Time) (*adoption.Statement, error) {
	a, err := adoption.Parse(sg.Document)
	if err != nil {
		return nil, err
	}
	if a.Node != s.record.Node.ID {
		return nil, protocol.Refuse(protocol.WrongRole, "an adoption by node %s, not by %s", a.Node, s.record.Node.ID)
	}
	_, err = s.node.signer(sg, evidence.Node, a.Created.Time, now)
	return a, err
}
