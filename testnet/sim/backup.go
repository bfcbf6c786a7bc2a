package sim

import (
	"io/fs"
	"os"
	"path/filepath"
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
