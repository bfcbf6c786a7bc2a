package disclosure

import (
	"errors"
	"fmt"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

// Records returns the record under which the issuer of evidence is judged: the
// one named, if the verifier holds it, or else its newest one of that state; nil
// when it holds none.
type Records func(envelope.RecordRef) *record.State

// Proven is one evidence that verified, with what its proof shows.
type Proven struct {
	Evidence   *evidence.Evidence
	Leaf       int64 // in the log that the evidence names
	Checkpoint merkle.Checkpoint
	// Cosignatures are those of the witnesses given: each shows that the leaf stood
	// in the log by its time.
	Cosignatures []merkle.Cosignature
}

// ErrNoRecord says that the verifier holds no record of an issuer, so that
// nothing could be checked. It is not a fault of the file.
var ErrNoRecord = errors.New("no record of the issuer is at hand")

// Verify checks every signature, role and proof in the file against the records
// that the verifier holds (R-DISC-3). Of the witnesses, those that cosigned are
// told; a wrong cosignature by one of them is refused.
func (d *Disclosure) Verify(records Records, witnesses []*merkle.Witness, now time.Time) ([]Proven, error) {
	var all []Proven
	for _, p := range d.Packets {
		e, err := evidence.Parse(p.Document)
		if err != nil {
			return nil, err
		}
		state := records(e.Record)
		if state == nil {
			return nil, fmt.Errorf("disclosure: %s by %s: %w: record %d of %s", e.Event, e.Issuer.Name, ErrNoRecord, e.Record.Sequence, e.Record.State)
		}
		if e, err = state.VerifyEvidence(p.Signed, now); err != nil {
			return nil, fmt.Errorf("disclosure: %w", err)
		}
		ref := p.Ref()
		proof, c, err := state.LogVerifier().Proof(p.Proof, ref.Document, ref.Signature)
		if err != nil {
			return nil, fmt.Errorf("disclosure: %s: %w: %w", e.Event, protocol.Refuse(protocol.BadSignature, "the proof does not verify"), err)
		}
		proven := Proven{Evidence: e, Leaf: proof.Index, Checkpoint: c}
		if proven.Cosignatures, err = cosignatures(proof.Checkpoint, witnesses); err != nil {
			return nil, fmt.Errorf("disclosure: %s: %w: %w", e.Event, protocol.Refuse(protocol.BadSignature, "a cosignature does not verify"), err)
		}
		all = append(all, proven)
	}
	return all, nil
}

// cosignatures are those of the witnesses who cosigned a checkpoint.
func cosignatures(note []byte, witnesses []*merkle.Witness) (all []merkle.Cosignature, err error) {
	for _, w := range witnesses {
		c, err := w.Cosignature(note)
		if errors.Is(err, merkle.ErrNotCosigned) {
			continue
		} else if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}
