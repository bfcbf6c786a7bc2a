package federation

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// R-FED-8: the file of a listed record that is damaged here is fetched again from any
// mirror. Until one answers it is trouble on this side, of which no steward is
// told, and the other states' records are adopted all the same.
func TestDamagedRecordIsFetchedAgain(t *testing.T) {
	xb, xc := stateOf("xb"), stateOf("xc")
	w := newWorld(t)
	w.publish(xb.records[0], xb.next("two.xb.example:1"), xc.records[0])
	root := must(os.ReadFile(filepath.Join(w.dir, rootFile)))
	for name, damage := range map[string]func(path string) error{
		"one bit":  func(path string) error { return flipOne(path) },
		"cut":      func(path string) error { return os.Truncate(path, 10) },
		"empty":    func(path string) error { return os.Truncate(path, 0) },
		"too long": func(path string) error { return os.Truncate(path, 64<<20) },
		"gone":     os.Remove,
		"a folder": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			here := *w
			w := &here
			w.t = t
			f := newFollower(t, w, &keeper{})
			w.check(f.Join(root, []string{w.mirror()}))
			w.check(f.Refresh(t.Context()))
			i := Item{"xb", 1}
			path := filepath.Join(f.Folder(), f.client.Edition().files[i].path(i))
			whole := must(os.ReadFile(path))
			w.check(damage(path))

			// The database was lost, and no mirror answers.
			k := &keeper{}
			f.cfg.Node = k
			f = OpenFollower(f.cfg)
			w.check(f.Join(root, []string{"http://127.0.0.1:1"}))
			w.check(f.Refresh(t.Context()))
			if got := kinds(f); !slices.Equal(got, []AlarmKind{OwnFault, Unreached}) || !strings.Contains(f.Standing().Alarms[0].Text, "records/xb/1") {
				t.Errorf("alarms %+v, want trouble on this side with the one file", f.Standing().Alarms)
			}
			if k.Newest("xc") == nil || k.Newest("xb") != nil {
				t.Errorf("adopted: xb %t, xc %t; want xc alone", k.Newest("xb") != nil, k.Newest("xc") != nil)
			}

			w.check(f.Join(root, []string{w.mirror()}))
			if name == "a folder" { // which nothing of ours removes
				if err := f.Refresh(t.Context()); err == nil || kinds(f)[0] != OwnFault {
					t.Errorf("a folder in its place: %v, %v", err, kinds(f))
				}
				return
			}
			w.check(f.Refresh(t.Context()))
			if s := f.Standing(); len(s.Alarms) > 0 || k.Newest("xb") == nil || k.Newest("xb").Record().Sequence != 2 {
				t.Errorf("with a mirror: alarms %+v, xb adopted %t", s.Alarms, k.Newest("xb") != nil)
			}
			if got := must(os.ReadFile(path)); !bytes.Equal(got, whole) {
				t.Error("the file is not whole again")
			}
		})
	}
}

func flipOne(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	data[len(data)/2] ^= 1
	return os.WriteFile(path, data, 0o600)
}

// A folder that is moved away from under a running node is trouble, and joining again
// mends it without a restart.
func TestFolderIsMovedFromUnderARunningNode(t *testing.T) {
	w := newWorld(t)
	w.publish(stateOf("xb").records[0])
	root := must(os.ReadFile(filepath.Join(w.dir, rootFile)))
	k := &keeper{}
	f := newFollower(t, w, k)
	w.check(f.Join(root, []string{w.mirror()}))
	w.check(f.Refresh(t.Context()))
	w.check(os.WriteFile(filepath.Join(f.Folder(), timestampFile), nil, 0o600))
	if err := f.Refresh(t.Context()); err == nil || !slices.Contains(kinds(f), OwnFault) {
		t.Errorf("damaged while it runs: %v, %v", err, kinds(f))
	}
	w.check(os.RemoveAll(f.cfg.Dir))
	if err := f.Refresh(t.Context()); err == nil || !slices.Contains(kinds(f), OwnFault) {
		t.Errorf("gone while it runs: %v, %v", err, kinds(f))
	}
	w.check(f.Join(root, []string{w.mirror()}))
	w.check(f.Refresh(t.Context()))
	if s := f.Standing(); len(s.Alarms) > 0 || s.Listed == nil || len(k.versions) != 1 {
		t.Errorf("joined again: %+v, versions %v", s, k.versions)
	}
	if s := OpenFollower(f.cfg).Standing(); !s.Joined || s.Listed == nil {
		t.Errorf("after a restart: %+v", s)
	}
}
