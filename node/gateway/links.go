package gateway

import (
	"context"

	"comity/protocol"
)

// link returns the link to a peer, made and, while Run runs, started on first
// use. Callers name only nodes of adopted records, so there are few.
func (g *Gateway) link(peer protocol.NodeID) *link {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, ok := g.links[peer]
	if !ok {
		l = newLink(g, peer)
		g.links[peer] = l
		g.begin(l)
	}
	return l
}

// welcome makes the link to a node whose record was just adopted and is not in the
// book yet, so that the link knows from its first moment what is still to be
// fetched. Its loops start with begin. For a node that is in the book it does
// nothing.
func (g *Gateway) welcome(ctx context.Context, peer protocol.NodeID) (begin func(), err error) {
	if _, ok := g.book.node(peer); ok {
		return func() {}, nil
	}
	l := newLink(g, peer)
	if err := l.loadLost(ctx); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if made, ok := g.links[peer]; ok { // somebody listed the peers just now; nothing was fetched yet without the book
		made.recovering.Store(l.recovering.Load())
		return func() {}, nil
	}
	g.links[peer] = l
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.begin(l)
	}, nil
}

// begin starts the loops of a link while Run runs, once. Called with mu held.
func (g *Gateway) begin(l *link) {
	if g.start != nil && !l.started {
		l.started = true
		g.start(l)
	}
}
