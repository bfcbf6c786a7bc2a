package main

import (
	"context"
	"fmt"
	"slices"
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
	// Adopted says that the node vouches for it.
	Adopted bool `json:"adopted"`
}

func exported(s *record.State) *exportedRecord {
	return &exportedRecord{
		State: s.Record().State, Sequence: s.Record().Sequence, Digest: s.Ref().Digest, Words: s.Words(), Digits: s.Digits(),
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

// vouch marks the records that the node in the data directory has adopted, and
// names the node; "" when there is none and none was asked for.
func (p *program) vouch(ctx context.Context, all recordSet) (node protocol.NodeID, err error) {
	err = p.look(ctx, func(c *control.Client) error {
		status, err := c.Status(ctx)
		if err != nil {
			return err
		}
		node = status.Node
		var wanted []protocol.Digest
		for _, r := range all {
			wanted = append(wanted, r.Digest)
		}
		known, err := c.Adopted(ctx, wanted)
		for _, r := range all {
			r.Adopted = slices.Contains(known, r.Digest)
		}
		return err
	})
	if control.CodeOf(err) == control.NoNode && p.dir == "" {
		return "", nil // an auditor's machine has no node
	}
	return node, err
}

// identities says who vouches for the records of an export. For those for which
// nobody does it shows what can be compared.
func (p *program) identities(all recordSet, node protocol.NodeID) error {
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
			p.say("%s that node %s has adopted.", which, node)
		}
		return nil
	}
	if node == "" {
		return &control.Error{
			Code:    control.Unchecked,
			Message: "everything agrees, but nothing here vouches for the records in the folder: whoever made it may have made them too",
			Hint:    `name a node that has adopted them with --dir, or compare their words with each state by telephone`,
		}
	}
	dir, err := p.directory()
	if err != nil {
		return err
	}
	return &control.Error{
		Code:    control.Unchecked,
		Message: fmt.Sprintf("everything agrees, but node %s in %s has not adopted %s", node, dir, strings.Join(strangers, " and ")),
		Hint:    "compare the words with that state by telephone, or name a node that has adopted the record with --dir",
	}
}
