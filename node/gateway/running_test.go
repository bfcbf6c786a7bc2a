package gateway

import (
	"testing"
	"testing/synctest"
	"time"
)

// While a node that stops waits for its handlers, time goes on: they end by it.
func TestANodeThatStopsLetsTimePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRunning()
		for range 2 {
			if !r.enter() {
				t.Fatal("no handler may begin, and nothing stops")
			}
		}
		go func() {
			r.leave()
			time.Sleep(time.Minute)
			r.leave()
		}()
		began := time.Now()
		none := r.end()
		if r.enter() {
			t.Error("a handler may begin while the node stops")
		}
		<-none
		if waited := time.Since(began); waited != time.Minute {
			t.Errorf("waited %s for a handler of a minute", waited)
		}
	})
}
