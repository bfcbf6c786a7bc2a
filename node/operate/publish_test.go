package operate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"comity/crypto/keys"
	"comity/protocol"
	"comity/protocol/record"
)

// published publishes another name of the one authority of a new node.
func published(t *testing.T, dir, name string, now time.Time) (*record.State, error) {
	t.Helper()
	entry := &EntryFile{Type: EntryType, Authority: "xa/central-authority", Name: []record.Name{{Language: "en", Text: name}}}
	entry.Particulars.Languages = []record.Language{{Language: "fr"}}
	return Publish(t.Context(), PublishPlan{Amendment: Amendment{Dir: dir, Offline: filepath.Join(dir, "offline"), Now: func() time.Time { return now }}, Entry: entry})
}

func own(t *testing.T, dir string) *record.State {
	t.Helper()
	n, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	return n.Gateway.OwnState()
}

// A published entry is in the next record, which follows the one before, stands
// in the store as the newest, and is a leaf; keys, log and term stay.
func TestPublish(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node")
	p := plan(dir)
	first, err := Create(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	later := p.Now.Add(time.Minute)
	if _, err := published(t, dir, "Central Authority of Xa", later); err != nil {
		t.Fatal(err)
	}
	second := own(t, dir)
	if _, err := record.Verify(second.Signed(), first); err != nil {
		t.Errorf("the published record does not follow: %v", err)
	}
	m, _ := second.Authority("xa/central-authority")
	a := m.Document()
	if second.Record().Sequence != 2 || a.Sequence != 2 || a.Name[0].Text != "Central Authority of Xa" || a.Particulars.Languages[0].Language != "fr" {
		t.Errorf("record %d, entry %d: %q, %+v", second.Record().Sequence, a.Sequence, a.Name, a.Particulars)
	}
	if want := protocol.At(later.Truncate(time.Second)); a.Confirmed != want {
		t.Errorf("confirmed %s, want %s", a.Confirmed, want)
	}
	if second.Record().Node.Log != first.Record().Node.Log || second.Record().Valid != first.Record().Valid {
		t.Error("publishing an entry changed the log or the term of the record")
	}
	// Once more, unchanged: the authority confirms what it said.
	if _, err := published(t, dir, "Central Authority of Xa", later.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	n, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	records, err := n.Gateway.Store.RecordHistory(t.Context())
	if err != nil || len(records) != 3 {
		t.Fatalf("%d records in the store, %v; want 3", len(records), err)
	}
	note, err := n.Gateway.Store.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c, err := n.Gateway.OwnState().LogVerifier().Checkpoint(note); err != nil || c.Size != 3 {
		t.Errorf("a log of %d leaves, %v; want one for each record", c.Size, err)
	}
}

// What cannot be published changes nothing: without the keys, with another
// authority's key, for an authority of another node.
func TestPublishRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node")
	p := plan(dir)
	if _, err := Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	entry := &EntryFile{Type: EntryType, Authority: "xa/central-authority", Name: []record.Name{{Language: "en", Text: "Central Authority"}}}
	offline := filepath.Join(dir, "offline")
	try := func(offline string, a protocol.AuthorityID) error {
		e := *entry
		e.Authority = a
		_, err := Publish(t.Context(), PublishPlan{Amendment: Amendment{Dir: dir, Offline: offline}, Entry: &e})
		return err
	}
	if err := try(filepath.Join(dir, "nowhere"), "xa/central-authority"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without offline keys: %v", err)
	}
	if err := try(offline, "xa/ministry"); protocol.CodeOf(err) != protocol.UnknownSender {
		t.Errorf("of an authority that the record does not list: %v", err)
	}
	// The state's key in the place of the authority's: no state can speak for an authority (R-REC-2).
	state, err := os.ReadFile(filepath.Join(offline, "state.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(offline, "authority-central-authority.key"), state, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := try(offline, "xa/central-authority"); err == nil {
		t.Error("the state's key signed an authority's entry")
	}
	if s := own(t, dir); s.Record().Sequence != 1 {
		t.Errorf("the node has record %d after refusals", s.Record().Sequence)
	}
}

// When the power goes after the commit, the next start puts the record in its place.
func TestPublishThatBrokeOffAfterItsCommit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node")
	p := plan(dir)
	if _, err := Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	l := Layout{Dir: dir}
	old := map[string][]byte{}
	for _, path := range []string{l.Record(), l.Record() + ".asc"} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		old[path] = b
	}
	second, err := published(t, dir, "Central Authority", p.Now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	// As the disk was before the files were renamed: both, and then the signature alone.
	for _, renamed := range []int{0, 1} {
		for i, path := range []string{l.Record() + ".asc", l.Record()} {
			if i < renamed {
				continue
			}
			now, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(keys.WriteNew(path, old[path]), keys.WriteNew(path+next, now)); err != nil {
				t.Fatal(err)
			}
		}
		if s := own(t, dir); s.Ref() != second.Ref() {
			t.Errorf("%d renamed: the node opened with record %d", renamed, s.Record().Sequence)
		}
	}
}
