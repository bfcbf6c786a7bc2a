package record

import (
	"comity/protocol"
	"comity/protocol/parcel"
	"comity/protocol/statement"
)

// AuthorityType2 is the type of an entry that has particulars. One of
// AuthorityType stays what it is for ever, and an authority that has told
// nothing of itself goes on with it.
const AuthorityType2 = "comity/authority/v2"

// Particulars are what an authority says of itself: for what it is competent,
// what it requires, how and when it is reached. Nothing in them decides about a
// signature or a key. An empty list or a nil says that the authority has not
// told; nobody may read it as a no.
type Particulars struct {
	// Territory is the part of the state that it is for, one name in each language;
	// empty: all of it, or not told.
	Territory   []Name       `json:"territory" max:"16"`
	Competences []Competence `json:"competences" max:"64"`
	// Kinds are the kinds of messages with which a case may begin there.
	Kinds     []parcel.Kind `json:"kinds" max:"128"`
	Languages []Language    `json:"languages" max:"16"` // the one it likes best first
	// Translation is what it asks of a text in another language.
	Translation *Translation `json:"translation"`
	Signature   *Signature   `json:"signature"`
	Originals   *Originals   `json:"originals"`
	Channels    []Channel    `json:"channels" max:"16"` // the one it likes best first
	// Urgent says in words what to do when it is urgent, one note in each language.
	Urgent  []Name  `json:"urgent" max:"16"`
	Hours   *Hours  `json:"hours"`
	Desk    *Desk   `json:"desk"`
	Contact Contact `json:"contact"`
	// SealedBytes is the largest sealed parcel that it wants. Its node's own limit
	// holds beside it.
	SealedBytes *int64 `json:"sealed_bytes"`
	// Conditions are whatever else a request has to fulfil, one note in each language.
	Conditions []Name `json:"conditions" max:"16"`
}

// particular is an entry of AuthorityType2 as it is written.
type particular struct {
	Authority
	Confirmed   protocol.Time `json:"confirmed"`
	Particulars Particulars   `json:"particulars"`
}

// document is what is written of an entry: with particulars it has the second type.
func (a *Authority) document() any {
	document := *a
	if a.Particulars == nil {
		document.Type = AuthorityType
		return &document
	}
	document.Type = AuthorityType2
	return &particular{document, a.Confirmed, *a.Particulars}
}

// decodeAuthority reads an entry of either type.
func decodeAuthority(doc []byte) (*Authority, error) {
	p := new(particular)
	if !isGrown(doc) {
		err := statement.Decode(doc, AuthorityType, protocol.MaxAuthorityEntry, &p.Authority)
		return &p.Authority, err
	}
	err := statement.Decode(doc, AuthorityType2, protocol.MaxAuthorityEntry, p)
	a := p.Authority
	a.Confirmed, a.Particulars = p.Confirmed, &p.Particulars
	return &a, err
}

// isGrown reports whether a document is to be read as an entry with particulars,
// which one of a version to come is, too: it hears that version 2 is the newest
// here.
func isGrown(doc []byte) bool {
	if len(doc) > protocol.MaxAuthorityEntry { // R-DOC-1: not even its type is looked for
		return false
	}
	typ, err := statement.TypeOf(doc)
	return err == nil && typ != AuthorityType
}

// Validate checks R-DIR-2 to R-DIR-5. Errors are *protocol.Refusal.
func (p *Particulars) Validate() error {
	c := checks{subject: "particulars"}
	c.particulars(p)
	return c.err
}

// particulars carries out R-DIR-2 to R-DIR-5.
func (c *checks) particulars(p *Particulars) {
	if len(p.Territory) > 0 {
		c.names(p.Territory)
	}
	c.competences(p.Competences)
	c.kinds(p.Kinds)
	c.languages(p.Languages)
	c.originals(p.Originals)
	c.channels(p.Channels)
	c.notes("what to do when it is urgent", p.Urgent)
	c.hours(p.Hours)
	c.desk(p.Desk)
	c.contact(&p.Contact)
	c.require(p.SealedBytes == nil || *p.SealedBytes >= 1 && *p.SealedBytes <= protocol.MaxSealed, "wants parcels of up to a number of bytes that no parcel has")
	c.notes("conditions", p.Conditions)
}

func (c *checks) kinds(kinds []parcel.Kind) {
	seen := make(map[parcel.Kind]bool)
	for _, k := range kinds {
		c.require(!seen[k], "the kind %s is listed twice", k)
		seen[k] = true
	}
}
