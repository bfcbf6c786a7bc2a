package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"comity/node/control"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

// exportReport is what checkExport found, as --json shows it. There is one per
// recipient of the parcel.
type exportReport struct {
	Folder     string               `json:"folder"`
	Parcel     protocol.ParcelID    `json:"parcel"`
	From       protocol.AuthorityID `json:"from"`
	To         protocol.AuthorityID `json:"to"`
	Sealed     int64                `json:"sealed_bytes"`
	Signatures int                  `json:"signatures"`
	Proofs     int                  `json:"proofs"`
	Events     []evidence.Event     `json:"events"`
	// Witnesses are who cosigned a state of the log in which an event stands, as far
	// as their records are in the folder or held here.
	Witnesses map[evidence.Event][]control.Cosignature `json:"witnesses"`
	// Broken are nodes in whose name a line there does not hold.
	Broken map[evidence.Event][]protocol.NodeID `json:"broken_cosignatures,omitempty"`
	says   map[evidence.Event]string
	// Withdrawn is when the sender withdrew it; whether in time, the evidence says.
	Withdrawn protocol.Time `json:"withdrawn,omitzero"`
	// Identities says whether a node vouches for both records.
	Identities bool              `json:"identities_checked"`
	Records    []*exportedRecord `json:"records"` // of the sender, of the recipient, of other witnesses
}

// exportTrust is the folder in an export with what it is checked against.
const exportTrust = "trust"

// checkExport checks what "comity parcel export" wrote, for one recipient or
// several.
func (p *program) checkExport(ctx context.Context, folder, trust string) error {
	folders, err := transmissions(folder)
	if err != nil {
		return err
	}
	var records recordSet
	all := make([]*transmissionFiles, len(folders))
	for i, f := range folders {
		if all[i], err = readTransmission(f); err != nil {
			return err
		}
		for _, s := range all[i].states() {
			records.add(exported(s))
		}
	}
	by, held, err := p.vouch(ctx, records, trust)
	if err != nil {
		return err
	}
	var reports []exportReport
	for _, t := range all {
		r, err := t.check(held)
		if err != nil {
			return err
		}
		for _, s := range t.states() {
			r.Records = append(r.Records, records.add(exported(s)))
		}
		r.Signatures += len(r.Records)
		r.Identities = !slices.ContainsFunc(r.Records, func(r *exportedRecord) bool { return !r.Adopted })
		reports = append(reports, *r)
	}
	if p.json {
		if err := p.object(reports); err != nil {
			return err
		}
	} else {
		p.exportChecked(reports)
	}
	return p.identities(records, by)
}

// transmissions returns the folder itself, or the folders in it, one for each
// recipient.
func transmissions(folder string) ([]string, error) {
	const write = `write one with "comity parcel export PARCEL -o FOLDER"`
	entries, err := os.ReadDir(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, problem("check the path", "%s: there is no such folder", folder)
	case errors.Is(err, syscall.ENOTDIR):
		return nil, problem("name the folder that the export wrote", "%s is a file, not a folder", folder)
	case errors.Is(err, fs.ErrPermission):
		return nil, problem("see who owns the folder", "%s: permission denied", folder)
	case err != nil:
		return nil, problem("", "%v", err)
	}
	const envelope = "envelope.json"
	if _, err := os.Lstat(filepath.Join(folder, envelope)); err == nil {
		return []string{folder}, nil
	}
	var inside []string
	for _, e := range entries {
		one := filepath.Join(folder, e.Name())
		switch _, err := os.Lstat(filepath.Join(one, envelope)); {
		case err == nil:
			inside = append(inside, one)
		case errors.Is(err, fs.ErrPermission):
			return nil, problem("see who owns the folder", "%s: permission denied", one)
		}
	}
	if len(inside) == 0 {
		return nil, problem(write, "%s holds no exported parcel", folder)
	}
	return inside, nil
}

// transmissionFiles is what an export of one transmission says of itself: which
// records it is to be checked by. Only the records are verified.
type transmissionFiles struct {
	folder           string
	envelope         *envelope.Envelope
	sender, receiver *record.State
	others           []*record.State
}

func (t *transmissionFiles) states() []*record.State {
	return append([]*record.State{t.sender, t.receiver}, t.others...)
}

func readTransmission(folder string) (*transmissionFiles, error) {
	doc, err := readAll(filepath.Join(folder, "envelope.json"), protocol.MaxEnvelope)
	if errors.Is(err, fs.ErrPermission) {
		return nil, problem("see who owns the folder", "%s: permission denied", folder)
	} else if err != nil {
		return nil, problem("", "%v", err)
	}
	t := &transmissionFiles{folder: folder}
	if t.envelope, err = envelope.Parse(doc); err != nil {
		return nil, integrity("%s: %v", folder, err)
	}
	if t.sender, err = readRecord(folder, t.envelope.From.State()); err != nil {
		return nil, err
	}
	if t.receiver, err = readRecord(folder, t.envelope.To.State()); err != nil {
		return nil, err
	}
	t.others, err = readOthers(folder, t.sender, t.receiver)
	return t, err
}

// check checks everything, by the records in the folder and by what those that
// somebody here holds say of their keys: whoever made the folder could leave out the
// record that calls a key compromised (R-REC-11).
func (t *transmissionFiles) check(held *heldRecords) (*exportReport, error) {
	x, err := examine(t.folder, t.sender, t.receiver, time.Now(), slices.Concat(t.others, held.records)...)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, integrity("%s: something is missing: %v", t.folder, err)
	} else if err != nil {
		return nil, integrity("%s: %v", t.folder, err)
	}
	e := t.envelope
	return &exportReport{
		Folder: t.folder, Parcel: e.Parcel, From: e.From, To: e.To, Sealed: x.sealed,
		Signatures: x.signatures, Proofs: x.proofs, Events: x.events, says: x.says, Witnesses: x.witnesses, Broken: x.broken, Withdrawn: x.withdrawn,
	}, nil
}

// readOthers reads the earlier records of both sides, of logs that were lost since,
// and those of further witnesses, which an export may hold.
func readOthers(folder string, sender, receiver *record.State) (others []*record.State, err error) {
	entries, err := os.ReadDir(filepath.Join(folder, exportTrust))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		state, rest, _ := strings.Cut(strings.TrimSuffix(e.Name(), ".json"), "-")
		number, earlier := strings.CutPrefix(rest, "record-")
		party := state == string(sender.Record().State) || state == string(receiver.Record().State)
		if !strings.HasSuffix(e.Name(), ".json") || !earlier && (rest != "record" || party) {
			continue
		}
		s, err := readRecordFile(filepath.Join(folder, exportTrust, e.Name()), protocol.StateID(state))
		if err != nil {
			return nil, err
		}
		if earlier && number != fmt.Sprint(s.Record().Sequence) {
			return nil, integrity("%s: it is record %d of %s", e.Name(), s.Record().Sequence, state)
		}
		others = append(others, s)
	}
	return others, nil
}

func readRecord(folder string, state protocol.StateID) (*record.State, error) {
	return readRecordFile(filepath.Join(folder, exportTrust, string(state)+"-record.json"), state)
}

func readRecordFile(path string, state protocol.StateID) (*record.State, error) {
	signed, err := readSigned(path, protocol.MaxRecord)
	if err != nil {
		return nil, integrity("%v", err)
	}
	s, err := record.Verify(signed, nil)
	if err == nil && s.Record().State != state {
		err = fmt.Errorf("it is the record of %s", s.Record().State)
	}
	if err != nil {
		return nil, integrity("%s: %v", path, err)
	}
	return s, nil
}

func (p *program) exportChecked(reports []exportReport) {
	for _, r := range reports {
		p.say("Parcel %s from %s to %s:", r.Parcel, r.From, r.To)
		p.say("  %-6d signatures, each by a key that holds the needed role", r.Signatures)
		p.say("  %-6d proofs, each of them leads to a checkpoint that its log signed", r.Proofs)
		p.say("  %-6s sealed, with the digest that the envelope states", bytes(r.Sealed))
		for _, e := range r.Events {
			p.say("  %s: %s", e, r.says[e])
			p.say("      %s", witnessedBy(r.Witnesses[e]))
			for _, node := range r.Broken[e] {
				p.say("      a line in the name of the witness of %s does not hold, and counts for nothing", node)
			}
		}
		if !r.Withdrawn.IsZero() {
			p.say("  withdrawn by the sending authority on %s UTC", moment(r.Withdrawn))
		}
	}
}
