package bundle

import (
	"fmt"
	"slices"
	"time"

	"comity/protocol"
)

// Language is that of a cover sheet: a BCP 47 tag.
type Language string

// The languages. A sheet in any of them says the same.
const (
	English Language = "en"
	French  Language = "fr"
	Spanish Language = "es"
	Arabic  Language = "ar"
)

// Languages are those in which a cover sheet can be.
func Languages() []Language { return []Language{English, French, Spanish, Arabic} }

// UnmarshalText refuses a language in which there is no cover sheet.
func (l *Language) UnmarshalText(b []byte) error {
	if !slices.Contains(Languages(), Language(b)) {
		return protocol.Refuse(protocol.Malformed, "there is no cover sheet in the language %s", protocol.Quote(b))
	}
	*l = Language(b)
	return nil
}

// Offset is how far a local time is ahead of UTC, as RFC 3339 writes it:
// "+01:00", "-03:30", and "+00:00" for UTC itself.
type Offset string

// UTC is the offset of a sheet that shows no local time.
const UTC Offset = "+00:00"

// OffsetOf is the offset of this many seconds, rounded down to a quarter of an hour.
func OffsetOf(seconds int) Offset {
	const quarter = 15 * 60
	q := min(max(seconds/quarter, -12*4), 14*4)
	sign := '+'
	if q < 0 {
		sign, q = '-', -q
	}
	return Offset(fmt.Sprintf("%c%02d:%02d", sign, q/4, q%4*15))
}

// UnmarshalText refuses what no place on earth has, and a second spelling.
func (o *Offset) UnmarshalText(b []byte) error {
	t, err := time.Parse("-07:00", string(b))
	if err == nil {
		_, seconds := t.Zone()
		if OffsetOf(seconds) == Offset(b) {
			*o = Offset(b)
			return nil
		}
	}
	return protocol.Refuse(protocol.Malformed, "offset %s: want a form like +01:00, in quarters of an hour", protocol.Quote(b))
}

// zone is the offset as a place of package time.
func (o Offset) zone() *time.Location {
	t, err := time.Parse("-07:00", string(o))
	if err != nil {
		return time.UTC // UnmarshalText lets none pass
	}
	_, seconds := t.Zone()
	return time.FixedZone("", seconds)
}
