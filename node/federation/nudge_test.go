package federation

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// countedMirror is a mirror that counts how often it was asked for what is newest.
type countedMirror struct {
	http.Handler
	times atomic.Int64
}

func (c *countedMirror) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/timestamp.json") {
		c.times.Add(1)
	}
	answer := httptest.NewRecorder()
	c.ServeHTTP(answer, r)
	return answer.Result(), nil
}

// R-FED-8: a node that starts asks its mirrors within seconds, and soon after something
// that it holds seems out of date; neither more often than the mirrors can bear.
func TestWhenMirrorsAreAsked(t *testing.T) {
	w := newWorld(t)
	w.publish(stateOf("xb").records[0])
	first := newFollower(t, w, &keeper{})
	w.check(first.Join(must(os.ReadFile(filepath.Join(w.dir, "root.json"))), []string{w.mirror()}))
	synctest.Test(t, func(t *testing.T) {
		mirror := &countedMirror{Handler: Mirror(w.dir)}
		cfg := first.cfg
		cfg.Transport = mirror
		var f *Follower
		started := func() (stop func()) {
			f = OpenFollower(cfg)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = f.Run(ctx)
			}()
			return func() { cancel(); <-done }
		}
		after := func(what string, wait time.Duration, want int64) {
			t.Helper()
			time.Sleep(wait)
			synctest.Wait()
			if got := mirror.times.Load(); got != want {
				t.Errorf("%s: the mirror was asked %d times, want %d", what, got, want)
			}
		}
		stop := started()
		after("a start", 2*refreshNow, 1)
		for range 100 {
			f.Nudge()
		}
		after("nudges right after a refresh", refreshSoon-3*refreshNow, 1)
		after("ten minutes later", 4*refreshNow, 2)
		after("no more than that", refreshSoon, 2)
		f.Nudge()
		after("a nudge after a rest", 2*refreshNow, 3)
		stop()

		if at := OpenFollower(cfg).Standing().Asked; !at.Equal(w.now) {
			t.Errorf("another process reads that the mirrors were asked at %s, want %s", at, w.now)
		}
		stop = started()
		after("a start right after a refresh", refreshSoon, 3)
		after("ten minutes later", 2*refreshNow, 4)
		stop()
		w.now = w.now.Add(time.Hour)
		stop = started()
		after("a start after an hour", 2*refreshNow, 5)
		stop()
	})
}
