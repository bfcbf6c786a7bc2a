package gateway

import (
	"maps"
	"sync"

	"comity/protocol"
)

// flight is the transmissions under way to one peer.
type flight struct {
	ended *bell // rings when one has ended

	mu   sync.Mutex
	keys map[protocol.Key]bool // guarded by mu
	last chan struct{}         // guarded by mu; closed when none is under way
}

func newFlight() *flight {
	f := &flight{ended: newBell(), keys: map[protocol.Key]bool{}, last: make(chan struct{})}
	close(f.last)
	return f
}

func (f *flight) snapshot() map[protocol.Key]bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.keys)
}

func (f *flight) add(k protocol.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.keys) == 0 {
		f.last = make(chan struct{})
	}
	f.keys[k] = true
}

func (f *flight) remove(k protocol.Key) {
	f.mu.Lock()
	if delete(f.keys, k); len(f.keys) == 0 {
		close(f.last)
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
