package federation

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
	"comity/protocol/statement"
)

// CardType is the first member of a steward's card.
const CardType = "comity/steward/v1"

// MaxCard is the size of the largest card that is read, in bytes.
const MaxCard = 1 << 10

// stewardsMember is where a root says which keys are whose. TUF lets a root have
// members of others; no client decides anything by this one.
const stewardsMember = "x-comity-stewards"

// StewardName is what people call a steward: plain letters, because it names
// files and must not look like another one.
type StewardName string

var stewardForm = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// maxStewardName is how long such a name may be.
const maxStewardName = 32

// UnmarshalText refuses anything but small letters, digits and single hyphens.
func (n *StewardName) UnmarshalText(text []byte) error {
	if len(text) > maxStewardName || !stewardForm.Match(text) {
		return protocol.Refuse(protocol.Malformed, "the name of a steward is %s: want at most %d small letters and digits without accents, such as assembly-xa", protocol.Quote(text), maxStewardName)
	}
	*n = StewardName(text)
	return nil
}

// Steward is a person who signs for a federation, with the public parts of both keys.
type Steward struct {
	Name    StewardName `json:"name"`
	Root    PublicKey   `json:"root"`
	Edition PublicKey   `json:"edition"`
}

func (s Steward) key(what Kind) PublicKey {
	if what == RootKind {
		return s.Root
	}
	return s.Edition
}

// card is the file in which a steward hands over the public parts.
type card struct {
	Type string `json:"type"`
	Steward
}

// EncodeCard writes a steward's card. Nothing in it is secret.
func EncodeCard(s Steward) ([]byte, error) {
	data, err := statement.Encode(card{CardType, s})
	if err != nil {
		return nil, fmt.Errorf("writing the card of %s: %w", s.Name, err)
	}
	return data, nil
}

// DecodeCard reads a card. That its keys are those of this person is known once
// stewards have compared the words of the root that names them.
func DecodeCard(data []byte) (Steward, error) {
	var c card
	err := statement.Decode(data, CardType, MaxCard, &c)
	return c.Steward, err
}

// Council is the content of a root as people see it.
type Council struct {
	Stewards  []Steward
	Threshold int // how many of them sign together, for a root and for an edition
	Online    PublicKey
}

// charter is the same in terms of keys.
func (c *Council) charter() Charter {
	ch := Charter{Root: Stewards{Threshold: c.Threshold}, Edition: Stewards{Threshold: c.Threshold}, Online: c.Online, Persons: c.Stewards}
	for _, s := range c.Stewards {
		ch.Root.Keys, ch.Edition.Keys = append(ch.Root.Keys, s.Root), append(ch.Edition.Keys, s.Edition)
	}
	return ch
}

// checkNames refuses two stewards of one name.
func checkNames(all []Steward) error {
	seen := map[StewardName]bool{}
	for _, s := range all {
		if seen[s.Name] {
			return protocol.Refuse(protocol.Malformed, "two stewards are called %s", s.Name)
		}
		seen[s.Name] = true
	}
	return nil
}

// Steward returns the one of that name.
func (c *Council) Steward(name StewardName) (Steward, bool) {
	i := slices.IndexFunc(c.Stewards, func(s Steward) bool { return s.Name == name })
	if i < 0 {
		return Steward{}, false
	}
	return c.Stewards[i], true
}

// Holder returns who has a key, as a root key or as an edition key.
func (c *Council) Holder(k PublicKey) (StewardName, bool) {
	for _, s := range c.Stewards {
		if s.Root == k || s.Edition == k {
			return s.Name, true
		}
	}
	return "", false
}

// sameAs reports whether two roots would say the same.
func (c *Council) sameAs(o *Council) bool {
	return c.Threshold == o.Threshold && c.Online == o.Online && slices.Equal(c.Stewards, o.Stewards)
}

// councilOf reads who the stewards of a root are. It refuses a root that does not
// name them, and one whose names do not stand for exactly its keys: stewards must
// not sign what they cannot read.
func councilOf(r *metadata.RootType) (*Council, error) {
	member, err := json.Marshal(r.UnrecognizedFields[stewardsMember])
	c := &Council{Threshold: r.Roles[metadata.ROOT].Threshold}
	if err == nil {
		err = json.Unmarshal(member, &c.Stewards)
	}
	if err == nil {
		err = checkNames(c.Stewards)
	}
	if err != nil || len(c.Stewards) == 0 {
		return nil, protocol.Refuse(protocol.Malformed, "root %d does not say who its stewards are", r.Version)
	}
	online := keysOf(r, metadata.TIMESTAMP)
	if len(online) == 1 {
		c.Online = online[0]
	}
	ch := c.charter()
	if c.Threshold != r.Roles[metadata.TARGETS].Threshold || len(online) != 1 ||
		!sameKeys(keysOf(r, metadata.ROOT), ch.Root.Keys) || !sameKeys(keysOf(r, metadata.TARGETS), ch.Edition.Keys) || !sameKeys(keysOf(r, metadata.SNAPSHOT), []PublicKey{c.Online}) {
		return nil, protocol.Refuse(protocol.Malformed, "root %d has other keys than those of the stewards that it names", r.Version)
	}
	return c, nil
}

// keysOf returns the keys of a role, which checkRoot has seen.
func keysOf(r *metadata.RootType, role string) (all []PublicKey) {
	for _, id := range r.Roles[role].KeyIDs {
		var k PublicKey
		if k.UnmarshalText([]byte(r.Keys[id].Value.PublicKey)) == nil {
			all = append(all, k)
		}
	}
	return all
}

// sameKeys compares without order.
func sameKeys(a, b []PublicKey) bool {
	order := func(x, y PublicKey) int { return slices.Compare(x[:], y[:]) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), order), slices.SortedFunc(slices.Values(b), order))
}
