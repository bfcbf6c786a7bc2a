package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"comity/protocol"
)

// temporary is the folder of unfinished files; what stands in it at open was
// interrupted.
const temporary = "tmp"

// bodies is the folder of the sealed bytes that are too large for a row:
// <first two digits>/<digest>. os.Root shuts out every path that leads outside.
type bodies struct {
	root   *os.Root
	sync   func(*os.File) error
	serial atomic.Uint64 // names temporary files

	mu      sync.Mutex
	held    map[protocol.Digest]int  // kept by a spool whose fact may still come
	orphans map[protocol.Digest]bool // kept, then given up
	shards  map[string]bool          // folders known to be durable
}

func openBodies(dir string, c Config) (*bodies, error) {
	if err := os.MkdirAll(filepath.Join(dir, temporary), 0o700); err != nil {
		return nil, fmt.Errorf("opening the folder of sealed bytes: %w", err)
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := c.syncFolder(d); err != nil {
			return nil, fmt.Errorf("opening the folder of sealed bytes: %w", err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the folder of sealed bytes: %w", err)
	}
	b := &bodies{root: root, sync: c.sync, held: map[protocol.Digest]int{}, orphans: map[protocol.Digest]bool{}, shards: map[string]bool{}}
	err = b.each(temporary, func(name string, _ fs.DirEntry) error { return root.RemoveAll(name) })
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("removing unfinished files: %w", err)
	}
	return b, nil
}

// each calls f for the entries of one folder, a bounded number at a time.
func (b *bodies) each(folder string, f func(name string, e fs.DirEntry) error) error {
	dir, err := b.root.Open(folder)
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(256)
		for _, e := range entries {
			if err := f(folder+"/"+e.Name(), e); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// temporaryName is a new name for an unfinished file.
func (b *bodies) temporaryName() string {
	return temporary + "/" + strconv.FormatUint(b.serial.Add(1), 10)
}

func bodyName(d protocol.Digest) (shard, name string) {
	text := d.String()
	return text[:2], text[:2] + "/" + text
}

// keep gives a temporary file its name, durably. If the power goes
//   - before the rename, the temporary file is cleaned at open;
//   - after it, the file has its full content (it was synced first) and no row
//     yet: an orphan, see RemoveOrphans.
func (b *bodies) keep(f *os.File, temp string, d protocol.Digest) error {
	err := errors.Join(b.sync(f), f.Close())
	if err == nil {
		shard, name := bodyName(d)
		if err = b.makeShard(shard); err == nil {
			b.hold(d)
			// The same digest may be there already: then this replaces the file
			// by an equal one, and open readers go on with the old one.
			if err = b.root.Rename(temp, name); err == nil {
				// Two names of one file (see Adopt): then renaming does nothing,
				// and the temporary name would hold the space for ever.
				_ = b.root.Remove(temp)
				err = b.syncShard(shard)
			}
			if err != nil {
				b.release(d, true)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("keeping sealed bytes %s…: %w", d.Short(), err)
	}
	return nil
}

func (b *bodies) makeShard(shard string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shards[shard] {
		return nil
	}
	if err := b.root.Mkdir(shard, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := b.syncShard("."); err != nil {
		return err
	}
	b.shards[shard] = true
	return nil
}

func (b *bodies) syncShard(shard string) error {
	dir, err := b.root.Open(shard)
	if err != nil {
		return err
	}
	defer dir.Close()
	return b.sync(dir)
}

// hold keeps Sweep away from a digest until its spool is committed or given up.
func (b *bodies) hold(d protocol.Digest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held[d]++
}

func (b *bodies) release(d protocol.Digest, orphan bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held[d]--; b.held[d] <= 0 {
		delete(b.held, d)
	}
	if orphan {
		b.orphans[d] = true
	}
}

// givenUp returns the digests that were given up.
func (b *bodies) givenUp() []protocol.Digest {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.orphans))
}

// whileFree runs f with those of all that no spool holds; no spool can begin to
// hold one meanwhile. Those that were given up are forgotten when f succeeds.
func (b *bodies) whileFree(all []protocol.Digest, f func(free []protocol.Digest) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	free := slices.DeleteFunc(all, func(d protocol.Digest) bool { return b.held[d] > 0 })
	if err := f(free); err != nil {
		return err
	}
	for _, d := range free {
		delete(b.orphans, d)
	}
	return nil
}

func (b *bodies) remove(d protocol.Digest) error {
	_, name := bodyName(d)
	return b.removeName(name)
}

// removeName removes a file that may be gone already.
func (b *bodies) removeName(name string) error {
	if err := b.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Sealed reads sealed bytes at any offset, concurrently. Close it.
type Sealed struct {
	body io.ReaderAt
	size int64
	file *os.File // nil for small ones
}

// ReadAt reads as io.ReaderAt says.
func (s *Sealed) ReadAt(p []byte, off int64) (int, error) { return s.body.ReadAt(p, off) }

// Size is how many bytes there are.
func (s *Sealed) Size() int64 { return s.size }

// Close releases the file.
func (s *Sealed) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
