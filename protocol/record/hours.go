package record

import (
	"regexp"
	"slices"
	"time"

	"comity/protocol"
)

// Hours are when an authority is open, by the clock on its own wall.
type Hours struct {
	Zone     string    `json:"zone"` // of the IANA time zone database, "Europe/Madrid"
	Openings []Opening `json:"openings" max:"28"`
	// Holidays are days on which it is closed although their weekday has openings.
	Holidays []Date `json:"holidays" max:"128"`
}

// Opening is one span of each week: From is in it, Until is not.
type Opening struct {
	Day   Weekday `json:"day"`
	From  Clock   `json:"from"`
	Until Clock   `json:"until"`
}

// Weekday is a day of the week, "monday" to "sunday".
type Weekday string

// weekdays begin on Monday, as ISO 8601 has it.
var weekdays = []Weekday{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

// Clock is a time of day, "09:00"; "24:00" is the end of the day.
type Clock string

// Date is a day of the calendar, "2026-12-25".
type Date string

var (
	clockForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$`)
	zoneForm  = regexp.MustCompile(`^[A-Z][A-Za-z0-9+-]*(/[A-Z][A-Za-z0-9_+-]*){0,2}$`)
)

// UnmarshalText refuses anything but the English name of a weekday (R-DIR-5).
func (d *Weekday) UnmarshalText(b []byte) error {
	if !slices.Contains(weekdays, Weekday(b)) {
		return protocol.Refuse(protocol.Malformed, "weekday %s: want monday to sunday", protocol.Quote(b))
	}
	*d = Weekday(b)
	return nil
}

// UnmarshalText refuses anything but hours and minutes (R-DIR-5).
func (c *Clock) UnmarshalText(b []byte) error {
	if !clockForm.Match(b) {
		return protocol.Refuse(protocol.Malformed, "time of day %s: want a form like 09:00, up to 24:00", protocol.Quote(b))
	}
	*c = Clock(b)
	return nil
}

// UnmarshalText refuses anything but a day that the calendar has (R-DIR-5).
func (d *Date) UnmarshalText(b []byte) error {
	if t, err := time.Parse(time.DateOnly, string(b)); err != nil || t.Format(time.DateOnly) != string(b) {
		return protocol.Refuse(protocol.Malformed, "day %s: want a form like 2026-12-25", protocol.Quote(b))
	}
	*d = Date(b)
	return nil
}

// hours carries out R-DIR-5: a week has one spelling, so that two programs agree
// when somebody is there. Whether a zone exists depends on the age of a machine's
// database, so only its form is judged.
func (c *checks) hours(h *Hours) {
	if h == nil {
		return
	}
	c.require(len(h.Zone) <= protocol.MaxTerm && zoneForm.MatchString(h.Zone), "time zone %s: want a name like Europe/Madrid or UTC", quote(h.Zone))
	for i, o := range h.Openings {
		c.require(o.From < o.Until, "on %s it closes at %s, not after it opens at %s", o.Day, o.Until, o.From)
		if i == 0 {
			continue
		}
		before := h.Openings[i-1]
		was, is := slices.Index(weekdays, before.Day), slices.Index(weekdays, o.Day)
		c.require(was < is || was == is && before.Until <= o.From, "openings: %s %s stands after %s %s; want the order of the week, from Monday, without overlaps", o.Day, o.From, before.Day, before.Until)
	}
	c.require(slices.IsSortedFunc(h.Holidays, compareDates) && len(slices.Compact(slices.Clone(h.Holidays))) == len(h.Holidays), "holidays: want each day once, the earliest first")
}

func compareDates(a, b Date) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Open reports whether an authority with these hours is open at that time. zone
// is the one that the hours name; loading it is for the caller.
func (h *Hours) Open(at time.Time, zone *time.Location) bool {
	there := at.In(zone)
	if slices.Contains(h.Holidays, Date(there.Format(time.DateOnly))) {
		return false
	}
	day, clock := weekdays[(int(there.Weekday())+6)%7], Clock(there.Format("15:04"))
	return slices.ContainsFunc(h.Openings, func(o Opening) bool { return o.Day == day && o.From <= clock && clock < o.Until })
}
