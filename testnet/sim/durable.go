package sim

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// durable knows what of a folder a power cut leaves in place: of each file the
// bytes that were synced, of each folder the names that stood in it when it was
// synced. That a removed name may come back is not played.
type durable struct {
	mu    sync.Mutex
	bytes map[uint64]int64             // guarded by mu; by inode
	names map[string]map[string]uint64 // guarded by mu; folder below the root, name: inode
	held  []*os.File                   // guarded by mu; kept open, so that no inode is given away again
}

// begin takes a folder as it stands when a node starts.
func (d *durable) begin(root string) error {
	d.mu.Lock()
	d.bytes, d.names = map[uint64]int64{}, map[string]map[string]uint64{}
	d.mu.Unlock()
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return d.note(root, f)
	})
}

// end forgets it.
func (d *durable) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.held {
		f.Close()
	}
	d.held = nil
}

// note makes what f has now durable.
func (d *durable) note(root string, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !info.IsDir() {
		if _, again := d.bytes[inode(info)]; !again {
			held, err := os.Open(f.Name())
			if err != nil {
				return err
			}
			d.held = append(d.held, held)
		}
		d.bytes[inode(info)] = info.Size()
		return nil
	}
	folder, err := filepath.Rel(root, f.Name())
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(f.Name())
	if err != nil {
		return err
	}
	names := map[string]uint64{}
	for _, e := range entries {
		if info, err := e.Info(); err == nil { // one that goes at this moment is not durable
			names[e.Name()] = inode(info)
		}
	}
	d.names[folder] = names
	return nil
}

// of says whether a file keeps its name, and how many of its bytes it keeps.
func (d *durable) of(root, path string, size int64) (named bool, synced int64) {
	info, err := os.Stat(path)
	if err != nil {
		return false, 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	named = true
	for at := path; at != root; at = filepath.Dir(at) { // a folder without a name takes all in it along
		folder, err := filepath.Rel(root, filepath.Dir(at))
		have, err2 := os.Stat(at)
		named = named && err == nil && err2 == nil && d.names[folder][filepath.Base(at)] == inode(have)
	}
	return named, min(d.bytes[inode(info)], size)
}

func inode(info fs.FileInfo) uint64 { return info.Sys().(*syscall.Stat_t).Ino }
