package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"

	"comity/protocol"
	"comity/protocol/exchange"
	"comity/store"
)

// shareOfPeer is how much of the room bodies of one peer may take together, so
// that its many huge uploads do not shut out the others.
func shareOfPeer(all int64) int64 { return all / 2 }

// shareOfRecipient is how much of it those to one authority may.
func shareOfRecipient(all int64) int64 { return all / 4 * 3 }

// room decides whether this node may take more bytes from a peer (R-WIRE-13). It
// is asked before a body may come, so that a body is not refused when most of it
// is here: what was promised to open uploads and has not come yet counts as used.
type room struct {
	space func() (store.Space, error)

	mu        sync.Mutex
	promised  map[address]promise            // guarded by mu
	total     int64                          // guarded by mu; their sum
	peers     map[protocol.NodeID]int64      // guarded by mu; the same of each peer
	recipient map[protocol.AuthorityID]int64 // guarded by mu; the same of each recipient
}

// promise is the room for what of one upload is still to come.
type promise struct {
	to    protocol.AuthorityID
	bytes int64
}

// roomPatience is when a peer may ask again: somebody has to make room first.
const roomPatience = time.Minute

// noRoom refuses for now: this node is short.
func noRoom(why string) error {
	return &comeBack{http.StatusServiceUnavailable, roomPatience, why}
}

// noShare refuses for now: the peer has taken its part.
func noShare(why string) error {
	return &comeBack{http.StatusTooManyRequests, roomPatience, why}
}

func newRoom(space func() (store.Space, error)) *room {
	return &room{
		space: space, promised: map[address]promise{},
		peers: map[protocol.NodeID]int64{}, recipient: map[protocol.AuthorityID]int64{},
	}
}

// reserve keeps room for bytes of one upload until giveBack; an earlier
// reservation of the same upload is replaced. A *comeBack says that there
// is not enough now, or no more for this peer or this recipient.
func (r *room) reserve(at address, to protocol.AuthorityID, bytes int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.space()
	if err != nil {
		return err
	}
	if s.Short() {
		return noRoom("this node is short of disk space")
	}
	// What was promised and has not come is still free on the disk.
	all := s.Free - s.Low()
	before := r.promised[at]
	r.set(at, promise{to: to})
	switch {
	case bytes > all-r.total:
		err = noRoom("the disk of this node has not enough room for this parcel now")
	case r.peers[at.peer]+bytes > shareOfPeer(all):
		err = noShare("your parcels take up their share of the disk of this node")
	case r.recipient[to]+bytes > shareOfRecipient(all):
		err = noRoom("the disk of this node has no more room for the recipient now")
	default:
		before = promise{to, bytes}
	}
	r.set(at, before)
	return err
}

// set replaces a promise, also by none. Called with mu held.
func (r *room) set(at address, p promise) {
	before := r.promised[at]
	r.total += p.bytes - before.bytes
	r.peers[at.peer] += p.bytes - before.bytes
	r.recipient[before.to] -= before.bytes
	r.recipient[p.to] += p.bytes
	if r.promised[at] = p; p.bytes == 0 {
		delete(r.promised, at)
	}
}

// awaits lowers a reservation to what is still to come: the rest is on the disk
// and no longer free.
func (r *room) awaits(at address, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, ok := r.promised[at]; ok && bytes < p.bytes {
		r.set(at, promise{p.to, bytes})
	}
}

// giveBack ends a reservation.
func (r *room) giveBack(at address) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set(at, promise{})
}

// spaceEvery is how often the operator's log may say how the disk stands.
const spaceEvery = time.Minute

// watchSpace tells the operator when the disk crosses a watermark.
func (g *Gateway) watchSpace(ctx context.Context) {
	level := 0 // 1: short, 2: critical
	for ctx.Err() == nil {
		s, err := g.Store.Space()
		now := level
		switch {
		case err != nil:
			g.Logger.Error("cannot see how much room the disk has", "error", err)
		case s.Critical():
			now = 2
		case s.Short():
			now = 1
		default:
			now = 0
		}
		log := g.Logger.With("free_bytes", s.Free, "low_bytes", s.Low())
		switch {
		case now == level:
		case now == 2:
			log.Error("the disk is nearly full: soon no evidence can be stored; make room at once")
		case now == 1:
			log.Error("the disk is short of space: nothing new is taken from peers and offices; make room")
		default:
			log.Info("the disk has room again")
		}
		level = now
		pause(ctx, spaceEvery)
	}
}

// roomToSubmit refuses a new submission while the disk is short. A repeat of one
// that was taken costs nothing and gets its receipts.
func (g *Gateway) roomToSubmit(ctx context.Context, s exchange.Submission) error {
	space, err := g.Store.Space()
	if err != nil {
		return err
	}
	if err = space.Admit(0); err == nil {
		return nil
	}
	for _, a := range s.To {
		if _, unknown := g.Store.Outbound(ctx, protocol.Key{From: s.From, Parcel: s.Parcel, To: a.To}); unknown != nil {
			return err
		}
	}
	return nil
}
