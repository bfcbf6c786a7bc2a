package operate

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"comity/crypto/keys"
	"comity/crypto/seal"
)

func passphrase(t *testing.T, text string) *seal.Passphrase {
	t.Helper()
	p, err := seal.NewPassphrase(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// However far a change came before the power went, the same change made again
// ends it, and every secret is what it was.
func TestAChangeIsResumed(t *testing.T) {
	dir := t.TempDir()
	before, after := passphrase(t, "the passphrase before"), passphrase(t, "the passphrase after")
	secrets := [][]byte{[]byte("one"), []byte("two"), []byte("three")}
	var paths []string
	for i, secret := range secrets {
		paths = append(paths, filepath.Join(dir, string(secret)+".key"))
		file := secret
		if i > 0 { // the first was never protected
			var err error
			if file, err = before.Protect(secret); err != nil {
				t.Fatal(err)
			}
		}
		if err := keys.WriteNew(paths[i], file); err != nil {
			t.Fatal(err)
		}
	}
	change := func(paths []string, to, from *seal.Passphrase) (int, error) {
		c := Change{Holder: NodeHolder, Paths: paths, New: to, Old: func() (*seal.Passphrase, error) { return from, nil }}
		return c.Run()
	}
	var locked *LockedError
	if n, err := change(paths, after, passphrase(t, "quite another one")); !errors.As(err, &locked) || !locked.Wrong || n != 0 {
		t.Errorf("a wrong passphrase: %d changed, %v", n, err)
	}
	if file, err := os.ReadFile(paths[0]); err != nil || !bytes.Equal(file, secrets[0]) {
		t.Errorf("a wrong passphrase changed something: %q, %v", file, err)
	}
	if n, err := change(paths[1:2], after, before); n != 1 || err != nil { // and the power goes
		t.Fatalf("%d changed, %v", n, err)
	}
	stray := filepath.Join(dir, ".two.key.123.new")
	if err := os.WriteFile(stray, secrets[1], 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := change(paths, after, before); n != 2 || err != nil {
		t.Fatalf("made again: %d changed, %v", n, err)
	}
	if _, err := os.Stat(stray); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what the interruption left is still there: %v", err)
	}
	for i, path := range paths {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := after.Unprotect(file); err != nil || !bytes.Equal(got, secrets[i]) {
			t.Errorf("%s: got %q, %v", path, got, err)
		}
	}
	if n, err := change(paths, nil, after); n != 3 || err != nil {
		t.Fatalf("taken off: %d changed, %v", n, err)
	}
	for i, path := range paths {
		if got, err := keys.Read(path, 10); err != nil || !bytes.Equal(got, secrets[i]) {
			t.Errorf("%s: got %q, %v", path, got, err)
		}
	}
}

// New keys whose place waits for them, because the power went just after their record was
// stored, would lie open for ever if only those that they replace were protected.
func TestKeysThatWaitForTheirPlaceAreProtected(t *testing.T) {
	l := Layout{Dir: filepath.Join(t.TempDir(), "node")}
	p := plan(l.Dir)
	if _, err := Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	a := p.Authorities[0].ID
	medium := t.TempDir()
	for holder, path := range map[Holder]string{
		NodeHolder: l.NodeFile(nodeKeyFile), OfficeHolder(a): l.OfficeFile(a, attestKeyFile), ActHolder(a): l.OfficeFile(a, actKeyFile), OfflineHolder: filepath.Join(medium, stateKeyFile),
	} {
		if err := keys.WriteNew(path+next, []byte("a new key")); err != nil {
			t.Fatal(err)
		}
		paths, err := l.Secrets(holder)
		if holder == OfflineHolder {
			paths, err = SecretsOn(medium)
		}
		if err != nil || !slices.Contains(paths, path+next) {
			t.Errorf("the files of %s are %q, %v; want %s among them", holder, paths, err, path+next)
		}
	}
	paths, err := l.Secrets(ActHolder(a))
	if err != nil || len(paths) != 2 {
		t.Fatalf("the act key and the one that waits: %q, %v", paths, err)
	}
	change := Change{Holder: ActHolder(a), Paths: paths, New: passphrase(t, "the passphrase after"), Old: func() (*seal.Passphrase, error) { return nil, ErrNoPassphrase }}
	if n, err := change.Run(); n != 2 || err != nil {
		t.Errorf("%d changed, %v; want both", n, err)
	}
}

// No passphrase may be forgotten: a half protected node is a mistake.
func TestCreateProtectsAllOrNothing(t *testing.T) {
	p := plan(filepath.Join(t.TempDir(), "node"))
	p.Passphrases = map[Holder]*seal.Passphrase{NodeHolder: passphrase(t, "the node's passphrase")}
	if _, err := Create(t.Context(), p); err == nil {
		t.Error("created with one passphrase only")
	}
}

// The first source that has a passphrase counts; the offline keys share none.
func TestWherePassphrasesComeFrom(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string {
		path := filepath.Join(dir, name)
		if err := keys.WriteNew(path, []byte(name+" has a passphrase\n")); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
		return path
	}
	file("comity-office-court")
	config := Config{PassphraseFiles: map[Holder]string{NodeHolder: file("config"), "office-court": file("config"), "act-court": filepath.Join(dir, "nowhere")}}
	ask := func(Holder) (string, error) { return "typed by a person here", nil }
	for _, c := range []struct {
		from   *Passphrases
		holder Holder
		want   string // its source; "" for none
	}{
		{nil, NodeHolder, ""},
		{&Passphrases{}, OfflineHolder, ""},
		{&Passphrases{}, NodeHolder, "config"},
		{&Passphrases{Ask: ask}, OfflineHolder, "the terminal"},
		{&Passphrases{Ask: ask}, "act-court", ""}, // the file that it names is missing: nobody is asked
		{&Passphrases{Credentials: dir}, "office-court", "comity-office-court"},
		{&Passphrases{Credentials: dir}, NodeHolder, "config"},
		{&Passphrases{Files: map[Holder]string{"": file("flag")}, Credentials: dir}, "office-court", "flag"},
		{&Passphrases{Files: map[Holder]string{"": file("flag")}}, OfflineHolder, ""},
		{&Passphrases{Files: map[Holder]string{"": file("flag"), NodeHolder: file("node")}}, NodeHolder, "node"},
	} {
		pass, source, err := c.from.Find(c.holder, config)
		if c.want == "" {
			if pass != nil || err == nil {
				t.Errorf("%s: found one from %s", c.holder, source)
			}
			continue
		}
		if err != nil || filepath.Base(source) != c.want {
			t.Errorf("%s: from %s, %v; want %s", c.holder, source, err, c.want)
		}
	}
}
