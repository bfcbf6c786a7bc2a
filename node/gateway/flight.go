package gateway

import (
	"context"
	"io"
	"sync"
	"time"

	"comity/protocol"
	"comity/store"
)

// flight is the transmissions under way to one peer.
type flight struct {
	ended *bell // rings when one has ended

	mu    sync.Mutex
	keys  map[protocol.Key]store.Line // guarded by mu
	last  chan struct{}               // guarded by mu; closed when none is under way
	fewer chan struct{}               // guarded by mu; closed when one ends, nil while nobody gives way
}

func newFlight() *flight {
	f := &flight{ended: newBell(), keys: map[protocol.Key]store.Line{}, last: make(chan struct{})}
	close(f.last)
	return f
}

// snapshot returns which ones are under way, and how many there are of each line.
func (f *flight) snapshot() (busy map[protocol.Key]bool, load load) {
	f.mu.Lock()
	defer f.mu.Unlock()
	busy, load = make(map[protocol.Key]bool, len(f.keys)), newLoad()
	for k, line := range f.keys {
		busy[k] = true
		load.add(line)
	}
	return busy, load
}

func (f *flight) add(k protocol.Key, line store.Line) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.keys) == 0 {
		f.last = make(chan struct{})
	}
	f.keys[k] = line
}

func (f *flight) remove(k protocol.Key) {
	f.mu.Lock()
	if delete(f.keys, k); len(f.keys) == 0 {
		close(f.last)
	}
	if f.fewer != nil {
		close(f.fewer)
		f.fewer = nil
	}
	f.mu.Unlock()
	f.ended.ring()
}

// landed returns a channel that is closed when none is under way any more.
func (f *flight) landed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

func (f *flight) empty() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.keys) == 0
}

// above returns a channel that is closed when one has ended, as long as one of a
// higher priority is under way; otherwise nil.
func (f *flight) above(rank int) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, line := range f.keys {
		if line.Rank < rank {
			if f.fewer == nil {
				f.fewer = make(chan struct{})
			}
			return f.fewer
		}
	}
	return nil
}

// maxGiveWay is how long a piece of a large body waits at most while something
// of a higher priority is under way: bulk shrinks to a trickle of two pieces a
// second, but never starves, whatever stands before it.
const maxGiveWay = 500 * time.Millisecond

// giveWay waits while something of a higher priority is under way to the peer,
// at most maxGiveWay (R-XCH-7).
func (f *flight) giveWay(ctx context.Context, rank int) {
	ended := f.above(rank)
	if ended == nil {
		return
	}
	timer := time.NewTimer(maxGiveWay)
	defer timer.Stop()
	for ended != nil {
		select {
		case <-ended:
			ended = f.above(rank)
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// polite is a large body that gives way at each piece that is read from it.
type polite struct {
	io.ReaderAt
	ctx    context.Context // of the delivery: it lives as long
	flying *flight
	rank   int
}

// ReadAt waits for its turn first.
func (p polite) ReadAt(b []byte, off int64) (int, error) {
	p.flying.giveWay(p.ctx, p.rank)
	return p.ReaderAt.ReadAt(b, off)
}
