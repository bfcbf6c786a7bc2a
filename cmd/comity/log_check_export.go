package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
	// Identities says whether a node vouches for both records.
	Identities bool `json:"identities_checked"`
}

// checkExport checks what "comity parcel export" wrote, for one recipient or
// several.
func (p *program) checkExport(ctx context.Context, folder string) error {
	folders, err := transmissions(folder)
	if err != nil {
		return err
	}
	checked := true
	var reports []exportReport
	for _, f := range folders {
		r, err := p.checkTransmission(ctx, f)
		if err != nil {
			return err
		}
		checked = checked && r.Identities
		reports = append(reports, *r)
	}
	if p.json {
		if err := p.object(reports); err != nil {
			return err
		}
	} else {
		p.exportChecked(reports)
	}
	if !checked {
		return &control.Error{
			Code:    control.Unchecked,
			Message: "everything agrees, but nothing here vouches for the records in the folder: whoever made it may have made them too",
			Hint:    `name a node that has adopted both records with --dir, or compare their words by telephone`,
		}
	}
	return nil
}

// transmissions returns the folder itself, or the folders in it, one for each
// recipient.
func transmissions(folder string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(folder, "envelope.json")); err == nil {
		return []string{folder}, nil
	}
	inside, err := filepath.Glob(filepath.Join(folder, "*", "envelope.json"))
	if err != nil || len(inside) == 0 {
		return nil, problem(`write one with "comity parcel export PARCEL -o FOLDER"`, "%s holds no exported parcel", folder)
	}
	for i := range inside {
		inside[i] = filepath.Dir(inside[i])
	}
	return inside, nil
}

func (p *program) checkTransmission(ctx context.Context, folder string) (*exportReport, error) {
	// Only to learn which records to read: everything is verified below.
	doc, err := readAll(filepath.Join(folder, "envelope.json"), protocol.MaxEnvelope)
	if err != nil {
		return nil, problem("", "%v", err)
	}
	env, err := envelope.Parse(doc)
	if err != nil {
		return nil, integrity("%s: %v", folder, err)
	}
	sender, err := exportedRecord(folder, env.From.State())
	if err != nil {
		return nil, err
	}
	receiver, err := exportedRecord(folder, env.To.State())
	if err != nil {
		return nil, err
	}
	x, err := examine(folder, sender, receiver, time.Now())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, integrity("%s: something is missing: %v", folder, err)
	} else if err != nil {
		return nil, integrity("%s: %v", folder, err)
	}
	vouched, err := p.vouched(ctx, sender, receiver)
	if err != nil {
		return nil, err
	}
	return &exportReport{
		Folder: folder, Parcel: env.Parcel, From: env.From, To: env.To, Sealed: x.sealed,
		Signatures: x.signatures + 2, Proofs: x.proofs, Events: x.events, Identities: vouched,
	}, nil
}

func exportedRecord(folder string, state protocol.StateID) (*record.State, error) {
	path := filepath.Join(folder, "trust", string(state)+"-record.json")
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

// vouched reports whether the node in the data directory, if there is one, has
// adopted all the records.
func (p *program) vouched(ctx context.Context, states ...*record.State) (all bool, err error) {
	var wanted []protocol.Digest
	for _, s := range states {
		wanted = append(wanted, s.Ref().Digest)
	}
	err = p.ask(ctx, func(node *control.Client) error {
		known, err := node.Adopted(ctx, wanted)
		all = err == nil && !slices.ContainsFunc(wanted, func(d protocol.Digest) bool { return !slices.Contains(known, d) })
		return err
	})
	if control.CodeOf(err) == control.NoNode && p.dir == "" {
		return false, nil // an auditor's machine has no node
	}
	return all, err
}

func (p *program) exportChecked(reports []exportReport) {
	for _, r := range reports {
		p.say("Parcel %s from %s to %s:", r.Parcel, r.From, r.To)
		p.say("  %-6d signatures, each by a key that holds the needed role", r.Signatures)
		p.say("  %-6d proofs, each of them leads to a checkpoint that its log signed", r.Proofs)
		p.say("  %-6s sealed, with the digest that the envelope states", bytes(r.Sealed))
		for _, e := range r.Events {
			p.say("  %s: %s", e, e.Says())
		}
	}
}
