package office

import (
	"bytes"
	"strings"
	"testing"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
	"comity/store"
)

var someMessage = store.Name{From: central, Parcel: "019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a01"}

func TestJournalEntryOfOddPath(t *testing.T) {
	for _, path := range []string{"", "/tmp/تصدير", "a\xffb", "a\x00b", strings.Repeat("é", protocol.MaxString)} {
		doc, err := entry(ActExport, someMessage, nil, func(e *Entry) { e.Place = plainPath(path) })
		if err != nil {
			t.Errorf("path %q: %v", path, err)
			continue
		}
		if e, err := ParseEntry(doc); err != nil || e.Place == nil || e.Act != ActExport {
			t.Errorf("path %q: got %+v, %v", path, e, err)
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	digest, number := protocol.Sum([]byte("manifest")), int64(2)
	for _, more := range []func(*Entry){
		nil,
		func(e *Entry) { e.File = &number },
		func(e *Entry) { e.Reason = evidence.NewReason(protocol.Declined, "not for us") },
		func(e *Entry) { e.Place = plainPath("/export") },
	} {
		f.Add(must(entry(ActOpen, someMessage, &digest, more)))
	}
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		e, err := ParseEntry(doc)
		if err != nil {
			return
		}
		again, err := statement.Encode(e)
		if err != nil {
			t.Fatalf("an entry that was read cannot be written: %v\n%q", err, doc)
		}
		back, err := ParseEntry(again)
		if err != nil {
			t.Fatal(err)
		}
		if third := must(statement.Encode(back)); !bytes.Equal(again, third) {
			t.Errorf("written twice:\n%s\n%s", again, third)
		}
	})
}
