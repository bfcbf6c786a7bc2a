package control

import (
	"path/filepath"
	"testing"
	"time"

	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/record"
)

// R-REC-12. A record that names another primary key, or that tells of a theft, is not
// taken without words, although it follows; one with other keys of any other kind is.
func TestWhichRecordsWantWords(t *testing.T) {
	const authority = "xb/court"
	dir, last := newNode(t, "xb", authority)
	at := time.Now()
	rotate := func(since *time.Time, kind operate.Kind) *record.State {
		t.Helper()
		at = at.Add(time.Hour)
		made, err := operate.Rotate(t.Context(), operate.RotatePlan{
			Amendment: operate.Amendment{Dir: dir, Offline: filepath.Join(dir, "offline"), Now: func() time.Time { return at }},
			Kinds:     []operate.Kind{kind}, Authorities: []protocol.AuthorityID{authority}, Since: since,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := record.Verify(made.State.Signed(), last); err != nil {
			t.Fatalf("%s: the record does not follow: %v", kind, err)
		}
		return made.State
	}
	for _, kind := range operate.Kinds() {
		handsOver := kind == operate.StateKind || kind == operate.AuthorityKind
		next := rotate(nil, kind)
		if got := wantsWords(next, last); got != handsOver {
			t.Errorf("other keys (%s): words are wanted: %v", kind, got)
		}
		last = next
		since := at.Add(-time.Minute)
		next = rotate(&since, kind)
		if got := wantsWords(next, last); got != (kind != operate.AgeKind) {
			t.Errorf("stolen keys (%s): words are wanted: %v", kind, got)
		}
		last = next
	}
}
