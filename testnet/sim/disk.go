package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"comity/store"
	"comity/store/sickdisk"
)

// Point is where a fault of a disk strikes.
type Point string

// The points at which a node writes.
const (
	AtCommit Point = "commit" // of a database
	AtWrite  Point = "write"  // a statement that changes rows
	AtSync   Point = "sync"   // of a file or a folder
)

var (
	errDisk = errors.New("the disk had an I/O error")
	errDead = errors.New("this process was killed")
)

// Disk is what stands under one host: its two databases and the files of its
// sealed bytes. Faults strike at numbered points; a node that is killed writes
// nothing more: its folder is copied at that instant, and only the copy lives on.
type Disk struct {
	host *Host
	sick sickdisk.Disk

	// gate is held for reading by whoever makes something durable, and for
	// writing while a node is killed, so that the copy is one moment.
	gate sync.RWMutex
	dead bool // guarded by gate

	space atomic.Pointer[store.Space] // what it says that it has; nil: what there really is

	mu      sync.Mutex
	rand    *rand.Rand        // guarded by mu
	strikes map[Point]*strike // guarded by mu
	counts  map[Point]int     // guarded by mu; points passed since the node started
	full    bool              // guarded by mu
	struck  bool              // guarded by mu; a fault took effect since the node started

	durable durable
}

// strike is a fault to come.
type strike struct {
	after int // points to pass before it
	times int // points in a row that it meets
	fault Fault
}

func newDisk(h *Host, seed uint64) *Disk {
	d := &Disk{host: h, rand: rand.New(rand.NewPCG(seed, 2)), strikes: map[Point]*strike{}, counts: map[Point]int{}}
	d.sick.OnCommit(d.commit)
	d.sick.OnWrite(d.write)
	return d
}

// config is how stores open on this disk.
func (d *Disk) config() store.Config {
	return store.Config{Wrap: d.sick.Wrap, Sync: d.sync, Space: d.room}
}

// Leave makes the disk say how much room it has left; nil: what there really is.
func (d *Disk) Leave(s *store.Space) { d.space.Store(s) }

func (d *Disk) room(dir string) (store.Space, error) {
	if s := d.space.Load(); s != nil {
		return *s, nil
	}
	return store.DiskSpace(dir)
}

// Strike lets a fault come at a point, after some that pass. It replaces one
// that is still to come there.
func (d *Disk) Strike(p Point, after int, f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	times := 1
	if f == CommitUnknown {
		times += d.rand.IntN(4) // with more than three the node stops and says why
	}
	d.strikes[p] = &strike{after, times, f}
}

// Fill makes the disk full for databases and files, or gives room again.
func (d *Disk) Fill(full bool) {
	d.sick.Fill(full)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
	d.struck = d.struck || full
}

// Heal ends all faults.
func (d *Disk) Heal() {
	d.Fill(false)
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.strikes)
}

// Passed is how many points the node passed since it started.
func (d *Disk) Passed(p Point) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts[p]
}

// isDead reports whether the node was killed.
func (d *Disk) isDead() bool {
	d.gate.RLock()
	defer d.gate.RUnlock()
	return d.dead
}

// wasStruck reports whether any fault took effect since the node started.
func (d *Disk) wasStruck() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.struck
}

// next counts a point and returns the fault that strikes there.
func (d *Disk) next(p Point) (f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts[p]++
	s := d.strikes[p]
	switch {
	case s == nil:
		return ""
	case s.after > 0:
		s.after--
		return ""
	}
	if s.times--; s.times == 0 {
		delete(d.strikes, p)
	}
	d.struck = true
	d.host.world.Tally.Count(s.fault, 1)
	return s.fault
}

func (d *Disk) coin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rand.IntN(2) == 0
}

// commit carries out one commit of a database, or does not.
func (d *Disk) commit(c sickdisk.Commit) error {
	switch f := d.next(AtCommit); {
	case f == KilledBefore:
		return d.die(false, c.Undo)
	case f == KilledAfter:
		return d.die(false, func() { _ = c.Do() })
	case f == PowerCut:
		return d.cutWithin(c)
	case f == CommitLost, f == CommitUnknown && d.coin():
		c.Undo()
		return errDisk
	case f == CommitKept, f == CommitUnknown:
		return errors.Join(d.alive(c.Do), errDisk)
	default:
		err := d.alive(c.Do)
		if errors.Is(err, errDead) {
			c.Undo()
		}
		return d.noticed(err)
	}
}

// write carries out one statement, or does not.
func (d *Disk) write(w sickdisk.Write) error {
	switch d.next(AtWrite) {
	case KilledAtWrite:
		return d.die(false, func() {})
	case WriteLost:
		return errDisk
	case WriteKept:
		return errors.Join(w.Do(), errDisk)
	default:
		return d.noticed(w.Do())
	}
}

// sync makes a file or folder durable, as far as power cuts are concerned: the
// machine under the simulation need not do it.
func (d *Disk) sync(f *os.File) error {
	note := func() error { return d.durable.note(d.host.dir, f) }
	switch fault := d.next(AtSync); {
	case fault == SyncFailed:
		return fmt.Errorf("sync %s: %w", f.Name(), errDisk)
	case fault == KilledAtSync || fault == PowerCutAtSync:
		return d.die(fault == PowerCutAtSync, func() {
			if d.coin() {
				_ = note()
			}
		})
	case d.isFull():
		return d.noticed(&os.PathError{Op: "sync", Path: f.Name(), Err: syscall.ENOSPC})
	default:
		return d.alive(note)
	}
}

func (d *Disk) isFull() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.full
}

// noticed counts the writes that a full disk refused.
func (d *Disk) noticed(err error) error {
	if store.IsFull(err) {
		d.host.world.Tally.Count(DiskFull, 1)
	}
	return err
}

// alive does something durable unless the node was killed.
func (d *Disk) alive(do func() error) error {
	d.gate.RLock()
	defer d.gate.RUnlock()
	if d.dead {
		return errDead
	}
	return do()
}

// reopen gives a node that starts a disk without faults to come. A full one
// stays full.
func (d *Disk) reopen() {
	d.gate.Lock()
	d.dead = false
	d.gate.Unlock()
	d.durable.end()
	d.host.world.must(d.durable.begin(d.host.dir), "look at the disk of %s", d.host.Node)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.struck = d.full
	clear(d.strikes)
	clear(d.counts)
}
