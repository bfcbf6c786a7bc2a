package bundle

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// sighting is a checkpoint and, but in an envelope, the place of a leaf under it.
type sighting struct {
	merkle.Checkpoint
	member string
	node   protocol.NodeID                // whose log
	index  int64                          // -1: only the checkpoint
	known  map[merkle.Subtree]merkle.Hash // what the proof shows of the log
	seen   []cosignature                  // by time
	broken []protocol.NodeID              // witnesses with a line here that does not hold
}

// cosignature is one by a witness whose record is in the bundle.
type cosignature struct {
	State protocol.StateID
	Node  protocol.NodeID
	Time  time.Time
	keys  record.Keypair
}

// sighting verifies a proof, the log's signatures and every cosignature whose
// witness is known here (R-LOG-2, R-LOG-5).
func (x *examined) sighting(member string, proof []byte, ref statement.Ref) (*sighting, error) {
	p, err := merkle.ParseProof(proof, protocol.MaxProof)
	if err != nil {
		return nil, badProof(err)
	}
	origin, _, _ := strings.Cut(string(p.Checkpoint), "\n")
	v, err := x.histories.log(origin)
	if err != nil {
		return nil, err
	}
	p, c, err := v.Proof(proof, ref.Document, ref.Signature)
	if err != nil {
		return nil, badProof(err)
	}
	node, _, err := protocol.ParseLogOrigin(origin)
	if err != nil {
		return nil, err
	}
	s := &sighting{Checkpoint: c, member: member, node: node, index: p.Index, known: p.Known(c.Size)}
	x.cosignatures(s, p.Checkpoint)
	return s, nil
}

func badProof(err error) error {
	return fmt.Errorf("%w: %w", protocol.Refuse(protocol.BadSignature, "the proof does not hold"), err)
}

// cosignatures verifies those on the note of a sighting by the witnesses whose
// records are at hand. Lines of others are passed over: nobody here knows their
// keys. One that is wrong, or of which only half is there, counts for nothing and
// is told: no node refuses a checkpoint for it (R-LOG-2), so a log that adds one
// would otherwise keep its evidence out of every bundle.
func (x *examined) cosignatures(s *sighting, note []byte) {
	for state, h := range x.histories {
		node := h[len(h)-1].Record().Node.ID
		wrong, part, holds := false, false, false
		for _, w := range h.witnesses() {
			c, err := w.Cosignature(note)
			switch {
			case err == nil:
				s.seen, holds = append(s.seen, cosignature{State: state, Node: node, Time: c.Time, keys: w.keys}), true
			case !errors.Is(err, merkle.ErrNotCosigned):
				wrong = true
			case bytes.Contains(note, []byte("\n— "+w.Name()+" ")):
				part = true // or the line is by another pair of the witness's keys
			}
		}
		if wrong || part && !holds {
			s.broken = append(s.broken, node)
		}
	}
	slices.Sort(s.broken)
	slices.SortFunc(s.seen, func(a, b cosignature) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(string(a.Node), string(b.Node)))
	})
}

// oneHistory compares all that the bundle shows of each log: one log has one
// history. Two roots of one size or two hashes of one complete subtree are a fork
// or a rollback (R-BND-6). Times are no order of checkpoints (R-TIME-3).
func (x *examined) oneHistory() error {
	all := x.sightings()
	for i, s := range all {
		for _, other := range all[:i] {
			if s.Origin != other.Origin {
				continue
			}
			if err := s.agrees(other); err != nil {
				return fault(s.member, err)
			}
		}
	}
	return nil
}

// sightings are all of the bundle.
func (x *examined) sightings() (all []*sighting) {
	if x.notBefore != nil {
		all = append(all, x.notBefore)
	}
	for _, f := range x.facts {
		all = append(all, f.sightings()...)
	}
	return all
}

// agrees compares two sightings of one log.
func (s *sighting) agrees(o *sighting) error {
	for subtree, h := range s.known {
		if other, both := o.known[subtree]; both && other != h {
			return protocol.Refuse(protocol.Equivocation, "the log %s has other leaves from %d on here than in %s: it was rolled back or forked",
				s.Origin, subtree.Index<<subtree.Level, o.member)
		}
	}
	if s.Size == o.Size && s.Root != o.Root {
		return protocol.Refuse(protocol.Equivocation, "the log %s has another root over %d leaves here than in %s: it was forked", s.Origin, s.Size, o.member)
	}
	return nil
}
