package gateway

import "sync"

// bell wakes whoever waits for something to change. A waiter takes the channel
// first, then looks; if it finds nothing it waits on the channel.
type bell struct {
	mu sync.Mutex
	ch chan struct{} // guarded by mu; closed and replaced at each ring
}

func newBell() *bell { return &bell{ch: make(chan struct{})} }

func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}

// bells is one bell per name. The names are those of peers and authorities of
// records, so there are few.
type bells[K comparable] struct {
	mu  sync.Mutex
	all map[K]*bell // guarded by mu
}

func newBells[K comparable]() *bells[K] { return &bells[K]{all: map[K]*bell{}} }

func (b *bells[K]) of(k K) *bell {
	b.mu.Lock()
	defer b.mu.Unlock()
	one, ok := b.all[k]
	if !ok {
		one = newBell()
		b.all[k] = one
	}
	return one
}
