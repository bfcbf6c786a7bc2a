package record

import (
	"regexp"
	"slices"

	"comity/protocol"
)

// Competence is what an authority may do under one instrument.
type Competence struct {
	// Instrument is a treaty, convention or law by the name that people know it by,
	// such as "UNTOC".
	Instrument string `json:"instrument"`
	// Articles are those under which it is competent, "18" or "18(13)"; empty: not told.
	Articles  []string `json:"articles" max:"64"`
	Functions []Term   `json:"functions" max:"32"`
}

// Term is a word of a list that may grow: lower-case letters and digits, joined
// by hyphens. A receiver takes terms that it does not know, so that a new one
// makes no record unreadable; our own commands write only those of Functions and
// ChannelNames.
type Term string

// Functions of an authority, by the matters for which public directories of
// competent authorities list them.
func Functions() []Term {
	return []Term{
		"mutual-legal-assistance", "extradition", "sentenced-persons", "transfer-of-proceedings", "joint-investigations", "asset-recovery",
		"freezing-and-confiscation", "service-of-documents", "expedited-preservation", "spontaneous-information", "duty-network",
		"migrant-smuggling-by-sea", "drugs-at-sea", "firearms-tracing", "cultural-property", "corruption-prevention", "corruption-civil-proceedings",
		"crime-prevention", "terrorism",
	}
}

var (
	termForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	// articleForm is an article as treaties count: 18, 18(13), 10bis, 29(2)(a).
	articleForm = regexp.MustCompile(`^[1-9][0-9]{0,3}[a-z]{0,8}(\([0-9a-z]{1,4}\)){0,4}$`)
)

// UnmarshalText refuses anything but a well-formed term (R-DIR-2).
func (t *Term) UnmarshalText(b []byte) error {
	if len(b) > protocol.MaxTerm || !termForm.Match(b) {
		return protocol.Refuse(protocol.Malformed, "term %s: want lower-case words joined by hyphens, such as joint-investigations", protocol.Quote(b))
	}
	*t = Term(b)
	return nil
}

// competences carries out R-DIR-2.
func (c *checks) competences(list []Competence) {
	seen := make(map[string]bool)
	for _, one := range list {
		c.require(isName(one.Instrument), "instrument %s: want one line of 1 to %d bytes without invisible characters", quote(one.Instrument), protocol.MaxName)
		c.require(!seen[one.Instrument], "the instrument %s is listed twice", quote(one.Instrument))
		seen[one.Instrument] = true
		for i, a := range one.Articles {
			c.require(articleForm.MatchString(a), "article %s: want a form like 18, 18(13) or 10bis", quote(a))
			c.require(!slices.Contains(one.Articles[:i], a), "article %s of %s is listed twice", quote(a), quote(one.Instrument))
		}
		for i, f := range one.Functions {
			c.require(!slices.Contains(one.Functions[:i], f), "the function %s under %s is listed twice", f, quote(one.Instrument))
		}
	}
}
