package gateway

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// budget bounds the bytes that all peers together make this node hold in memory
// at once: bodies of their calls and what is decoded from them, pieces of their
// uploads, answers to ours (I7). Each peer has an account with a limit of its
// own, so that one cannot use up the others' share.
//
// Not in it, because the transport bounds them by themselves: header fields
// (MaxHeaderBytes for each of MaxStreams) and receive windows (window).
type budget struct {
	most  int64
	freed *bell // rings when something is given back

	mu     sync.Mutex
	used   int64 // guarded by mu
	bodies int64 // guarded by mu; how much of that are pieces of bodies
}

// account is one peer's part of a budget.
type account struct {
	all    *budget
	most   int64
	used   int64 // guarded by all.mu
	bodies int64 // guarded by all.mu
}

func newBudget(most int64) *budget { return &budget{most: most, freed: newBell()} }

// window is how much one connection may have sent that nobody has read yet; a
// stream, half of it. With 16 MiB a path of 300 ms still carries 50 MB/s; a node that
// has little memory gives less.
func (b *budget) window() int64 { return min(maxWindow, b.most/4) }

// maxWindow is the largest window of a connection.
const maxWindow = 16 << 20

// account makes one of at most half of all: whatever one peer does, there is
// something left for the others.
func (b *budget) account(most int64) *account { return &account{all: b, most: min(most, b.most/2)} }

// budgetPatience is how long whoever needs memory waits for it: long enough for
// small calls to end, and short beside the peer's own patience.
const budgetPatience = 3 * time.Second

// errNoMemory is the answer when the wait was in vain.
var errNoMemory error = &comeBack{http.StatusTooManyRequests, 2 * time.Second, "too much is under way here at once"}

// hold is what one request has taken from an account. It belongs to one
// goroutine.
type hold struct {
	account *account
	body    bool // of pieces of a body, which must leave room for small calls
	size    int64
}

func (a *account) hold() *hold { return &hold{account: a} }

func (a *account) holdBody() *hold { return &hold{account: a, body: true} }

// grow takes n bytes more. It waits up to budgetPatience for others to end, and
// returns errNoMemory when they did not. More than the account can ever hold is
// refused at once.
func (h *hold) grow(ctx context.Context, n int64) error {
	a := h.account
	var timer *time.Timer
	for {
		freed := a.all.freed.wait()
		if h.take(n) {
			return nil
		}
		if n > a.most {
			return errNoMemory
		}
		if timer == nil {
			timer = time.NewTimer(budgetPatience)
			defer timer.Stop()
		}
		select {
		case <-freed:
		case <-timer.C:
			return errNoMemory
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (h *hold) take(n int64) bool {
	a, all := h.account, h.account.all
	all.mu.Lock()
	defer all.mu.Unlock()
	if a.used+n > a.most || all.used+n > all.most {
		return false
	}
	if h.body {
		if a.bodies+n > inBodies(a.most) || all.bodies+n > inBodies(all.most) {
			return false
		}
		a.bodies += n
		all.bodies += n
	}
	a.used += n
	all.used += n
	h.size += n
	return true
}

// free gives everything back. It may be called again.
func (h *hold) free() {
	if h.size == 0 {
		return
	}
	a, all := h.account, h.account.all
	all.mu.Lock()
	a.used -= h.size
	all.used -= h.size
	if h.body {
		a.bodies -= h.size
		all.bodies -= h.size
	}
	all.mu.Unlock()
	h.size = 0
	all.freed.ring()
}

// bodyCost is how many bytes one byte of a small body costs while it is worked
// on: itself, the decoded text, and the packets cut from it.
const bodyCost = 3

// weighed is a body that is paid for as it is read, so that a peer pays for what
// it sends and not for what it announces.
type weighed struct {
	io.ReadCloser
	ctx  context.Context // of the request: the body lives no longer
	held *hold
}

// read is how many bytes have come.
func (b weighed) read() int64 { return b.held.size / bodyCost }

// Read returns errNoMemory when there is no room for more.
func (b weighed) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		if full := b.held.grow(b.ctx, int64(n)*bodyCost); full != nil {
			return 0, full
		}
	}
	return n, err
}
