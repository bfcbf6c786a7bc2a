package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"comity/cmd/comity-verify/anchors"
	"comity/node/control"
	"comity/protocol"
	"comity/protocol/bundle"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
)

// crossing is one request from one state of the federation to another.
type crossing struct {
	from, to *side
	parcel   protocol.ParcelID
	file     string
}

// crossAll sends a request from each state to the next one, and from the first to all
// others.
func (d *federationDemo) crossAll(ctx context.Context) ([]*crossing, error) {
	d.chapter("Requests cross, and each step is signed by whoever took it")
	var all []*crossing
	for i, from := range d.sides {
		all = append(all, &crossing{from: from, to: d.sides[(i+1)%len(d.sides)]})
	}
	for _, to := range d.sides[2:] {
		all = append(all, &crossing{from: d.sides[0], to: to})
	}
	documents := filepath.Join(d.dir, "documents")
	if err := os.Mkdir(documents, 0o700); err != nil {
		return nil, err
	}
	for n, c := range all {
		c.file = filepath.Join(documents, fmt.Sprintf("Request %d.txt", n+1))
		text := strings.NewReplacer("State A", "State "+c.from.label, "Central Authority", c.from.title, "State B", "State "+c.to.label, "Prosecution Service", c.to.title).Replace(letter)
		if err := writeNew(c.file, []byte(text)); err != nil {
			return nil, err
		}
		if err := d.cross(ctx, c); err != nil {
			return nil, fmt.Errorf("from %s to %s: %w", c.from.state, c.to.state, err)
		}
	}
	return all, nil
}

// cross sends one request and plays its recipient, until all evidence is back.
func (d *federationDemo) cross(ctx context.Context, c *crossing) error {
	sent, err := c.from.node.Send(ctx, control.Draft{To: []protocol.AuthorityID{c.to.authority}, Kind: parcel.KindRequest, Files: []control.Source{{Path: c.file}}},
		func(control.Progress) error { return nil })
	if err != nil {
		return err
	}
	c.parcel = sent.Parcel
	d.crossing(c)
	seen := map[evidence.Event]bool{}
	outcome, err := c.from.node.Follow(ctx, "", string(c.parcel), exchange.StatusAcknowledged, func(e control.Evidence) error {
		seen[e.Event] = true
		d.step(step{Step: "evidence", Parcel: e.Parcel, Evidence: &e})
		switch e.Event {
		case evidence.ContentHandover:
			return c.read(ctx)
		case evidence.ContentAccessTracking:
			_, err := c.to.node.Acknowledge(ctx, "", string(c.parcel))
			return err
		default:
			return nil
		}
	})
	if err != nil {
		return err
	}
	if !outcome.Reached {
		return fmt.Errorf("the request was not acknowledged: it is %s", statuses(outcome.Transmissions))
	}
	for _, event := range evidence.Events() {
		if !event.Rule().Negative && !seen[event] {
			return fmt.Errorf("no evidence of %s arrived", event)
		}
	}
	d.crossed(c, len(seen))
	return nil
}

// read opens the document as an officer does, and compares every byte with what was sent.
func (c *crossing) read(ctx context.Context) error {
	original, err := os.Open(c.file)
	if err != nil {
		return err
	}
	defer original.Close() // only read from
	file, content, err := c.to.node.Open(ctx, "", string(c.parcel), 1)
	if err != nil {
		return err
	}
	defer content.Close() // only read from
	return copyFile(&comparison{original: original}, content, file, nil)
}

// prove checks each crossing again offline, by what an auditor has who trusts the
// directory: the records that it lists.
func (d *federationDemo) prove(ctx context.Context, all []*crossing) error {
	d.chapter("Everything is checked again, by the records of the directory")
	trust := filepath.Join(d.dir, "trust")
	if err := d.anchorsOf(trust); err != nil {
		return err
	}
	held, err := anchors.Read(trust)
	if err != nil {
		return err
	}
	for _, c := range all {
		name := fmt.Sprintf("%s-to-%s-%s", c.from.state, c.to.state, short(c.parcel))
		if err := d.named(ctx, c, filepath.Join(d.dir, "export-"+name)); err != nil {
			return integrity("from %s to %s: %v", c.from.state, c.to.state, err)
		}
		path := filepath.Join(d.dir, "evidence-"+name+".tar")
		written, err := c.from.node.Bundle(ctx, control.BundleRequest{Parcel: string(c.parcel), Path: path, Language: bundle.English, Offset: bundle.UTC})
		if err != nil {
			return err
		}
		report, err := anchors.Check(path, held, bundle.Options{})
		if err != nil {
			return integrity("the bundle %s: %v", path, err)
		}
		if report.ExitCode() != exitDone {
			return integrity("the bundle %s: %s", path, report.Conclusion())
		}
		d.provedCrossing(c, written, report)
	}
	return nil
}

// anchorsOf copies the records out of the files that the mirror serves.
func (d *federationDemo) anchorsOf(trust string) error {
	if err := os.Mkdir(trust, 0o700); err != nil {
		return err
	}
	for _, s := range d.sides {
		found, err := filepath.Glob(filepath.Join(d.dir, "federation", "directory", "targets", "records", s.state, "*"))
		if err != nil || len(found) != 1 {
			return integrity("the directory has %d records of state %s, want one", len(found), s.state)
		}
		text, err := os.ReadFile(found[0])
		if err != nil {
			return err
		}
		if err := writeNew(filepath.Join(trust, s.state+".json"), text); err != nil {
			return err
		}
	}
	return nil
}

// named sees that the sender's envelope names the version of the directory which the
// recipient's node has adopted: both were shown the same.
func (d *federationDemo) named(ctx context.Context, c *crossing, folder string) error {
	if _, err := c.to.node.Export(ctx, "", string(c.parcel), folder); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(folder, "envelope.json"))
	if err != nil {
		return err
	}
	e, err := envelope.Parse(text)
	if err != nil {
		return err
	}
	st, err := c.to.node.DirectoryStatus(ctx)
	if err != nil {
		return err
	}
	if e.Directory == nil || st.Adopted == nil || *e.Directory != *st.Adopted {
		return fmt.Errorf("the envelope names the directory %v, and the recipient has %v", e.Directory, st.Adopted)
	}
	return nil
}
