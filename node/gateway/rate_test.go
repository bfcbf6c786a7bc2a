package gateway

import (
	"testing"
	"testing/synctest"
	"time"
)

// Who waits as long as a bucket says moves on, however the fractions fall: a wait
// of nothing, while there is none, would be a loop in which no time passes.
func TestABucketNeverWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, perSecond := range []float64{1.0 / 60, 1.0 / 3, 0.7, 20} {
			b := newBucket(3, perSecond)
			for step := range 10_000 {
				if b.take() {
					continue
				}
				wait := b.wait()
				if wait <= 0 {
					t.Fatalf("%v a second, step %d: none is there, and the wait is %s", perSecond, step, wait)
				}
				time.Sleep(wait)
				if !b.take() {
					t.Fatalf("%v a second, step %d: none is there after the wait of %s", perSecond, step, wait)
				}
				time.Sleep(time.Duration(step) * 7919 * time.Nanosecond)
			}
		}
	})
}
