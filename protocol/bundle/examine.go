package bundle

import (
	"fmt"
	"slices"
	"time"

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
	known      histories // with the anchors, once they have joined: where marks are looked up
	facts      []*fact   // one for each of Evidence
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

// examine verifies everything that needs no anchor.
func examine(c *Contents) (*examined, error) {
	x := &examined{Contents: c}
	var err error
	if x.histories, err = readRecords(c); err != nil {
		return nil, err
	}
	x.known = x.histories
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
		x.cosignatures(x.notBefore, note)
		return nil
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
		err = f.placed(f.own)
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
	if err := f.timely(); err != nil {
		return fault(base+ownProof, err)
	}
	x.facts = append(x.facts, f)
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
// key of an office cannot date back what the log takes now. Where the log has given
// way to a later one, which took it anew, the log of the other side tells when.
func (f *fact) timely() error {
	logged := f.own.Time.Add(protocol.MaxSkew)
	if f.Time.After(logged) {
		return protocol.Refuse(protocol.Malformed, "the evidence is dated %s, after its log held it, %s", f.Time, protocol.At(f.own.Time))
	}
	took := f.own.Time
	if f.own.Origin != f.Log && f.peer != nil && f.peer.Time.Before(took) {
		took = f.peer.Time
	}
	if key := keyOf(f.record, f.Evidence); key != nil && !took.Add(-protocol.MaxSkew).Before(key.Valid.Until.Time) {
		return protocol.Refuse(protocol.KeyExpired, "key %s counted until %s, and the log took this on %s", key.Digest.Short(), key.Valid.Until, protocol.At(took))
	}
	return nil
}

// complete asks for what every transmission has, and refuses two events that exclude
// each other: whoever signed both has told two stories (R-EVID-11).
func (x *examined) complete() error {
	has := map[evidence.Event]bool{}
	for _, f := range x.facts {
		if other := f.Event.Opposite(); has[other] {
			return fault(evidenceBase(f.Event)+".json", protocol.Refuse(protocol.Equivocation, "there is a %s too, and one excludes the other", other))
		}
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
