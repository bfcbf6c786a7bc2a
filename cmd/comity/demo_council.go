package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"comity/crypto/seal"
	"comity/node/federation"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// council are the stewards and the registrar of the demo's federation. They do what
// "comity federation" does, in the same packages, with keys that lie open.
type council struct {
	names    []federation.StewardName
	safes    []*federation.Safe
	registry *federation.Registry
	root     []byte // as published
	words    string // of it, as a steward reads them
	mirror   string // its address
}

// unprotected is for keys that lie open: it is a demonstration.
func unprotected() (*seal.Passphrase, error) { return nil, nil }

func (c *council) close() error {
	if c.registry == nil {
		return nil
	}
	return c.registry.Close()
}

// found makes the stewards' keys, and has two of them sign the first root.
func (d *federationDemo) found(context.Context) error {
	d.chapter("Three stewards, of three of these states, found a federation")
	c := &d.council
	var cards []federation.Steward
	for _, first := range []string{"assembly", "board", "council"} {
		name := federation.StewardName(first + "-" + d.sides[len(cards)].state)
		dir := filepath.Join(d.dir, "stewards", string(name))
		card, _, err := federation.MakeSafe(dir, name, unprotected)
		if err != nil {
			return err
		}
		safe, err := federation.OpenSafe(dir)
		if err != nil {
			return err
		}
		c.names, c.safes, cards = append(c.names, name), append(c.safes, safe), append(cards, card)
		d.steward(name, dir)
	}
	var err error
	if c.registry, err = federation.NewRegistry(filepath.Join(d.dir, "federation")); err != nil {
		return err
	}
	draft, err := c.registry.Create(cards, federation.MinThreshold, unprotected, time.Now())
	if err != nil {
		return err
	}
	c.words = strings.Join(draft.Root().Words(), " ")
	if err := c.publish(draft, 0, 1); err != nil {
		return err
	}
	if c.root, err = os.ReadFile(filepath.Join(c.registry.Directory(), "root.json")); err != nil {
		return err
	}
	d.founded(c)
	return nil
}

// publish lets two stewards sign their own copies of a draft, each judged by their own
// program, and collects them.
func (c *council) publish(draft *federation.Drafted, by ...int) error {
	text, err := os.ReadFile(draft.Path)
	if err != nil {
		return err
	}
	var papers [][]byte
	for _, n := range by {
		own, err := federation.ReadDraft(text)
		if err != nil {
			return err
		}
		if _, err := c.safes[n].Sign(own, false, unprotected, time.Now()); err != nil {
			return err
		}
		signed, err := own.Bytes()
		if err != nil {
			return err
		}
		papers = append(papers, signed)
	}
	done, err := c.registry.Collect(papers, time.Now())
	if err != nil {
		return err
	}
	if !done.Published {
		return integrity("%s is not published: %s", done.Name(), strings.Join(done.Missing(), "; "))
	}
	return nil
}

// list has the stewards list all states, after each state has read its words to them.
func (d *federationDemo) list(ctx context.Context) error {
	c := &d.council
	var records []statement.Signed
	for _, s := range d.sides {
		if err := s.write(ctx, filepath.Join(d.dir, s.state+".json")); err != nil {
			return err
		}
		signed, err := record.DecodeIntroduction(s.file)
		if err != nil {
			return err
		}
		records = append(records, signed)
	}
	draft, err := c.registry.Add(records, time.Now())
	if err != nil {
		return err
	}
	for i, a := range draft.Added() {
		if !slices.Equal(a.State.Words(), d.sides[i].words) {
			return integrity("the words of state %s are not those that it reads", d.sides[i].state)
		}
	}
	if err := c.publish(draft, 1, 2); err != nil {
		return err
	}
	if err := c.registry.Stamp(unprotected, time.Now()); err != nil {
		return err
	}
	d.listed(c, draft)
	return nil
}

// ready is what the mirror says when it serves.
var mirrorReady = regexp.MustCompile(`is ready on (http://\S+/)`)

// publish starts the mirror, which any machine can be, as a process of its own.
func (d *federationDemo) publish(ctx context.Context) error {
	dir := filepath.Join(d.dir, "federation")
	err := d.mirror.start("the mirror", dir+".log", d.p.env, "directory", "mirror", filepath.Join(dir, "directory"), "--listen", "127.0.0.1:0", "--dir", dir)
	if err != nil {
		return err
	}
	deadline := time.NewTimer(startWait)
	defer deadline.Stop()
	for {
		said, err := os.ReadFile(d.mirror.log.Name())
		if err != nil {
			return err
		}
		if m := mirrorReady.FindSubmatch(said); m != nil {
			d.council.mirror = string(m[1])
			d.mirrored(&d.council)
			return nil
		}
		select {
		case <-d.mirror.ended:
			return integrity("the mirror stopped while it was starting: %v", d.mirror.end)
		case <-deadline.C:
			return integrity("the mirror did not serve within %s", startWait)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(startPoll):
		}
	}
}
