package operate

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"comity/crypto/keys"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/store"
)

// R-REC-12: state and authority hand over to other offline keys in a record that
// follows; with these, and without the old ones, the next change is signed.
func TestOfflineKeysHandOver(t *testing.T) {
	r := newRotating(t)
	last := r.first
	for _, kind := range []Kind{AuthorityKind, StateKind, AuthorityKind} {
		r.now = r.now.Add(24 * time.Hour)
		next := r.rotate(nil, kind)
		if _, err := record.Verify(next.Signed(), last); err != nil {
			t.Fatalf("%s: the record does not follow: %v", kind, err)
		}
		if _, err := record.Verify(next.Signed(), r.first); err != nil {
			t.Fatalf("%s: it does not follow from the first: %v", kind, err)
		}
		if n := r.open(); len(n.Locked) > 0 || n.Offices[authority] == nil {
			t.Errorf("%s: the office does not open", kind)
		} else if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		last = next
	}
	r.now = r.now.Add(24 * time.Hour)
	if made, err := Renew(t.Context(), r.amendment()); err != nil || made.Broken != nil {
		t.Errorf("the new keys do not sign the next record: %v, %v", err, made)
	}
	m, _ := last.Authority(authority)
	before, _ := r.first.Authority(authority)
	if len(last.Record().Former) != 1 || len(m.Document().Former) != 2 || !m.Had(protocol.Digest(before.Certificate().Primary())) {
		t.Errorf("%d certificates of the state and %d of the authority gave way", len(last.Record().Former), len(m.Document().Former))
	}
	if waits := waitingOn(t, filepath.Join(r.dir, "offline")); len(waits) > 0 {
		t.Errorf("%q still wait on the medium", waits)
	}
}

// The medium is pulled at any moment: its new keys take their places when it is
// back, if the node has the record for which they are, and go otherwise.
func TestTheMediumIsPulled(t *testing.T) {
	for _, committed := range []bool{true, false} {
		r := newRotating(t)
		folder := filepath.Join(r.dir, "offline")
		before := snapshot(t, folder)
		if committed {
			r.rotate(nil, StateKind)
		}
		after := snapshot(t, folder)
		of := own(t, r.dir).Ref().Digest
		if !committed {
			of = protocol.Sum([]byte("a record that was never committed"))
		}
		if err := keys.WriteNew(filepath.Join(folder, pendingFile+next), []byte(of.String())); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{stateKeyFile, stateCertificateFile} {
			path := filepath.Join(folder, name)
			if err := errors.Join(os.Remove(path), keys.WriteNew(path, before[path]), keys.WriteNew(path+next, after[path])); err != nil {
				t.Fatal(err)
			}
		}
		r.now = r.now.Add(24 * time.Hour)
		if made, err := Renew(t.Context(), r.amendment()); err != nil || made.Broken != nil {
			t.Fatalf("committed %t: the next change: %v", committed, err)
		}
		if waits := waitingOn(t, folder); len(waits) > 0 {
			t.Errorf("committed %t: %q still wait on the medium", committed, waits)
		}
	}
}

// R-REC-11: a stolen offline key is marked where it gave way, and the keys that it
// had certified are not.
func TestStolenOfflineKeys(t *testing.T) {
	r := newRotating(t)
	since := r.now.Add(-time.Hour)
	r.rotate(&since, StateKind)
	r.now = r.now.Add(time.Hour)
	last := r.rotate(&since, AuthorityKind)
	m, _ := last.Authority(authority)
	if mark := last.Record().Former[0].Keys[0].Compromised; mark == nil || mark.Since != protocol.At(since) {
		t.Errorf("the state's key is marked %v", mark)
	}
	for _, k := range m.Document().Former[0].Keys {
		if (k.Compromised != nil) != (k.Role == "primary") {
			t.Errorf("the %s key is marked %v", k.Role, k.Compromised)
		}
	}
}

// The medium is pulled, and then the node is lost and an older copy put in its place: a
// peer shows the record that the copy has not got, and the key that waits on the medium
// is the only one that counts. It must not be lost.
func TestTheMediumIsPulledAndTheNodeRestored(t *testing.T) {
	for name, told := range map[string]bool{"a peer showed the record": true, "no peer was heard": false} {
		t.Run(name, func(t *testing.T) {
			r := newRotating(t)
			folder := filepath.Join(r.dir, "offline")
			older := newRotatingCopy(t, r.dir)
			before := snapshot(t, folder)
			r.now = r.now.Add(24 * time.Hour)
			lost := r.rotate(nil, StateKind)
			after := snapshot(t, folder)
			medium := filepath.Join(older, "offline")
			if err := keys.WriteNew(filepath.Join(medium, pendingFile+next), []byte(lost.Ref().Digest.String())); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{stateKeyFile, stateCertificateFile} {
				if err := keys.WriteNew(filepath.Join(medium, name)+next, after[filepath.Join(folder, name)]); err != nil {
					t.Fatal(err)
				}
			}
			r.dir = older
			n := r.open()
			if told {
				if err := n.Gateway.Store.NoteShown(t.Context(), store.Shown{Peer: "xz", Record: lost.Signed()}); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(settleMedium(t.Context(), medium, n.Gateway.Store), n.Close()); err != nil {
				t.Fatal(err)
			}
			want := before[filepath.Join(folder, stateKeyFile)]
			if told {
				want = after[filepath.Join(folder, stateKeyFile)]
			}
			left := snapshot(t, medium)
			if !bytes.Equal(left[filepath.Join(medium, stateKeyFile)], want) || len(waitingOn(t, medium)) > 0 {
				t.Errorf("another key than the one that counts is in its place, or something waits: %q", waitingOn(t, medium))
			}
			kept := false
			for _, content := range left {
				kept = kept || bytes.Equal(content, after[filepath.Join(folder, stateKeyFile)])
			}
			if !kept {
				t.Error("the state's new key is gone from the medium")
			}
		})
	}
}

// newRotatingCopy is a copy of a node's folder, as a backup has it.
func newRotatingCopy(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(to, func(path string, e fs.DirEntry, err error) error {
		mode := fs.FileMode(0o600)
		if e != nil && e.IsDir() {
			mode = 0o700
		}
		return errors.Join(err, os.Chmod(path, mode))
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// An announcement that is typed once more, because nobody knows whether it had
// happened, marks no key that it had made.
func TestATheftIsAnnouncedOnce(t *testing.T) {
	r := newRotating(t)
	since := r.now.Add(-time.Hour)
	for _, kind := range without(Kinds(), AgeKind, TLSKind) {
		r.now = r.now.Add(time.Hour)
		last := r.rotate(&since, kind)
		r.now = r.now.Add(time.Hour)
		if _, err := r.try(&since, kind); !errors.Is(err, ErrAnnounced) {
			t.Errorf("%s once more: %v", kind, err)
		}
		if now := own(t, r.dir); now.Ref() != last.Ref() {
			t.Errorf("%s once more: record %d", kind, now.Record().Sequence)
		}
		r.now = r.now.Add(time.Hour)
		again := r.now.Add(-time.Minute)
		r.rotate(&again, kind) // another theft is another announcement
	}
}

// Nor does it when keys were replaced since, however often.
func TestATheftIsAnnouncedOnceAlsoAfterARotation(t *testing.T) {
	r := newRotating(t)
	since := r.now.Add(-time.Hour)
	for _, kind := range without(Kinds(), AgeKind, TLSKind) {
		r.rotate(&since, kind)
		for range 2 {
			r.now = r.now.Add(time.Hour)
			r.rotate(nil, kind)
		}
		r.now = r.now.Add(time.Hour)
		if _, err := r.try(&since, kind); !errors.Is(err, ErrAnnounced) {
			t.Errorf("%s once more after a rotation: %v", kind, err)
		}
		again := r.now.Add(-time.Minute)
		r.rotate(&again, kind) // another theft is another announcement
	}
}

// A theft since before an authority took another certificate concerns the keys of the
// certificate before as well: those that counted at that time are marked.
func TestStolenKeysOfAFormerCertificate(t *testing.T) {
	r := newRotating(t)
	since := r.now.Add(-time.Hour)
	r.now = r.now.Add(time.Hour)
	r.rotate(nil, AuthorityKind)
	r.now = r.now.Add(time.Hour)
	last := r.rotate(&since, ActKind)
	m, _ := last.Authority(authority)
	for _, k := range m.Document().Former[0].Keys {
		if (k.Compromised != nil) != (k.Role == evidence.Act) {
			t.Errorf("the %s key of the certificate before is marked %v", k.Role, k.Compromised)
		}
	}
	later := r.now.Add(time.Minute)
	r.now = r.now.Add(time.Hour)
	last = r.rotate(&later, AttestKind)
	m, _ = last.Authority(authority)
	for _, k := range m.Document().Former[0].Keys {
		if k.Role == evidence.Attest && k.Compromised != nil {
			t.Errorf("the attest key that counted no more at the theft is marked %v", k.Compromised)
		}
	}
}

func waitingOn(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), next) {
			names = append(names, e.Name())
		}
	}
	return names
}
