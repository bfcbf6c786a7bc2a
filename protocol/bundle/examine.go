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
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/protocol/withdrawal"
)

// endOfTime stands for the clock that a verifier does not have: it is after
// every date that an OpenPGP signature can carry, so nothing is from the future.
var endOfTime = time.Unix(1<<32, 0)

// examined is what the members of a bundle say, with every signature, digest
// and proof verified under the bundle's own records. Whose records these are is
// not its question (R-BND-4).
type examined struct {
	*Contents
	env        *envelope.Envelope
	signer     protocol.Digest // the key of the envelope
	histories  histories
	facts      []*fact // one for each of Evidence
	withdrawal *withdrawal.Withdrawal
	notBefore  *sighting // of the recipient's log, in the envelope; nil: none that holds
}

// fact is one evidence that was verified.
type fact struct {
	*evidence.Evidence
	ref    statement.Ref
	record *record.State // the version that it names
	// Where its leaf was seen.
	own, cosigned, peer *sighting // the latter two may be nil
}

// sightings are those that there are.
func (f *fact) sightings() []*sighting {
	return slices.DeleteFunc([]*sighting{f.own, f.cosigned, f.peer}, func(s *sighting) bool { return s == nil })
}

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

// examine verifies everything that needs no anchor.
func examine(c *Contents) (*examined, error) {
	x := &examined{Contents: c}
	var err error
	if x.histories, err = readRecords(c); err != nil {
		return nil, err
	}
	if err := x.readEnvelope(); err != nil {
		return nil, fault(envelopeName, err)
	}
	for i := range c.Evidence {
		if err := x.readEvidence(i); err != nil {
			return nil, err
		}
	}
	if err := x.complete(); err != nil {
		return nil, err
	}
	if err := x.readWithdrawal(); err != nil {
		return nil, fault(withdrawalName, err)
	}
	return x, x.oneHistory()
}

// readEnvelope verifies it as the act of the node that hosts the sender, and the
// checkpoint in it, which bounds its age from below.
func (x *examined) readEnvelope() error {
	env, err := envelope.Parse(x.Envelope.Document)
	if err != nil {
		return err
	}
	sender, err := x.histories.named(env.Records.From)
	if err != nil {
		return err
	}
	if x.env, err = sender.VerifyEnvelope(x.Envelope, endOfTime); err != nil {
		return err
	}
	if x.signer, err = sender.EnvelopeSigner(x.Envelope); err != nil {
		return err
	}
	_, err = x.histories.named(env.Records.To)
	return err
}

// accepted checks what a receiving node checked before it accepted. Of an
// envelope that it refused, these may be the very faults.
func (x *examined) accepted() error {
	to, err := x.histories.named(x.env.Records.To)
	if err != nil {
		return err
	}
	m, ok := to.Authority(x.env.To)
	if !ok {
		return protocol.Refuse(protocol.UnknownRecipient, "record %d of %s does not list %s", to.Record().Sequence, to.Record().State, x.env.To)
	}
	if _, err := m.RecipientByDigest(x.env.RecipientKey, x.env.Created.Time); err != nil {
		return err
	}
	return x.bound()
}

// bound reads not_before (R-ENV-9).
func (x *examined) bound() error {
	if x.env.NotBefore == nil {
		return nil
	}
	note := []byte(*x.env.NotBefore)
	for _, s := range x.histories[x.env.To.State()] {
		c, err := s.LogVerifier().Checkpoint(note)
		if err != nil {
			continue
		}
		if c.Time.After(x.env.Created.Add(protocol.MaxSkew)) {
			return protocol.Refuse(protocol.Malformed, "its not_before is dated %s, after the envelope", protocol.At(c.Time))
		}
		x.notBefore = &sighting{Checkpoint: c, member: envelopeName, node: s.Record().Node.ID, index: -1}
		return x.cosignatures(x.notBefore, note)
	}
	return protocol.Refuse(protocol.Malformed, "its not_before is no checkpoint of a log of %s", x.env.To.State())
}

// readEvidence verifies one: by whom, in which role, about which envelope, and that
// its leaf stands in the logs.
func (x *examined) readEvidence(i int) error {
	e := x.Evidence[i]
	parsed, err := evidence.Parse(e.Document)
	base := evidenceBase(e.event)
	switch {
	case e.event == "" && err != nil:
		return fault(fmt.Sprintf("evidence %d", i+1), err)
	case e.event == "":
		base = evidenceBase(parsed.Event)
	case err == nil && parsed.Event != e.event:
		err = protocol.Refuse(protocol.BadContainer, "it holds a %s", parsed.Event)
	}
	if err != nil {
		return fault(base+".json", err)
	}
	f := &fact{ref: e.Ref()}
	if f.record, err = x.histories.named(parsed.Record); err == nil {
		f.Evidence, err = f.record.VerifyEvidence(e.Signed, endOfTime)
	}
	if err == nil {
		err = f.About(x.env, x.Envelope.Ref())
	}
	if err != nil {
		return fault(base+".json", err)
	}
	if f.own, err = x.sighting(base+ownProof, e.Proof, f.ref); err == nil {
		err = cmp.Or(f.placed(f.own), f.timely())
	}
	if err != nil {
		return fault(base+ownProof, err)
	}
	if e.Cosigned != nil {
		if f.cosigned, err = x.sighting(base+cosignedProof, e.Cosigned, f.ref); err == nil {
			err = f.placed(f.cosigned)
		}
		if err != nil {
			return fault(base+cosignedProof, err)
		}
	}
	if e.Peer != nil {
		other := x.env.From.State()
		if f.Side() == x.env.From {
			other = x.env.To.State()
		}
		if f.peer, err = x.sighting(base+peerProof, e.Peer, f.ref); err == nil && f.peer.node.State() != other {
			err = protocol.Refuse(protocol.Malformed, "it is of the log %s, not of a log of %s", f.peer.Origin, other)
		}
		if err != nil {
			return fault(base+peerProof, err)
		}
	}
	x.facts = append(x.facts, f)
	return nil
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
	return s, x.cosignatures(s, p.Checkpoint)
}

func badProof(err error) error {
	return fmt.Errorf("%w: %w", protocol.Refuse(protocol.BadSignature, "the proof does not hold"), err)
}

// cosignatures verifies those on the note of a sighting by the witnesses whose
// records are at hand. Lines of others are passed over: nobody here knows their
// keys. One that is wrong, or of which only half is there, counts for nothing and
// is told: no node refuses a checkpoint for it (R-LOG-2), so a log that adds one
// would otherwise keep its evidence out of every bundle.
func (x *examined) cosignatures(s *sighting, note []byte) error {
	for state, h := range x.histories {
		witnesses, err := h.witnesses()
		if err != nil {
			return err
		}
		node := h[len(h)-1].Record().Node.ID
		wrong, part, holds := false, false, false
		for _, w := range witnesses {
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
	return nil
}

// placed asks that the leaf stands in the log that the evidence names, or in one
// of a later era of the same node (R-OLD-5): whoever has found a node's key and
// not its log's cannot choose a log that takes what it signs.
func (f *fact) placed(s *sighting) error {
	node, era, err := protocol.ParseLogOrigin(f.Log)
	if err != nil {
		return err
	}
	in, inEra, err := protocol.ParseLogOrigin(s.Origin)
	if err != nil {
		return err
	}
	if in != node || inEra < era {
		return protocol.Refuse(protocol.Malformed, "it is of the log %s, and the evidence names %s", s.Origin, f.Log)
	}
	return nil
}

// timely compares the evidence's own time with the checkpoint of its commit.
// Both are words of the issuer's side, but of two keys: whoever has found an old
// key of an office cannot date back what the log takes now.
func (f *fact) timely() error {
	logged := f.own.Time.Add(protocol.MaxSkew)
	if f.Time.After(logged) {
		return protocol.Refuse(protocol.Malformed, "the evidence is dated %s, after its log held it, %s", f.Time, protocol.At(f.own.Time))
	}
	if key := keyOf(f.record, f.Evidence); key != nil && !f.own.Time.Add(-protocol.MaxSkew).Before(key.Valid.Until.Time) {
		return protocol.Refuse(protocol.KeyExpired, "key %s counted until %s, and the log took this on %s", key.Digest.Short(), key.Valid.Until, protocol.At(f.own.Time))
	}
	return nil
}

// complete asks for what every transmission has, and orders the facts by time.
func (x *examined) complete() error {
	has := map[evidence.Event]bool{}
	for _, f := range x.facts {
		has[f.Event] = true
	}
	if !has[evidence.SubmissionAcceptance] { // R-ENV-6
		return fault(evidenceBase(evidence.SubmissionAcceptance)+".json", protocol.Refuse(protocol.BadContainer, "it is missing: no envelope goes without"))
	}
	if has[evidence.RelayAcceptance] {
		return fault(envelopeName, x.accepted())
	}
	_ = x.bound() // an envelope that was refused may be refused for this
	return nil
}

func (x *examined) readWithdrawal() error {
	if x.Withdrawal == nil {
		return nil
	}
	w, err := withdrawal.Parse(x.Withdrawal.Document)
	if err != nil {
		return err
	}
	// A withdrawal names no record: the newest of the sender that lists its key.
	for _, s := range slices.Backward(x.histories[x.env.From.State()]) {
		if x.withdrawal, err = s.VerifyWithdrawal(*x.Withdrawal, endOfTime); err == nil {
			return w.About(x.env, x.Envelope.Ref())
		}
	}
	return err
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
