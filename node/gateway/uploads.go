package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/statement"
	"comity/store"
)

// Limits of announced uploads.
const (
	// maxUploads is how many announced uploads one peer may have open.
	maxUploads = protocol.MaxStreams
	// uploadAge is how long an announced upload to which no bytes come is
	// remembered, and how long the room for it stays reserved.
	uploadAge = 10 * time.Minute
)

// errTooMany says that a peer has too many uploads open.
var errTooMany error = &comeBack{http.StatusTooManyRequests, 5 * time.Second, "too many uploads are open"}

// offer is an authentic envelope whose bytes may come.
type offer struct {
	peer       protocol.NodeID
	env        *envelope.Envelope
	signed     statement.Signed
	submission store.Evidence
	seen       store.SeePeerLog // the checkpoint under which submission was proven
	withdrawal statement.Signed // empty unless it is taken back now
	until      time.Time        // guarded by uploads.mu; real time, for forgetting
	over       bool             // only between begin and end: it was decided

	mu      sync.Mutex
	preempt func()        // guarded by mu: ends the append under way
	idle    chan struct{} // guarded by mu: closed when no append is under way
}

// address is one upload of one peer: the digest of the envelope (R-WIRE-4).
type address struct {
	peer   protocol.NodeID
	digest protocol.Digest
}

// uploads are the announced ones, held in memory, each with the room for what
// of it is still to come. They are lost with the process. What is durable of a
// large body stands in the store, and its offer with it: see restore.
type uploads struct {
	room *room

	mu      sync.Mutex
	open    map[address]*offer        // guarded by mu; at most maxUploads of each peer
	waiting map[address]chan struct{} // guarded by mu; closed when announced; one for each that find waits for
}

func newUploads(r *room) *uploads {
	return &uploads{room: r, open: map[address]*offer{}, waiting: map[address]chan struct{}{}}
}

// add announces an upload of which so many bytes are here, and returns
// the offer that stands: a repeat keeps the first. The error is a *comeBack when
// there is no room for it, or the peer has too many open.
func (u *uploads) add(at address, o *offer, here int64) (*offer, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	if known, ok := u.open[at]; ok {
		known.until = now.Add(uploadAge)
		return known, nil
	}
	count := 0
	for d, other := range u.open {
		if d.peer == at.peer && !u.expire(d, other, now) {
			count++
		}
	}
	if count >= maxUploads {
		return nil, errTooMany
	}
	if err := u.room.reserve(at, o.env.To, here, o.env.Sealed.Size-here); err != nil {
		return nil, err
	}
	o.until = now.Add(uploadAge)
	u.open[at] = o
	if announced, ok := u.waiting[at]; ok {
		close(announced)
		delete(u.waiting, at)
	}
	return o, nil
}

// expire forgets an upload to which no bytes came for too long and reports
// whether it did. Called with mu held.
func (u *uploads) expire(at address, o *offer, now time.Time) bool {
	if !now.After(o.until) || o.busy() {
		return false
	}
	delete(u.open, at)
	u.room.giveBack(at)
	return true
}

// expireAll forgets all to which no bytes came for too long.
func (u *uploads) expireAll() {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	for at, o := range u.open {
		u.expire(at, o, now)
	}
}

// touch says that bytes came.
func (u *uploads) touch(at address) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if o, ok := u.open[at]; ok {
		o.until = time.Now().Add(uploadAge)
	}
}

// announced returns an upload, if there is one.
func (u *uploads) announced(at address) (*offer, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	o, ok := u.open[at]
	return o, ok
}

// find waits up to MaxOvertake for an upload to be announced (R-WIRE-8).
func (u *uploads) find(ctx context.Context, at address) (*offer, bool) {
	timer := time.NewTimer(protocol.MaxOvertake)
	defer timer.Stop()
	u.mu.Lock()
	o, ok := u.open[at]
	announced, others := u.waiting[at]
	if !ok && !others {
		announced = make(chan struct{})
		u.waiting[at] = announced
	}
	u.mu.Unlock()
	if ok {
		return o, true
	}
	select {
	case <-announced:
		return u.announced(at)
	case <-timer.C:
	case <-ctx.Done():
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.waiting[at] == announced {
		close(announced) // a second request for the same bytes waits no longer than the first
		delete(u.waiting, at)
	}
	return nil, false
}

func (u *uploads) forget(at address) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.open, at)
	u.room.giveBack(at)
}

// busy reports whether an append is under way.
func (o *offer) busy() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.idle != nil
}

// begin makes this append the only one: one that hangs from before a cut is
// ended. The returned function must be called at its end. The error is that of
// ctx, when it ended before that one did.
func (o *offer) begin(ctx context.Context, preempt func()) (end func(), err error) {
	idle := make(chan struct{})
	for {
		o.mu.Lock()
		before := o.idle
		if before == nil {
			o.preempt, o.idle = preempt, idle
			o.mu.Unlock()
			return func() {
				o.mu.Lock()
				o.preempt, o.idle = nil, nil
				o.mu.Unlock()
				close(idle)
			}, nil
		}
		o.preempt()
		o.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
