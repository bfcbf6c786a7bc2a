//go:build linux

package local

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// onDisk is how much the files below a folder hold, and how much of the disk
// they take. A file with several names counts once: a body is handed from room to
// room by a second name.
func onDisk(dir string) (size, blocks int64) {
	seen := map[uint64]bool{}
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // it went meanwhile
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok && !seen[s.Ino] {
			seen[s.Ino] = true
			size += s.Size
			blocks += s.Blocks * 512
		}
		return nil
	})
	return size, blocks
}

// stored is how many sealed bytes the node's gateway has on its disk, whole or
// not.
func (n *Node) stored() int64 {
	size, _ := onDisk(filepath.Join(n.Dir, "node", "sealed"))
	return size
}

// watchDisk looks all the time at how much of the disk a node takes beyond what
// it takes now. The returned function ends that and returns the most it saw.
func (n *Node) watchDisk() (peak func() int64) {
	_, before := onDisk(n.Dir)
	var most int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(pollEvery)
		defer tick.Stop()
		for {
			_, now := onDisk(n.Dir)
			most = max(most, now-before)
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	end := sync.OnceFunc(func() { close(stop); <-done })
	n.tb.Cleanup(end)
	return func() int64 { end(); return most }
}

// part is how many bytes of the one body under way to the node have arrived.
func (n *Node) part(t *testing.T) int64 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(n.Dir, "node", "sealed", "partial", "*"))
	if err != nil || len(files) > 1 {
		t.Fatalf("bodies under way to %s: %v, %v", n.ID, files, err)
	}
	if len(files) == 0 {
		return 0
	}
	info, err := os.Stat(files[0])
	if err != nil {
		return 0 // it is whole now
	}
	return info.Size()
}
