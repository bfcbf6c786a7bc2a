package control

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/record"
)

// The doctor warns before readers abroad are told that an entry is old, and says
// nothing of an authority that has told nothing.
func TestDoctorOfUnconfirmedEntries(t *testing.T) {
	dir, own := newNode(t, "xa", "xa/central-authority", "xa/court")
	if checks := confirmations(own, time.Now()); len(checks) > 0 {
		t.Errorf("nobody has told anything: %+v", checks)
	}
	entry := &operate.EntryFile{Type: operate.EntryType, Authority: "xa/court", Name: []record.Name{{Language: "en", Text: "Court"}}}
	at := time.Now().Add(time.Minute)
	state, err := operate.Publish(t.Context(), operate.PublishPlan{Amendment: operate.Amendment{Dir: dir, Offline: filepath.Join(dir, "offline"), Now: func() time.Time { return at }}, Entry: entry})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		want  Verdict
		says  string
	}{
		{0, OK, "xa/court: confirmed on "},
		{protocol.MaxUnconfirmed - soon - time.Hour, OK, "confirmed on"},
		{protocol.MaxUnconfirmed - soon + time.Hour, Warn, "every reader is told"},
		{protocol.MaxUnconfirmed + time.Hour, Warn, "so every reader is told that it is old"},
	} {
		checks := confirmations(state, at.Add(c.after))
		if len(checks) != 1 || checks[0].Verdict != c.want || !strings.Contains(checks[0].Finding, c.says) {
			t.Errorf("after %s: %+v, want %s: %s", c.after, checks, c.want, c.says)
		}
	}
}
