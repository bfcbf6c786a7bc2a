package directory

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"comity/protocol"
	"comity/protocol/parcel"
	"comity/protocol/record"
)

// column is one column of the table: how a cell is written, and how it is read.
// A cell that holds a list has one element a line, which no element can contain.
type column struct {
	name  string
	write func(l *Listing) string
	read  func(l *Listing, cell string) error
}

// columns are those of the table, in its order. They follow what public
// directories of competent authorities ask for.
var columns = []column{
	{"authority", func(l *Listing) string { return string(l.Authority) }, func(l *Listing, s string) error {
		err := l.Authority.UnmarshalText([]byte(s))
		l.State = l.Authority.State()
		return err
	}},
	{"state name", func(l *Listing) string { return writeNames(l.StateName) }, func(l *Listing, s string) error { return readNames(&l.StateName, s) }},
	{"name", func(l *Listing) string { return writeNames(l.Name) }, func(l *Listing, s string) error { return readNames(&l.Name, s) }},
	{"territory", func(l *Listing) string { return writeNames(l.Particulars.Territory) }, func(l *Listing, s string) error { return readNames(&l.Particulars.Territory, s) }},
	{
		"competent under (instrument | articles | functions)", func(l *Listing) string { return writeLines(l.Particulars.Competences, writeCompetence) },
		func(l *Listing, s string) error { return readLines(&l.Particulars.Competences, s, readCompetence) },
	},
	{
		"kinds", func(l *Listing) string { return writeLines(l.Particulars.Kinds, same[parcel.Kind]) },
		func(l *Listing, s string) error {
			return readLines(&l.Particulars.Kinds, s, func(k *parcel.Kind, s string) error { return k.UnmarshalText([]byte(s)) })
		},
	},
	{
		"languages", func(l *Listing) string { return writeLines(l.Particulars.Languages, writeLanguage) },
		func(l *Listing, s string) error { return readLines(&l.Particulars.Languages, s, readLanguage) },
	},
	{"translation", func(l *Listing) string { return orEmpty(l.Particulars.Translation) }, func(l *Listing, s string) error {
		return readText(&l.Particulars.Translation, s, (*record.Translation).UnmarshalText)
	}},
	{"signature", func(l *Listing) string { return orEmpty(l.Particulars.Signature) }, func(l *Listing, s string) error {
		return readText(&l.Particulars.Signature, s, (*record.Signature).UnmarshalText)
	}},
	{"originals on paper", writeOriginals, readOriginals},
	{
		"channels", func(l *Listing) string { return writeLines(l.Particulars.Channels, writeChannel) },
		func(l *Listing, s string) error { return readLines(&l.Particulars.Channels, s, readChannel) },
	},
	{"if urgent", func(l *Listing) string { return writeNames(l.Particulars.Urgent) }, func(l *Listing, s string) error { return readNames(&l.Particulars.Urgent, s) }},
	{"hours", writeHours, readHours},
	{"closed on", writeHolidays, readHolidays},
	{"duty desk", writeDesk, readDesk},
	{
		"postal address", func(l *Listing) string { return writeLines(l.Particulars.Contact.Post, same[string]) },
		func(l *Listing, s string) error { return readLines(&l.Particulars.Contact.Post, s, readString) },
	},
	{
		"telephones", func(l *Listing) string { return writeLines(l.Particulars.Contact.Phones, same[string]) },
		func(l *Listing, s string) error { return readLines(&l.Particulars.Contact.Phones, s, readString) },
	},
	{
		"mailboxes", func(l *Listing) string { return writeLines(l.Particulars.Contact.Mailboxes, same[string]) },
		func(l *Listing, s string) error { return readLines(&l.Particulars.Contact.Mailboxes, s, readString) },
	},
	{"largest parcel (bytes)", writeSize, readSize},
	{"conditions", func(l *Listing) string { return writeNames(l.Particulars.Conditions) }, func(l *Listing, s string) error { return readNames(&l.Particulars.Conditions, s) }},
	{"last confirmed", func(l *Listing) string {
		if l.Confirmed.IsZero() {
			return ""
		}
		return l.Confirmed.String()
	}, func(l *Listing, s string) error {
		if s == "" {
			return nil
		}
		return l.Confirmed.UnmarshalText([]byte(s))
	}},
}

// WriteCSV writes listings as a table, in their order.
func WriteCSV(all []Listing) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	head := make([]string, len(columns))
	for i, c := range columns {
		head[i] = c.name
	}
	if err := w.Write(head); err != nil {
		return nil, err
	}
	for _, l := range all {
		if l.Particulars == nil {
			l.Particulars = new(record.Particulars)
		}
		row := make([]string, len(columns))
		for i, c := range columns {
			row[i] = guarded(c.write(&l))
		}
		if err := w.Write(row); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// ReadCSV reads such a table: then writing it again gives the same bytes, if
// WriteCSV wrote it. Errors are *protocol.Refusal and name row and column; nothing
// of a table with an error is to be used.
func ReadCSV(data []byte) ([]Listing, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))))
	r.FieldsPerRecord = len(columns)
	var all []Listing
	for row := 1; ; row++ {
		cells, err := r.Read()
		switch {
		case errors.Is(err, io.EOF) && row == 1:
			return nil, protocol.Refuse(protocol.Malformed, "the table is empty")
		case errors.Is(err, io.EOF):
			return once(all)
		case err != nil:
			return nil, protocol.Refuse(protocol.Malformed, "no table of %d columns: %v", len(columns), err)
		case row == 1:
			if err := checkHead(cells); err != nil {
				return nil, err
			}
			continue
		case len(all) == protocol.MaxListings:
			return nil, protocol.Refuse(protocol.TooLarge, "more than %d authorities", protocol.MaxListings)
		}
		l, err := readRow(cells)
		if err != nil {
			line, _ := r.FieldPos(0)
			return nil, protocol.Refuse(protocol.Malformed, "row %d (line %d): %s", row, line, detail(err))
		}
		all = append(all, l)
	}
}

func checkHead(cells []string) error {
	for i, c := range columns {
		if cells[i] != c.name {
			return protocol.Refuse(protocol.Malformed, "column %d is %s, want %q: an export shows the columns", i+1, protocol.Quote([]byte(cells[i])), c.name)
		}
	}
	return nil
}

func readRow(cells []string) (Listing, error) {
	l := Listing{Particulars: new(record.Particulars)}
	for i, c := range columns {
		if err := c.read(&l, unguarded(cells[i])); err != nil {
			return l, fmt.Errorf("column %q: %s", c.name, detail(err))
		}
	}
	e := entryOf(&l)
	return e.listing()
}

// detail is an error without its reason code.
func detail(err error) string {
	var r *protocol.Refusal
	if errors.As(err, &r) {
		return r.Detail
	}
	return err.Error()
}

// formulas are first characters that make a spreadsheet compute a cell. Foreign
// text must not, and a telephone number must keep its plus sign, so such cells
// begin with an apostrophe, which is not of the text.
const formulas = "=+-@'"

func guarded(cell string) string {
	if cell != "" && strings.ContainsRune(formulas, rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

func unguarded(cell string) string {
	if len(cell) > 1 && cell[0] == '\'' && strings.ContainsRune(formulas, rune(cell[1])) {
		return cell[1:]
	}
	return cell
}

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
	parts := strings.Split(s, between)
	if len(parts) < 3 {
		return fmt.Errorf("%s: want instrument | articles | functions, such as %q", protocol.Quote([]byte(s)), "UNTOC | 16, 18 | extradition")
	}
	n := len(parts) - 2
	c.Instrument = strings.Join(parts[:n], between)
	if err := readLines(&c.Articles, strings.ReplaceAll(parts[n], ", ", "\n"), readString); err != nil {
		return err
	}
	return readLines(&c.Functions, strings.ReplaceAll(parts[n+1], ", ", "\n"), func(t *record.Term, s string) error { return t.UnmarshalText([]byte(s)) })
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
