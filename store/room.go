package store

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"

	"comity/protocol"
)

// Space is how much a disk has for this process.
type Space struct {
	Free  int64 // bytes that an ordinary process may still write
	Total int64
}

// DiskSpace asks the file system of a folder.
func DiskSpace(dir string) (Space, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return Space{}, fmt.Errorf("asking how much room the disk of %s has: %w", dir, err)
	}
	block := int64(s.Bsize) //nolint:unconvert // the type differs between systems
	bytes := func(blocks uint64) int64 { return int64(min(blocks, uint64(math.MaxInt64/2/block))) * block }
	return Space{Free: bytes(s.Bavail), Total: bytes(s.Blocks)}, nil
}

// Low is the low watermark: what is below it is kept for evidence, the log and
// the rows of what is here already, and no new body is taken.
func (s Space) Low() int64 { return min(protocol.LowSpace, s.Total/20) }

// Short reports whether the disk is below the low watermark.
func (s Space) Short() bool { return s.Free < s.Low() }

// Critical reports whether it is below the critical one: soon nothing can be
// committed any more.
func (s Space) Critical() bool { return s.Free < min(protocol.CriticalSpace, s.Low()/4) }

// Admit returns a *ShortError unless so many bytes fit above the low watermark.
func (s Space) Admit(bytes int64) error {
	if bytes > s.Free-s.Low() {
		return &ShortError{Space: s, Need: bytes}
	}
	return nil
}

// ShortError says that a disk is short of space for something new. Nothing was
// stored.
type ShortError struct {
	Space
	Need int64
}

func (e *ShortError) Error() string {
	return fmt.Sprintf("the disk is short of space: %d MiB are free, of which %d MiB are kept for evidence and the log, and this needs %d MiB",
		e.Free>>20, e.Low()>>20, (e.Need+1<<20-1)>>20)
}

// Space returns how much the disk of the gateway's sealed bytes has.
func (g *Gateway) Space() (Space, error) { return g.v.space() }

// Space returns how much the disk of the office's sealed bytes has.
func (o *Office) Space() (Space, error) { return o.v.space() }

func (v *vault) space() (Space, error) {
	dir := v.bodies.root.Name()
	if v.config.Space != nil {
		return v.config.Space(dir)
	}
	return DiskSpace(dir)
}
