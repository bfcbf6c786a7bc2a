package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// verify exports the parcel at both sides and checks the exported files against
// nothing but the two records whose words were compared; then both logs and the
// delivered bytes.
func (d *demo) verify(ctx context.Context, id protocol.ParcelID) error {
	d.chapter("Everything is checked again, from the files that each side can hand to a court")
	var both [2]*examined
	for i, s := range []*side{d.a, d.b} {
		folder := filepath.Join(d.dir, "export-"+filepath.Base(s.dir))
		if _, err := s.node.Export(ctx, "", string(id), folder); err != nil {
			return err
		}
		var err error
		if both[i], err = examine(folder, d.a.record, d.b.record, time.Now()); err != nil {
			return integrity("the export of state %s: %v", s.label, err)
		}
		d.examined(s, both[i], folder)
	}
	if err := both[0].same(both[1]); err != nil {
		return integrity("%v", err)
	}
	d.agreed(both[0])
	for _, s := range []*side{d.a, d.b} {
		report, err := s.node.CheckLog(ctx)
		if err != nil {
			return err
		}
		d.logChecked(s, report)
	}
	total, err := d.compare(ctx, id)
	if err != nil {
		return integrity("%v", err)
	}
	d.compared(len(d.files), total)
	return nil
}

// examined is what an export was found to hold.
type examined struct {
	documents  map[string]string // name of the file: its exact text and signature
	signatures int
	proofs     int
	sealed     int64
}

// examine checks an export of one transmission: every signature, digest and
// proof, against records that the caller trusts.
func examine(folder string, sender, receiver *record.State, now time.Time) (*examined, error) {
	x := &examined{documents: map[string]string{}}
	signed, err := x.read(folder, "envelope.json", protocol.MaxEnvelope)
	if err != nil {
		return nil, err
	}
	env, err := sender.VerifyEnvelope(signed, now)
	if err != nil {
		return nil, fmt.Errorf("envelope: %w", err)
	}
	if x.sealed, err = sealedAs(filepath.Join(folder, "parcel.age"), env.Sealed); err != nil {
		return nil, err
	}
	for _, event := range evidence.Events() {
		if event.Rule().Negative {
			continue
		}
		state := receiver
		if event.Rule().Sender {
			state = sender
		}
		if err := x.evidence(folder, event, state, env, signed.Ref(), now); err != nil {
			return nil, fmt.Errorf("%s: %w", event, err)
		}
	}
	return x, nil
}

func (x *examined) evidence(folder string, event evidence.Event, state *record.State, env *envelope.Envelope, ref statement.Ref, now time.Time) error {
	base := "evidence-" + string(event)
	signed, err := x.read(folder, base+".json", protocol.MaxEvidence)
	if err != nil {
		return err
	}
	ev, err := state.VerifyEvidence(signed, now)
	if err != nil {
		return err
	}
	if ev.Event != event {
		return fmt.Errorf("the file holds %s", ev.Event)
	}
	if err := ev.About(env, ref); err != nil {
		return err
	}
	proof, err := readAll(filepath.Join(folder, base+".tlog-proof"), protocol.MaxProof)
	if err != nil {
		return err
	}
	own := signed.Ref()
	if _, _, err := state.LogVerifier().Proof(proof, own.Document, own.Signature); err != nil {
		return err
	}
	x.proofs++
	return nil
}

// read reads a signed document. Its signature is counted: every caller verifies it.
func (x *examined) read(folder, name string, limit int64) (s statement.Signed, err error) {
	if s.Document, err = readAll(filepath.Join(folder, name), limit); err != nil {
		return s, err
	}
	if s.Signature, err = readAll(filepath.Join(folder, name+".asc"), protocol.MaxSignature); err != nil {
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

func readAll(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read from
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", strings.TrimSpace(filepath.Base(path)), limit)
	}
	return data, err
}
