package gateway

import (
	"context"
	"io"
	"sync"
	"time"

	"comity/protocol"
	"comity/store"
)

// flight is the transmissions under way to one peer. Each can be cut short: when
// its parcel is withdrawn.
type flight struct {
	ended *bell // rings when one has ended

	mu    sync.Mutex
	keys  map[protocol.Key]store.Line // guarded by mu
	cuts  map[protocol.Key]func()     // guarded by mu; ends one before its time
	last  chan struct{}               // guarded by mu; closed when none is under way
	fewer chan struct{}               // guarded by mu; closed when one ends, nil while nobody gives way

	expected map[int]int // guarded by mu; by rank: how many are about to be submitted
}

func newFlight() *flight {
	f := &flight{ended: newBell(), keys: map[protocol.Key]store.Line{}, cuts: map[protocol.Key]func(){}, last: make(chan struct{}), expected: map[int]int{}}
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

// has reports whether one is under way.
func (f *flight) has(k protocol.Key) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.keys[k]
	return ok
}

// add begins one. The context returned ends with it, with parent, or when cut
// is called.
func (f *flight) add(parent context.Context, k protocol.Key, line store.Line) context.Context {
	ctx, cut := context.WithCancel(parent)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.keys) == 0 {
		f.last = make(chan struct{})
	}
	f.keys[k], f.cuts[k] = line, cut
	return ctx
}

// cut ends one before its time, if it is under way.
func (f *flight) cut(k protocol.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if cut, ok := f.cuts[k]; ok {
		cut()
	}
}

func (f *flight) remove(k protocol.Key) {
	f.mu.Lock()
	if cut, ok := f.cuts[k]; ok {
		cut()
		delete(f.cuts, k)
	}
	if delete(f.keys, k); len(f.keys) == 0 {
		close(f.last)
	}
	f.passed()
	f.mu.Unlock()
	f.ended.ring()
}

// passed tells those that give way that there is less to give way to. Called
// with mu held.
func (f *flight) passed() {
	if f.fewer != nil {
		close(f.fewer)
		f.fewer = nil
	}
}

// expect makes room for one of a priority that is about to be submitted, until
// the returned function is called and it has had the time to begin.
func (f *flight) expect(rank int) (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expected[rank]++
	return func() {
		time.AfterFunc(lingerExpected, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.expected[rank]--
			f.passed()
		})
	}
}

// lingerExpected is more than a submitted parcel needs to begin.
const lingerExpected = 50 * time.Millisecond

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
// higher priority is under way or expected; otherwise nil.
func (f *flight) above(rank int) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	higher := false
	for _, line := range f.keys {
		higher = higher || line.Rank < rank
	}
	for r, n := range f.expected {
		higher = higher || n > 0 && r < rank
	}
	if !higher {
		return nil
	}
	if f.fewer == nil {
		f.fewer = make(chan struct{})
	}
	return f.fewer
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

// yielder is a body that gives way to what has a higher priority.
type yielder interface{ giveWay() }

// polite is a large body that gives way at each piece that is read from it.
type polite struct {
	io.ReaderAt
	ctx    context.Context // of the delivery: it lives as long
	flying *flight
	rank   int
}

func (p polite) giveWay() { p.flying.giveWay(p.ctx, p.rank) }

// ReadAt waits for its turn first.
func (p polite) ReadAt(b []byte, off int64) (int, error) {
	p.giveWay()
	return p.ReaderAt.ReadAt(b, off)
}

// politely is a writer of the pieces of a body that gives way before each, too: they
// were read ahead, some megabytes of several bodies, before there was anything to
// give way to. Reading and writing wait beside each other, not one after the other.
func politely(to io.Writer, body io.ReaderAt) io.Writer {
	if y, ok := body.(yielder); ok {
		return politeWriter{to, y}
	}
	return to
}

type politeWriter struct {
	io.Writer
	body yielder
}

func (w politeWriter) Write(p []byte) (int, error) {
	w.body.giveWay()
	return w.Writer.Write(p)
}
