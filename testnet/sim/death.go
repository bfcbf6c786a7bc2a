package sim

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"comity/store/sickdisk"
)

// sector is the piece of a file that a disk writes whole or not at all.
const sector = 512

// Kill ends the node at once. With power it is a power cut: what was not synced
// may be lost as well.
func (h *Host) Kill(f Fault, power bool) {
	if h.running == nil || h.disk.isDead() {
		return
	}
	h.world.Tally.Count(f, 1)
	_ = h.disk.die(power, func() {})
}

// die ends the node at this instant, right after last: no packet passes any
// more, and the folder is copied as it stands. What the old process still does
// happens to a folder that nobody will open again.
func (d *Disk) die(power bool, last func()) error {
	d.gate.Lock()
	defer d.gate.Unlock()
	if d.dead {
		return errDead
	}
	d.host.world.Net.silence(d.host, true)
	last()
	d.leave(power)
	return errDead
}

// leave copies the folder. Called with gate held for writing.
func (d *Disk) leave(power bool) {
	d.dead = true
	d.mu.Lock()
	d.struck = true
	d.mu.Unlock()
	h := d.host
	err := filepath.WalkDir(h.dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went while we looked: it was not durable
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(h.dir, path)
		if err != nil {
			return err
		}
		switch to := filepath.Join(h.next(), rel); {
		case e.IsDir():
			return os.MkdirAll(to, 0o700)
		case !e.Type().IsRegular() || strings.HasSuffix(path, "-shm"):
			return nil // shared memory dies with its processes
		default:
			return d.survive(path, to, power)
		}
	})
	if err != nil { // not must: this is the node's goroutine
		h.world.T.Errorf("copy what %s left behind: %v", h.Node, err)
	}
}

// survive copies one file as it is found after the death.
func (d *Disk) survive(from, to string, power bool) error {
	b, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// The engine syncs its own files; see cutWithin.
	if database := strings.Contains(filepath.Base(from), ".db"); power && !database {
		named, synced := d.durable.of(d.host.dir, from, int64(len(b)))
		if (!named || synced < int64(len(b))) && d.tear(named, synced, &b) {
			d.host.world.Tally.Count(TornFile, 1)
			if b == nil {
				return nil
			}
		}
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, info.Mode().Perm())
}

// tear lets a file lose what was not synced: its name, or bytes at its end, which
// are missing or were never filled. It reports whether it did.
func (d *Disk) tear(named bool, synced int64, b *[]byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !named && d.rand.IntN(2) == 0 {
		*b = nil
		return true
	}
	left := synced + d.rand.Int64N(int64(len(*b))-synced+1)
	switch tail := (*b)[left:]; {
	case len(tail) == 0:
		return false
	case d.rand.IntN(2) == 0:
		*b = (*b)[:left]
	default:
		clear(tail)
	}
	return true
}

// cutWithin cuts the power while a commit is under way: of what the commit
// changed in the database or in its write-ahead log, some sectors are new and
// some are old. A PostgreSQL server lives on and has the commit, or has it not.
func (d *Disk) cutWithin(c sickdisk.Commit) error {
	return d.die(true, func() {
		db := c.File()
		if db == "" {
			if d.coin() {
				_ = c.Do()
			} else {
				c.Undo()
			}
			return
		}
		wal := db + "-wal"
		oldWAL, oldDB := content(wal), content(db)
		if err := c.Do(); err != nil {
			return
		}
		// When the engine folded the log into the database, it had synced the log
		// before, and it stands whole until the next commit.
		torn, old := wal, oldWAL
		if !slices.Equal(oldDB, content(db)) {
			torn, old = db, oldDB
		}
		written := content(torn)
		if mixed := d.mix(old, written); !slices.Equal(mixed, written) {
			d.host.world.Tally.Count(TornLog, 1)
			if err := os.WriteFile(torn, mixed, 0o600); err != nil {
				d.host.world.T.Errorf("tear the tail of a file: %v", err)
			}
		}
	})
}

// mix takes each sector that differs from the old or from the new file.
func (d *Disk) mix(old, written []byte) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	share := [...]float64{0, 0.1, 0.5, 0.9}[d.rand.IntN(4)] // of new ones
	end := 0
	mixed := make([]byte, max(len(old), len(written)))
	copy(mixed, old)
	for at := 0; at < len(written); at += sector {
		to := min(at+sector, len(written))
		if !slices.Equal(mixed[at:to], written[at:to]) && d.rand.Float64() < share {
			copy(mixed[at:to], written[at:to])
			end = to
		}
	}
	return mixed[:max(end, len(old))]
}

func content(path string) []byte {
	b, _ := os.ReadFile(path) // none is empty
	return b
}
