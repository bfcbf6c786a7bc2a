package record

import (
	"regexp"
	"strings"

	"comity/protocol"
)

// Channel is one way on which an authority takes requests.
type Channel struct {
	Channel Term `json:"channel"`
	// UrgentOnly says that it takes them this way only when it is urgent.
	UrgentOnly bool `json:"urgent_only"`
	// Address is where to write or call on this way; nil: the authority's contact.
	Address *string `json:"address"`
}

// ChannelNames are the ways that have a name.
func ChannelNames() []Term {
	return []Term{"gateway", "central-authority", "diplomatic", "interpol", "post", "courier", "e-mail", "fax", "telephone"}
}

// Desk is reached at any hour of any day.
type Desk struct {
	Phones    []string `json:"phones" max:"8"`
	Mailboxes []string `json:"mailboxes" max:"8"`
	Languages []string `json:"languages" max:"16"` // that are spoken there
}

// Contact is how an authority is reached outside the gateway.
type Contact struct {
	Post      []string `json:"post" max:"8"` // lines of its postal address, as they stand on an envelope
	Phones    []string `json:"phones" max:"8"`
	Mailboxes []string `json:"mailboxes" max:"8"` // of the office, never of a person
}

var (
	// phoneForm is a number that can be dialled from every state: + and digits,
	// with single spaces where people pause.
	phoneForm = regexp.MustCompile(`^\+[1-9]( ?[0-9]){3,20}$`)
	localForm = regexp.MustCompile(`^[A-Za-z0-9_%+-]+(\.[A-Za-z0-9_%+-]+)*$`)
)

// channels, desk and contact carry out R-DIR-4.
func (c *checks) channels(list []Channel) {
	seen := make(map[Term]bool)
	for _, ch := range list {
		c.require(!seen[ch.Channel], "the channel %s is listed twice", ch.Channel)
		seen[ch.Channel] = true
		c.require(ch.Address == nil || isLine(*ch.Address, protocol.MaxLine), "the address of the channel %s: want one line of 1 to %d bytes", ch.Channel, protocol.MaxLine)
	}
}

func (c *checks) desk(d *Desk) {
	if d == nil {
		return
	}
	c.require(len(d.Phones)+len(d.Mailboxes) > 0, "a duty desk without a telephone number and without a mailbox")
	c.reach("the duty desk", d.Phones, d.Mailboxes)
	seen := make(map[string]bool)
	for _, l := range d.Languages {
		c.require(languageForm.MatchString(l), "the duty desk: language %s: want a form like fr, ar-EG or zh-Hant", quote(l))
		c.require(!seen[l], "the duty desk: the language %s is listed twice", quote(l))
		seen[l] = true
	}
}

func (c *checks) contact(to *Contact) {
	for _, l := range to.Post {
		c.require(isLine(l, protocol.MaxLine), "postal address: line %s: want 1 to %d bytes without invisible characters or spaces at the ends", quote(l), protocol.MaxLine)
	}
	c.reach("contact", to.Phones, to.Mailboxes)
}

func (c *checks) reach(what string, phones, mailboxes []string) {
	seen := make(map[string]bool)
	for _, p := range phones {
		c.require(phoneForm.MatchString(p), "%s: telephone %s: want a form like +999 12 3456, with the code of the country", what, quote(p))
		c.require(!seen[p], "%s: the telephone %s is listed twice", what, quote(p))
		seen[p] = true
	}
	for _, m := range mailboxes {
		c.require(isMailbox(m), "%s: mailbox %s: want a form like office@justice.example", what, quote(m))
		c.require(!seen[m], "%s: the mailbox %s is listed twice", what, quote(m))
		seen[m] = true
	}
}

// isMailbox accepts what every mail program reads alike: no comment, quote or
// letter outside ASCII, in which one address could pass for another.
func isMailbox(s string) bool {
	local, host, found := strings.Cut(s, "@")
	return found && len(s) <= protocol.MaxLine && localForm.MatchString(local) && isHostName(host) && strings.Contains(host, ".")
}
