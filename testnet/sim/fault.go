package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Fault is a kind of fault. Each is counted where it took effect, not where a
// story asked for it.
type Fault string

// What the network does, one for each packet.
const (
	Loss      Fault = "packet lost"
	Duplicate Fault = "packet arrived twice"
	Late      Fault = "packet late, so that others overtake it"
	OneWay    Fault = "packet stopped, the way back is open"
	Partition Fault = "packet stopped, both ways are cut"
	Drip      Fault = "packet of a connection that drips"
)

// What the disk does.
const (
	CommitLost    Fault = "commit failed and was not written"
	CommitKept    Fault = "commit failed but was written"
	CommitUnknown Fault = "commit of unknown outcome, repeated"
	WriteLost     Fault = "statement failed and was not written"
	WriteKept     Fault = "statement failed but was written"
	SyncFailed    Fault = "sync of a file failed"
	DiskFull      Fault = "write on a full disk"
)

// How a node ends.
const (
	Restart         Fault = "stopped in order, and restarted"
	KilledIdle      Fault = "killed at any moment"
	KilledAtWrite   Fault = "killed at a statement"
	KilledAtSync    Fault = "killed at the sync of a file"
	KilledBefore    Fault = "killed right before a commit"
	KilledAfter     Fault = "killed right after a commit"
	KilledInUpload  Fault = "killed in mid-upload"
	PowerCut        Fault = "power cut within a commit"
	PowerCutAtSync  Fault = "power cut at the sync of a file"
	TornLog         Fault = "database tail torn by a power cut"
	TornFile        Fault = "file tail torn by a power cut"
	ClockHour       Fault = "clock wrong by an hour"
	ClockYear       Fault = "clock wrong by a year"
	ClockAtTheStart Fault = "started with a wrong clock"
)

// Faults are all kinds. A kind that is not here is never missed when it fails to
// happen.
var Faults = []Fault{
	Loss, Duplicate, Late, OneWay, Partition, Drip,
	CommitLost, CommitKept, CommitUnknown, WriteLost, WriteKept, SyncFailed, DiskFull,
	Restart, KilledIdle, KilledAtWrite, KilledAtSync, KilledBefore, KilledAfter, KilledInUpload,
	PowerCut, PowerCutAtSync, TornLog, TornFile,
	ClockHour, ClockYear, ClockAtTheStart,
}

// Tally counts faults by kind. The zero value is empty. It is safe for
// concurrent use.
type Tally struct {
	mu sync.Mutex
	n  map[Fault]int // guarded by mu
}

// Count adds n faults of a kind.
func (t *Tally) Count(f Fault, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[Fault]int{}
	}
	t.n[f] += n
}

// Of is how often a kind took effect.
func (t *Tally) Of(f Fault) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n[f]
}

// Counts returns a copy of all that happened.
func (t *Tally) Counts() map[Fault]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.n)
}

// Add counts what another counted.
func (t *Tally) Add(more map[Fault]int) {
	for f, n := range more {
		t.Count(f, n)
	}
}

// Missing are the kinds that never took effect.
func (t *Tally) Missing() []Fault {
	return slices.DeleteFunc(slices.Clone(Faults), func(f Fault) bool { return t.Of(f) > 0 })
}

// String is the table: kind, how often.
func (t *Tally) String() string {
	var b strings.Builder
	for _, f := range Faults {
		fmt.Fprintf(&b, "%-42s %10d\n", f, t.Of(f))
	}
	return b.String()
}

// happened lists in one line what a story met.
func (t *Tally) happened() string {
	var all []string
	for _, f := range Faults {
		if n := t.Of(f); n > 0 {
			all = append(all, fmt.Sprintf("%s ×%d", f, n))
		}
	}
	return strings.Join(all, "; ")
}
