package record

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/adoption"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
	"comity/protocol/withdrawal"
)

// History is every record that somebody has adopted, of all states: what judges
// documents of any time. It is not safe for concurrent use while Add runs.
//
// A document is judged by the record that it names; where that one was never
// adopted (a state may publish faster than it is heard), or the document names
// none, by the newest one under which it holds.
type History struct {
	states map[protocol.StateID][]*State // by sequence, the newest first
}

// Add takes in a verified record, in any order.
func (h *History) Add(s *State) {
	if h.states == nil {
		h.states = make(map[protocol.StateID][]*State)
	}
	id := s.record.State
	list := append(h.states[id], s)
	slices.SortFunc(list, func(a, b *State) int { return cmp.Compare(b.record.Sequence, a.record.Sequence) })
	h.states[id] = list
}

// Newest returns the newest record of a state; nil: none was adopted.
func (h *History) Newest(id protocol.StateID) *State {
	if list := h.states[id]; len(list) > 0 {
		return list[0]
	}
	return nil
}

// Names reports whether any record of its state is of this node: a state may
// have had others.
func (h *History) Names(node protocol.NodeID) bool {
	return slices.ContainsFunc(h.states[node.State()], func(s *State) bool { return s.record.Node.ID == node })
}

// Logs returns how many logs the node of a state has had: each later era is one
// more.
func (h *History) Logs(id protocol.StateID) int {
	had := map[string]bool{}
	for _, s := range h.states[id] {
		had[s.record.Node.Log.Origin] = true
	}
	return len(had)
}

// ErrNoRecord says that no record of the state that answers for a document was
// ever adopted.
var ErrNoRecord = errors.New("no record of that state was adopted")

// judge calls check with the record that is named or else with one after the
// other, the newest first, until it passes. The error is that of the first.
func (h *History) judge(ref envelope.RecordRef, check func(*State) error) (first error) {
	list := h.states[ref.State]
	if i := slices.IndexFunc(list, func(s *State) bool { return s.Ref() == ref }); i >= 0 {
		return check(list[i])
	}
	for _, s := range list {
		err := check(s)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = fmt.Errorf("%w: %s", ErrNoRecord, ref.State)
	}
	return first
}

// VerifyEnvelope is State.VerifyEnvelope with the sender's record.
func (h *History) VerifyEnvelope(sg statement.Signed, now time.Time) (e *envelope.Envelope, err error) {
	if e, err = envelope.Parse(sg.Document); err != nil {
		return nil, err
	}
	return e, h.judge(e.Records.From, func(s *State) error {
		_, err := s.VerifyEnvelope(sg, now)
		return err
	})
}

// VerifyEvidence is State.VerifyEvidence with the issuer's record. A proof, when
// there is one, must lead into the log that the evidence names, or into one of a
// later era of that node (R-OLD-5); its checkpoint is returned.
func (h *History) VerifyEvidence(p statement.Packet, now time.Time) (e *evidence.Evidence, c merkle.Checkpoint, err error) {
	if e, err = evidence.Parse(p.Document); err != nil {
		return nil, c, err
	}
	return e, c, h.judge(e.Record, func(s *State) error {
		if _, err := s.VerifyEvidence(p.Signed, now); err != nil || p.Proof == nil {
			return err
		}
		c, err = h.placed(s, p)
		return err
	})
}

// VerifyAdoption is State.VerifyAdoption with the record of the state that has this
// digest.
func (h *History) VerifyAdoption(sg statement.Signed, state protocol.StateID, digest protocol.Digest, now time.Time) (a *adoption.Statement, err error) {
	for _, s := range h.states[state] {
		if s.digest == digest {
			return s.VerifyAdoption(sg, now)
		}
	}
	return nil, fmt.Errorf("%w: %s, with the digest %s", ErrNoRecord, state, digest.Short())
}

// VerifyWithdrawal is State.VerifyWithdrawal with the sender's record.
func (h *History) VerifyWithdrawal(sg statement.Signed, now time.Time) (w *withdrawal.Withdrawal, err error) {
	if w, err = withdrawal.Parse(sg.Document); err != nil {
		return nil, err
	}
	return w, h.judge(envelope.RecordRef{State: w.From.State()}, func(s *State) error {
		_, err := s.VerifyWithdrawal(sg, now)
		return err
	})
}

// VerifyAct checks that an authority signed a document with an act key that
// counted at that time, and returns the key.
func (h *History) VerifyAct(id protocol.AuthorityID, sg statement.Signed, at, now time.Time) (key protocol.Digest, err error) {
	return key, h.judge(envelope.RecordRef{State: id.State()}, func(s *State) error {
		m, ok := s.byID[id]
		if !ok {
			return protocol.Refuse(protocol.UnknownSender, "record %d of %s does not list %s", s.record.Sequence, s.record.State, id)
		}
		key, err = m.Signer(sg, evidence.Act, at, now)
		return err
	})
}

// VerifyProof checks that a signed document has its leaf in the log of a node.
func (h *History) VerifyProof(node protocol.NodeID, p statement.Packet) error {
	return h.judge(envelope.RecordRef{State: node.State()}, func(s *State) error {
		if s.record.Node.ID != node {
			return protocol.Refuse(protocol.UnknownSender, "record %d of %s is of node %s", s.record.Sequence, s.record.State, s.record.Node.ID)
		}
		ref := p.Ref()
		_, _, err := s.log.Proof(p.Proof, ref.Document, ref.Signature)
		return err
	})
}

// Cosigners counts the nodes, other than the one whose log it is of, that
// cosigned a checkpoint.
func (h *History) Cosigners(of protocol.NodeID, note []byte) int {
	by := map[protocol.NodeID]bool{}
	for _, list := range h.states {
		for _, s := range list {
			node := s.record.Node.ID
			if node == of || by[node] {
				continue
			}
			if _, err := s.witness.Cosignature(note); err == nil {
				by[node] = true
			}
		}
	}
	return len(by)
}

// VerifyCosignature checks that a node cosigned a checkpoint, whatever log it is
// of, with the witness keys of one of its records.
func (h *History) VerifyCosignature(node protocol.NodeID, note []byte) (c merkle.Cosignature, err error) {
	return c, h.judge(envelope.RecordRef{State: node.State()}, func(s *State) error {
		if s.record.Node.ID != node {
			return protocol.Refuse(protocol.UnknownSender, "record %d of %s is of node %s", s.record.Sequence, s.record.State, s.record.Node.ID)
		}
		c, err = s.witness.Cosignature(note)
		return err
	})
}

// VerifyCheckpoint checks a checkpoint of a node's log.
func (h *History) VerifyCheckpoint(node protocol.NodeID, note []byte) (c merkle.Checkpoint, err error) {
	return c, h.judge(envelope.RecordRef{State: node.State()}, func(s *State) error {
		if s.record.Node.ID != node {
			return protocol.Refuse(protocol.UnknownSender, "record %d of %s is of node %s", s.record.Sequence, s.record.State, s.record.Node.ID)
		}
		c, err = s.log.Checkpoint(note)
		return err
	})
}
