package main

import (
	"fmt"

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
that does not exist and has told everything, to copy from.

Then type: comity directory publish FILE --offline FOLDER`,
		Example: `  comity directory entry xa/central-authority -o entry.json
  comity directory entry --example`,
		RunE: func(c *cobra.Command, args []string) error {
			if example {
				return p.entry(exampleEntry(), out)
			}
			if len(args) == 0 {
				return misuse(`"comity directory entry --example" shows one that has told everything`, "name an authority of this node")
			}
			id, err := authorityNamed(args[0])
			if err != nil {
				return err
			}
			return p.ownEntry(id, out)
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "`FILE` to write; it must not exist")
	c.Flags().BoolVar(&example, "example", false, "write an example in which everything is told")
	return c
}

func (p *program) ownEntry(id protocol.AuthorityID, out string) error {
	dir, err := p.directory()
	if err != nil {
		return err
	}
	own, err := operate.ReadRecord(operate.Layout{Dir: dir})
	if err != nil {
		return control.Explain(err)
	}
	m, ok := own.Authority(id)
	if !ok {
		return problem("name one of this node's own; \"comity directory show AUTHORITY\" shows those of others", "the record of this node does not list %s", id)
	}
	return p.entry(operate.EntryOf(m.Document()), out)
}

func (p *program) entry(f *operate.EntryFile, out string) error {
	data, err := f.Encode()
	if err != nil {
		return err
	}
	if out == "" {
		fmt.Fprintf(p.stdout, "%s", data)
		return nil
	}
	if err := writeNew(out, data); err != nil {
		return err
	}
	p.say("Wrote the entry of %s to %s. Edit it, then type:", f.Authority, out)
	p.say("  comity directory publish %s --offline FOLDER", quoted(out))
	return nil
}

// exampleEntry is of an authority that does not exist. A test publishes it.
func exampleEntry() *operate.EntryFile {
	translation, signature, limit, address := record.TranslationCertified, record.SignatureParcel, int64(2_000_000_000), "National Central Bureau of State A"
	return &operate.EntryFile{
		Type: operate.EntryType, Authority: "xa/central-authority", Name: []record.Name{{Language: "en", Text: "Central Authority"}, {Language: "fr", Text: "Autorité centrale"}},
		Particulars: record.Particulars{
			Territory: []record.Name{{Language: "en", Text: "All of State A but its islands"}},
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
			Desk:        &record.Desk{Phones: []string{"+999 12 345 678"}, Mailboxes: []string{"desk@justice.xa.example"}, Languages: []string{"fr", "en"}},
			Contact:     record.Contact{Post: []string{"Central Authority", "1 Palace Square", "State A"}, Phones: []string{"+999 12 345 670"}, Mailboxes: []string{"central.authority@justice.xa.example"}},
			SealedBytes: &limit,
			Conditions:  []record.Name{{Language: "en", Text: "Extradition needs a treaty."}},
		},
	}
}
