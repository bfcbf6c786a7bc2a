package federation

import (
	"os"
	"path/filepath"
	"testing"

	"comity/protocol"
)

// FuzzMetadata: whatever a mirror sends is read or refused, and never panics, and so
// is what a thief of the online key signs; an edition that is read has a reference.
func FuzzMetadata(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "directory")
	repository, root, edition, online := must(NewRepository(dir)), []*Key{must(GenerateKey()), must(GenerateKey())}, []*Key{must(GenerateKey()), must(GenerateKey())}, must(GenerateKey())
	charter := Charter{Root: Stewards{public(root), 2}, Edition: Stewards{public(edition), 2}, Online: online.Public()}
	check := func(err error) {
		if err != nil {
			f.Fatal(err)
		}
	}
	check(repository.PublishRoot(signedBy(must(repository.DraftRoot(charter, start)), root...), start))
	check(repository.PublishEdition(signedBy(must(repository.DraftEdition(stateOf("xa").records, start)), edition...), start))
	check(repository.Stamp(online, start))
	for _, name := range []string{rootFile, editionFile, snapshotFile, timestampFile} {
		f.Add(must(os.ReadFile(filepath.Join(dir, name))))
	}
	for _, text := range []string{
		"", "{}", "null", `{"signed":null}`, `{"signed":{"_type":"timestamp","meta":null}}`, `{"signed":{"_type":"targets","targets":{"records/xa/1":null}}}`,
		`{"signed":{"_type":"root","roles":{"root":null},"keys":{"":null}}}`, `{"signed":{"_type":"snapshot","meta":{"targets.json":null}},"signatures":[null]}`,
	} {
		f.Add([]byte(text))
	}
	trusted := must(repository.root())
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := parseRoot(data); err == nil {
			_, _ = verify(trusted, "root", m), verify(m, "root", m)
		}
		if m, err := parseSnapshot(data); err == nil {
			_ = verify(trusted, "snapshot", m)
		}
		if m, err := parseTimestamp(data); err == nil {
			_ = verify(trusted, "timestamp", m)
		}
		m, err := parseEdition(data)
		if err != nil {
			return
		}
		_ = verify(trusted, "targets", m)
		if l, err := newEdition(m); err == nil {
			for _, i := range l.Items() {
				if again, err := parseItem(i.name()); err != nil || again != i {
					t.Errorf("%v is read again as %v: %v", i, again, err)
				}
			}
			if err := l.CheckRef(l.Ref()); err != nil {
				t.Errorf("an edition contradicts itself: %v", err)
			}
		}
	})
}

// FuzzKey: a file that is no key is refused, and one that is comes back the same.
func FuzzKey(f *testing.F) {
	f.Add(must(must(GenerateKey()).Marshal()))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ParseKey(data)
		if err != nil {
			return
		}
		if again := must(ParseKey(must(k.Marshal()))); again.Public() != k.Public() {
			t.Error("another key came back")
		}
	})
}

// The names of listed records have one spelling.
func TestItemNames(t *testing.T) {
	for name, want := range map[string]bool{
		"records/xa/1": true, "records/xa/9007199254740991": true,
		"": false, "records/xa": false, "records/xa/": false, "records/xa/0": false, "records/xa/01": false, "records/xa/+1": false, "records/xa/-1": false,
		"records/XA/1": false, "records/xab/1": false, "xa/1": false, "/records/xa/1": false, "records/xa/1/": false, "records/../xa/1": false,
		"records/xa/9007199254740992": false, "records/xa/1\x00": false, "records/records/xa/1": false,
	} {
		item, err := parseItem(name)
		if (err == nil) != want || want && item.name() != name {
			t.Errorf("%q: %v, %v; want taken: %v", name, item, err, want)
		}
		if !want && protocol.CodeOf(err) != protocol.Malformed {
			t.Errorf("%q: %v, want malformed", name, err)
		}
	}
}
