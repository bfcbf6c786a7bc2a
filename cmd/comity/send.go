package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
)

type sendFlags struct {
	to, files, names                []string
	kind, caseID, priority, expires string
	wait, timeout                   string
}

func (p *program) send() *cobra.Command {
	var f sendFlags
	c := &cobra.Command{
		Use: "send --to AUTHORITY FILE...", GroupID: "parcels", Args: cobra.ArbitraryArgs,
		Short: "Sign, seal and send files to one authority or several",
		Long: `Signs the list of the files with the key of the sending authority, seals all
into one parcel to the recipients, and queues it. The first file is the document,
the others are its attachments. Delivery is tried until --expires; it goes on
while the node runs, and this command need not wait for it.

--to and --file may be repeated. --name gives the files the names that the
recipient sees, one for each file in order.

KIND is one of

` + kindsForPeople(),
		Example: `  comity send --to xb/prosecution-service --file request.pdf --file annex.pdf
  comity send --to xb/prosecution-service --case 6f2b… --kind ADDITIONAL_INFO answer.pdf --wait delivered`,
		RunE: func(c *cobra.Command, args []string) error {
			d, err := p.draft(&f, args)
			if err != nil {
				return err
			}
			until, err := waitFor(f.wait, f.timeout)
			if err != nil {
				return err
			}
			return p.ask(c.Context(), func(node *control.Client) error { return p.sendAndWait(c.Context(), node, d, until) })
		},
	}
	flags := c.Flags()
	flags.StringArrayVar(&f.to, "to", nil, "recipient `AUTHORITY`, such as xb/prosecution-service; repeatable")
	flags.StringArrayVar(&f.files, "file", nil, "`FILE` to send; repeatable, also without --file")
	flags.StringArrayVar(&f.names, "name", nil, "`NAME` that the recipient sees, for each file in order")
	flags.StringVar(&f.kind, "kind", string(parcel.KindRequest), "`KIND` of message")
	flags.StringVar(&f.caseID, "case", "", "`CASE` that it belongs to (default: a new case)")
	flags.StringVar(&f.priority, "priority", string(protocol.Routine), "`PRIORITY`: routine, urgent or emergency")
	flags.StringVar(&f.expires, "expires", "30d", "`TIME` for which delivery is tried, such as 12h or 30d")
	flags.StringVar(&f.wait, "wait", "", "`STATUS` to wait for: transmitted, delivered or acknowledged")
	flags.StringVar(&f.timeout, "timeout", "", "`TIME` to wait at most (default: for ever)")
	return c
}

// kindsForPeople lists every kind under the name of its group, in lines that fit a
// terminal.
func kindsForPeople() string {
	const width = 84
	var b strings.Builder
	for _, g := range parcel.KindGroups() {
		line := fmt.Sprintf("  %-13s", strings.ToLower(g.Name))
		for i, k := range g.Kinds {
			word := string(k)
			if i < len(g.Kinds)-1 {
				word += ","
			}
			if len(line)+1+len(word) > width {
				fmt.Fprintln(&b, line)
				line = strings.Repeat(" ", 15)
			}
			line += " " + word
		}
		fmt.Fprintln(&b, line)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// draft checks what was typed. Whether files and recipients exist is for the
// office to say.
func (p *program) draft(f *sendFlags, args []string) (*control.Draft, error) {
	const example = `"comity help send" shows an example`
	d := &control.Draft{As: p.as, Kind: parcel.Kind(strings.ToUpper(f.kind))}
	if len(f.to) == 0 {
		return nil, misuse(example, "there is no recipient: name one with --to")
	}
	for _, text := range f.to {
		var id protocol.AuthorityID
		if err := id.UnmarshalText([]byte(text)); err != nil {
			return nil, misuse(whereNamesAre(text),
				"--to %q is not the name of an authority: want a form like xb/prosecution-service", text)
		}
		d.To = append(d.To, id)
	}
	files := append(f.files, args...)
	switch {
	case len(files) == 0:
		return nil, misuse(example, "there is no file to send")
	case len(f.names) > 0 && len(f.names) != len(files):
		return nil, misuse("give one --name for each file, in the same order, or none", "%s but %s",
			count(len(files), "file"), count(len(f.names), "--name"))
	case !d.Kind.Known():
		return nil, misuse(`"comity help send" lists the kinds; among them are REQUEST, ADDITIONAL_INFO, RESULT, EVIDENCE_TRANSFER`,
			"--kind %q is not a kind of message", f.kind)
	}
	if err := apart(files, f.names); err != nil {
		return nil, err
	}
	if f.caseID != "" {
		if err := d.Case.UnmarshalText([]byte(f.caseID)); err != nil {
			return nil, misuse(`"comity show PARCEL" shows the case of a parcel`, "--case %q is not the id of a case", f.caseID)
		}
	}
	if err := d.Priority.UnmarshalText([]byte(f.priority)); err != nil {
		return nil, misuse("", "--priority %q: want routine, urgent or emergency", f.priority)
	}
	lifetime, err := duration(f.expires)
	if err != nil {
		return nil, err
	}
	if lifetime < time.Minute || lifetime > protocol.MaxLifetime {
		return nil, misuse("", "--expires %s: delivery can be tried for one minute to %d days", f.expires, protocol.MaxLifetime/(24*time.Hour))
	}
	d.Lifetime = int64(lifetime / time.Second)
	for i, path := range files {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		source := control.Source{Path: absolute}
		if len(f.names) > 0 {
			source.Name = f.names[i]
		}
		d.Files = append(d.Files, source)
	}
	return d, nil
}

// apart refuses files that the recipient would see under one name.
func apart(files, names []string) error {
	seen := map[string]int{}
	for i, path := range files {
		shown := filepath.Base(path)
		if len(names) > 0 {
			shown = names[i]
		}
		if first, twice := seen[shown]; twice {
			return problem("give each file a name of its own with --name, in the same order", "files %d and %d have the same name %q", first, i+1, shown)
		}
		seen[shown] = i + 1
	}
	return nil
}

// waiting is what to wait for, and how long.
type waiting struct {
	until exchange.Status
	limit time.Duration // 0: for ever
}

func waitFor(status, limit string) (waiting, error) {
	var w waiting
	switch w.until = exchange.Status(status); w.until {
	case "", exchange.StatusTransmitted, exchange.StatusDelivered, exchange.StatusAcknowledged:
	default:
		return w, misuse("", "cannot wait for %q: want transmitted, delivered or acknowledged", status)
	}
	if limit == "" {
		return w, nil
	}
	var err error
	w.limit, err = duration(limit)
	return w, err
}

// sentView is what --json writes.
type sentView struct {
	*control.Sent
	Outcome *control.Outcome `json:"outcome,omitempty"`
}

func (p *program) sendAndWait(ctx context.Context, node *control.Client, d *control.Draft, w waiting) error {
	bars := p.bars()
	sent, err := node.Send(ctx, *d, func(now control.Progress) error {
		bars.show(stageNames[now.Stage], now.Done, now.Total)
		return nil
	})
	bars.end()
	if err != nil {
		return err
	}
	if !p.json {
		p.say("Queued %s from %s to %s, %s sealed.", sent.Parcel, sent.From, joined(sent.To), bytes(sent.Bytes))
		p.say("  case %s", sent.Case)
		switch {
		case sent.Delayed != "":
			fmt.Fprintf(p.stderr, "comity: note: %s\n", safe(sent.Delayed))
		case !sent.Running:
			p.say("The node is not running. Delivery begins with: comity serve")
		}
	}
	var outcome *control.Outcome
	if w.until != "" {
		outcome, err = p.wait(ctx, node, string(sent.Parcel), w, p.tell(len(sent.To) > 1))
	}
	if p.json {
		return errors.Join(p.object(sentView{sent, outcome}), err)
	}
	return err
}

var stageNames = map[string]string{"hash": "reading", "seal": "sealing"}

// tell shows people evidence as it comes. When it goes to several recipients, each line
// says about which of them it is.
func (p *program) tell(several bool) func(control.Evidence) error {
	return func(e control.Evidence) error {
		if !p.json {
			p.evidence(e, several)
		}
		return nil
	}
}

// wait calls each for evidence as it comes. It is an error when a parcel does not get
// where it was waited for.
func (p *program) wait(ctx context.Context, node *control.Client, ref string, w waiting, each func(control.Evidence) error) (*control.Outcome, error) {
	asked := ctx
	if w.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.limit)
		defer cancel()
	}
	outcome, err := node.Follow(ctx, p.as, ref, w.until, each)
	if err != nil {
		if ctx.Err() != nil && asked.Err() == nil {
			return nil, problem(`delivery goes on while the node runs; look again with "comity show `+ref+`"`,
				"the parcel was not %s within %s", w.until, w.limit)
		}
		return nil, err
	}
	if !outcome.Reached {
		return outcome, problem(`"comity show `+ref+`" shows why`, "the parcel did not become %s: it is %s", w.until, statuses(outcome.Transmissions))
	}
	return outcome, nil
}

func statuses(all []control.Transmission) string {
	var texts []string
	for _, t := range all {
		if len(all) == 1 {
			return string(t.Status)
		}
		texts = append(texts, fmt.Sprintf("%s for %s", t.Status, t.To))
	}
	return strings.Join(texts, ", ")
}

// evidence writes one evidence for people, with the recipient if there are several.
func (p *program) evidence(e control.Evidence, several bool) {
	to, proof := "", ""
	if several {
		to = " to " + string(e.To)
	}
	if !e.Proof {
		proof = " (its proof is not here yet)"
	}
	p.say("  %s UTC  %s%s, signed by %s%s", moment(e.Time), e.Event, to, safe(e.Issuer), proof)
	p.say("      %s", e.Says)
	if e.Reason != nil {
		text := e.Reason.Text
		if e.Reason.Code == protocol.Withdrawn {
			text, _, _ = strings.Cut(text, " (withdrawal ") // and a digest, for programs
		}
		p.say("      reason: %s: %s", e.Reason.Code, name(text))
	}
}
