package disclosure

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// Proven is one evidence that verified, with what its proof shows.
type Proven struct {
	Evidence   *evidence.Evidence
	Leaf       int64             // in the log of the checkpoint
	Checkpoint merkle.Checkpoint // of the log that the evidence names, or of one of a later era (R-OLD-5)
	// Cosignatures are those of the witnesses given: each shows that the leaf stood
	// in the log by its time.
	Cosignatures []merkle.Cosignature
	// Broken are witnesses in whose name a line is there that does not hold. It
	// counts for nothing, and accuses nobody: nodes take checkpoints with lines that
	// they cannot verify (R-LOG-2), so whoever had it before may have put it there.
	Broken []string
}

// ErrNoRecord says that the verifier does not hold the record of an issuer, or of a
// log, by which something could be checked. It is not a fault of the file.
var ErrNoRecord = errors.New("no record of it is at hand")

// Verify checks every signature, role and proof in the file against the records
// that the verifier holds: the one that the evidence names, or else the newest
// under which it holds (R-DISC-3). Of the witnesses, those that cosigned are told.
func (d *Disclosure) Verify(held *record.History, witnesses []record.Witness, now time.Time) ([]Proven, error) {
	var all []Proven
	for _, p := range d.Packets {
		e, err := evidence.Parse(p.Document)
		if err != nil {
			return nil, err
		}
		proof, err := merkle.ParseProof(p.Proof, protocol.MaxProof)
		if err != nil {
			return nil, refuseProof(e, err)
		}
		if err := lacking(held, e, proof); err != nil {
			return nil, err
		}
		if _, _, err = held.VerifyEvidence(statement.Packet{Signed: p.Signed}, now); err != nil {
			return nil, fmt.Errorf("disclosure: %w", err)
		}
		if err := held.StillCounts(e); err != nil {
			return nil, fmt.Errorf("disclosure: %w", err)
		}
		_, c, err := held.VerifyEvidence(p, now)
		if err != nil {
			return nil, refuseProof(e, err)
		}
		if err := held.LogCounts(c); err != nil {
			return nil, fmt.Errorf("disclosure: %s: %w", e.Event, err)
		}
		proven := Proven{Evidence: e, Leaf: proof.Index, Checkpoint: c}
		proven.cosigned(proof.Checkpoint, witnesses)
		all = append(all, proven)
	}
	return all, nil
}

func refuseProof(e *evidence.Evidence, err error) error {
	return fmt.Errorf("disclosure: %s: %w: %w", e.Event, protocol.Refuse(protocol.BadSignature, "the proof does not verify"), err)
}

// lacking returns ErrNoRecord when the verifier holds none by which evidence and
// its proof could be judged: none of the issuer's state, or none that names a log
// which that node has lost since, or one that followed. It accuses nobody.
func lacking(held *record.History, e *evidence.Evidence, proof *merkle.Proof) error {
	none := func(format string, args ...any) error {
		return fmt.Errorf("disclosure: %s by %s: %w: %s", e.Event, e.Issuer.Name, ErrNoRecord, fmt.Sprintf(format, args...))
	}
	newest := held.Newest(e.Record.State)
	if newest == nil {
		return none("record %d of %s", e.Record.Sequence, e.Record.State)
	}
	if held.Log(e.Log) == nil && held.Former(e.Log) {
		return none("record %d of %s, which names the log %s that was lost since", e.Record.Sequence, e.Record.State, e.Log)
	}
	origin, _, _ := strings.Cut(string(proof.Checkpoint), "\n")
	node, era, err := protocol.ParseLogOrigin(origin)
	of, first, errOf := protocol.ParseLogOrigin(e.Log)
	if err == nil && errOf == nil && node == of && era > first && held.Log(origin) == nil {
		return none("the one of %s that names its later log %s", e.Record.State, origin)
	}
	return nil
}

// cosigned finds out which of the witnesses cosigned a checkpoint, each node once:
// with the keys that it had at the time of the cosignature.
func (p *Proven) cosigned(note []byte, witnesses []record.Witness) {
	for _, w := range witnesses {
		c, err := w.Cosignature(note)
		switch {
		case errors.Is(err, merkle.ErrNotCosigned):
		case err != nil:
			p.Broken = append(p.Broken, w.Name())
		case c.Time.Before(w.Until) && !slices.ContainsFunc(p.Cosignatures, func(other merkle.Cosignature) bool { return other.Witness == c.Witness }):
			p.Cosignatures = append(p.Cosignatures, c)
		}
	}
}
