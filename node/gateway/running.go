package gateway

import "sync"

// running counts the handlers at work, so that a node that stops lets them finish.
// It is no lock: who waited for one would keep simulated time from passing, and
// with it the very timers by which a handler ends.
type running struct {
	mu    sync.Mutex
	count int           // guarded by mu
	over  bool          // guarded by mu; no handler may begin any more
	none  chan struct{} // closed when it is over and none is left
}

func newRunning() *running { return &running{none: make(chan struct{})} }

// enter reports whether a handler may begin; it must then leave.
func (r *running) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		r.count++
	}
	return !r.over
}

func (r *running) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count--
	r.settle()
}

// end lets no further handler begin, and returns what is closed when none is left.
// It is called once.
func (r *running) end() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	r.settle()
	return r.none
}

// settle needs mu.
func (r *running) settle() {
	if r.over && r.count == 0 {
		close(r.none)
	}
}
