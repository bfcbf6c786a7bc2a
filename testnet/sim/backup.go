package sim

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"comity/node/operate"
)

// Backup stops the node, copies its data directory, as its operator does every
// night, and starts it again. Its rows must be in SQLite files.
func (h *Host) Backup() (folder string) {
	h.world.T.Helper()
	h.Stop()
	folder = filepath.Join(h.world.T.TempDir(), "backup")
	h.copyTo(folder, h.dir)
	h.Start()
	return folder
}

// Restore loses the node's data directory and puts a backup in its place. The
// node stays down until Start.
func (h *Host) Restore(backup string) {
	h.world.T.Helper()
	h.Stop()
	h.world.must(os.RemoveAll(h.dir), "lose the folder of %s", h.Node)
	h.dir = h.next()
	h.life++
	h.copyTo(h.dir, backup)
	h.restored = true
	h.world.ledger.lose(h.Node)
}

// NewEra is what the operator of an older copy types when there is no newer one.
func (h *Host) NewEra() {
	h.world.T.Helper()
	_, err := operate.NewEra(h.world.T.Context(), operate.Amendment{
		Dir: h.dir, Offline: filepath.Join(h.dir, "offline"), Now: func() time.Time { return time.Now().Add(time.Duration(h.skew.Load())) },
	})
	h.world.must(err, "begin a new era at %s", h.Node)
}

// AwaitRecovery lets time go by until a restored node has fetched from all its
// peers what they hold of it. The oracle is not asked meanwhile: it would miss what
// is still on its way.
func (h *Host) AwaitRecovery(within time.Duration) {
	h.world.T.Helper()
	ctx := h.world.T.Context()
	for deadline := time.Now().Add(within); ; h.world.Pass(10 * time.Second) {
		missing := 0
		for _, other := range h.world.Hosts {
			if other == h {
				continue
			}
			still, _, _, err := h.store().Recovering(ctx, other.Node)
			h.world.must(err, "what %s has to fetch", h.Node)
			lost, err := h.store().Lost(ctx, other.Node)
			h.world.must(err, "what %s has lost", h.Node)
			if missing += len(lost); still {
				missing++
			}
		}
		if missing == 0 {
			return
		}
		if time.Now().After(deadline) {
			h.world.T.Fatalf("after %s, %s has not fetched %d things", within, h.Node, missing)
		}
	}
}

// copyTo copies a data directory with its private modes.
func (h *Host) copyTo(to, from string) {
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
	h.world.must(err, "copy the folder of %s", h.Node)
}
