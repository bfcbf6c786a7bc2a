package gateway

import (
	"time"

	"comity/protocol"
)

// PassDetour lets the time pass after which QUIC is tried again.
func (g *Gateway) PassDetour(peer protocol.NodeID) {
	l := g.link(peer)
	l.mu.Lock()
	l.detour = time.Now()
	l.mu.Unlock()
	l.turn.ring()
}

// Unfinished is how many bytes count as unfinished bodies of a peer, and to a recipient.
func (g *Gateway) Unfinished(of protocol.NodeID, to protocol.AuthorityID) (peer, recipient int64) {
	r := g.uploads.room
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.peers[of], r.recipient[to]
}

// Connected reports whether the connection that was live when it is called first
// still looks alive.
func (g *Gateway) Connected(peer protocol.NodeID) func() bool {
	l := g.link(peer)
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.session
	return func() bool { return s != nil && s.alive() }
}

// KeepAlive is when an idle connection first notices that nobody is there.
const KeepAlive = keepAlive
