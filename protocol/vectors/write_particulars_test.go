package vectors

import (
	"strings"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/parcel"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// told are the particulars of an authority that has told everything.
func told() *record.Particulars {
	limit, address := int64(2<<30), "NCB of State Xa"
	translation, signature := record.TranslationCertified, record.SignatureParcel
	return &record.Particulars{
		Territory: []record.Name{{Language: "en", Text: "The whole of Xa but its islands"}},
		Competences: []record.Competence{
			{Instrument: "UNTOC", Articles: []string{"16", "18", "18(13)"}, Functions: []record.Term{"extradition", "mutual-legal-assistance"}},
			{Instrument: "Budapest Convention", Articles: []string{"35"}, Functions: []record.Term{"duty-network"}},
		},
		Kinds:       []parcel.Kind{parcel.KindRequest, parcel.KindConsultationOpen},
		Languages:   []record.Language{{Language: "fr"}, {Language: "ar"}, {Language: "en", UrgentOnly: true}},
		Translation: &translation, Signature: &signature,
		Originals: &record.Originals{Required: true, Waived: []record.Waiver{{State: "xb", Instrument: "Exchange of notes of 2025"}}},
		Channels:  []record.Channel{{Channel: "gateway"}, {Channel: "interpol", UrgentOnly: true, Address: &address}},
		Urgent:    []record.Name{{Language: "en", Text: "Call the duty desk, then send with priority urgent."}},
		Hours: &record.Hours{
			Zone:     "Africa/Cairo",
			Openings: []record.Opening{{Day: "monday", From: "09:00", Until: "15:30"}, {Day: "sunday", From: "09:00", Until: "15:30"}},
			Holidays: []record.Date{"2026-12-25"},
		},
		Desk:        &record.Desk{Phones: []string{"+999 12 345 678"}, Languages: []string{"fr"}},
		Contact:     record.Contact{Post: []string{"1 Palace Square", "Xa"}, Phones: []string{"+999 12 345 670"}, Mailboxes: []string{"central.authority@justice.xa.example"}},
		SealedBytes: &limit,
		Conditions:  []record.Name{{Language: "en", Text: "Extradition needs a treaty."}},
	}
}

// grown makes an entry of the second version out of one of the first, whose keys it keeps.
func grown(w *writer, entry []byte) []byte {
	a := must(record.ParseAuthority(entry))
	text := string(must(statement.Encode(&struct {
		Type        string             `json:"type"`
		Confirmed   protocol.Time      `json:"confirmed"`
		Particulars record.Particulars `json:"particulars"`
	}{record.AuthorityType2, a.Created, *told()})))
	_, members, _ := strings.Cut(text, ",\n") // behind the type
	first := edit(w, entry, record.AuthorityType, record.AuthorityType2)
	return []byte(strings.TrimSuffix(string(first), "\n}\n") + ",\n" + members)
}

// particulars are examples of what an authority says of itself.
func (w *writer) particulars(entry []byte) {
	g := grown(w, entry)
	w.add("authority", "authority/particulars", "", "R-DIR-2", "an entry of the second version, with all particulars", doc(g))
	w.add("authority", "authority/particulars-to-come", protocol.UnsupportedVersion, "R-DOC-3", "an entry of a version to come", doc(edit(w, g, record.AuthorityType2, "comity/authority/v3")))
	w.add("authority", "authority/particulars-unknown-term", "", "R-DIR-2", "a function that this version of the list does not have", doc(edit(w, g, `"extradition"`, `"space-debris"`)))
	for _, c := range []struct{ name, rule, why, old, now string }{
		{"of-version-1", "R-DOC-4", "particulars in an entry of the first version", record.AuthorityType2, record.AuthorityType},
		{"confirmed-later", "R-DIR-1", "confirmed a year after it was signed", `"confirmed": "2026`, `"confirmed": "2027`},
		{"homoglyph", "R-DIR-2", "an instrument whose O is a Cyrillic letter", `"UNTOC"`, "\"UNT\u041EC\""},
		{"turned-round", "R-DIR-2", "an instrument with a mark that turns the direction of reading", `"UNTOC"`, "\"UN\u202ECOT\""},
		{"article", "R-DIR-2", "an article in words", `"18(13)"`, `"article 18"`},
		{"term", "R-DIR-2", "a term with a capital", `"extradition"`, `"Extradition"`},
		{"kind", "R-DIR-3", "a kind that no message has", `"REQUEST"`, `"ASK"`},
		{"translation", "R-DIR-3", "a word that is not in the closed list", `"certified"`, `"sworn"`},
		{"two-waivers", "R-DIR-3", "two arrangements with one state", `"waived": [`, `"waived": [{"state": "xb", "instrument": "Another"},`},
		{"mailbox", "R-DIR-4", "a mailbox whose host has a Cyrillic letter", "justice.xa.example", "justice.x\u0430.example"},
		{"telephone", "R-DIR-4", "a telephone number without the code of the country", "+999 12 345 678", "012 345 678"},
		{"overlap", "R-DIR-5", "the second opening stands before the first", `"day": "monday"`, `"day": "tuesday", "from": "09:00", "until": "10:00"}, {"day": "monday"`},
		{"no-such-day", "R-DIR-5", "a holiday that the calendar does not have", `"2026-12-25"`, `"2026-02-30"`},
	} {
		w.add("authority", "authority/particulars-"+c.name, protocol.Malformed, c.rule, c.why, doc(edit(w, g, c.old, c.now)))
	}
}

// grownRecord is the introduction of a state of its own, whose authority has particulars.
func (w *writer) grownRecord() {
	c := newCountry("xc", "State of Xc", "دولة إكسج", newOffice("xc/ministry-of-justice", "xc", "Ministry of Justice", "وزارة العدل", pgp.Ed25519))
	entry := c.office.entry
	entry.Particulars, entry.Confirmed = told(), entry.Created
	r := clone(c.draft)
	r.Authorities = []record.Entry{must(record.SignAuthority(&entry, c.office.keys.Primary, made))}
	file := must(record.EncodeIntroduction(must(record.SignRecord(&r, c.primary.Primary, made))))
	w.add("record-first", "record-first/particulars", "", "R-DIR-2", "the introduction of a state whose authority has told everything of itself", doc(file))
}
