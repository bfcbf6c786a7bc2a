package record

import (
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// State is one verified version of a state's record, with everything in it
// parsed once. It is immutable and safe for concurrent use; what its methods
// return must not be modified either.
type State struct {
	record  *Record
	signed  statement.Signed
	digest  protocol.Digest
	made    time.Time // the date inside the signature
	keys    *keyring
	node    *keyring
	log     *merkle.Verifier
	witness *merkle.Witness
	members []*Member // in the record's order
	byID    map[protocol.AuthorityID]*Member
}

// Record returns the parsed document.
func (s *State) Record() *Record { return s.record }

// Signed returns the document and its signature, as they were verified.
func (s *State) Signed() statement.Signed { return s.signed }

// Ref names this version, as envelopes and evidence do.
func (s *State) Ref() envelope.RecordRef {
	return envelope.RecordRef{State: s.record.State, Sequence: s.record.Sequence, Digest: s.digest}
}

// CheckRef refuses a reference that this record contradicts: to another state's
// record (Malformed), or to another document under this very sequence
// (Equivocation: the state has shown two records as one). A reference to an
// older or newer version passes, since keys outlive versions.
func (s *State) CheckRef(ref envelope.RecordRef) error {
	switch {
	case ref.State != s.record.State:
		return protocol.Refuse(protocol.Malformed, "names a record of %s in place of one of %s", ref.State, s.record.State)
	case ref.Sequence == s.record.Sequence && ref.Digest != s.digest:
		return protocol.Refuse(protocol.Equivocation, "names record %d of %s as %s, which is known here as %s: compare the records by telephone", ref.Sequence, ref.State, ref.Digest.Short(), s.digest.Short())
	}
	return nil
}

// CheckTimes refuses a record dated in the future (ClockSkew) and one whose
// validity has not begun or has ended (Expired). Verify does not ask, because a
// record that has ended still judges the documents of its time.
func (s *State) CheckTimes(now time.Time) error {
	r := s.record
	switch dated := latest(r.Created.Time, s.made); {
	case dated.After(now.Add(protocol.MaxSkew)):
		return protocol.Refuse(protocol.ClockSkew, "record %d of %s is dated %s, and here it is %s: one of the two clocks is wrong", r.Sequence, r.State, protocol.At(dated), protocol.At(now))
	case now.Add(protocol.MaxSkew).Before(r.Valid.From.Time):
		return protocol.Refuse(protocol.Expired, "record %d of %s counts from %s only", r.Sequence, r.State, r.Valid.From)
	case !now.Before(r.Valid.Until.Time):
		return protocol.Refuse(protocol.Expired, "record %d of %s counted until %s: ask the state for its newest one", r.Sequence, r.State, r.Valid.Until)
	}
	return nil
}

// Authority returns the authority with this id, if the state's node hosts it.
func (s *State) Authority(id protocol.AuthorityID) (*Member, bool) {
	m, ok := s.byID[id]
	return m, ok
}

// Members returns the authorities in the order of the record.
func (s *State) Members() []*Member { return append([]*Member(nil), s.members...) }

// NodeKey refuses unless the key may sign a node's document of this time:
// WrongRole, KeyExpired or KeyCompromised, with a sentence that says what to do.
func (s *State) NodeKey(digest protocol.Digest, at time.Time) error {
	return s.node.check(evidence.Node, digest, at)
}

// LogVerifier returns the verifier of the node's log.
func (s *State) LogVerifier() *merkle.Verifier { return s.log }

// Witness returns the verifier of the node's cosignatures.
func (s *State) Witness() *merkle.Witness { return s.witness }

// PinValid reports whether the node may show the TLS key with this SPKI digest at that time.
func (s *State) PinValid(spki [32]byte, at time.Time) bool {
	for _, p := range s.record.Node.TLS {
		if p.SPKI == spki {
			return p.Valid.Contains(at)
		}
	}
	return false
}
