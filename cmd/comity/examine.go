package main

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"comity/crypto/merkle"
	"comity/node/control"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// examined is what an export of one transmission was found to hold.
type examined struct {
	envelope   *envelope.Envelope
	events     []evidence.Event // for which there is evidence
	says       map[evidence.Event]string
	witnesses  map[evidence.Event][]control.Cosignature // of the log in which it stands
	broken     map[evidence.Event][]protocol.NodeID     // in whose name a line there does not hold
	documents  map[string]string                        // name of the file: its exact text and signature
	signatures int
	proofs     int
	sealed     int64
	withdrawn  protocol.Time // as the sender's withdrawal says; zero: there is none
	history    record.History
	pairs      []record.Witness
}

// examine checks an export of one transmission: the sealed bytes, and every
// signature, digest and proof, against records that the caller trusts, and who has
// cosigned what the proofs lead to. Others are further records of the two sides, of
// logs that were lost since or with marks on stolen keys, and those of further
// witnesses. It knows no key and does not open the parcel.
func examine(folder string, sender, receiver *record.State, now time.Time, others ...*record.State) (*examined, error) {
	x := &examined{documents: map[string]string{}, says: map[evidence.Event]string{}, witnesses: map[evidence.Event][]control.Cosignature{}, broken: map[evidence.Event][]protocol.NodeID{}}
	for _, s := range append([]*record.State{sender, receiver}, others...) {
		if !x.history.Has(s.Ref()) {
			x.history.Add(s)
		}
	}
	x.pairs = x.history.Witnesses()
	signed, err := x.read(folder, "envelope.json", protocol.MaxEnvelope)
	if err != nil {
		return nil, err
	}
	if x.envelope, err = sender.VerifyEnvelope(signed, now); err != nil {
		return nil, fmt.Errorf("envelope: %w", err)
	}
	if x.sealed, err = sealedAs(filepath.Join(folder, "parcel.age"), x.envelope.Sealed); err != nil {
		return nil, err
	}
	for _, event := range evidence.Events() {
		switch err := x.evidence(folder, event, signed.Ref(), now); {
		case errors.Is(err, errNoEvidence):
		case err != nil:
			return nil, fmt.Errorf("%s: %w", event, err)
		default:
			x.events = append(x.events, event)
		}
	}
	for _, event := range x.events { // R-EVID-11
		if other := event.Opposite(); slices.Contains(x.events, other) {
			return nil, protocol.Refuse(protocol.Equivocation, "%s and %s exclude each other, and are both there", event, other)
		}
	}
	return x, x.withdrawal(folder, sender, signed.Ref(), now)
}

// withdrawal checks that of the sending authority, if there is one.
func (x *examined) withdrawal(folder string, sender *record.State, ref statement.Ref, now time.Time) error {
	const name = "withdrawal.json"
	if _, err := os.Lstat(filepath.Join(folder, name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	signed, err := x.read(folder, name, protocol.MaxWithdrawal)
	if err != nil {
		return err
	}
	w, err := sender.VerifyWithdrawal(signed, now)
	if err == nil {
		err = w.About(x.envelope, ref)
	}
	if err != nil {
		return fmt.Errorf("withdrawal: %w", err)
	}
	x.withdrawn = w.Created
	return nil
}

// errNoEvidence says that an export holds no evidence of an event.
var errNoEvidence = errors.New("there is no evidence of it")

func (x *examined) evidence(folder string, event evidence.Event, ref statement.Ref, now time.Time) error {
	base := "evidence-" + string(event)
	if _, err := os.Lstat(filepath.Join(folder, base+".json")); errors.Is(err, fs.ErrNotExist) {
		return errNoEvidence
	}
	signed, err := x.read(folder, base+".json", protocol.MaxEvidence)
	if err != nil {
		return err
	}
	proof, err := readAll(filepath.Join(folder, base+".tlog-proof"), protocol.MaxProof)
	if err != nil {
		return err
	}
	ev, checkpoint, err := x.history.VerifyEvidence(statement.Packet{Signed: signed, Proof: proof}, now)
	if err != nil {
		return err
	}
	if err := x.history.LogCounts(checkpoint); err != nil {
		return err
	}
	if ev.Event != event {
		return fmt.Errorf("the file holds %s", ev.Event)
	}
	if err := cmp.Or(ev.About(x.envelope, ref), x.history.StillCounts(ev)); err != nil {
		return err
	}
	proven, err := merkle.ParseProof(proof, protocol.MaxProof)
	if err != nil {
		return err
	}
	x.cosigned(ev, proven.Checkpoint)
	x.proofs++
	x.says[event] = ev.Says()
	return nil
}

// cosigned finds out who cosigned a checkpoint under which evidence stands, of the
// nodes whose records are here. A line of such a node that is wrong counts for nothing,
// and accuses nobody: nodes take checkpoints with lines that they cannot verify.
func (x *examined) cosigned(ev *evidence.Evidence, note []byte) {
	all := x.witnesses[ev.Event]
	for _, w := range x.pairs {
		if w.Node.State() == ev.Side().State() || slices.ContainsFunc(all, func(c control.Cosignature) bool { return c.Witness == w.Node }) {
			continue
		}
		c, err := w.Cosignature(note)
		switch {
		case errors.Is(err, merkle.ErrNotCosigned):
		case err != nil:
			x.broken[ev.Event] = append(x.broken[ev.Event], w.Node)
		case c.Time.Before(w.Until):
			all = append(all, control.Cosignature{Witness: w.Node, Time: protocol.At(c.Time)})
		}
	}
	x.witnesses[ev.Event] = all
}

// complete refuses an export in which a positive event has no evidence.
func (x *examined) complete() error {
	for _, event := range evidence.Events() {
		if !event.Rule().Negative && !slices.Contains(x.events, event) {
			return fmt.Errorf("%s: %w", event, errNoEvidence)
		}
	}
	return nil
}

// read reads a signed document. Its signature is counted: every caller verifies it.
func (x *examined) read(folder, name string, limit int64) (s statement.Signed, err error) {
	if s, err = readSigned(filepath.Join(folder, name), limit); err != nil {
		return s, err
	}
	x.signatures++
	x.documents[name] = string(s.Document) + string(s.Signature)
	return s, nil
}

// same reports whether two exports hold the same documents, byte for byte.
func (x *examined) same(other *examined) error {
	if len(x.documents) != len(other.documents) {
		return fmt.Errorf("one side has %d documents, the other %d", len(x.documents), len(other.documents))
	}
	for name, text := range x.documents {
		if other.documents[name] != text {
			return fmt.Errorf("the two sides have a different %s", name)
		}
	}
	return nil
}

func sealedAs(path string, want envelope.Sealed) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close() // only read from
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return 0, err
	}
	if n != want.Size || protocol.Digest(sum.Sum(nil)) != want.Digest {
		return 0, errors.New("the sealed bytes are not those that the envelope states")
	}
	return n, nil
}

// readSigned reads a document and the signature beside it.
func readSigned(path string, limit int64) (s statement.Signed, err error) {
	if s.Document, err = readAll(path, limit); err != nil {
		return s, err
	}
	s.Signature, err = readAll(path+".asc", protocol.MaxSignature)
	return s, err
}

func readAll(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read from
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", filepath.Base(path), limit)
	}
	return data, err
}
