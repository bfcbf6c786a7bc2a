package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
)

// demoLimit is how long a demo may take, on a slow machine with large files.
const demoLimit = 10 * time.Minute

func (p *program) demo() *cobra.Command {
	var files []string
	var states int
	c := &cobra.Command{
		Use: "demo", GroupID: "first", Args: words(0, 0),
		Short: "See a request cross between two nodes on this machine",
		Long: `Creates two states with a node and an office each, runs both nodes as separate
programs, lets them meet, sends a request with attachments from one to the other,
brings back signed evidence of every step, and checks all of it again.

With --dir D everything is kept: D/a and D/b are ordinary data directories, and
"comity serve --dir D/a" runs that node again. Their keys have no passphrase, so
use them for nothing else. D/trust holds what an auditor would hold of both states,
and D/evidence.tar what proves the transmission to one; with --states there are D/xa
to D/xe and a bundle of each request. Without --dir a temporary directory is used and
removed.

With --states 5, five states found a federation: three stewards sign its root and the
edition of all states, a mirror serves it, and each node gets the root and nothing
else. Requests then cross between several pairs, and are checked by the records of the
directory alone.

With --json each step is one JSON object on one line; the last one begins with
{"ok":true,"parcel":… or, with --states, {"ok":true,"states":…`,
		Example: `  comity demo
  comity demo --dir D --file request.pdf --file annex.pdf --json
  comity demo --states 5`,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), demoLimit)
			defer cancel()
			if c.Flags().Changed("states") {
				return p.runFederation(ctx, states, files)
			}
			d := &demo{p: p, story: story{p: p}, start: time.Now()}
			err := d.run(ctx, files)
			if err != nil && p.json {
				d.failed(control.Explain(err))
			}
			return err
		},
	}
	c.Flags().StringArrayVar(&files, "file", nil, "`FILE` of your own to send instead of made-up ones; repeatable")
	c.Flags().IntVar(&states, "states", 0, "`HOW` many states, 3 to 8, with a federation between them")
	return c
}

// demo is one run. It is used by one goroutine.
type demo struct {
	story
	place
	p     *program
	files []string // what is sent
	a, b  *side
	start time.Time
}

// run plays the whole piece. The two nodes are ended in any case.
func (d *demo) run(ctx context.Context, files []string) (err error) {
	done, err := d.stage(files)
	if err != nil {
		return err
	}
	defer done()
	d.a = newSide("A", "xa", "central-authority", "Central Authority", filepath.Join(d.dir, "a"))
	d.b = newSide("B", "xb", "prosecution-service", "Prosecution Service", filepath.Join(d.dir, "b"))
	defer func() {
		stopped := errors.Join(d.a.stop(), d.b.stop())
		if err != nil && ctx.Err() == nil {
			d.a.lastWords(d.p.stderr)
			d.b.lastWords(d.p.stderr)
		}
		err = errors.Join(err, stopped)
	}()
	d.opening()
	for _, act := range []func(context.Context) error{d.create, d.introduceBoth, d.serveBoth} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	id, err := d.cross(ctx)
	if err != nil {
		return err
	}
	if err := d.verify(ctx, id); err != nil {
		return err
	}
	d.closing(id)
	return nil
}

func (d *demo) create(ctx context.Context) error {
	d.chapter("Each state sets up its own gateway")
	for _, s := range []*side{d.a, d.b} {
		if err := s.create(ctx); err != nil {
			return err
		}
		d.created(s)
	}
	d.say("Each made its own keys. No third party knows them or has to be asked.")
	return nil
}

// introduceBoth lets each side pin the other's introduction. The words are those
// that each reads from its own record, as they would over the telephone.
func (d *demo) introduceBoth(ctx context.Context) error {
	d.chapter("The two states, which have never met, introduce themselves")
	d.say("Each hands the other a file with its public keys. Anyone could have swapped such")
	d.say("a file on the way, so an official reads twelve words to the other side by telephone:")
	for _, s := range []*side{d.a, d.b} {
		if err := s.write(ctx, filepath.Join(d.dir, s.state+".json")); err != nil {
			return err
		}
	}
	for _, pair := range [][2]*side{{d.a, d.b}, {d.b, d.a}} {
		from, to := pair[0], pair[1]
		if err := to.pin(ctx, from); err != nil {
			return err
		}
		d.introduced(from, to)
	}
	d.say("On both sides the words fit the file (here the program compared them). From now on")
	d.say("each state knows the other's keys, and nobody else can speak in its name.")
	return nil
}

func (d *demo) serveBoth(ctx context.Context) error {
	for _, s := range []*side{d.a, d.b} {
		if err := s.start(d.p.env); err != nil {
			return err
		}
	}
	for _, s := range []*side{d.a, d.b} {
		if err := s.ready(ctx); err != nil {
			return err
		}
		d.served(s)
	}
	return nil
}

// cross sends the request and plays both sides as its evidence arrives at A.
func (d *demo) cross(ctx context.Context) (protocol.ParcelID, error) {
	d.chapter("State A sends a request to state B")
	draft := control.Draft{To: []protocol.AuthorityID{d.b.authority}, Kind: parcel.KindRequest}
	for _, f := range d.files {
		draft.Files = append(draft.Files, control.Source{Path: f})
	}
	bars := d.p.bars()
	sent, err := d.a.node.Send(ctx, draft, func(now control.Progress) error {
		bars.show(stageNames[now.Stage], now.Done, now.Total)
		return nil
	})
	bars.end()
	if err != nil {
		return "", err
	}
	m, err := d.a.node.Parcel(ctx, "", string(sent.Parcel))
	if err != nil {
		return "", err
	}
	d.sent(m)
	d.chapter("It crosses, and each step is signed by whoever took it")
	seen := map[evidence.Event]bool{}
	outcome, err := d.a.node.Follow(ctx, "", string(sent.Parcel), exchange.StatusAcknowledged, func(e control.Evidence) error {
		seen[e.Event] = true
		d.evidence(e)
		switch e.Event {
		case evidence.ContentHandover:
			return d.read(ctx, e.Parcel)
		case evidence.ContentAccessTracking:
			d.say("The officer decides to confirm receipt, formally, with the authority's key.")
			_, err := d.b.node.Acknowledge(ctx, "", string(e.Parcel))
			return err
		default:
			return nil
		}
	})
	if err != nil {
		return "", err
	}
	if !outcome.Reached {
		return "", fmt.Errorf("the request was not acknowledged: it is %s", statuses(outcome.Transmissions))
	}
	for _, event := range evidence.Events() {
		if !event.Rule().Negative && !seen[event] {
			return "", fmt.Errorf("no evidence of %s arrived", event)
		}
	}
	return sent.Parcel, nil
}

// read is the officer of B, who finds the request in the inbox and opens its
// first document.
func (d *demo) read(ctx context.Context, id protocol.ParcelID) error {
	inbox, err := d.b.node.Inbox(ctx, "", true, 0)
	if err != nil {
		return err
	}
	if len(inbox.Parcels) != 1 || inbox.Parcels[0].Parcel != id {
		return fmt.Errorf("the inbox of %s should show one new parcel, %s; it shows %d", d.b.authority, id, len(inbox.Parcels))
	}
	folder := filepath.Join(d.dir, "received")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	file, content, err := d.b.node.Open(ctx, "", string(id), 1)
	if err != nil {
		return err
	}
	defer content.Close() // only read from
	path := filepath.Join(folder, file.Name)
	out, err := createNew(path)
	if err != nil {
		return err
	}
	if err := finish(out, path, copyFile(out, content, file, nil)); err != nil {
		return err
	}
	d.opened(file, path)
	return nil
}

// compare reads every file at B once more and compares it, byte for byte, with
// what A attached.
func (d *demo) compare(ctx context.Context, id protocol.ParcelID) (total int64, err error) {
	for i, path := range d.files {
		n, err := d.compareOne(ctx, id, i+1, path)
		if err != nil {
			return 0, fmt.Errorf("compare %s with what arrived: %w", filepath.Base(path), err)
		}
		total += n
	}
	return total, nil
}

func (d *demo) compareOne(ctx context.Context, id protocol.ParcelID, number int, path string) (int64, error) {
	original, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer original.Close() // only read from
	file, content, err := d.b.node.Open(ctx, "", string(id), number)
	if err != nil {
		return 0, err
	}
	defer content.Close() // only read from
	same := &comparison{original: original}
	if err := copyFile(same, content, file, nil); err != nil {
		return 0, err
	}
	if n, _ := original.Read(make([]byte, 1)); n > 0 {
		return 0, errDiffers
	}
	return file.Size, nil
}

var errDiffers = errors.New("the bytes differ")

// comparison is a writer that takes only what the original has at that place.
type comparison struct {
	original io.Reader
	buffer   []byte
}

func (c *comparison) Write(b []byte) (int, error) {
	if len(c.buffer) < len(b) {
		c.buffer = make([]byte, len(b))
	}
	if n, err := io.ReadFull(c.original, c.buffer[:len(b)]); err != nil || string(c.buffer[:n]) != string(b) {
		return 0, errDiffers
	}
	return len(b), nil
}
