package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"comity/node/control"
	"comity/protocol"
	"comity/protocol/record"
)

func (p *program) directoryGroup() *cobra.Command {
	return group("directory", "Who is competent for what, and how to reach them", "peers", p.directoryFind(), p.directoryShow(), p.directoryEntry(), p.directoryPublish(),
		p.directoryImport(), p.directoryExport(), p.directoryJoin(), p.directoryRefresh(), p.directoryStatus(), p.directoryMirror())
}

func (p *program) directoryShow() *cobra.Command {
	return &cobra.Command{
		Use: "show AUTHORITY", Args: words(1, 1),
		Short: "Show what an authority says of itself",
		Long: `Shows an authority of this state, of one whose record this node has adopted, or
one that was imported and is not on the network: what it is competent for, what it
requires, when and how it is reached, and when it last confirmed all that. Times of
day are those of its own clock.`,
		Example: "  comity directory show xb/prosecution-service",
		RunE: func(c *cobra.Command, args []string) error {
			id, err := authorityNamed(args[0])
			if err != nil {
				return err
			}
			return p.look(c.Context(), func(node *control.Client) error {
				l, err := node.Listing(c.Context(), id)
				if err != nil {
					return err
				}
				if p.json {
					return p.object(l)
				}
				p.listing(l)
				return nil
			})
		},
	}
}

// authorityNamed reads the name of an authority that was typed.
func authorityNamed(text string) (id protocol.AuthorityID, err error) {
	if err := id.UnmarshalText([]byte(text)); err != nil {
		return "", misuse(whereNamesAre(text),
			"%q is not the name of an authority: want a form like xb/prosecution-service", text)
	}
	return id, nil
}

// whereNamesAre says how to find the name of an authority that was meant by a text.
func whereNamesAre(text string) string {
	if id := protocol.StateID(""); id.UnmarshalText([]byte(text)) == nil {
		return fmt.Sprintf(`"comity directory find --state %s" shows the authorities of that state`, text)
	}
	return `"comity directory find" shows the authorities that this node knows, and "comity directory find --help" how to ask for one`
}

// heading says who an authority is, how parcels are addressed to it, and how old
// is what it says.
func (p *program) heading(l *control.Listing) {
	p.say("%s, %s (%s)", name(inAll(l.Name)), name(inAll(l.StateName)), l.State)
	switch {
	case l.Network == nil:
		p.say("  address      none: %s is not on the network; imported, and signed by nobody", l.Authority)
	case l.Own:
		p.say("  address      %s, of this state, on node %s", l.Authority, l.Network.Node)
	default:
		p.say("  address      comity send --to %s; on node %s, by record %d", l.Authority, l.Network.Node, l.Network.Record)
	}
	if l.Listed {
		p.say("  trust        on the stewards' word: nobody here has compared the words of state %s", l.State)
	}
	p.say("  confirmed    %s", confirmedWhen(l))
}

// listing shows all that an authority says. What it has not told is left out.
func (p *program) listing(l *control.Listing) {
	p.heading(l)
	s := l.Particulars
	if s == nil {
		p.say("  It has told nothing more of itself.")
		return
	}
	p.particulars(l)
}

// particulars shows what an authority says of itself beside its name.
func (p *program) particulars(l *control.Listing) {
	s := l.Particulars
	p.fact("for", notesOf(s.Territory)...)
	for _, c := range s.Competences {
		p.fact("competent", competence(c))
	}
	p.fact("kinds", joined(s.Kinds))
	p.fact("languages", languagesOf(s.Languages))
	p.requirements(s)
	for _, ch := range s.Channels {
		p.fact("by way of", channel(ch))
	}
	p.fact("if urgent", notesOf(s.Urgent)...)
	p.hours(l)
	if d := s.Desk; d != nil {
		p.fact("at any hour", strings.Join(append(append([]string{}, d.Phones...), d.Mailboxes...), ", ")+spoken(d.Languages))
	}
	p.contact(&s.Contact)
	p.fact("conditions", notesOf(s.Conditions)...)
}

// fact shows foreign texts under a word of ours, one a line; none: nothing.
func (p *program) fact(what string, texts ...string) {
	for _, t := range texts {
		if t != "" {
			p.say("  %-12s %s", what, name(t))
			what = ""
		}
	}
}

func (p *program) contact(c *record.Contact) {
	p.fact("write to", c.Post...)
	p.fact("call", strings.Join(c.Phones, ", "))
	p.fact("mail", strings.Join(c.Mailboxes, ", "))
}

func (p *program) requirements(s *record.Particulars) {
	if s.Translation != nil {
		p.fact("translation", map[record.Translation]string{
			record.TranslationNone: "not needed", record.TranslationPlain: "any", record.TranslationCertified: "certified",
		}[*s.Translation])
	}
	if s.Signature != nil {
		p.fact("signature", map[record.Signature]string{
			record.SignatureParcel: "that of the parcel is enough", record.SignatureQualified: "a qualified electronic one on each document",
			record.SignaturePaper: "a signed original on paper",
		}[*s.Signature])
	}
	if o := s.Originals; o != nil {
		p.fact("originals", map[bool]string{true: "on paper", false: "not needed"}[o.Required])
		for _, w := range o.Waived {
			p.fact("", fmt.Sprintf("not from %s: %s", w.State, w.Instrument))
		}
	}
	if s.SealedBytes != nil {
		p.fact("parcels", "up to "+bytes(*s.SealedBytes))
	}
}

func (p *program) hours(l *control.Listing) {
	h := l.Particulars.Hours
	if h == nil {
		return
	}
	now := ""
	if l.Open != nil {
		now = map[bool]string{true: ", open now", false: ", closed now"}[*l.Open]
	}
	p.fact("hours", h.Zone+now)
	for i, o := range h.Openings {
		if i > 0 && h.Openings[i-1].Day == o.Day {
			continue // on the line of the first
		}
		line := fmt.Sprintf("%-9s", o.Day)
		for _, same := range h.Openings[i:] {
			if same.Day == o.Day {
				line += fmt.Sprintf(" %s-%s", same.From, same.Until)
			}
		}
		p.fact("", line)
	}
	p.fact("closed on", joined(h.Holidays))
}

func confirmedWhen(l *control.Listing) string {
	switch {
	case l.Confirmed.IsZero():
		return "never: ask before you rely on it"
	case l.Stale:
		return moment(l.Confirmed) + " UTC, OLD: ask before you rely on it"
	}
	return moment(l.Confirmed) + " UTC"
}

func competence(c record.Competence) string {
	text := c.Instrument
	if len(c.Articles) > 0 {
		text += ", art. " + strings.Join(c.Articles, ", ")
	}
	if len(c.Functions) > 0 {
		text += ": " + joined(c.Functions)
	}
	return text
}

func languagesOf(list []record.Language) string {
	texts := make([]string, len(list))
	for i, l := range list {
		texts[i] = l.Language
		if l.UrgentOnly {
			texts[i] += " (only if urgent)"
		}
	}
	return strings.Join(texts, ", ")
}

func channel(c record.Channel) string {
	text := string(c.Channel)
	if c.UrgentOnly {
		text += " (only if urgent)"
	}
	if c.Address != nil {
		text += ": " + *c.Address
	}
	return text
}

func spoken(languages []string) string {
	if len(languages) == 0 {
		return ""
	}
	return "; " + strings.Join(languages, ", ") + " spoken"
}

// inAll is a name in all its languages, the first one first.
func inAll(names []record.Name) string { return strings.Join(notesOf(names), " / ") }

func notesOf(names []record.Name) []string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = n.Text
	}
	return texts
}

func joined[T ~string](list []T) string {
	texts := make([]string, len(list))
	for i, one := range list {
		texts[i] = string(one)
	}
	return strings.Join(texts, ", ")
}
