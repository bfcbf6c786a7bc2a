package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/parcel"
	"comity/protocol/record"
)

func (p *program) directoryEntry() *cobra.Command {
	var out string
	var example bool
	c := &cobra.Command{
		Use: "entry [AUTHORITY]", Args: words(0, 1),
		Short: "Write what an authority of this state says of itself into a file to edit",
		Long: `Writes the present entry of an authority that this node hosts as a file that
people can edit: its names, what it is competent for, what it requires, how and
when it is reached. An empty list and null mean that the authority does not say.
Every member has to stay in the file. --example writes the entry of an authority
that does not exist and has told everything, to copy from; it cannot be published
before your own authority's name stands in it.

Then type: comity directory publish FILE --offline FOLDER`,
		Example: `  comity directory entry xa/central-authority -o entry.json
  comity directory entry --example`,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case example && len(args) > 0:
				return misuse("leave one of the two away", "--example is the entry of no authority, and %s is named", args[0])
			case example:
				return p.exampleEntry(out)
			}
			if len(args) == 0 {
				return misuse(`"comity directory entry --example" shows one that has told everything`, "name an authority of this node")
			}
			return p.ownEntry(c.Context(), args[0], out)
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "`FILE` to write; it must not exist")
	c.Flags().BoolVar(&example, "example", false, "write an example in which everything is told")
	return c
}

// ownEntry takes the name of an authority as --as does: in full, or the part after the slash.
func (p *program) ownEntry(ctx context.Context, name, out string) error {
	dir, err := p.directory()
	if err != nil {
		return err
	}
	own, err := operate.ReadRecord(operate.Layout{Dir: dir})
	switch {
	case errors.Is(err, operate.ErrNoNode) && control.Running(ctx, dir): // the folder of an office's officers
		return anOffice(dir)
	case err != nil:
		return control.Explain(err)
	}
	var names []string
	for _, m := range own.Members() {
		if id := m.ID(); name == string(id) || name == id.Name() {
			return p.entry(operate.EntryOf(m.Document()), out)
		}
		names = append(names, string(m.ID()))
	}
	return problem(fmt.Sprintf("name one of this node's own (%s); \"comity directory show AUTHORITY\" shows those of others", strings.Join(names, ", ")),
		"the record of this node does not list %s", safe(name))
}

func (p *program) entry(f *operate.EntryFile, out string) error {
	if err := p.writeEntry(f, out); err != nil || out == "" {
		return err
	}
	if p.json {
		return p.object(pathView{out})
	}
	p.say("Wrote the entry of %s to %s. Edit it, then type:", f.Authority, out)
	dir := ""
	if p.dir != "" {
		dir = " --dir " + quoted(p.dir)
	}
	p.say("  comity directory publish %s --offline FOLDER%s", quoted(out), dir)
	return nil
}

// exampleEntry says beside the example that it is one: nobody must take what stands in
// it for data of an authority.
func (p *program) exampleEntry(out string) error {
	const is = "an example, of an authority that does not exist: put your own authority's name and data in the place of all that stands in it"
	if err := p.writeEntry(exampleEntry(), out); err != nil {
		return err
	}
	if out == "" {
		fmt.Fprintf(p.stderr, "comity: note: this is %s\n", is)
		return nil
	}
	if p.json {
		return p.object(pathView{out})
	}
	p.say("Wrote to %s %s.", out, is)
	p.say("The present entry of an authority of this node is written by: comity directory entry AUTHORITY -o FILE")
	return nil
}

func (p *program) writeEntry(f *operate.EntryFile, out string) error {
	data, err := f.Encode()
	if err != nil {
		return err
	}
	return p.writeOut(out, data)
}

// exampleAuthority is in no state, so that the example is not published as it is.
const exampleAuthority protocol.AuthorityID = "xx/example-authority"

// exampleEntry is of an authority that does not exist. A test publishes it under
// another name.
func exampleEntry() *operate.EntryFile {
	translation, signature, limit, address := record.TranslationCertified, record.SignatureParcel, int64(2_000_000_000), "National Central Bureau of the state"
	return &operate.EntryFile{
		Type: operate.EntryType, Authority: exampleAuthority, Name: []record.Name{{Language: "en", Text: "Example Authority"}, {Language: "fr", Text: "Autorité d'exemple"}},
		Particulars: record.Particulars{
			Territory: []record.Name{{Language: "en", Text: "The whole state but its islands"}},
			Competences: []record.Competence{
				{Instrument: "UNTOC", Articles: []string{"16", "18(13)"}, Functions: []record.Term{"extradition", "mutual-legal-assistance"}},
				{Instrument: "Budapest Convention", Articles: []string{"35"}, Functions: []record.Term{"duty-network", "expedited-preservation"}},
			},
			Kinds:       []parcel.Kind{parcel.KindRequest, parcel.KindConsultationOpen},
			Languages:   []record.Language{{Language: "fr"}, {Language: "en", UrgentOnly: true}},
			Translation: &translation, Signature: &signature,
			Originals: &record.Originals{Required: true, Waived: []record.Waiver{{State: "xb", Instrument: "Exchange of notes of 2025"}}},
			Channels:  []record.Channel{{Channel: "gateway"}, {Channel: "interpol", UrgentOnly: true, Address: &address}},
			Urgent:    []record.Name{{Language: "en", Text: "Call the duty desk first, then send with priority urgent."}},
			Hours: &record.Hours{
				Zone: "Europe/Lisbon",
				Openings: []record.Opening{
					{Day: "monday", From: "09:00", Until: "12:30"}, {Day: "monday", From: "14:00", Until: "17:00"}, {Day: "tuesday", From: "09:00", Until: "17:00"},
				},
				Holidays: []record.Date{"2026-12-25", "2027-01-01"},
			},
			Desk:        &record.Desk{Phones: []string{"+999 12 345 678"}, Mailboxes: []string{"desk@justice.example"}, Languages: []string{"fr", "en"}},
			Contact:     record.Contact{Post: []string{"Example Authority", "1 Palace Square", "The capital"}, Phones: []string{"+999 12 345 670"}, Mailboxes: []string{"authority@justice.example"}},
			SealedBytes: &limit,
			Conditions:  []record.Name{{Language: "en", Text: "Extradition needs a treaty."}},
		},
	}
}
