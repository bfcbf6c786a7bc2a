package directory

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
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
	r.FieldsPerRecord = -1 // checkCount says more about a row that is too short or too long
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
		}
		line, _ := r.FieldPos(0)
		if err := checkCount(row, line, cells); err != nil {
			return nil, err
		}
		switch {
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
			return nil, protocol.Refuse(protocol.Malformed, "row %d (line %d): %s", row, line, detail(err))
		}
		all = append(all, l)
	}
}

// checkCount refuses a row with another number of cells than the table has columns.
// Many spreadsheets separate them by semicolons or tabs.
func checkCount(row, line int, cells []string) error {
	if len(cells) == len(columns) {
		return nil
	}
	if row == 1 {
		for separator, name := range map[string]string{";": "semicolons", "\t": "tabs"} {
			if all := strings.Split(strings.Join(cells, ","), separator); len(all) >= len(columns) {
				return protocol.Refuse(protocol.Malformed, "the columns are separated by %s, want commas", name)
			}
		}
	}
	has := "1 column"
	if len(cells) != 1 {
		has = fmt.Sprintf("%d columns", len(cells))
	}
	return protocol.Refuse(protocol.Malformed, "row %d (line %d) has %s, want %d, from %q to %q", row, line, has, len(columns), columns[0].name, columns[len(columns)-1].name)
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
