package gateway

import (
	"context"

	"comity/protocol"
)

// Ready waits until this node may sign: until it has compared its log with what its
// peers hold of it (R-OLD-1). An error says that it never will, or that ctx ended.
func (g *Gateway) Ready(ctx context.Context) error { return g.seq.mayCommit(ctx) }

// Recovering reports whether what the node of a state holds of this one is still to
// be fetched (R-OLD-4); without a state, of any, or could not be verified yet.
func (g *Gateway) Recovering(state protocol.StateID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.links {
		if l.recovering.Load() && (state == "" || l.peer.State() == state) || state == "" && l.unsure.some() {
			return true
		}
	}
	return false
}

// InDoubt reports whether the sender's node holds something that was signed here
// about a parcel, and that could not be verified yet (R-OLD-7): nothing is signed
// about it meanwhile, because it may have been signed before.
func (g *Gateway) InDoubt(k protocol.Key) bool {
	s, ok := g.book.state(k.From.State())
	return ok && g.link(s.Record().Node.ID).unsure.has(k)
}

// letOn tells the offices that what was held back for them may go on.
func (g *Gateway) letOn() {
	g.changes.ring()
	for _, m := range g.Own.Members() {
		g.arrived.of(m.ID()).ring()
	}
}
