package record

import (
	"comity/crypto/merkle"
	"comity/protocol"
)

// Mark says that the keys of a log or of a witness are compromised (R-REC-11).
// They need not be those that the record lists: a witness gets new keys, and a
// log gives way to one of a later era, while what was signed with the old ones
// stays to be judged.
type Mark struct {
	Keys Keypair `json:"keys"`
	Compromised
}

// marks checks what of R-REC-11 needs no key: how many marks there are, when, and
// that each key has one.
func (c *checks) marks(marks []Mark, created protocol.Time) {
	c.require(len(marks) <= protocol.MaxKeys, "%d marks on keys of logs and witnesses, at most %d allowed", len(marks), protocol.MaxKeys)
	seen := make(map[string]bool)
	for _, m := range marks {
		c.compromised(quote(m.Keys.name()), &m.Compromised, created)
		for _, key := range []string{m.Keys.Ed25519, m.Keys.MLDSA44} {
			c.require(!seen[key], "a key of %s is marked twice", quote(m.Keys.name()))
			seen[key] = true
		}
	}
}

// checkMarks asks that each mark is on the keys of a witness of this node, or on
// those of one of its logs, each in its one spelling. A state marks no other's keys.
func checkMarks(n *Node) error {
	c := checks{subject: "node " + string(n.ID)}
	_, newest, _ := protocol.ParseLogOrigin(n.Log.Origin)
	for _, m := range n.Compromised {
		name := m.Keys.name()
		of, era, err := protocol.ParseLogOrigin(name)
		if err == nil {
			c.require(of == n.ID && era <= newest, "it marks the log %s, which it has not had", quote(name))
			_, err = merkle.NewVerifier(name, m.Keys.Ed25519, m.Keys.MLDSA44)
		} else {
			c.require(name == witnessName(n.ID), "it marks %s, which is neither its witness nor a log of it", quote(name))
			_, err = merkle.NewWitness(m.Keys.Ed25519, m.Keys.MLDSA44)
		}
		c.require(err == nil, "the marked keys of %s are not its two verifier keys", quote(name))
	}
	return c.err
}

// Marked returns the mark on these keys; nil: there is none. One key of the two
// is enough: both lie in one file, and a signature needs both.
func (n *Node) Marked(keys Keypair) *Compromised {
	for i := range n.Compromised {
		if m := &n.Compromised[i]; m.Keys.Ed25519 == keys.Ed25519 || m.Keys.MLDSA44 == keys.MLDSA44 {
			return &m.Compromised
		}
	}
	return nil
}

// keepsMarks refuses a record that takes a mark back: its times may be found to be
// others, but keys that were once in other hands are never good again (R-REC-11).
func (n *Node) keepsMarks(before *Node) error {
	for _, m := range before.Compromised {
		found := false
		for _, still := range n.Compromised {
			found = found || still.Keys == m.Keys
		}
		if !found {
			return protocol.Refuse(protocol.Policy, "node %s: it no longer marks the keys of %s as compromised, which the record before did", n.ID, quote(m.Keys.name()))
		}
	}
	return nil
}

// LogCounts refuses, as KeyCompromised, what a log of the node, this one or one that
// it had, signed at this time by its own word, when the record marks its keys since
// then or before (R-WIT-8).
func (s *State) LogCounts(l Log, at protocol.Time) error {
	if m := s.record.Node.Marked(l.Keys); m != nil && !at.Before(m.Since.Time) {
		return protocol.Refuse(protocol.KeyCompromised, "the keys of the log %s are marked compromised since %s, and this was signed with them on %s: the node must begin a new log", l.Origin, m.Since, at)
	}
	return nil
}

// LogCounts is State.LogCounts of a checkpoint that was verified, by the newest
// record of the node whose log it is of.
func (h *History) LogCounts(c merkle.Checkpoint) error {
	s := h.Log(c.Origin)
	if s == nil {
		return nil
	}
	return h.Newest(s.record.State).LogCounts(s.record.Node.Log, protocol.At(c.Time))
}

// WitnessMark returns the mark on the keys with which the node cosigns; nil: they
// are good.
func (s *State) WitnessMark() *Compromised {
	n := &s.record.Node
	return n.Marked(n.Witness)
}
