package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"comity/node/control"
	"comity/protocol"
	"comity/protocol/disclosure"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

// disclosureReport is what a disclosure proves, as --json shows it.
type disclosureReport struct {
	File   string           `json:"file"`
	Query  disclosure.Query `json:"query"`
	Proven []provenEvidence `json:"proven"`
	// Vouched says whose records were relied on: the folder or the node.
	Vouched string `json:"records_of"`
}

// provenEvidence is one evidence that verified.
type provenEvidence struct {
	Event    evidence.Event       `json:"event"`
	Says     string               `json:"says"`
	Parcel   protocol.ParcelID    `json:"parcel"`
	From     protocol.AuthorityID `json:"from"`
	To       protocol.AuthorityID `json:"to"`
	Envelope protocol.Digest      `json:"envelope_sha256"`
	Sealed   protocol.Digest      `json:"sealed_sha256"`
	Time     protocol.Time        `json:"time"` // as its issuer says
	Issuer   string               `json:"issuer"`
	Named    string               `json:"log_named"` // by the evidence: of its time
	Log      string               `json:"log"`       // in which its leaf stands: that one, or one of a later era
	Leaf     int64                `json:"leaf"`
	Size     int64                `json:"log_size"`
	Signed   protocol.Time        `json:"checkpoint_signed"` // as the log says
	Cosigned []cosignedBy         `json:"cosigned"`
	Broken   []string             `json:"broken_cosignatures,omitempty"` // in whose name a line does not hold
}

// cosignedBy is one witness's word that the checkpoint existed at that time.
type cosignedBy struct {
	Witness string        `json:"witness"`
	Time    protocol.Time `json:"time"`
}

// checkDisclosure verifies what "comity log disclose" wrote, by the records in
// the folder of anchors or by those that the node has adopted.
func (p *program) checkDisclosure(ctx context.Context, path, trust string) error {
	data, err := p.readInput(path, protocol.MaxDisclosure)
	if err != nil {
		return err
	}
	if !strings.Contains(string(data[:min(len(data), 200)]), `"comity/disclosure/`) {
		return problem(`name the folder of an export, or the file that "comity log disclose" wrote`, "%s is a file, and no disclosure", path)
	}
	d, err := disclosure.Decode(data)
	if err != nil {
		return integrity("%s: %v", path, err)
	}
	report := &disclosureReport{File: path, Query: d.Query, Proven: []provenEvidence{}}
	if len(d.Packets) > 0 {
		held, err := p.recordsFor(ctx, d, trust)
		if err != nil {
			return err
		}
		report.Vouched = held.from
		proven, err := d.Verify(&held.history, held.history.Witnesses(), time.Now())
		switch {
		case errors.Is(err, disclosure.ErrNoRecord):
			return unvouched(held.from, err)
		case err != nil:
			return integrity("%s: %v", path, err)
		}
		for _, one := range proven {
			report.Proven = append(report.Proven, provenView(one))
		}
	}
	if p.json {
		err = p.object(report)
	} else {
		p.disclosureChecked(report)
	}
	if err == nil && len(report.Proven) == 0 {
		err = problem("ask who wrote it, or ask another node of the transmission",
			"%s answers that nothing matches the question, and proves nothing: not that there was no parcel", path)
	}
	return err
}

// unvouched says that the file cannot be judged here.
func unvouched(from string, err error) error {
	whose := "nobody here"
	if from != "" {
		whose = "nothing that " + from + " holds"
	}
	return &control.Error{
		Code:    control.Unchecked,
		Message: fmt.Sprintf("the file is well-formed, but %s vouches for its issuer, so no signature was checked: %v", whose, err),
		Hint: "name a folder with the introduction of that state, as STATE.json, with --trust, or a node that has pinned it with --dir; " +
			`of a log that was lost since, the introduction from before is wanted too, in the folder "earlier" in that one: its state types: comity introduce --record NUMBER -o FILE`,
	}
}

// heldRecords are the records that a verifier holds.
type heldRecords struct {
	from    string // who vouches for them; "" : there are none
	records []*record.State
	history record.History
}

// add takes in an introduction, whose record must hold together.
func (a *heldRecords) add(name string, introduction []byte) error {
	signed, err := record.DecodeIntroduction(introduction)
	if err != nil {
		return integrity("%s: %v", name, err)
	}
	s, err := record.Verify(signed, nil)
	if err != nil {
		return integrity("%s: %v", name, err)
	}
	if !a.history.Has(s.Ref()) {
		a.history.Add(s)
		a.records = append(a.records, s)
	}
	return nil
}

// recordsFor reads those of the folder, or asks the node for its own.
func (p *program) recordsFor(ctx context.Context, d *disclosure.Disclosure, trust string) (*heldRecords, error) {
	a := &heldRecords{}
	if trust != "" {
		return a, p.recordsIn(trust, a)
	}
	var wanted []protocol.Digest
	for _, packet := range d.Packets {
		e, err := evidence.Parse(packet.Document)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, e.Record.Digest)
	}
	return a, p.recordsOf(ctx, wanted, a)
}

// recordsOf asks the node for the newest record of each state that it has adopted,
// and for those wanted. Where there is no node, and none is named, there are none: so
// it is on an auditor's machine.
func (p *program) recordsOf(ctx context.Context, wanted []protocol.Digest, a *heldRecords) error {
	err := p.look(ctx, func(node *control.Client) error {
		status, err := node.Status(ctx)
		if err != nil {
			return err
		}
		a.from = "node " + string(status.Node)
		list, err := node.Records(ctx, wanted)
		for i, text := range list {
			if err == nil {
				err = a.add(fmt.Sprintf("record %d of the node", i+1), []byte(text))
			}
		}
		return err
	})
	if control.CodeOf(err) == control.NoNode && p.dir == "" {
		return nil
	}
	return err
}

// earlierRecords is the folder in that of the anchors for introductions from before
// a log was lost, since there is one STATE.json of each state beside it.
const earlierRecords = "earlier"

// recordsIn reads the introductions in a folder.
func (p *program) recordsIn(folder string, a *heldRecords) error {
	for _, dir := range []string{folder, filepath.Join(folder, earlierRecords)} {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != folder {
			break
		} else if err != nil {
			return problem("name the folder with the introductions that you hold, as STATE.json", "%v", err)
		}
		for _, e := range entries {
			if e.IsDir() || !strings.HasSuffix(e.Name(), ".json") {
				continue
			}
			path := filepath.Join(dir, e.Name())
			data, err := p.readInput(path, protocol.MaxIntroduction)
			if err == nil {
				err = a.add(path, data)
			}
			if err != nil {
				return err
			}
		}
	}
	if len(a.records) > 0 {
		a.from = folder
	}
	return nil
}

func provenView(p disclosure.Proven) provenEvidence {
	e := p.Evidence
	view := provenEvidence{
		Event: e.Event, Says: e.Says(), Parcel: e.Parcel, From: e.From, To: e.To, Envelope: e.Envelope.Document, Sealed: e.Sealed, Time: e.Time,
		Issuer: e.Issuer.Name, Named: e.Log, Log: p.Checkpoint.Origin, Leaf: p.Leaf, Size: p.Checkpoint.Size, Signed: protocol.At(p.Checkpoint.Time), Cosigned: []cosignedBy{}, Broken: p.Broken,
	}
	for _, c := range p.Cosignatures {
		view.Cosigned = append(view.Cosigned, cosignedBy{c.Witness, protocol.At(c.Time)})
	}
	return view
}

func (p *program) disclosureChecked(r *disclosureReport) {
	if len(r.Proven) == 0 {
		return
	}
	first := r.Proven[0]
	p.say("Proven by signatures and by the logs, with the records of %s; all times UTC:", r.Vouched)
	p.say("  parcel          %s", first.Parcel)
	p.say("  from            %s", first.From)
	p.say("  to              %s", first.To)
	p.say("  envelope        SHA-256 %s", first.Envelope)
	p.say("  sealed bytes    SHA-256 %s", first.Sealed)
	for _, e := range r.Proven {
		p.say("%s, signed by %s and dated %s: %s", e.Event, e.Issuer, moment(e.Time), e.Says)
		p.say("  leaf %d of the log %s, under a checkpoint over %d %s that the log dates %s", e.Leaf, e.Log, e.Size, noun(e.Size, "leaf", "leaves"), moment(e.Signed))
		if e.Log != e.Named {
			p.say("  it names the log %s, which was lost since: the leaf does not say when it stood there", e.Named)
		}
		for _, c := range e.Cosigned {
			p.say("  cosigned by %s at %s: it stood there by then", c.Witness, moment(c.Time))
		}
		for _, name := range e.Broken {
			p.say("  a line in the name of %s does not hold, and counts for nothing", name)
		}
		if len(e.Cosigned) == 0 {
			p.say("  not cosigned by anybody known here: these times are the word of %s alone", e.Log)
		}
	}
}
