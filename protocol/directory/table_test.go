package directory

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"comity/protocol"
	"comity/protocol/parcel"
	"comity/protocol/record"

	"github.com/google/go-cmp/cmp"
)

// imported are listings in which every column has something that could be read in two ways.
func imported() []Listing {
	limit, address := int64(2<<30), "+999 1; \"Bureau\", x: y"
	translation, signature := record.TranslationNone, record.SignaturePaper
	full := Listing{
		Authority: "xd/ministry-of-justice", State: "xd", StateName: names("en=State D|ar=دولة د"), Name: names("en==HYPERLINK(\"x\")|fr=Ministère;=A1; de la \"Justice\";'+2"),
		Confirmed: protocol.At(now),
		Particulars: &record.Particulars{
			Territory: names("en=-islands"),
			Competences: []record.Competence{
				{Instrument: "Treaty A | B, C", Articles: []string{"16", "18(13)"}, Functions: []record.Term{"extradition", "asset-recovery"}},
				{Instrument: "Law 1"},
				{Instrument: "| Law 2 |", Functions: []record.Term{"terrorism"}},
			},
			Kinds:       []parcel.Kind{parcel.KindRequest, parcel.KindDraftShared},
			Languages:   []record.Language{{Language: "fr"}, {Language: "en", UrgentOnly: true}},
			Translation: &translation, Signature: &signature,
			Originals:   &record.Originals{Waived: []record.Waiver{{State: "xb", Instrument: "not from xa: notes"}}},
			Channels:    []record.Channel{{Channel: "diplomatic"}, {Channel: "fax", UrgentOnly: true, Address: &address}, {Channel: "post", Address: &address}},
			Urgent:      names("en=call (only if urgent): now"),
			Hours:       &record.Hours{Zone: "Africa/Cairo", Openings: []record.Opening{{Day: "monday", From: "09:00", Until: "12:00"}, {Day: "monday", From: "13:00", Until: "24:00"}}, Holidays: []record.Date{"2026-12-25", "2027-01-01"}},
			Desk:        &record.Desk{Phones: []string{"+999 12 34"}, Mailboxes: []string{"desk@justice.example"}, Languages: []string{"fr", "en"}},
			Contact:     record.Contact{Post: []string{"'1 Square", "@home", "=1"}, Phones: []string{"+999 56 78", "+999 56 79"}, Mailboxes: []string{"a@b.example"}},
			SealedBytes: &limit,
			Conditions:  names("en=A, b; \"c\""),
		},
	}
	bare := Listing{Authority: "xe/court", State: "xe", StateName: names("en=State E"), Name: names("en=Court"), Particulars: &record.Particulars{}}
	few := Listing{
		Authority: "xf/court", State: "xf", StateName: names("en=State F"), Name: names("en=Court"), Particulars: &record.Particulars{
			Originals: &record.Originals{Required: true}, Hours: &record.Hours{Zone: "UTC"}, Desk: &record.Desk{Mailboxes: []string{"a@b.example"}},
		},
	}
	return []Listing{full, bare, few}
}

var formats = map[string]struct {
	write func([]Listing) ([]byte, error)
	read  func([]byte) ([]Listing, error)
}{"CSV": {WriteCSV, ReadCSV}, "JSON": {WriteJSON, ReadJSON}}

// What was written is read as it was, and written again has the same bytes.
func TestTableOutAndIn(t *testing.T) {
	for name, f := range formats {
		first, err := f.write(imported())
		if err != nil {
			t.Fatal(err)
		}
		read, err := f.read(first)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, first)
		}
		for i, l := range imported() {
			want, err := l.Encode()
			if err != nil {
				t.Fatal(err)
			}
			got, err := read[i].Encode()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s: %s (-written +read):\n%s", name, l.Authority, diff)
			}
			if again, err := Decode(got); err != nil || !again.Confirmed.Equal(l.Confirmed.Time) || again.State != l.State {
				t.Errorf("%s alone: %+v, %v", l.Authority, again, err)
			}
		}
		second, err := f.write(read)
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s: written again, %v (-first +second):\n%s", name, err, cmp.Diff(string(first), string(second)))
		}
	}
}

// No cell is one that a spreadsheet computes, whatever it splits lines at.
func TestTableHasNoFormulas(t *testing.T) {
	file, err := WriteCSV(imported())
	if err != nil {
		t.Fatal(err)
	}
	for _, comma := range ",;\t" {
		r := csv.NewReader(bytes.NewReader(file))
		r.Comma, r.LazyQuotes, r.FieldsPerRecord = comma, true, -1
		rows, err := r.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, cell := range slices.Concat(rows...) {
			for line := range strings.SplitSeq(cell, "\n") {
				if strings.IndexAny(line, "=+-@") == 0 {
					t.Errorf("split at %q, a cell begins with %q", comma, line)
				}
			}
		}
	}
}

// A mistake is named with its row and column, and nothing of the file counts.
func TestTableRefused(t *testing.T) {
	valid, err := WriteCSV(imported())
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(valid), "\n")
	for _, c := range []struct{ old, now, says string }{
		{"xe/court", "xe/Court", `row 3`},
		{"xe/court", "xd/ministry-of-justice", "xd/ministry-of-justice is listed twice"},
		{"en Court", "Court", `column "name"`},
		{"extradition", "Extradition", `column "competent under (instrument | articles | functions)": term "Extradition"`},
		{"Law 1 |  | ", "Law 1", "want instrument | articles | functions"},
		{"13:00-24:00", "13.00-24.00", `column "hours": time of day`},
		{"required", "yes", `want required or not required`},
		{"2026-12-25", "25.12.2026", `day "25.12.2026"`},
		{"state name", "country", `column 2 is "country", want "state name"`},
		{"en Court", "en Co\u0443rt", "letters of two scripts"},
		{",2147483648,", ",2 GB,", "want a number"},
		{"2026-11-27T10:00:00.000Z", "27.11.2026", `column "last confirmed"`},
		{"xe/court,", "xe/court,extra,", `row 3 (line 20) has 22 columns, want 21, from "authority" to "last confirmed"`},
		{head, "authority,name", `row 1 (line 1) has 2 columns, want 21, from "authority" to "last confirmed"`},
		{head, "authority", `row 1 (line 1) has 1 column, want 21`},
		{head, strings.ReplaceAll(head, ",", ";"), "the columns are separated by semicolons, want commas"},
		{head, strings.ReplaceAll(head, ",", "\t"), "the columns are separated by tabs, want commas"},
		{string(valid), "", "the table is empty"},
	} {
		if !strings.Contains(string(valid), c.old) {
			t.Fatalf("the table has no %q:\n%s", c.old, valid)
		}
		all, err := ReadCSV([]byte(strings.Replace(string(valid), c.old, c.now, 1)))
		if protocol.CodeOf(err) != protocol.Malformed || all != nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %d listings and %v; want it to say %s", c.now, len(all), err, c.says)
		}
	}
	// Line ends and a mark of other systems change nothing.
	other := append([]byte("\xEF\xBB\xBF"), bytes.ReplaceAll(valid, []byte("\n"), []byte("\r\n"))...)
	all, err := ReadCSV(other)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := WriteCSV(all); err != nil || !bytes.Equal(again, valid) {
		t.Errorf("with other line ends: %v\n%s", err, cmp.Diff(string(valid), string(again)))
	}
}

// Whatever a table says: what is read of it can be written, read, and written with the same bytes.
func FuzzReadCSV(f *testing.F) {
	valid, err := WriteCSV(imported())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(valid)
	f.Fuzz(func(t *testing.T, data []byte) { fuzzed(t, data, WriteCSV, ReadCSV) })
}

func FuzzReadJSON(f *testing.F) {
	valid, err := WriteJSON(imported())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(valid)
	f.Fuzz(func(t *testing.T, data []byte) { fuzzed(t, data, WriteJSON, ReadJSON) })
}

func fuzzed(t *testing.T, data []byte, write func([]Listing) ([]byte, error), read func([]byte) ([]Listing, error)) {
	t.Helper()
	all, err := read(data)
	if err != nil {
		if protocol.CodeOf(err) == "" {
			t.Errorf("foreign input led to an error without a reason code: %v", err)
		}
		return
	}
	first, err := write(all)
	if err != nil {
		t.Fatalf("write what was read: %v", err)
	}
	again, err := read(first)
	if err != nil {
		t.Fatalf("read again what was written: %v\n%s", err, first)
	}
	if second, err := write(again); err != nil || !bytes.Equal(first, second) {
		t.Errorf("written twice, %v:\n%s", err, cmp.Diff(string(first), string(second)))
	}
}
