package gateway

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	// recheckTime is how long a peer that has just called may take to answer on our
	// own connection to it.
	recheckTime = 5 * time.Second
	// recheckPause is the least time between two looks: a peer that makes
	// connections in a loop must not make us work in one.
	recheckPause = 2 * time.Second
)

// firstCall is how a connection remembers, in the context of its requests, that
// a hello came over it.
type firstCall struct{}

// withFirstCall prepares the context of a new connection.
func withFirstCall(ctx context.Context) context.Context {
	return context.WithValue(ctx, firstCall{}, new(atomic.Bool))
}

// isFirstCall reports whether this is the first hello of its connection.
func isFirstCall(ctx context.Context) bool {
	called, ok := ctx.Value(firstCall{}).(*atomic.Bool)
	return ok && called.CompareAndSwap(false, true)
}

// recheck is the loop that looks at our own connection to a peer when the peer
// makes a new one to us: it may have been restarted. A connection from before
// that looks alive until it times out, because a restarted peer answers only
// packets of some size with a reset, and what waits for room sends none. Bodies
// under way would wait as long.
//
// Only the first hello of a connection is a reason to look; otherwise two nodes
// would ask each other for ever.
func (l *link) recheck(ctx context.Context) {
	rung := l.renewed.wait()
	for {
		select {
		case <-rung:
		case <-ctx.Done():
			return
		}
		rung = l.renewed.wait()
		l.mu.Lock()
		s := l.session
		l.mu.Unlock()
		if s != nil && s.alive() {
			attempt, cancel := context.WithTimeout(ctx, recheckTime)
			err := l.hello(attempt, s)
			cancel()
			if ctx.Err() == nil && blocked(err) && s.alive() {
				l.logger().Info("a peer that calls does not answer on our connection: making a new one", "error", err)
				s.close()
			}
		}
		pause(ctx, recheckPause)
	}
}
