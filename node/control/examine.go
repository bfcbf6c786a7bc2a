package control

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/record"
	"comity/store"
)

// Examine looks at the files of a data directory, without a lock and without
// opening the node, so that it can tell why a node does not start.
func Examine(dir string, now time.Time) []Check {
	l := operate.Layout{Dir: dir}
	checks := []Check{modes(l), offline(l), space(dir)}
	if config, err := operate.ReadConfig(l.Config()); err != nil {
		checks = append(checks, bad("configuration", "mend "+l.Config()+": the message says where", "%v", err))
	} else {
		checks = append(checks, good("configuration", "%s is in order", l.Config()))
		checks = append(checks, protection(l, config)...)
		checks = append(checks, officersFolders(l, config)...)
	}
	own, err := operate.ReadRecord(l)
	if err != nil {
		return append(checks, bad("record", "restore the folder record from a backup", "%v", err))
	}
	return append(checks, validities(own, now)...)
}

// modes finds whatever others than the owner could read.
func modes(l operate.Layout) Check {
	const name = "files"
	count := 0
	var open []string
	err := filepath.WalkDir(l.Dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it came and went while we looked
		} else if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "sealed" {
			return fs.SkipDir // sealed bytes; and there may be millions
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		count++
		secret := d.IsDir() && path == l.Dir || strings.HasSuffix(path, ".key") || strings.HasSuffix(path, ".pem") ||
			strings.HasSuffix(path, ".txt") || strings.HasSuffix(path, ".sock")
		if secret && info.Mode().Perm()&0o077 != 0 {
			open = append(open, path)
		}
		return nil
	})
	switch {
	case err != nil:
		return bad(name, "see who owns the files: all must belong to the user who runs the node", "%v", err)
	case len(open) > 0:
		return bad(name, fmt.Sprintf("type: chmod go-rwx %s; and make new keys if anyone could have read them", open[0]),
			"%d of %d files are open to others than their owner, first %s", len(open), count, open[0])
	}
	return good(name, "%d files, none of the secret ones open to others", count)
}

// offline warns about keys that should not be on this machine.
func offline(l operate.Layout) Check {
	const name = "offline keys"
	entries, err := os.ReadDir(l.Offline())
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return good(name, "not on this machine")
	} else if err != nil {
		return bad(name, "see who owns the folder", "%v", err)
	}
	return warn(name, "move "+l.Offline()+" to a medium that is kept locked away, in two copies",
		"%s is still here: whoever takes this machine can speak for the state", l.Offline())
}

func space(dir string) Check {
	const name = "disk"
	s, err := store.DiskSpace(dir)
	const do = "make room: a parcel needs its size on this disk, and evidence must always find some"
	switch {
	case err != nil:
		return bad(name, "see that the path is right", "%v", err)
	case s.Critical():
		return bad(name, do, "%d MiB free: soon no evidence can be stored", s.Free>>20)
	case s.Short():
		return warn(name, do, "%d MiB free: nothing new is taken from peers and offices below %d MiB", s.Free>>20, s.Low()>>20)
	case s.Free < 2*s.Low():
		return warn(name, do, "%d MiB free", s.Free>>20)
	}
	return good(name, "%d GiB free", s.Free>>30)
}

// validities looks at every date in the own record.
func validities(own *record.State, now time.Time) []Check {
	r := own.Record()
	const renew = `stop the node, type "comity key renew --offline FOLDER", and start it again, some days before then`
	checks := []Check{within("record", fmt.Sprintf("number %d", r.Sequence), r.Valid, now, renew)}
	newest := map[string]protocol.Window{}
	var order []string
	note := func(what string, w protocol.Window) {
		if _, known := newest[what]; !known {
			order = append(order, what)
		}
		if w.Until.After(newest[what].Until.Time) {
			newest[what] = w
		}
	}
	for _, k := range r.Node.Keys {
		note(fmt.Sprintf("%s key of node %s", k.Role, r.Node.ID), k.Valid)
	}
	for _, p := range r.Node.TLS {
		note(fmt.Sprintf("TLS key of node %s", r.Node.ID), p.Valid)
	}
	for _, m := range own.Members() {
		for _, k := range m.Document().Keys {
			note(fmt.Sprintf("%s key of %s", k.Role, m.ID()), k.Valid)
		}
		for _, a := range m.Document().Recipients {
			note(fmt.Sprintf("sealing key of %s", m.ID()), a.Valid)
		}
	}
	before := len(checks)
	for _, what := range order {
		if c := within("keys", what, newest[what], now, renew); c.Verdict != OK {
			checks = append(checks, c)
		}
	}
	if len(checks) == before {
		checks = append(checks, good("keys", "%d keys, the first ends on %s", len(order), first(newest).Format(time.DateOnly)))
	}
	return append(checks, confirmations(own, now)...)
}

func first(all map[string]protocol.Window) (end time.Time) {
	for _, w := range all {
		if end.IsZero() || w.Until.Before(end) {
			end = w.Until.Time
		}
	}
	return end
}

func within(name, what string, w protocol.Window, now time.Time, renew string) Check {
	switch until := w.Until.Format(time.DateOnly); {
	case now.Before(w.From.Time):
		return bad(name, "see whether this machine's clock is right", "%s: not valid before %s", what, w.From)
	case !now.Before(w.Until.Time):
		return bad(name, `stop the node, type "comity key renew --offline FOLDER", and start it again: until then peers refuse what it signs`, "%s: ended on %s", what, until)
	case now.Add(soon).After(w.Until.Time):
		return warn(name, renew, "%s: ends on %s", what, until)
	default:
		return good(name, "%s: valid until %s", what, until)
	}
}
