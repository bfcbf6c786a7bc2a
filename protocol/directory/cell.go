package directory

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"comity/protocol"
	"comity/protocol/record"
)

// What stands in one cell of the table, and how it is read back.

// formulas are first characters that make a spreadsheet compute a cell. Foreign
// text must not, and a telephone number must keep its plus sign, so before such a
// character stands an apostrophe, which is not of the text. A cell may begin anew
// after each of separators: in much of Europe spreadsheets split at semicolons, in
// quotes or not.
const (
	formulas   = "=+-@'"
	separators = ";\t\r\n"
)

func guarded(cell string) string {
	var b strings.Builder
	for i := range len(cell) {
		if begins(cell, i) && strings.IndexByte(formulas, cell[i]) >= 0 {
			b.WriteByte('\'')
		}
		b.WriteByte(cell[i])
	}
	return b.String()
}

// unguarded is what guarded was given. Of another's table, an apostrophe that guards
// nothing stays.
func unguarded(cell string) string {
	var b strings.Builder
	for i := range len(cell) {
		guards := begins(cell, i) && cell[i] == '\'' && i+1 < len(cell) && strings.IndexByte(formulas, cell[i+1]) >= 0
		if !guards {
			b.WriteByte(cell[i])
		}
	}
	return b.String()
}

// begins reports whether a spreadsheet may begin a cell at a byte.
func begins(cell string, i int) bool { return i == 0 || strings.IndexByte(separators, cell[i-1]) >= 0 }

// writeLines writes a list, one element a line.
func writeLines[T any](list []T, write func(T) string) string {
	lines := make([]string, len(list))
	for i, one := range list {
		lines[i] = write(one)
	}
	return strings.Join(lines, "\n")
}

func readLines[T any](to *[]T, cell string, read func(*T, string) error) error {
	if cell == "" {
		return nil
	}
	for line := range strings.SplitSeq(cell, "\n") {
		var one T
		if err := read(&one, line); err != nil {
			return err
		}
		*to = append(*to, one)
	}
	return nil
}

func same[T ~string](s T) string { return string(s) }

func readString(to *string, s string) error { *to = s; return nil }

func orEmpty[T ~string](s *T) string {
	if s == nil {
		return ""
	}
	return string(*s)
}

func readText[T any](to **T, s string, read func(*T, []byte) error) error {
	if s == "" {
		return nil
	}
	*to = new(T)
	return read(*to, []byte(s))
}

// A name is its language, a space, and the text.
func writeNames(names []record.Name) string {
	return writeLines(names, func(n record.Name) string { return n.Language + " " + n.Text })
}

func readNames(to *[]record.Name, cell string) error {
	return readLines(to, cell, func(n *record.Name, s string) error {
		language, text, found := strings.Cut(s, " ")
		if !found {
			return fmt.Errorf("%s: want a language and the text, such as %q", protocol.Quote([]byte(s)), "en Central Authority")
		}
		n.Language, n.Text = language, text
		return nil
	})
}

// A competence is instrument, articles and functions. Only the instrument can
// have the sign that stands between them.
const between = " | "

func writeCompetence(c record.Competence) string {
	return c.Instrument + between + strings.Join(c.Articles, ", ") + between + strings.ReplaceAll(writeLines(c.Functions, same[record.Term]), "\n", ", ")
}

func readCompetence(c *record.Competence, s string) error {
	// From the end: an instrument may end in the sign, too.
	second := strings.LastIndex(s, between)
	first := strings.LastIndex(s[:max(second, 0)], between)
	if first < 0 {
		return fmt.Errorf("%s: want instrument | articles | functions, such as %q", protocol.Quote([]byte(s)), "UNTOC | 16, 18 | extradition")
	}
	c.Instrument = s[:first]
	articles, functions := s[first+len(between):second], s[second+len(between):]
	if err := readLines(&c.Articles, strings.ReplaceAll(articles, ", ", "\n"), readString); err != nil {
		return err
	}
	return readLines(&c.Functions, strings.ReplaceAll(functions, ", ", "\n"), func(t *record.Term, s string) error { return t.UnmarshalText([]byte(s)) })
}

// urgentOnly is written behind what is taken only when it is urgent.
const urgentOnly = " (only if urgent)"

func writeLanguage(l record.Language) string {
	if l.UrgentOnly {
		return l.Language + urgentOnly
	}
	return l.Language
}

func readLanguage(l *record.Language, s string) error {
	l.Language, l.UrgentOnly = strings.CutSuffix(s, urgentOnly)
	return nil
}

// A channel is its name and, behind a colon, its address.
func writeChannel(c record.Channel) string {
	s := string(c.Channel)
	if c.UrgentOnly {
		s += urgentOnly
	}
	if c.Address != nil {
		s += ": " + *c.Address
	}
	return s
}

func readChannel(c *record.Channel, s string) error {
	name, address, found := strings.Cut(s, ": ")
	if found {
		c.Address = &address
	}
	name, c.UrgentOnly = strings.CutSuffix(name, urgentOnly)
	return c.Channel.UnmarshalText([]byte(name))
}

// Originals are a word, and below it the states from which they are not needed.
func writeOriginals(l *Listing) string {
	o := l.Particulars.Originals
	if o == nil {
		return ""
	}
	lines := []string{map[bool]string{true: "required", false: "not required"}[o.Required]}
	for _, w := range o.Waived {
		lines = append(lines, "not from "+string(w.State)+": "+w.Instrument)
	}
	return strings.Join(lines, "\n")
}

func readOriginals(l *Listing, cell string) error {
	if cell == "" {
		return nil
	}
	first, rest, _ := strings.Cut(cell, "\n")
	o := &record.Originals{Required: first == "required"}
	if !o.Required && first != "not required" {
		return fmt.Errorf("%s: want required or not required", protocol.Quote([]byte(first)))
	}
	l.Particulars.Originals = o
	return readLines(&o.Waived, rest, func(w *record.Waiver, s string) error {
		state, instrument, found := strings.Cut(strings.TrimPrefix(s, "not from "), ": ")
		if !found || !strings.HasPrefix(s, "not from ") {
			return fmt.Errorf("%s: want a form like %q", protocol.Quote([]byte(s)), "not from xb: Exchange of notes of 2025")
		}
		w.Instrument = instrument
		return w.State.UnmarshalText([]byte(state))
	})
}

// Hours are the time zone and, below it, the openings.
func writeHours(l *Listing) string {
	h := l.Particulars.Hours
	if h == nil {
		return ""
	}
	lines := []string{h.Zone}
	for _, o := range h.Openings {
		lines = append(lines, fmt.Sprintf("%s %s-%s", o.Day, o.From, o.Until))
	}
	return strings.Join(lines, "\n")
}

func readHours(l *Listing, cell string) error {
	if cell == "" {
		return nil
	}
	zone, rest, _ := strings.Cut(cell, "\n")
	h := &record.Hours{Zone: zone}
	l.Particulars.Hours = h
	return readLines(&h.Openings, rest, func(o *record.Opening, s string) error {
		day, span, _ := strings.Cut(s, " ")
		from, until, _ := strings.Cut(span, "-")
		for _, err := range []error{o.Day.UnmarshalText([]byte(day)), o.From.UnmarshalText([]byte(from)), o.Until.UnmarshalText([]byte(until))} {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func writeHolidays(l *Listing) string {
	if l.Particulars.Hours == nil {
		return ""
	}
	return writeLines(l.Particulars.Hours.Holidays, same[record.Date])
}

func readHolidays(l *Listing, cell string) error {
	if cell == "" {
		return nil
	}
	if l.Particulars.Hours == nil {
		return errors.New("days on which it is closed, and no hours with a time zone")
	}
	return readLines(&l.Particulars.Hours.Holidays, cell, func(d *record.Date, s string) error { return d.UnmarshalText([]byte(s)) })
}

// A duty desk is reached by telephone or mailbox, and speaks languages.
func writeDesk(l *Listing) string {
	d := l.Particulars.Desk
	if d == nil {
		return ""
	}
	lines := slices.Concat(d.Phones, d.Mailboxes)
	if len(d.Languages) > 0 {
		lines = append(lines, "speaks "+strings.Join(d.Languages, ", "))
	}
	return strings.Join(lines, "\n")
}

func readDesk(l *Listing, cell string) error {
	if cell == "" {
		return nil
	}
	d := new(record.Desk)
	l.Particulars.Desk = d
	for line := range strings.SplitSeq(cell, "\n") {
		languages, speaks := strings.CutPrefix(line, "speaks ")
		switch {
		case speaks:
			d.Languages = append(d.Languages, strings.Split(languages, ", ")...)
		case strings.Contains(line, "@"):
			d.Mailboxes = append(d.Mailboxes, line)
		default:
			d.Phones = append(d.Phones, line)
		}
	}
	return nil
}

func writeSize(l *Listing) string {
	if l.Particulars.SealedBytes == nil {
		return ""
	}
	return strconv.FormatInt(*l.Particulars.SealedBytes, 10)
}

func readSize(l *Listing, cell string) error {
	if cell == "" {
		return nil
	}
	n, err := strconv.ParseInt(cell, 10, 64)
	if err != nil {
		return fmt.Errorf("%s: want a number", protocol.Quote([]byte(cell)))
	}
	l.Particulars.SealedBytes = &n
	return nil
}
