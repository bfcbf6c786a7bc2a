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

// shareOfPeer is how much of the room bodies of one peer may take together, so
// that its many huge uploads do not shut out the others.
func shareOfPeer(all int64) int64 { return all / 2 }

// shareOfRecipient is how much of it those to one authority may.
func shareOfRecipient(all int64) int64 { return all / 4 * 3 }

// room decides whether this node may take more bytes from a peer (R-WIRE-13). It
// is asked before a body may come, so that a body is not refused when most of it
// is here: what was promised to open uploads and has not come yet counts as used.
//
// A share is of what unfinished bodies take, with what of them is here already:
// otherwise a peer that always stops before the last byte would get half of what
// is still free, again and again.
type room struct {
	space func() (store.Space, error)
	// shares are what the authorities of this node take up, as last counted; nil: it
	// has one only, or nobody has counted yet.
	shares func() map[protocol.AuthorityID]Consumption

	mu        sync.Mutex
	claims    map[address]claim              // guarded by mu
	coming    int64                          // guarded by mu; what is still to come to all
	here      int64                          // guarded by mu; what is durable of all
	peers     map[protocol.NodeID]int64      // guarded by mu; both, of each peer
	recipient map[protocol.AuthorityID]int64 // guarded by mu; both, of each recipient
}

// claim is the room of one unfinished body.
type claim struct {
	to     protocol.AuthorityID
	here   int64 // durable, and so not free any more
	coming int64 // promised and not durable yet; 0: nothing is promised
}

func (c claim) bytes() int64 { return c.here + c.coming }

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
		space: space, shares: func() map[protocol.AuthorityID]Consumption { return nil }, claims: map[address]claim{},
		peers: map[protocol.NodeID]int64{}, recipient: map[protocol.AuthorityID]int64{},
	}
}

// reserve keeps room for the coming bytes of one upload, of which others are
// here already, until giveBack; an earlier reservation of the same upload is
// replaced. A *comeBack says that there is not enough now, or no more for this
// peer or this recipient.
func (r *room) reserve(at address, to protocol.AuthorityID, here, coming int64) error {
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
	free := s.Free - s.Low()
	before := r.claims[at].coming
	r.set(at, claim{to: to, here: here})
	all := free + r.here
	switch {
	case coming > free-r.coming:
		err = noRoom("the disk of this node has not enough room for this parcel now")
	case r.peers[at.peer]+coming > shareOfPeer(all):
		err = noShare("your parcels take up their share of the disk of this node")
	case r.recipient[to]+coming > shareOfRecipient(all):
		err = noRoom("the disk of this node has no more room for the recipient now")
	case !r.withinShare(to, coming, free):
		err = noRoom("the recipient has taken up its share of the disk of this node")
	default:
		before = coming
	}
	r.set(at, claim{to, here, before})
	return err
}

// withinShare reports whether so many bytes more may come to an authority, beside
// those that were promised for it. Called with mu held.
func (r *room) withinShare(to protocol.AuthorityID, coming, free int64) bool {
	of := r.shares()
	if len(of) < 2 {
		return true
	}
	here := r.partly()
	return r.recipient[to]-here[to]+coming <= mayTake(to, free, of, here)
}

// arriving is what is durable of unfinished bodies to each authority.
func (r *room) arriving() map[protocol.AuthorityID]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.partly()
}

// partly is arriving with mu held.
func (r *room) partly() map[protocol.AuthorityID]int64 {
	here := map[protocol.AuthorityID]int64{}
	for _, c := range r.claims {
		here[c.to] += c.here
	}
	return here
}

// set replaces a claim, also by none. Called with mu held.
func (r *room) set(at address, c claim) {
	before := r.claims[at]
	r.coming += c.coming - before.coming
	r.here += c.here - before.here
	r.peers[at.peer] += c.bytes() - before.bytes()
	r.recipient[before.to] -= before.bytes()
	r.recipient[c.to] += c.bytes()
	if r.claims[at] = c; c.bytes() == 0 {
		delete(r.claims, at)
	}
}

// settled says how many bytes of an upload are durable and how many are still to
// come. A reservation never grows by it.
func (r *room) settled(at address, to protocol.AuthorityID, here, coming int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set(at, claim{to, here, min(coming, r.claims[at].coming)})
}

// giveBack ends a reservation. What is durable of the upload goes on counting
// until removed.
func (r *room) giveBack(at address) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.claims[at]
	r.set(at, claim{to: c.to, here: c.here})
}

// removed says that nothing is durable of an upload any more.
func (r *room) removed(at address) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.claims[at]
	r.set(at, claim{to: c.to, coming: c.coming})
}

// countParts counts what is durable of bodies from before a restart.
func (g *Gateway) countParts(ctx context.Context) error {
	var after protocol.Digest
	for {
		page, err := g.Store.Uploads(ctx, after)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, s := range page {
			after = s.Envelope
			row, err := g.Store.Upload(ctx, s.Envelope)
			if err != nil {
				return err
			}
			g.uploads.room.settled(address{s.Peer, s.Envelope}, recipientOf(row), s.Offset, 0)
		}
	}
}

// recipientOf reads to whom a body goes; empty when its offer is damaged: then
// it still counts for its peer.
func recipientOf(s *store.Standing) protocol.AuthorityID {
	packets, err := statement.DecodePackets(s.Packets, offerSize*protocol.MaxPacket, offerSize)
	if err != nil || len(packets) == 0 {
		return ""
	}
	env, err := envelope.Parse(packets[0].Document)
	if err != nil {
		return ""
	}
	return env.To
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
