package gateway

import "sync"

// recent is a small memory of what was seen last: when it is full, the oldest
// entry gives way. It only saves work; the store knows everything that is in it.
type recent[K comparable, V any] struct {
	mu    sync.Mutex
	known map[K]V // guarded by mu
	order []K     // guarded by mu; a ring
	next  int     // guarded by mu; the place of the oldest once the ring is full
	size  int
}

func newRecent[K comparable, V any](size int) *recent[K, V] {
	return &recent[K, V]{known: make(map[K]V), size: size}
}

func (r *recent[K, V]) get(k K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.known[k]
	return v, ok
}

// put remembers v, unless something is remembered of k already.
func (r *recent[K, V]) put(k K, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.known[k]; !ok {
		r.add(k, v)
	}
}

// set remembers v in place of what was remembered of k.
func (r *recent[K, V]) set(k K, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.known[k]; ok {
		r.known[k] = v
	} else {
		r.add(k, v)
	}
}

// add is called with mu held.
func (r *recent[K, V]) add(k K, v V) {
	r.known[k] = v
	if len(r.order) < r.size {
		r.order = append(r.order, k)
		return
	}
	delete(r.known, r.order[r.next])
	r.order[r.next] = k
	r.next = (r.next + 1) % r.size
}
