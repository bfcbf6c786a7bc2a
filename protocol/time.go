package protocol

import (
	"bytes"
	"fmt"
	"time"
)

// Time is an instant in a document: RFC 3339 in UTC with exactly three
// decimals, "2026-11-23T10:00:00.000Z".
type Time struct{ time.Time }

const timeForm = "2006-01-02T15:04:05.000Z"

// At rounds t down to the millisecond that documents can carry.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Millisecond)} }

func (t Time) String() string { return t.UTC().Format(timeForm) }

// AppendText appends the one form that documents use. The methods that
// time.Time would lend us write and read other forms; here all of them agree.
func (t Time) AppendText(b []byte) ([]byte, error) {
	if year := t.UTC().Year(); year < 0 || year > 9999 {
		return nil, fmt.Errorf("writing a time: the year %d has no four digits", year)
	}
	return t.UTC().AppendFormat(b, timeForm), nil
}

// MarshalText writes the one form that documents use.
func (t Time) MarshalText() ([]byte, error) { return t.AppendText(nil) }

// MarshalJSON writes the one form that documents use, as a JSON string.
func (t Time) MarshalJSON() ([]byte, error) {
	b, err := t.AppendText([]byte{'"'})
	return append(b, '"'), err
}

// UnmarshalJSON refuses every form but the one that MarshalJSON writes.
func (t *Time) UnmarshalJSON(b []byte) error {
	text, opened := bytes.CutPrefix(b, []byte{'"'})
	text, closed := bytes.CutSuffix(text, []byte{'"'})
	if !opened || !closed {
		return Refuse(Malformed, "time %s: want a text", Quote(b))
	}
	return t.UnmarshalText(text)
}

// UnmarshalText refuses every form but the one that MarshalText writes (R-NAME-3).
func (t *Time) UnmarshalText(b []byte) error {
	v, err := time.Parse(timeForm, string(b))
	if err != nil || v.Format(timeForm) != string(b) {
		return Refuse(Malformed, "time %s: want the form %s", Quote(b), timeForm)
	}
	t.Time = v
	return nil
}

// Window is a span of validity: From is in it, Until is not.
type Window struct {
	From  Time `json:"from"`
	Until Time `json:"until"`
}

// Contains reports whether at lies in the window.
func (w Window) Contains(at time.Time) bool {
	return !at.Before(w.From.Time) && at.Before(w.Until.Time)
}
