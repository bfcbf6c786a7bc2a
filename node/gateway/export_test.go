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
