package record

import (
	"comity/protocol"
	"comity/protocol/evidence"
)

// follows carries out R-REC-3: what a newer record may change by itself.
//
// It may change everything that the state and its authorities can answer for
// with the keys they had: subkeys, recipients, addresses, the node's
// certificate and TLS keys, authorities that come or go, and the node's log if
// the next one has a later era; and their primary keys, if the one before hands
// over (R-REC-12). It may not change the node's name, nor a primary key otherwise;
// such a record counts only as a new introduction that a person confirms by words.
// Versions may be missing between the two, since each record lists who handed over
// to whom; only the direct successor proves the chain of digests.
//
// An authority that left one record and comes back in a later one is new to
// follows. Whoever holds the state's key can so replace its keys in two steps,
// visibly: each version is a leaf in the log of every node that adopted it.
func (s *State) follows(prev *State) error {
	r, p := s.record, prev.record
	c := checks{subject: "record of " + string(r.State)}
	if r.State != p.State {
		c.refuse(protocol.WrongRole, "it cannot follow a record of %s", p.State)
	}
	if r.Sequence < p.Sequence {
		c.refuse(protocol.Expired, "number %d is older than number %d, which is known already", r.Sequence, p.Sequence)
	}
	if r.Sequence == p.Sequence {
		c.refuse(protocol.Equivocation, "a second record has the number %d: %s beside %s; compare both with the state by telephone", r.Sequence, s.digest.Short(), prev.digest.Short())
	}
	if r.Sequence == p.Sequence+1 && *r.Previous != prev.digest {
		c.refuse(protocol.Equivocation, "number %d follows %s, and number %d is known here as %s; compare both with the state by telephone", r.Sequence, r.Previous.Short(), p.Sequence, prev.digest.Short())
	}
	c.require(!r.Created.Before(p.Created.Time), "number %d is dated before number %d", r.Sequence, p.Sequence)
	if r.Node.ID != p.Node.ID {
		c.refuse(protocol.Policy, "its node is %s now and was %s; confirm it as a new introduction, by words", r.Node.ID, p.Node.ID)
	}
	if !r.Node.Log.follows(p.Node.Log) {
		c.refuse(protocol.Policy, "its log was %s and is %s, with other keys or an earlier era; a log keeps its keys, and another log takes the next era", p.Node.Log.Origin, r.Node.Log.Origin)
	}
	if c.err != nil {
		return c.err
	}
	// The record before decides how long its key counts, not the new one.
	same, err := s.keys.succeeds(prev.keys)
	if err == nil && same {
		err = prev.keys.checkWindows(evidence.Primary, s.keys.primary(), r.Created.Time, s.made)
	}
	if err != nil {
		return err
	}
	if err := r.Node.keepsMarks(&p.Node); err != nil {
		return err
	}
	for _, m := range s.members {
		if before, stays := prev.byID[m.ID()]; stays {
			if err := m.follows(before); err != nil {
				return err
			}
		}
	}
	return s.keepsRoles(prev)
}

// follows reports whether a log may stand where before stood: the same one, or
// one of a later era. One origin with two pairs of keys could hide a fork.
func (l Log) follows(before Log) bool {
	_, was, errBefore := protocol.ParseLogOrigin(before.Origin)
	_, is, err := protocol.ParseLogOrigin(l.Origin)
	return l == before || err == nil && errBefore == nil && is > was
}

// follows does for one authority what the other does for the state: the state's
// key alone cannot put another authority in its place.
func (m *Member) follows(before *Member) error {
	if m.digest == before.digest {
		return nil
	}
	a, b := m.authority, before.authority
	c := checks{subject: "authority " + string(a.ID)}
	if a.Sequence < b.Sequence {
		c.refuse(protocol.Expired, "its entry %d is older than its entry %d, which is known already", a.Sequence, b.Sequence)
	}
	if a.Sequence == b.Sequence {
		c.refuse(protocol.Equivocation, "a second entry has the number %d; ask the authority which one is its own", a.Sequence)
	}
	c.require(!a.Created.Before(b.Created.Time), "its entry %d is dated before its entry %d", a.Sequence, b.Sequence)
	if c.err != nil {
		return c.err
	}
	same, err := m.keys.succeeds(before.keys)
	if err == nil && same {
		err = before.keys.checkWindows(evidence.Primary, m.keys.primary(), a.Created.Time, m.made)
	}
	return err
}

// keepsRoles refuses a key that changes its role from one version to the next, with
// its owner or another one: an unattended key must not become one that acts (R-REC-7).
func (s *State) keepsRoles(prev *State) error {
	roles := make(map[protocol.Digest]evidence.Role)
	for _, k := range prev.keyrings() {
		for _, key := range k.every() {
			roles[key.Digest] = key.Role
		}
	}
	for _, k := range s.keyrings() {
		for _, key := range k.every() {
			if was, had := roles[key.Digest]; had && was != key.Role {
				return protocol.Refuse(protocol.WrongRole, "key %s of %s had the role %s and cannot take the role %s; make a new key", key.Digest.Short(), k.owner, was, key.Role)
			}
		}
	}
	return nil
}
