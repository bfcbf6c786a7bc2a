package record

import (
	"bytes"
	"fmt"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// Verify checks a record and everything in it (R-REC-1, 2, 5 to 7).
//
// With prev nil it is a first introduction: the bytes are consistent, and whom
// they belong to is unknown until a person has compared Words (R-REC-4). A
// record from the caller's own storage, confirmed earlier, is loaded this way too.
//
// With prev, the newest record adopted of the same state, the new one must also
// follow it (R-REC-3; see continuity). If s has the document of prev, Verify
// returns prev itself, so callers may hand it whatever a peer hands over.
//
// Refusals: BadSignature, Malformed, TooLarge, UnsupportedVersion, WrongRole,
// KeyExpired and KeyCompromised about the record; Expired for one older than
// prev, Equivocation for a second record under one number or another chain,
// Policy for a change that a person must confirm. No clock is read: CheckTimes
// compares with the present.
func Verify(s statement.Signed, prev *State) (*State, error) {
	if prev != nil && bytes.Equal(s.Document, prev.signed.Document) && bytes.Equal(s.Signature, prev.signed.Signature) {
		return prev, nil
	}
	if len(s.Signature) > protocol.MaxSignature {
		return nil, protocol.Refuse(protocol.TooLarge, "record: signature of %d bytes, at most %d allowed", len(s.Signature), protocol.MaxSignature)
	}
	r, err := Parse(s.Document)
	if err != nil {
		return nil, err
	}
	st := &State{
		record: r,
		signed: statement.Signed{Document: bytes.Clone(s.Document), Signature: bytes.Clone(s.Signature)},
		digest: s.Digest(),
	}
	if err := st.verifySelf(prev); err != nil {
		return nil, err
	}
	if prev != nil && prev.digest == st.digest { // signed twice; the first signature stays
		return prev, nil
	}
	if err := st.verifyNode(prev); err != nil {
		return nil, err
	}
	if err := st.verifyMembers(prev); err != nil {
		return nil, err
	}
	if err := st.checkDistinct(); err != nil {
		return nil, err
	}
	if prev != nil {
		if err := st.follows(prev); err != nil {
			return nil, err
		}
	}
	return st, nil
}

// verifySelf carries out R-REC-1. It comes before anything that costs more than
// parsing, so that only the holder of a key can make us work.
func (s *State) verifySelf(prev *State) (err error) {
	r := s.record
	var known *keyring
	if prev != nil {
		known = prev.keys
	}
	if s.keys, err = newKeyring("state "+string(r.State), r.Certificate, r.Keys, known); err != nil {
		return err
	}
	if err := s.keys.addFormers(string(r.State), r.Former); err != nil {
		return err
	}
	// The state's key is offline: hours may pass between writing the record and
	// signing it. The signature must fall before the record's end, which is not in the
	// window any more; CheckTimes compares both dates with the clock.
	if s.made, err = s.keys.signature(s.signed, s.keys.primary(), r.Valid.Until.Add(-time.Nanosecond)); err != nil {
		return err
	}
	return s.keys.checkWindows(evidence.Primary, s.keys.primary(), r.Created.Time, s.made)
}

func (s *State) verifyNode(prev *State) (err error) {
	n := &s.record.Node
	var known *keyring
	if prev != nil {
		known = prev.node
	}
	if s.node, err = newKeyring("node "+string(n.ID), n.Certificate, n.Keys, known); err != nil {
		return err
	}
	if prev != nil && prev.record.Node.Log == n.Log {
		s.log = prev.log // keeps what it remembers as verified
	} else if s.log, err = merkle.NewVerifier(n.Log.Origin, n.Log.Keys.Ed25519, n.Log.Keys.MLDSA44); err != nil {
		return fmt.Errorf("%w: %w", protocol.Refuse(protocol.Malformed, "node %s: its log keys are not the two verifier keys of %s", n.ID, n.Log.Origin), err)
	}
	if s.witness, err = newWitness(n); err != nil {
		return err
	}
	return checkMarks(n)
}

func (s *State) verifyMembers(prev *State) error {
	s.byID = make(map[protocol.AuthorityID]*Member, len(s.record.Authorities))
	for _, e := range s.record.Authorities {
		var known *Member
		if prev != nil {
			known = prev.member(e)
		}
		m, err := verifyEntry(e, s.record.Created.Time, known)
		if err != nil {
			return err
		}
		c := checks{subject: "authority " + string(m.ID())}
		c.require(m.ID().State() == s.record.State, "it is of another state than the record, which is of %s", s.record.State)
		c.require(m.authority.Host == s.record.Node.ID, "its host is %s, and the record's node is %s", m.authority.Host, s.record.Node.ID) // R-REC-5
		c.require(s.byID[m.ID()] == nil, "it is listed twice")
		if c.err != nil {
			return c.err
		}
		s.members = append(s.members, m)
		s.byID[m.ID()] = m
	}
	return nil
}

// member returns the member whose entry is this one or, failing that, nil.
func (s *State) member(e Entry) *Member {
	for i, have := range s.record.Authorities {
		if have == e {
			return s.members[i]
		}
	}
	return nil
}

// keyrings are those of the state, its node and its authorities.
func (s *State) keyrings() []*keyring {
	all := []*keyring{s.keys, s.node}
	for _, m := range s.members {
		all = append(all, m.keys)
	}
	return all
}

// checkDistinct carries out R-REC-7 across the record: no OpenPGP key in two
// certificates, listed or not, and no age recipient with two owners. A shared
// key would let one of them speak for the other, or read its parcels.
func (s *State) checkDistinct() error {
	owners := make(map[protocol.Digest]string)
	c := checks{subject: fmt.Sprintf("record of %s", s.record.State)}
	claim := func(kind, owner string, digest protocol.Digest) {
		other, taken := owners[digest]
		c.require(!taken, "%s %s belongs to %s and to %s", kind, digest.Short(), other, owner)
		owners[digest] = owner
	}
	for _, m := range s.members {
		for _, r := range m.recipients {
			claim("recipient key", m.keys.owner, r.digest)
		}
	}
	for _, k := range s.keyrings() {
		for _, ring := range k.rings() {
			for _, info := range ring.certificate.Keys() {
				claim("key", k.owner, info.Digest)
			}
		}
	}
	return c.err
}
