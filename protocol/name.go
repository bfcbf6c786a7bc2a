package protocol

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// StateID names a state: two lower-case letters, as ISO 3166-1 alpha-2 has them.
type StateID string

// NodeID names a node: its state, optionally followed by a hyphen and more
// letters or digits when a state runs more than one ("xa", "xa-north").
type NodeID string

// AuthorityID names a competent authority: its state, a slash, a short name
// ("xa/central-authority").
type AuthorityID string

// ParcelID names a parcel: a UUIDv7 in lower-case text. Only the triple (from,
// parcel, to) is unique, because ids are chosen by senders.
type ParcelID string

// CaseID names a case: a UUID in lower-case text, random so that it tells nothing.
type CaseID string

var (
	stateForm     = regexp.MustCompile(`^[a-z]{2}$`)
	nodeForm      = regexp.MustCompile(`^[a-z]{2}(-[a-z0-9]{1,16}){0,3}$`)
	authorityForm = regexp.MustCompile(`^[a-z]{2}/[a-z0-9]+(-[a-z0-9]+)*$`)
)

const (
	logPrefix = "comity/log/"
	maxEra    = 999_999_999 // nine digits: no node loses more logs
)

// UnmarshalText refuses anything but a well-formed state name (R-NAME-1).
func (s *StateID) UnmarshalText(b []byte) error {
	if !stateForm.Match(b) {
		return Refuse(Malformed, "state name %s: want two lower-case letters", Quote(b))
	}
	*s = StateID(b)
	return nil
}

// UnmarshalText refuses anything but a well-formed node name (R-NAME-1).
func (n *NodeID) UnmarshalText(b []byte) error {
	if !nodeForm.Match(b) {
		return Refuse(Malformed, "node name %s: want a state's two letters, then optionally -more", Quote(b))
	}
	*n = NodeID(b)
	return nil
}

// State returns the state whose node this is.
func (n NodeID) State() StateID { return StateID(n[:min(2, len(n))]) }

// UnmarshalText refuses anything but a well-formed authority name of at most
// MaxAuthorityName bytes (R-NAME-1).
func (a *AuthorityID) UnmarshalText(b []byte) error {
	if len(b) > MaxAuthorityName || !authorityForm.Match(b) {
		return Refuse(Malformed, "authority name %s: want a form like xa/central-authority", Quote(b))
	}
	switch AuthorityID(b).Name() {
	case "state", "node", "record", "log":
		// An export names files after them: trust/xa-node.gpg is the node's.
		return Refuse(Malformed, "authority name %s: the names state, node, record and log are reserved", Quote(b))
	}
	*a = AuthorityID(b)
	return nil
}

// State returns the state to which the authority belongs.
func (a AuthorityID) State() StateID {
	state, _, _ := strings.Cut(string(a), "/")
	return StateID(state)
}

// Name returns the part after the slash.
func (a AuthorityID) Name() string {
	_, name, _ := strings.Cut(string(a), "/")
	return name
}

// UnmarshalText refuses anything but a UUIDv7 in its lower-case text form (R-NAME-2).
func (p *ParcelID) UnmarshalText(b []byte) error {
	u, err := parseUUID(b)
	if err != nil || u.Version() != 7 {
		return Refuse(Malformed, "parcel id %s: want a UUIDv7 in lower case", Quote(b))
	}
	*p = ParcelID(b)
	return nil
}

// UnmarshalText refuses anything but a UUID in its lower-case text form (R-NAME-2).
func (c *CaseID) UnmarshalText(b []byte) error {
	if _, err := parseUUID(b); err != nil {
		return Refuse(Malformed, "case id %s: want a UUID in lower case", Quote(b))
	}
	*c = CaseID(b)
	return nil
}

// parseUUID accepts only the 36-character form that String would write, and
// only the variant of RFC 9562: the library alone would also take braces, URNs,
// capitals, the nil UUID and the variants of other systems.
func parseUUID(b []byte) (uuid.UUID, error) {
	u, err := uuid.ParseBytes(b)
	if err == nil && (u.String() != string(b) || u.Variant() != uuid.RFC4122) {
		err = Refuse(Malformed, "not in the canonical form")
	}
	return u, err
}

// LogOrigin names a node's log. The era counts, from 1, the logs that the node
// has had: a log lost for good is followed by another one, never continued.
func LogOrigin(node NodeID, era int64) string {
	return logPrefix + string(node) + "/" + strconv.FormatInt(era, 10)
}

// ParseLogOrigin reads what LogOrigin wrote and refuses every other form.
func ParseLogOrigin(s string) (node NodeID, era int64, err error) {
	name, number, _ := strings.Cut(strings.TrimPrefix(s, logPrefix), "/")
	era, err = strconv.ParseInt(number, 10, 64)
	if err == nil {
		err = node.UnmarshalText([]byte(name))
	}
	if err != nil || era < 1 || era > maxEra || LogOrigin(node, era) != s {
		return "", 0, Refuse(Malformed, "log origin %s: want a form like comity/log/xa/1", Quote([]byte(s)))
	}
	return node, era, nil
}

// NewParcelID makes a fresh parcel id from the system's randomness and the
// present time; the time in it is a hint for people, never trusted.
func NewParcelID() (ParcelID, error) {
	u, err := uuid.NewV7()
	return ParcelID(u.String()), err
}

// NewCaseID makes a fresh random case id.
func NewCaseID() (CaseID, error) {
	u, err := uuid.NewRandom()
	return CaseID(u.String()), err
}

// Key is the identity of one transmission: nothing takes effect twice under
// the same key (I2). One parcel to three authorities has three keys.
type Key struct {
	From   AuthorityID
	Parcel ParcelID
	To     AuthorityID
}

func (k Key) String() string { return string(k.From) + " " + string(k.Parcel) + " " + string(k.To) }
