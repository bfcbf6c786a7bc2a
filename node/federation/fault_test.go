package federation

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"comity/protocol"
	"comity/protocol/envelope"
)

// R-FED-8: a damaged file of the directory keeps no node from being opened. It is an
// alarm that says what to do, and after that the node is back in its federation.
func TestDamagedFolder(t *testing.T) {
	w := newWorld(t)
	w.publish(stateOf("xb").records[0])
	root := must(os.ReadFile(filepath.Join(w.dir, rootFile)))
	mirrors := []string{w.mirror()}
	ways := map[string]func(path string) error{
		"is empty":       func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"has nothing":    func(path string) error { return os.WriteFile(path, []byte("{}"), 0o600) },
		"is no JSON":     func(path string) error { return os.WriteFile(path, []byte("\x00\x00"), 0o600) },
		"is a folder":    func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"is gone":        os.RemoveAll,
		"lies open":      func(path string) error { return os.Chmod(path, 0o755) }, // #nosec G302 -- that is the fault
		"is a file":      func(path string) error { return errors.Join(os.RemoveAll(path), os.WriteFile(path, nil, 0o600)) },
		"leads nowhere":  func(path string) error { return errors.Join(os.RemoveAll(path), os.Symlink("nowhere", path)) },
		"is not allowed": func(path string) error { return os.Chmod(path, 0) },
	}
	type damage struct{ file, way string }
	var all []damage
	for _, way := range []string{"is empty", "has nothing", "is no JSON", "is a folder"} {
		for _, file := range []string{"directory/timestamp.json", "directory/snapshot.json", "directory/targets.json", "directory/root.json", settingsFile} {
			all = append(all, damage{file, way})
		}
	}
	all = append(all, damage{directoryFolder, "is gone"}, damage{directoryFolder, "lies open"}, damage{directoryFolder, "is a file"}, damage{directoryFolder, "leads nowhere"})
	if os.Getuid() != 0 { // for whom nothing is not allowed
		all = append(all, damage{settingsFile, "is not allowed"}, damage{directoryFolder, "is not allowed"})
	}
	for _, d := range all {
		t.Run(filepath.Base(d.file)+" "+d.way, func(t *testing.T) {
			k := &keeper{}
			f := newFollower(t, w, k)
			w.check(f.Join(root, mirrors))
			w.check(f.Refresh(t.Context()))
			adopted := slices.Clone(k.versions)
			path := filepath.Join(f.cfg.Dir, d.file)
			w.check(ways[d.way](path))

			f = OpenFollower(f.cfg)
			if s := f.Standing(); s.Joined || len(s.Alarms) != 1 || s.Alarms[0].Kind != OwnFault || !strings.Contains(s.Alarms[0].Do, "move "+f.cfg.Dir+" away") {
				t.Errorf("standing %+v, want one alarm that says what to move away", s)
			} else if !strings.Contains(s.Alarms[0].Text, filepath.Base(d.file)) && !strings.Contains(s.Alarms[0].Text, rootFile) {
				t.Errorf("alarm %q, want the file in it", s.Alarms[0].Text)
			}
			if err := f.Refresh(t.Context()); !errors.Is(err, ErrNotJoined) {
				t.Errorf("refresh: %v", err)
			}
			if err := f.Join(root, mirrors); err != nil && !errors.Is(err, ErrUnreadable) {
				t.Errorf("joined over it: %v", err)
			}
			if d.way == "is not allowed" {
				w.check(os.Chmod(path, 0o700)) // #nosec G302 -- some are folders
			}
			w.check(os.Rename(f.cfg.Dir, f.cfg.Dir+".old"))
			f = OpenFollower(f.cfg)
			if s := f.Standing(); len(s.Alarms) != 1 || !strings.Contains(s.Alarms[0].Text, f.cfg.Dir+" is gone") {
				t.Errorf("moved away: %+v, want an alarm that it is gone", s)
			}
			w.check(f.Join(root, mirrors))
			w.check(f.Refresh(t.Context()))
			if s := f.Standing(); !s.Joined || len(s.Alarms) > 0 || s.Listed == nil || !slices.Equal(k.versions, adopted) {
				t.Errorf("joined again: %+v, versions %v, want %v", s, k.versions, adopted)
			}
		})
	}
}

// A node that never was in a federation has no alarm, and one that was has it although
// only the settings are gone.
func TestFolderIsGone(t *testing.T) {
	w := newWorld(t)
	k := &keeper{}
	f := newFollower(t, w, k)
	if s := f.Standing(); len(s.Alarms) > 0 {
		t.Errorf("of no federation: %+v", s)
	}
	k.versions = []envelope.Directory{{Version: 3}}
	w.check(os.MkdirAll(f.Folder(), 0o700))
	if s := f.Standing(); s.Joined || len(s.Alarms) != 1 || !strings.Contains(s.Alarms[0].Text, "version 3") || !strings.Contains(s.Alarms[0].Text, settingsFile+" is gone") {
		t.Errorf("standing %+v, want an alarm that the settings are gone", s)
	}
}

// A node that joins again, without its folder, knows by the versions that it adopted
// when mirrors lag behind them, or when stewards have signed another one.
func TestVersionsOfBeforeStillHold(t *testing.T) {
	w := newWorld(t)
	w.publish(stateOf("xb").records[0])
	old := w.copied()
	w.publish(stateOf("xc").records[0])
	root := must(os.ReadFile(filepath.Join(w.dir, rootFile)))
	for name, known := range map[string]bool{"an older version that was passed over": false, "an older version that was adopted": true} {
		t.Run(name, func(t *testing.T) {
			k := &keeper{}
			f := newFollower(t, w, k)
			if known {
				w.check(f.Join(root, []string{old.mirror()}))
				w.check(f.Refresh(t.Context()))
			}
			w.check(f.Join(root, []string{w.mirror()}))
			w.check(f.Refresh(t.Context()))
			w.check(os.RemoveAll(f.cfg.Dir))

			f = OpenFollower(f.cfg)
			w.check(f.Join(root, []string{old.mirror()}))
			w.check(f.Refresh(t.Context()))
			if s := f.Standing(); len(s.Alarms) != 1 || s.Alarms[0].Kind != Unreached || !strings.Contains(s.Alarms[0].Text, "version 1") || !strings.Contains(s.Alarms[0].Text, "version 2") {
				t.Errorf("mirrors that lag behind what was adopted: %+v", s.Alarms)
			}
			w.check(f.Join(root, []string{w.mirror()}))
			w.check(f.Refresh(t.Context()))
			if s := f.Standing(); len(s.Alarms) > 0 {
				t.Errorf("a mirror that has it: %+v", s.Alarms)
			}
			k.versions[len(k.versions)-1].Digest[0] ^= 1
			w.check(f.Refresh(t.Context()))
			if s := f.Standing(); len(s.Alarms) != 1 || s.Alarms[0].Kind != Hostile || s.Alarms[0].Code != protocol.Equivocation {
				t.Errorf("another directory under the version that was adopted: %+v", s.Alarms)
			}
		})
	}
}
