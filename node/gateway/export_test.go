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
