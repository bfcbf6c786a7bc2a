package record

import (
	"slices"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// A node that was restored from an old backup begins a new log. Evidence goes on
// naming the log of its time, and whatever the node still had, or fetched back, got
// a leaf in the new one (R-OLD-5).

// Log returns the newest record that names a log; nil: none was adopted.
func (h *History) Log(origin string) *State {
	node, _, err := protocol.ParseLogOrigin(origin)
	if err != nil {
		return nil
	}
	for _, s := range h.states[node.State()] {
		if s.record.Node.Log.Origin == origin {
			return s
		}
	}
	return nil
}

// Former reports whether a log is one that its node has lost since: of an earlier
// era than the one that the node's newest record names.
func (h *History) Former(origin string) bool {
	node, era, err := protocol.ParseLogOrigin(origin)
	if err != nil {
		return false
	}
	newest := h.Newest(node.State())
	return newest != nil && newest.isLater(node, era)
}

// Has reports whether this very record was adopted.
func (h *History) Has(ref envelope.RecordRef) bool {
	return slices.ContainsFunc(h.states[ref.State], func(s *State) bool { return s.Ref() == ref })
}

// CheckRef refuses a reference to another document under a number that was adopted
// (Equivocation). A number that was never adopted passes.
func (h *History) CheckRef(ref envelope.RecordRef) error {
	for _, s := range h.states[ref.State] {
		if err := s.CheckRef(ref); err != nil {
			return err
		}
	}
	return nil
}

// isLater reports whether the log that a record names is of a later era of a node.
func (s *State) isLater(node protocol.NodeID, era int64) bool {
	id, number, err := protocol.ParseLogOrigin(s.record.Node.Log.Origin)
	return err == nil && id == node && number > era
}

// placed verifies that a document has its leaf in the log of its record, or in one
// of a later era of that node: whoever has found a node's key and not its log's
// cannot choose a log that takes what it signs.
func (h *History) placed(s *State, p statement.Packet) (merkle.Checkpoint, error) {
	ref := p.Ref()
	_, c, err := s.log.Proof(p.Proof, ref.Document, ref.Signature)
	if err == nil {
		return c, nil
	}
	node, era, bad := protocol.ParseLogOrigin(s.record.Node.Log.Origin)
	for _, later := range h.states[s.record.State] {
		if bad != nil || !later.isLater(node, era) {
			continue
		}
		if _, c, again := later.log.Proof(p.Proof, ref.Document, ref.Signature); again == nil {
			return c, nil
		}
	}
	return c, err
}

// StillCounts refuses evidence, verified by the record of its time, whose key the
// newest record of its issuer's state calls compromised since before. A key that is
// not listed any more had its time.
func (h *History) StillCounts(e *evidence.Evidence) error {
	newest := h.Newest(e.Side().State())
	if newest == nil {
		return nil
	}
	err := newest.NodeKey(e.Issuer.Key, e.Time.Time)
	if e.Issuer.Role != evidence.Node {
		m, ok := newest.Authority(e.To)
		if !ok {
			return nil
		}
		err = m.Key(e.Issuer.Role, e.Issuer.Key, e.Time.Time)
	}
	if protocol.CodeOf(err) == protocol.KeyCompromised {
		return err
	}
	return nil
}
