package federation

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"comity/protocol/statement"
)

// The power goes between any two writes of any ceremony. The same command is typed
// again, an hour later, and ends where it would have ended.
func TestPowerCut(t *testing.T) {
	b := newTable(t)
	xa := stateOf("xa")
	var papers [][]byte // as stewards hand them in, signed once
	signed := func(by ...StewardName) {
		p := b.paper(must(b.registry.Draft()))
		papers = nil
		for _, name := range by {
			papers = append(papers, must(b.sign(p, name)))
		}
	}
	collect := func(r *Registry, now time.Time) error {
		_, err := r.Collect(papers, now)
		return err
	}
	for _, act := range []struct {
		name  string
		ready func()
		do    func(r *Registry, now time.Time) error
	}{
		{"create", nil, func(r *Registry, now time.Time) error { return ignore(r.Create(b.cards, 2, noPassphrase, now)) }},
		{"collect the first root", func() { signed("assembly", "board") }, collect},
		{"add", nil, func(r *Registry, now time.Time) error { return ignore(r.Add(xa.records[:1], now)) }},
		{"collect the first edition", func() { signed("board", "council") }, collect},
		{"stamp", nil, func(r *Registry, now time.Time) error { return r.Stamp(noPassphrase, now) }},
		{"stamp again", nil, func(r *Registry, now time.Time) error { return r.Stamp(noPassphrase, now) }},
		{"add the next record", func() { xa.next("two.xa.example:1") }, func(r *Registry, now time.Time) error {
			return ignore(r.Add([]statement.Signed{xa.records[1]}, now))
		}},
		{"give up", nil, func(r *Registry, _ time.Time) error { _, err := r.GiveUp(); return err }},
		{"change the online key", nil, func(r *Registry, now time.Time) error {
			return ignore(r.Change(Change{NewOnline: true, Unlock: noPassphrase}, now))
		}},
		{"collect the next root", func() { signed("assembly", "council") }, collect},
		{"stamp with the new key", nil, func(r *Registry, now time.Time) error { return r.Stamp(noPassphrase, now) }},
	} {
		if act.ready != nil {
			act.ready()
		}
		before := filesIn(t, b.dir)
		order := orderOf(t, before, func(r *Registry) error { return act.do(r, b.now) })
		if err := act.do(b.registry, b.now); err != nil {
			t.Fatalf("%s: %v", act.name, err)
		}
		want := standing(b.registry)
		steps := changes(before, filesIn(t, b.dir))
		slices.SortStableFunc(steps, func(a, b written) int { return slices.Index(order, a.path) - slices.Index(order, b.path) })
		if len(steps) == 0 {
			t.Errorf("%s has written nothing", act.name)
		}
		for done := range len(steps) + 1 {
			t.Run(fmt.Sprintf("%s, %d of %d", act.name, done, len(steps)), func(t *testing.T) {
				cut := rebuild(t, before, steps[:done])
				defer func() { b.check(cut.Close()) }()
				if err := act.do(cut, b.now.Add(time.Hour)); err != nil {
					t.Fatalf("typed again: %v", err)
				}
				if got := standing(cut); got != want {
					t.Errorf("it ends with %s, want %s", got, want)
				}
			})
		}
	}
}

func ignore(_ *Drafted, err error) error { return err }

// standing is where a federation stands, in short.
func standing(r *Registry) string {
	st := must(r.Status())
	text := fmt.Sprintf("stamped %v, unstamped %v, counts %v", !st.Stamped.IsZero(), st.Unstamped, st.Counts)
	if st.Root != nil {
		text += fmt.Sprintf(", root %d", st.Root.Number)
	}
	if st.Edition != nil {
		text += fmt.Sprintf(", edition %d", st.Edition.Ref().Version)
	}
	if st.Open != nil {
		text += ", draft " + st.Open.Name()
	}
	return text
}

// written is a file as it was written, or removed (data nil), and when.
type written struct {
	path string
	data []byte
	at   time.Time
}

func filesIn(t *testing.T, dir string) map[string]written {
	t.Helper()
	all := map[string]written{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel := must(filepath.Rel(dir, path))
		all[rel] = written{rel, must(os.ReadFile(path)), must(e.Info()).ModTime()}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// changes are the writes between two states of a folder in their order, which the
// files' times tell; removals come last, as in every ceremony.
func changes(before, after map[string]written) (steps []written) {
	for path, f := range after {
		if was, there := before[path]; !there || !bytes.Equal(was.data, f.data) {
			steps = append(steps, f)
		}
	}
	slices.SortFunc(steps, func(a, b written) int { return a.at.Compare(b.at) })
	for path := range before {
		if _, there := after[path]; !there {
			steps = append(steps, written{path: path})
		}
	}
	return steps
}

// orderOf are the files that an act writes, and then those it removes, in the order
// in which it does. Times tell, but for writes between two ticks of the kernel's
// clock; so the act is tried in copies of the folder until no two are alike.
func orderOf(t *testing.T, before map[string]written, act func(*Registry) error) (paths []string) {
	t.Helper()
	for range 100 {
		r := rebuild(t, before, nil)
		dir := filepath.Dir(r.Directory())
		begin := filesIn(t, dir)
		if err := errors.Join(act(r), r.Close()); err != nil {
			t.Fatalf("in a copy of the folder: %v", err)
		}
		steps := changes(begin, filesIn(t, dir))
		isTied := slices.ContainsFunc(steps, func(a written) bool {
			return slices.ContainsFunc(steps, func(b written) bool { return a.path != b.path && a.at.Equal(b.at) && a.data != nil && b.data != nil })
		})
		if isTied {
			continue
		}
		for _, s := range steps {
			paths = append(paths, s.path)
		}
		return paths
	}
	t.Fatal("the order of the writes cannot be told")
	return nil
}

// rebuild is the folder after some of the writes.
func rebuild(t *testing.T, before map[string]written, steps []written) *Registry {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "registry")
	for _, f := range before {
		if err := folder(dir).put(filepath.ToSlash(f.path), f.data); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range steps {
		var err error
		if f.data == nil {
			err = os.Remove(filepath.Join(dir, f.path))
		} else {
			err = folder(dir).put(filepath.ToSlash(f.path), f.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, directoryFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	return must(OpenRegistry(dir))
}
