package record

import (
	"comity/protocol"
)

// Language is one that an authority takes.
type Language struct {
	Language string `json:"language"`
	// UrgentOnly says that it takes this one only when it is urgent.
	UrgentOnly bool `json:"urgent_only"`
}

// Translation is what an authority asks of a text in a language that it does not take.
type Translation string

// What it may ask.
const (
	TranslationNone      Translation = "none"      // it reads the text as it is
	TranslationPlain     Translation = "plain"     // any translation
	TranslationCertified Translation = "certified" // one by a sworn or official translator
)

// UnmarshalText refuses a word that is not in the closed list (R-DIR-3).
func (t *Translation) UnmarshalText(b []byte) error {
	switch v := Translation(b); v {
	case TranslationNone, TranslationPlain, TranslationCertified:
		*t = v
		return nil
	}
	return protocol.Refuse(protocol.Malformed, "translation %s: want none, plain or certified", protocol.Quote(b))
}

// Signature is what an authority asks of the documents in a parcel, beside the
// signature that every parcel has.
type Signature string

// What it may ask.
const (
	SignatureParcel    Signature = "parcel"    // that of the parcel is enough
	SignatureQualified Signature = "qualified" // each document with an electronic signature that its law takes for one by hand
	SignaturePaper     Signature = "paper"     // a signed original on paper
)

// UnmarshalText refuses a word that is not in the closed list (R-DIR-3).
func (s *Signature) UnmarshalText(b []byte) error {
	switch v := Signature(b); v {
	case SignatureParcel, SignatureQualified, SignaturePaper:
		*s = v
		return nil
	}
	return protocol.Refuse(protocol.Malformed, "signature %s: want parcel, qualified or paper", protocol.Quote(b))
}

// Originals says whether an authority needs the originals on paper, and with
// whom it has agreed that it does not.
type Originals struct {
	Required bool     `json:"required"`
	Waived   []Waiver `json:"waived" max:"256"`
}

// Waiver is an arrangement by which originals from one state are not needed.
type Waiver struct {
	State      protocol.StateID `json:"state"`
	Instrument string           `json:"instrument"` // by which treaty, law or exchange of notes
}

// languages, originals and notes carry out R-DIR-3.
func (c *checks) languages(list []Language) {
	seen := make(map[string]bool)
	for _, l := range list {
		c.require(languageForm.MatchString(l.Language), "language %s: want a form like fr, ar-EG or zh-Hant", quote(l.Language))
		c.require(!seen[l.Language], "the language %s is listed twice", quote(l.Language))
		seen[l.Language] = true
	}
}

func (c *checks) originals(o *Originals) {
	if o == nil {
		return
	}
	seen := make(map[protocol.StateID]bool)
	for _, w := range o.Waived {
		c.require(!seen[w.State], "two arrangements on originals with the state %s", w.State)
		seen[w.State] = true
		c.require(isName(w.Instrument), "arrangement with %s: want its name on one line of 1 to %d bytes", w.State, protocol.MaxName)
	}
}

// notes are texts of one line, in each language one.
func (c *checks) notes(what string, notes []Name) {
	seen := make(map[string]bool)
	for _, n := range notes {
		c.require(languageForm.MatchString(n.Language), "%s: language %s: want a form like fr, ar-EG or zh-Hant", what, quote(n.Language))
		c.require(!seen[n.Language], "%s: two notes in the language %s", what, quote(n.Language))
		seen[n.Language] = true
		c.require(isLine(n.Text, protocol.MaxNote), "%s: the note in %s: want one line of 1 to %d bytes without invisible characters or spaces at the ends", what, n.Language, protocol.MaxNote)
	}
}
