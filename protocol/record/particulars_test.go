package record

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/parcel"
	"comity/protocol/statement"

	"github.com/google/go-cmp/cmp"
)

// told are the particulars of an authority that has told everything.
func told() *Particulars {
	limit, address := int64(2<<30), "INTERPOL NCB Xa"
	translation, signature := TranslationCertified, SignatureParcel
	return &Particulars{
		Territory:   []Name{{"en", "Northern Territory"}, {"ar", "الإقليم الشمالي"}},
		Competences: []Competence{{"UNTOC", []string{"16", "18", "18(13)"}, []Term{"extradition", "mutual-legal-assistance"}}, {"Budapest Convention", []string{"29(2)(a)", "35"}, []Term{"duty-network"}}},
		Kinds:       []parcel.Kind{parcel.KindRequest, parcel.KindConsultationOpen},
		Languages:   []Language{{"fr", false}, {"ar-EG", false}, {"en", true}},
		Translation: &translation, Signature: &signature,
		Originals: &Originals{Required: true, Waived: []Waiver{{"xb", "Exchange of notes of 2025"}}},
		Channels:  []Channel{{"gateway", false, nil}, {"interpol", true, &address}},
		Urgent:    []Name{{"en", "Call the duty desk, then send with priority urgent."}},
		Hours: &Hours{
			Zone:     "Europe/Madrid",
			Openings: []Opening{{"monday", "09:00", "13:00"}, {"monday", "14:00", "17:30"}, {"friday", "09:00", "24:00"}},
			Holidays: []Date{"2026-12-25", "2027-01-01"},
		},
		Desk:        &Desk{Phones: []string{"+999 12 345 678"}, Mailboxes: []string{"desk@justice.xa.example"}, Languages: []string{"fr", "en"}},
		Contact:     Contact{Post: []string{"Central Authority", "1 Palace Square", "Xa"}, Phones: []string{"+99912345678"}, Mailboxes: []string{"central.authority@justice.xa.example"}},
		SealedBytes: &limit,
		Conditions:  []Name{{"en", "Extradition needs a treaty."}},
	}
}

// grown is the ordinary draft with particulars.
func grown() *draft {
	d := newDraft()
	d.authority.Particulars, d.authority.Confirmed = told(), d.authority.Created
	return d
}

func grownEntry(t testing.TB) string {
	t.Helper()
	return verified(t, grown()).record.Authorities[0].Document
}

// R-DIR-1 to R-DIR-5: what an authority says of itself comes back as it was said, in a record that is signed and followed as any other.
func TestParticulars(t *testing.T) {
	first := verified(t, newDraft())
	d := next(first)
	d.authority.Particulars, d.authority.Confirmed = told(), protocol.At(start.Add(time.Hour))
	d.authority.Sequence, d.authority.Created, d.entryAt = 2, protocol.At(start.Add(time.Hour)), start.Add(time.Hour)
	second, err := d.verify(first)
	if err != nil {
		t.Fatalf("a record with particulars follows one without: %v", err)
	}
	m, _ := second.Authority("xa/central-authority")
	if diff := cmp.Diff(told(), m.Document().Particulars); diff != "" {
		t.Errorf("particulars (-said +read):\n%s", diff)
	}
	if got := m.Document(); got.Type != AuthorityType2 || !got.Confirmed.Equal(d.authority.Confirmed.Time) {
		t.Errorf("an entry of type %s, confirmed %s", got.Type, got.Confirmed)
	}
	if m, _ = first.Authority("xa/central-authority"); m.Document().Particulars != nil || m.Document().Type != AuthorityType {
		t.Error("an entry of the first version has particulars")
	}
}

// An authority may tell nothing: then each list is empty and the rest null.
func TestParticularsOfWhoTellsNothing(t *testing.T) {
	d := newDraft()
	d.authority.Particulars, d.authority.Confirmed = &Particulars{}, d.authority.Created
	verified(t, d)
}

// The types of entries do not mix: neither takes the members of the other.
func TestEntryVersionsDoNotMix(t *testing.T) {
	two := grownEntry(t)
	_, err := ParseAuthority([]byte(strings.Replace(two, AuthorityType2, AuthorityType, 1)))
	wantCode(t, err, protocol.Malformed)
	one := verified(t, newDraft()).record.Authorities[0].Document
	_, err = ParseAuthority([]byte(strings.Replace(one, AuthorityType, AuthorityType2, 1)))
	wantCode(t, err, protocol.Malformed)
	_, err = ParseAuthority([]byte(strings.Replace(two, AuthorityType2, "comity/authority/v3", 1)))
	wantCode(t, err, protocol.UnsupportedVersion)
}

func TestParticularsRefused(t *testing.T) {
	valid := grownEntry(t)
	for _, test := range []struct{ name, old, now string }{
		{"R-DIR-2 term with a capital", `"extradition"`, `"Extradition"`},
		{"R-DIR-2 term with a Cyrillic letter", `"extradition"`, `"extraditi\u043en"`},
		{"R-DIR-2 long term", `"extradition"`, `"` + strings.Repeat("a", protocol.MaxTerm+1) + `"`},
		{"R-DIR-2 function twice", `"mutual-legal-assistance"`, `"extradition"`},
		{"R-DIR-2 instrument without a name", `"UNTOC"`, `""`},
		{"R-DIR-2 instrument turned round", `"UNTOC"`, `"UN\u202eCOT"`},
		{"R-DIR-2 instrument of two scripts", `"UNTOC"`, `"UNT\u041eC"`},
		{"R-DIR-2 instrument twice", `"UNTOC"`, `"Budapest Convention"`},
		{"R-DIR-2 article in words", `"18"`, `"art. 18"`},
		{"R-DIR-2 article zero", `"18"`, `"0"`},
		{"R-DIR-2 article twice", `"16"`, `"18"`},
		{"R-DIR-3 unknown kind", `"REQUEST"`, `"REQUESTS"`},
		{"R-DIR-3 kind twice", `"CONSULTATION_OPEN"`, `"REQUEST"`},
		{"R-DIR-3 language with a capital", `"language": "fr"`, `"language": "FR"`},
		{"R-DIR-3 language twice", `"language": "ar-EG"`, `"language": "fr"`},
		{"R-DIR-3 language neither only urgent nor not", `"urgent_only": false`, `"urgent_only": null`},
		{"R-DIR-3 unknown translation", `"certified"`, `"sworn"`},
		{"R-DIR-3 unknown signature", `"signature": "parcel"`, `"signature": "stamp"`},
		{"R-DIR-3 two waivers for a state", `"waived": [`, `"waived": [{"state": "xb", "instrument": "Another"},`},
		{"R-DIR-3 waiver by nothing", `"Exchange of notes of 2025"`, `" "`},
		{"R-DIR-3 waiver for no state", `"state": "xb"`, `"state": "XB"`},
		{"R-DIR-3 note of two lines", `"Extradition needs a treaty."`, `"one\ntwo"`},
		{"R-DIR-3 long note", `"Extradition needs a treaty."`, `"` + strings.Repeat("a", protocol.MaxNote+1) + `"`},
		{"R-DIR-3 two notes in a language", `"urgent": [`, `"urgent": [{"language": "en", "text": "Another."},`},
		{"R-DIR-3 territory of two scripts", `"Northern Territory"`, `"N\u043erthern Territory"`},
		{"R-DIR-4 channel twice", `"interpol"`, `"gateway"`},
		{"R-DIR-4 address of two lines", `"INTERPOL NCB Xa"`, `"a\nb"`},
		{"R-DIR-4 telephone without a country", `"+999 12 345 678"`, `"012 345 678"`},
		{"R-DIR-4 telephone in letters", `"+99912345678"`, `"+999 CALL"`},
		{"R-DIR-4 mailbox with a name", `"desk@justice.xa.example"`, `"Desk <desk@justice.xa.example>"`},
		{"R-DIR-4 mailbox of a lookalike", `"desk@justice.xa.example"`, `"desk@justice.x\u0430.example"`},
		{"R-DIR-4 mailbox twice", `"mailboxes": [`, `"mailboxes": ["desk@justice.xa.example",`},
		{"R-DIR-4 long line of an address", `"1 Palace Square"`, `"` + strings.Repeat("a", protocol.MaxLine+1) + `"`},
		{"R-DIR-5 zone with a path", `"Europe/Madrid"`, `"../../etc/passwd"`},
		{"R-DIR-5 weekday in capitals", `"monday"`, `"Monday"`},
		{"R-DIR-5 time of day beyond midnight", `"24:00"`, `"24:01"`},
		{"R-DIR-5 time of day without a zero", `"from": "09:00"`, `"from": "9:00"`},
		{"R-DIR-5 closes as it opens", `"from": "09:00"`, `"from": "13:00"`},
		{"R-DIR-5 openings overlap", `"14:00"`, `"12:59"`},
		{"R-DIR-5 openings out of order", `"friday"`, `"sunday","from": "01:00","until": "02:00"},{"day": "friday"`},
		{"R-DIR-5 day that no calendar has", `"2026-12-25"`, `"2026-02-29"`},
		{"R-DIR-5 holidays out of order", `"2026-12-25"`, `"2027-12-25"`},
		{"R-DIR-5 holiday twice", `"2026-12-25"`, `"2027-01-01"`},
		{"no sealed byte", `"sealed_bytes": 2147483648`, `"sealed_bytes": 0`},
		{"a member that is not of the format", `"territory": [`, `"fax": null, "territory": [`},
		{"a member that is missing", `"hours": {`, `"hour": {`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(valid, test.old) {
				t.Fatalf("the valid entry has no %s", test.old)
			}
			_, err := ParseAuthority([]byte(strings.Replace(valid, test.old, test.now, 1)))
			wantCode(t, err, protocol.Malformed)
		})
	}
	d := grown()
	d.authority.Particulars.Desk.Phones, d.authority.Particulars.Desk.Mailboxes = nil, nil
	_, err := d.verify(nil)
	wantCode(t, err, protocol.Malformed) // R-DIR-4: a desk that nobody reaches
	d = grown()
	d.authority.Confirmed = protocol.At(start.Add(protocol.MaxSkew + time.Second))
	_, err = d.verify(nil)
	wantCode(t, err, protocol.Malformed) // R-DIR-1
}

// A record beyond its limit is refused by its size, before anybody reads it (R-DOC-1).
func TestRecordOf50MB(t *testing.T) {
	huge := append(append([]byte("{\"type\":\"comity/record/v1\",\"state\":\""), bytes.Repeat([]byte("a"), 50_000_000)...), "\"}\n"...)
	for name, read := range map[string]func() error{
		"record":       func() error { _, err := Parse(huge); return err },
		"entry":        func() error { _, err := ParseAuthority(huge); return err },
		"introduction": func() error { _, err := DecodeIntroduction(huge); return err },
		"signed":       func() error { _, err := Verify(statement.Signed{Document: huge}, nil); return err },
	} {
		var err error
		if made := testing.AllocsPerRun(1, func() { err = read() }); made > 100 {
			t.Errorf("%s: %g allocations to refuse 50 MB; it was read", name, made)
		}
		wantCode(t, err, protocol.TooLarge)
	}
}

// An authority that tells all that fits into every list still has a record that others take.
func TestParticularsAtTheirLimits(t *testing.T) {
	d := grown()
	p := d.authority.Particulars
	p.Originals.Waived = nil
	for i := range protocol.MaxWaivers {
		p.Originals.Waived = append(p.Originals.Waived, Waiver{protocol.StateID([]byte{'a' + byte(i/26), 'a' + byte(i%26)}), "Second Additional Protocol"})
	}
	p.Hours.Holidays = nil
	for i := range protocol.MaxHolidays {
		p.Hours.Holidays = append(p.Hours.Holidays, Date(start.AddDate(0, 0, i).Format(time.DateOnly)))
	}
	verified(t, d)
}

func TestHoursOpen(t *testing.T) {
	zone := time.FixedZone("there", 2*3600)
	h := told().Hours
	for at, want := range map[string]bool{
		"2026-11-23T07:00:00Z": true,  // Monday 09:00
		"2026-11-23T06:59:59Z": false, // a second earlier
		"2026-11-23T11:00:00Z": false, // 13:00, noon break
		"2026-11-23T12:30:00Z": true,
		"2026-11-24T08:00:00Z": false, // Tuesday
		"2026-11-27T21:59:59Z": true,  // Friday, until midnight
		"2026-11-27T22:00:00Z": false, // Saturday there
		"2026-12-25T09:00:00Z": false, // a Friday, and a holiday
	} {
		when := must(time.Parse(time.RFC3339, at))
		if got := h.Open(when, zone); got != want {
			t.Errorf("open at %s: %v, want %v", at, got, want)
		}
	}
}
