package control

import (
	"strings"
	"testing"
	"time"

	"comity/node/federation"
	"comity/protocol"
)

// R-FED-8: the alarm that the directory is stale has its age, and what nobody knows the
// beginning of has none.
func TestAlarmsHaveAnAge(t *testing.T) {
	now := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	s := &Service{now: func() time.Time { return now }}
	all := s.alarms(federation.Standing{Alarms: []federation.Alarm{
		{Kind: federation.Staleness, Text: "the timestamp ended", Since: now.Add(-60 * 24 * time.Hour)},
		{Kind: federation.Unreached, Text: "https://a/: no route"},
	}})
	if len(all) != 2 || all[0].Age != 60*24*3600 || all[0].Since.IsZero() || all[1].Age != 0 || !all[1].Since.IsZero() {
		t.Errorf("alarms %+v", all)
	}
	if c := checkAlarm(all[0]); c.Verdict != Warn || !strings.Contains(c.Finding, "60.0 days ago") {
		t.Errorf("the doctor says %+v", c)
	}
	if c := checkAlarm(Alarm{Kind: federation.Hostile, Text: "two editions"}); c.Verdict != Fail || !strings.Contains(c.Do, "call a steward") {
		t.Errorf("the doctor says %+v", c)
	}
}

// In a federation of a hundred states the doctor has one line for those that rest on
// stewards, and not a hundred.
func TestRests(t *testing.T) {
	many := []protocol.StateID{"xa", "xb", "xc", "xd", "xe", "xf", "xg", "xh", "xi", "xj"}
	for _, tt := range []struct {
		states []protocol.StateID
		want   string
	}{
		{many[:1], "state xa rests"},
		{many[:2], "states xa, xb rest"},
		{many[:8], "states xa, xb, xc, xd, xe, xf, xg, xh rest"},
		{many, "states xa, xb, xc, xd, xe, xf, xg, xh and 2 more rest"},
	} {
		if got := rests(tt.states); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.states, got, tt.want)
		}
	}
}
