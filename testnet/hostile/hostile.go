// Package hostile is peers that misbehave on purpose: small programs, each with
// real keys or with none, that drive real connections with a running node. They
// show that nothing untrue is stored or answered, that nothing panics or leaks,
// and that honest traffic goes on.
//
// A program is one way to misbehave, made of steps: each step makes a few
// requests and judges the answers. What a node may answer depends on its limits
// (it may always ask to come back later, or hang up); what it must never answer
// does not. The node under attack has no test switches.
package hostile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Program is one way to misbehave.
type Program struct {
	Name string
	Does string // for people
	// Step makes the next requests in a session. An Untrue error says that the
	// node answered what it must never answer; any other, that the connection or
	// the request failed, as it may.
	Step func(context.Context, *Session) error
}

// Untrue is an answer that no limit excuses.
type Untrue struct{ What string }

func (u *Untrue) Error() string { return u.What }

func untrue(format string, args ...any) error { return &Untrue{fmt.Sprintf(format, args...)} }

// Programs are all of them.
func Programs() []Program {
	return []Program{Forger, Replayer, Squatter, Liar, Drip, Flooder, Stranger, Garbage, Bomber, Headers}
}

// Session is one worker of a program: one connection at a time, and what the
// program remembers between steps. It is for one goroutine.
type Session struct {
	*Peer
	line *line // nil: not connected
	step int
	kept any // the program's own
}

// Tally counts what happened. It is safe for concurrent use.
type Tally struct {
	Requests atomic.Int64 // made, answered or not
	Failed   atomic.Int64 // steps that the node ended, as it may

	mu       sync.Mutex
	untrue   map[string]int // guarded by mu
	statuses map[int]int    // guarded by mu
}

// Statuses returns how often each HTTP status was answered, for people.
func (t *Tally) Statuses() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []string
	for _, status := range slices.Sorted(maps.Keys(t.statuses)) {
		all = append(all, fmt.Sprintf("%d x %d", t.statuses[status], status))
	}
	return strings.Join(all, ", ")
}

func (t *Tally) answered(status int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.statuses == nil {
		t.statuses = map[int]int{}
	}
	t.statuses[status]++
}

// Untrue returns what was answered wrongly, each once, with its number.
func (t *Tally) Untrue() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.untrue
}

func (t *Tally) note(err error) {
	var u *Untrue
	switch {
	case errors.As(err, &u):
		t.mu.Lock()
		if t.untrue == nil {
			t.untrue = map[string]int{}
		}
		t.untrue[u.What]++
		t.mu.Unlock()
	case err != nil:
		t.Failed.Add(1)
	}
}

// pauseAfterFailure keeps a program from spinning when the node hangs up on it:
// an attacker's packets still have to travel.
const pauseAfterFailure = 5 * time.Millisecond

// Run lets so many workers of a program loose until ctx ends.
func Run(ctx context.Context, p Program, as *Peer, workers int) {
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			s := &Session{Peer: as, step: i}
			defer s.hangUp()
			for ctx.Err() == nil {
				err := p.Step(ctx, s)
				s.step++
				if ctx.Err() != nil {
					return // whatever failed, we did it
				}
				as.Tally.note(err)
				var u *Untrue
				if err != nil && !errors.As(err, &u) {
					s.hangUp()
					pause(ctx, pauseAfterFailure)
				}
			}
		})
	}
	wg.Wait()
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
