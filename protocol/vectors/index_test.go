package vectors

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"comity/protocol"
)

var (
	update = flag.Bool("update", false, "make fresh keys and write all data anew")
	extend = flag.Bool("extend", false, "write the groups of examples that are not there yet, with keys of their own, and leave all others as they are")
)

// index is index.json.
type index struct {
	Now   time.Time `json:"now"` // the clock of the receiver in every case
	Cases []example `json:"cases"`
}

// example is one case: files that together are put to one check, and what the receiver must say.
type example struct {
	Check string   `json:"check"`
	Files []string `json:"files"`
	Code  string   `json:"code"` // empty: valid
	Rule  string   `json:"rule"` // the requirement of SPEC.md that decides
	Why   string   `json:"why"`
}

// Every example gets from this implementation the answer that the index promises to others.
func TestVectors(t *testing.T) {
	if *update {
		generate(t)
	} else if *extend {
		further(t)
	}
	list := readIndex(t)
	r := newReceiver(t, list.Now)
	codes := map[protocol.Code]bool{}
	for _, c := range list.Cases {
		codes[protocol.Code(c.Code)] = true
		t.Run(c.Files[0], func(t *testing.T) {
			check := r.checks()[c.Check]
			if check == nil {
				t.Fatalf("no check is called %q", c.Check)
			}
			var files [][]byte
			for _, name := range c.Files {
				files = append(files, read(t, name))
			}
			err := check(files)
			if got := protocol.CodeOf(err); string(got) != c.Code || err != nil && got == "" {
				t.Errorf("%s of %v: got code %q (%v), want %q: %s", c.Check, c.Files, got, err, c.Code, c.Why)
			}
		})
	}
	for _, want := range exampleCodes {
		if !codes[want] {
			t.Errorf("no example has the code %s", want)
		}
	}
}

// exampleCodes are the codes that the pure formats can answer with. The others are a node's or an officer's to say.
var exampleCodes = []protocol.Code{
	protocol.Malformed, protocol.UnsupportedVersion, protocol.BadSignature, protocol.WrongRole, protocol.KeyExpired, protocol.KeyCompromised,
	protocol.UnknownSender, protocol.UnknownRecipient, protocol.WrongRecipientKey, protocol.WrongParcel, protocol.Equivocation, protocol.Expired,
	protocol.ClockSkew, protocol.TooLarge, protocol.SizeMismatch, protocol.DigestMismatch, protocol.BadHeader, protocol.BadContainer,
	protocol.ManifestMismatch, protocol.CannotOpen, protocol.Policy,
}

// Every file is in the index, every file of the index is there, every check is used and every rule exists.
func TestIndexIsWhole(t *testing.T) {
	list := readIndex(t)
	spec := string(read(t, "../SPEC.md"))
	checks, named, used, size := newReceiver(t, list.Now).checks(), map[string]bool{}, map[string]bool{}, int64(0)
	for _, c := range list.Cases {
		for _, f := range c.Files {
			named[f] = true
		}
		if checks[c.Check] == nil {
			t.Errorf("%v: no check is called %q", c.Files, c.Check)
		}
		used[c.Check] = true
		if !strings.Contains(spec, "**"+c.Rule+"**") {
			t.Errorf("%v rests on %q, which SPEC.md does not define", c.Files, c.Rule)
		}
		if c.Why == "" || strings.HasSuffix(c.Why, ".") {
			t.Errorf("%v: want one sentence without its full stop, got %q", c.Files, c.Why)
		}
	}
	for name := range checks {
		if !used[name] {
			t.Errorf("no example is put to the check %q", name)
		}
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if path = filepath.ToSlash(path); !strings.HasSuffix(path, ".go") {
			size += info.Size()
		}
		if strings.Contains(path, "/") && !strings.HasPrefix(path, "exchange/") && !named[path] {
			t.Errorf("%s is not in the index", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if size > 3_500_000 {
		t.Errorf("the examples take %d bytes; keep them below 3.5 MB", size)
	}
}

func readIndex(t *testing.T) index {
	t.Helper()
	var list index
	d := json.NewDecoder(bytes.NewReader(read(t, "index.json")))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil || len(list.Cases) == 0 {
		t.Fatalf("index.json: %d cases, %v", len(list.Cases), err)
	}
	return list
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// writer writes the data of -update.
type writer struct {
	t     *testing.T
	cases []example
}

// generate replaces all data.
func generate(t *testing.T) {
	t.Helper()
	w := &writer{t: t}
	for _, old := range must(os.ReadDir(".")) {
		if old.IsDir() {
			if err := os.RemoveAll(old.Name()); err != nil {
				t.Fatal(err)
			}
		}
	}
	made := newWorld()
	w.exchange(made)
	w.documents(made)
	w.records(made)
	w.parcels(made)
	w.transmissions(made)
	w.logs(made)
	w.keys(made)
	w.bundles()
	w.disclosures(made.envelope, made.events)
	w.witnessed(made.xb.checkpoint(day.Add(4*time.Hour)), made.xa.checkpoint(day))
	w.groups()
	w.index()
}

// further adds the groups that are not there yet.
func further(t *testing.T) {
	t.Helper()
	w := &writer{t: t, cases: readIndex(t).Cases}
	w.groups()
	w.index()
}

// groups writes each group of examples that needs nothing of the others, unless it
// is there: a new format then changes no byte of an old example. A group has its
// own folder.
func (w *writer) groups() {
	for _, g := range []struct {
		folder string
		write  func()
	}{{"marks", w.marks}, {"judged", w.judged}, {"restored", w.restored}, {"tile", w.tiles}, {"adoption", w.adoptions}, {"succession", w.successions}} {
		if !slices.ContainsFunc(w.cases, func(c example) bool { return strings.HasPrefix(c.Files[0], g.folder+"/") }) {
			g.write()
		}
	}
}

// index writes index.json.
func (w *writer) index() {
	w.t.Helper()
	// One case a line: a change of one shows as one.
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\n  \"now\": %s,\n  \"cases\": [\n", must(json.Marshal(day.Add(4*time.Hour))))
	for i, c := range w.cases {
		var line bytes.Buffer
		e := json.NewEncoder(&line)
		e.SetEscapeHTML(false)
		if err := e.Encode(c); err != nil {
			w.t.Fatal(err)
		}
		b.WriteString("    " + strings.TrimSuffix(line.String(), "\n"))
		if i < len(w.cases)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("  ]\n}\n")
	w.file("index.json", b.Bytes())
}

func (w *writer) file(name string, data []byte) {
	w.t.Helper()
	path := filepath.FromSlash(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		w.t.Fatal(err)
	}
}

// add writes one example. name is folder/what; each suffix of files makes one file.
func (w *writer) add(check, name string, code protocol.Code, rule, why string, files ...part) {
	w.t.Helper()
	c := example{Check: check, Code: string(code), Rule: rule, Why: why}
	for _, f := range files {
		full := name + f.suffix
		if strings.HasPrefix(f.suffix, "=") { // a file that is there already
			full = f.suffix[1:]
		} else {
			if slices.ContainsFunc(w.cases, func(o example) bool { return o.Files[0] == full }) {
				w.t.Fatalf("two examples are called %s", full)
			}
			w.file(full, f.data)
		}
		c.Files = append(c.Files, full)
	}
	w.cases = append(w.cases, c)
}

// part is one file of an example: its suffix and its bytes.
type part struct {
	suffix string
	data   []byte
}

func doc(data []byte) part { return part{".json", data} }
