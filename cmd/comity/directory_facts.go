package main

import (
	"fmt"
	"strings"

	"comity/node/control"
	"comity/protocol/record"
)

// fact is one thing that an authority tells, in the lines in which it is shown.
type fact struct {
	what  string
	lines []string
}

// facts are such things in their order.
type facts []fact

// add adds foreign texts under a word of ours, one a line; none: nothing. Without a word
// they are more of the fact before.
func (f *facts) add(what string, texts ...string) {
	label := what
	for _, t := range texts {
		if t == "" {
			continue
		}
		line := fmt.Sprintf("%-12s %s", label, name(t))
		if n := len(*f); n > 0 && (label == "" || what == (*f)[n-1].what) {
			(*f)[n-1].lines = append((*f)[n-1].lines, line)
		} else {
			*f = append(*f, fact{what, []string{line}})
		}
		label = ""
	}
}

// facts shows them, one below the other.
func (p *program) facts(all facts) {
	for _, f := range all {
		for _, line := range f.lines {
			p.say("  %s", line)
		}
	}
}

// particulars are what an authority says of itself beside its name. What it has not told
// is left out.
func (f *facts) particulars(l *control.Listing) {
	s := l.Particulars
	f.add("for", notesOf(s.Territory)...)
	for _, c := range s.Competences {
		f.add("competent", competence(c))
	}
	f.add("kinds", joined(s.Kinds))
	f.add("languages", languagesOf(s.Languages))
	f.requirements(s)
	for _, ch := range s.Channels {
		f.add("by way of", channel(ch))
	}
	f.add("if urgent", notesOf(s.Urgent)...)
	f.hours(l)
	if d := s.Desk; d != nil {
		f.add("at any hour", strings.Join(append(append([]string{}, d.Phones...), d.Mailboxes...), ", ")+spoken(d.Languages))
	}
	f.contact(&s.Contact)
	f.add("conditions", notesOf(s.Conditions)...)
}

func (f *facts) contact(c *record.Contact) {
	f.add("write to", c.Post...)
	f.add("call", strings.Join(c.Phones, ", "))
	f.add("mail", strings.Join(c.Mailboxes, ", "))
}

func (f *facts) requirements(s *record.Particulars) {
	if s.Translation != nil {
		f.add("translation", map[record.Translation]string{
			record.TranslationNone: "not needed", record.TranslationPlain: "any", record.TranslationCertified: "certified",
		}[*s.Translation])
	}
	if s.Signature != nil {
		f.add("signature", map[record.Signature]string{
			record.SignatureParcel: "that of the parcel is enough", record.SignatureQualified: "a qualified electronic one on each document",
			record.SignaturePaper: "a signed original on paper",
		}[*s.Signature])
	}
	if o := s.Originals; o != nil {
		f.add("originals", map[bool]string{true: "on paper", false: "not needed"}[o.Required])
		for _, w := range o.Waived {
			f.add("", fmt.Sprintf("not from %s: %s", w.State, w.Instrument))
		}
	}
	if s.SealedBytes != nil {
		f.add("parcels", "up to "+bytes(*s.SealedBytes))
	}
}

func (f *facts) hours(l *control.Listing) {
	h := l.Particulars.Hours
	if h == nil {
		return
	}
	now := ""
	if l.Open != nil {
		now = map[bool]string{true: ", open now", false: ", closed now"}[*l.Open]
	}
	f.add("hours", h.Zone+now)
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
		f.add("", line)
	}
	f.add("closed on", joined(h.Holidays))
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
