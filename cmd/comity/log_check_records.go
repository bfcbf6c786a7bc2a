package main

import (
	"context"
	"fmt"
	"strings"

	"comity/node/control"
	"comity/protocol"
	"comity/protocol/record"
)

// exportedRecord is a record in an export, against which the export was checked,
// with what two persons need to compare it.
type exportedRecord struct {
	State    protocol.StateID `json:"state"`
	Sequence int64            `json:"sequence"`
	Digest   protocol.Digest  `json:"sha256"`
	Words    []string         `json:"words"`
	Digits   string           `json:"digits"`
	// Adopted says that the node, or an introduction in the folder of anchors,
	// vouches for it.
	Adopted bool `json:"adopted"`
	state   *record.State
}

func exported(s *record.State) *exportedRecord {
	return &exportedRecord{
		State: s.Record().State, Sequence: s.Record().Sequence, Digest: s.Ref().Digest, Words: s.Words(), Digits: s.Digits(), state: s,
	}
}

// recordSet is the records of an export, each once.
type recordSet []*exportedRecord

// add returns the one of the set that is the same record.
func (all *recordSet) add(r *exportedRecord) *exportedRecord {
	for _, known := range *all {
		if known.Digest == r.Digest {
			return known
		}
	}
	*all = append(*all, r)
	return r
}

// vouch marks the records for which the introductions in a folder vouch or, without
// a folder, those that the node in the data directory has adopted. held are the
// introductions, or the records of the node.
func (p *program) vouch(ctx context.Context, all recordSet, trust string) (by voucher, held *heldRecords, err error) {
	held = &heldRecords{}
	if trust != "" {
		err := p.recordsIn(trust, held)
		all.anchor(held)
		return voucher{"the introductions in " + trust + " vouch for", "no introduction in " + trust + " vouches for"}, held, err
	}
	var wanted []protocol.Digest
	for _, r := range all {
		wanted = append(wanted, r.Digest)
	}
	if err := p.recordsOf(ctx, wanted, held); err != nil || held.from == "" {
		return by, held, err
	}
	dir, err := p.directory()
	for _, r := range all {
		r.Adopted = held.history.Has(r.state.Ref())
	}
	return voucher{held.from + " has adopted", held.from + " in " + dir + " has not adopted"}, held, err
}

// voucher says who vouches for records, before they are named: for these, or not for
// those. Both are empty when there is nobody.
type voucher struct{ does, doesNot string }

// anchor marks the records that are those of the anchors, or the one before them,
// or follow from them (R-REC-3).
func (all recordSet) anchor(held *heldRecords) {
	for _, r := range all {
		for _, a := range held.records {
			before := a.Record().Previous
			if a.Ref() == r.state.Ref() || before != nil && *before == r.Digest {
				r.Adopted = true
			} else if a.Record().State == r.State && a.Record().Sequence < r.Sequence {
				_, err := record.Verify(r.state.Signed(), a)
				r.Adopted = r.Adopted || err == nil
			}
		}
	}
}

// identities says who vouches for the records of an export. For those for which
// nobody does it shows what can be compared.
func (p *program) identities(all recordSet, by voucher) error {
	var strangers []string
	for _, r := range all {
		if r.Adopted {
			continue
		}
		strangers = append(strangers, fmt.Sprintf("record %d of %s", r.Sequence, r.State))
		if !p.json {
			p.say("Record %d of %s, SHA-256 %s:", r.Sequence, r.State, r.Digest)
			p.words(r.Words, r.Digits)
		}
	}
	if len(strangers) == 0 {
		if !p.json {
			which := "Both records are those"
			if len(all) != 2 {
				which = "All records in it are those"
			}
			p.say("%s that %s.", which, by.does)
		}
		return nil
	}
	if by.doesNot == "" {
		return &control.Error{
			Code:    control.Unchecked,
			Message: "everything agrees, but nothing here vouches for the records in the folder: whoever made it may have made them too",
			Hint:    "name a folder of introductions that you hold with --trust, or a node that has adopted them with --dir, or compare their words with each state by telephone",
		}
	}
	return &control.Error{
		Code:    control.Unchecked,
		Message: fmt.Sprintf("everything agrees, but %s %s", by.doesNot, strings.Join(strangers, " and ")),
		Hint:    "compare the words with that state by telephone, or name a node that has adopted the record with --dir, or a folder with its introduction with --trust",
	}
}
