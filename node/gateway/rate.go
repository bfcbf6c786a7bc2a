package gateway

import (
	"sync"
	"time"
)

// bucket is a token bucket: so many at once, then so many a second. Time is
// real time, not the wall clock: nobody gains by setting a clock.
type bucket struct {
	most      float64
	perSecond float64

	mu   sync.Mutex
	have float64   // guarded by mu
	at   time.Time // guarded by mu; when have was right
}

func newBucket(most, perSecond float64) *bucket {
	return &bucket{most: most, perSecond: perSecond, have: most, at: time.Now()}
}

// take takes one, if there is one.
func (b *bucket) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill()
	if b.have < 1 {
		return false
	}
	b.have--
	return true
}

// spend takes n, also when there are fewer: what is missing has to come first
// before there is one again. The debt is never more than a full bucket.
func (b *bucket) spend(n float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill()
	b.have = max(b.have-n, -b.most)
}

// give puts one back.
func (b *bucket) give() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill()
	b.have = min(b.have+1, b.most)
}

// wait returns how long until there is one again; 0 only when there is. It is
// rounded up: who waits in a loop for a pause of nothing would never wait.
func (b *bucket) wait() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill()
	if b.have >= 1 {
		return 0
	}
	return time.Duration((1-b.have)/b.perSecond*float64(time.Second)) + time.Microsecond
}

// fill adds what has come since the last look. Called with mu held.
func (b *bucket) fill() {
	now := time.Now()
	b.have = min(b.have+now.Sub(b.at).Seconds()*b.perSecond, b.most)
	b.at = now
}
