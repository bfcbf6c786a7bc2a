package operate

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"comity/crypto/seal"
	"comity/protocol/record"
)

// adding is a node to which a court is to be added.
type adding struct {
	*testing.T
	dir, medium string
	now         time.Time
	plan        AdditionPlan
}

func newAdding(t *testing.T) *adding {
	t.Helper()
	a := &adding{T: t, dir: filepath.Join(t.TempDir(), "node"), medium: filepath.Join(t.TempDir(), "medium")}
	p := plan(a.dir)
	if _, err := Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(a.dir, "offline"), a.medium); err != nil {
		t.Fatal(err)
	}
	a.now = p.Now.Add(time.Hour)
	a.plan = AdditionPlan{
		Amendment: Amendment{Dir: a.dir, Offline: a.medium, Now: func() time.Time { return a.now }},
		Authority: PlannedAuthority{ID: "xa/court", Name: []record.Name{{Language: "en", Text: "The court"}}},
		Algorithm: p.Algorithm,
	}
	return a
}

// add adds the court and opens its office.
func (a *adding) add() {
	a.Helper()
	if _, err := AddAuthority(a.Context(), a.plan); err != nil {
		a.Fatal(err)
	}
	a.hosts()
}

// hosts checks that the node works for both authorities, with the keys of its record.
func (a *adding) hosts() {
	a.Helper()
	n, err := Open(a.Context(), a.dir, Options{Now: a.plan.Now})
	if err != nil {
		a.Fatal(err)
	}
	defer n.Close()
	if len(n.Offices) != 2 || n.Offices["xa/court"] == nil || len(n.Locked) != 0 {
		a.Errorf("%d offices, locked %v; want two that are open", len(n.Offices), n.Locked)
	}
	if n.Gateway.OwnState().Record().Sequence != 2 || len(n.Gateway.OwnState().Members()) != 2 {
		a.Errorf("record %d with %d authorities", n.Gateway.OwnState().Record().Sequence, len(n.Gateway.OwnState().Members()))
	}
	for _, left := range []string{"office/.court.new", "office/court/entry.json", "office/court/entry.json.asc", "comity.toml.next"} {
		if _, err := os.Lstat(filepath.Join(a.dir, left)); !errors.Is(err, fs.ErrNotExist) {
			a.Errorf("%s is left behind: %v", left, err)
		}
	}
}

// The power may go after any file: whatever is on the disk then, the node opens as
// before, and the same command makes the authority whole, with one set of keys.
func TestAddAuthorityGoesOnAfterAPowerCut(t *testing.T) {
	// What is on the disk is made from a finished addition by taking back its last
	// steps, the way they were taken.
	office := func(a *adding, path string) string { return filepath.Join(a.dir, "office", path) }
	must := func(t *testing.T, errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	cuts := map[string]func(a *adding){
		"while the keys are made": func(a *adding) {
			must(t, os.MkdirAll(office(a, ".court.new/office/court"), 0o700), os.WriteFile(office(a, ".court.new/office/court/act.key"), []byte("half"), 0o600))
		},
		"before the offline key is handed over": func(a *adding) { a.prepared(); must(t, os.Remove(filepath.Join(a.medium, "authority-court.key"))) },
		"before the office has its place":       func(a *adding) { a.prepared() },
		"before the database is made": func(a *adding) {
			a.prepared()
			must(t, os.Rename(office(a, ".court.new/office/court"), office(a, "court")))
		},
	}
	for name, cut := range cuts {
		t.Run(name, func(t *testing.T) {
			a := newAdding(t)
			cut(a)
			made, _ := os.ReadFile(filepath.Join(a.medium, "authority-court.key"))
			n, err := Open(t.Context(), a.dir, Options{Now: a.plan.Now})
			if err != nil {
				t.Fatalf("the node does not open in between: %v", err)
			}
			if len(n.Offices) != 1 {
				t.Errorf("%d offices in between", len(n.Offices))
			}
			must(t, n.Close())
			a.add()
			if after, err := os.ReadFile(filepath.Join(a.medium, "authority-court.key")); err != nil || len(made) > 0 && !bytes.Equal(made, after) {
				t.Errorf("the offline key is another one than was made first: %v", err)
			}
		})
	}
}

// prepared makes the keys in the workplace and hands the offline one over, and no more.
func (a *adding) prepared() {
	a.Helper()
	c, err := a.plan.begin(a.Context())
	if err != nil {
		a.Fatal(err)
	}
	defer c.Close()
	one := &addition{amendment: c, plan: a.plan, id: a.plan.Authority.ID}
	if err := errors.Join(one.makeKeys(one.workplace()), one.handOver(one.workplace())); err != nil {
		a.Fatal(err)
	}
}

// After the commit of the record the authority is listed and its office does not run
// yet: the node opens, and the same command ends what was begun.
func TestAddAuthorityGoesOnAfterTheRecord(t *testing.T) {
	a := newAdding(t)
	before, err := os.ReadFile(filepath.Join(a.dir, "comity.toml"))
	if err != nil {
		t.Fatal(err)
	}
	a.add()
	if err := os.WriteFile(filepath.Join(a.dir, "comity.toml"), before, 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := Open(t.Context(), a.dir, Options{Now: a.plan.Now})
	if err != nil || len(n.Offices) != 1 {
		t.Fatalf("the node does not open in between: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	a.now = a.now.Add(time.Hour)
	a.add()
	if _, err := AddAuthority(t.Context(), a.plan); !errors.Is(err, ErrHosted) {
		t.Errorf("once more: %v, want %v", err, ErrHosted)
	}
}

// A key that lies on the medium already, of whomever, is never replaced, and nothing
// is published.
func TestAddAuthorityReplacesNoKey(t *testing.T) {
	a := newAdding(t)
	path := filepath.Join(a.medium, "authority-court.key")
	if err := os.WriteFile(path, []byte("somebody's key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := AddAuthority(t.Context(), a.plan); err == nil || !strings.Contains(err.Error(), "is another key") {
		t.Errorf("added beside another key: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "somebody's key" {
		t.Errorf("the key is now %q, %v", text, err)
	}
	if n := len(own(t, a.dir).Members()); n != 1 {
		t.Errorf("the record lists %d authorities", n)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	a.add()
}

// Where the node's keys are protected, those of a new office are, too, and the
// configuration names the files with which "serve" opens them.
func TestAddAuthorityProtectsItsKeys(t *testing.T) {
	a := newAdding(t)
	text := "long enough to be a passphrase"
	file := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	pass, err := seal.NewPassphrase(text)
	if err != nil {
		t.Fatal(err)
	}
	a.plan.Protect = map[Holder]*seal.Passphrase{"office-court": pass, "act-court": pass}
	a.plan.PassphraseFiles = map[Holder]string{"office-court": file}
	if _, err := AddAuthority(t.Context(), a.plan); err != nil {
		t.Fatal(err)
	}
	n, err := Open(t.Context(), a.dir, Options{Now: a.plan.Now, Passphrases: &Passphrases{}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if n.Locked["office-court"] != nil || n.Locked["act-court"] == nil {
		t.Errorf("locked: %v; want the act key alone, for a person", n.Locked)
	}
}

// What an operator wrote into the configuration stays; one that is written in a way
// that cannot be edited is written anew, with everything but the comments.
func TestTheConfigurationIsEdited(t *testing.T) {
	for name, c := range map[string]struct {
		before string
		keeps  string
	}{
		"as init writes it": {"# mine\nnode = 'xa'\nlisten = '127.0.0.1:7443'\nauthorities = ['xa/one']\n\n[store]\nengine = 'sqlite'\n", "# mine\n"},
		"on several lines":  {"node = 'xa'\nlisten = '127.0.0.1:7443' # mine\nauthorities = [\n  'xa/one',\n]\n", "# mine\n"},
		"with passphrases":  {"node = 'xa'\nlisten = '127.0.0.1:7443'\nauthorities = ['xa/one']\n\n# mine\n[passphrase_files]\nnode = '/n'\n\n[store]\nengine = ''\n", "# mine\n"},
		"another notation":  {"node = 'xa'\n'listen' = '127.0.0.1:7443'\n'authorities' = ['xa/one'] # mine\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := Layout{t.TempDir()}
			if err := os.WriteFile(l.Config(), []byte(c.before), 0o600); err != nil {
				t.Fatal(err)
			}
			config, err := ReadConfig(l.Config())
			if err != nil {
				t.Fatal(err)
			}
			if err := addToConfig(l, config, "xa/two", map[Holder]string{"office-two": "/it's here"}); err != nil {
				t.Fatal(err)
			}
			// The apostrophe cannot be written between apostrophes, so this one is written anew.
			after, err := ReadConfig(l.Config())
			if err != nil || len(after.Authorities) != 2 || after.PassphraseFiles["office-two"] != "/it's here" || after.Store != config.Store {
				t.Fatalf("%+v, %v", after, err)
			}
			if err := os.WriteFile(l.Config(), []byte(c.before), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := addToConfig(l, config, "xa/two", map[Holder]string{"office-two": "/file"}); err != nil {
				t.Fatal(err)
			}
			if after, err = ReadConfig(l.Config()); err != nil || !slices.Contains(after.Authorities, "xa/two") || after.PassphraseFiles["office-two"] != "/file" || after.PassphraseFiles["node"] != config.PassphraseFiles["node"] {
				t.Errorf("%+v, %v", after, err)
			}
			if text, err := os.ReadFile(l.Config()); err != nil || !strings.Contains(string(text), c.keeps) {
				t.Errorf("lost %q: %s", c.keeps, text)
			}
		})
	}
}
