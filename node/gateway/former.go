package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"slices"

	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/record"
)

// A peer lets in only TLS keys that it knows from a record, and hears of a new record
// only once it has let the node in. So a node whose TLS key was replaced keeps the one
// before, and shows it to those of whom it does not know that they have adopted its
// newest record (R-WIRE-14).

// shown is the TLS key to show to a peer when calling it; a caller of this node,
// whom it does not know yet, is the peer "".
func (g *Gateway) shown(peer protocol.NodeID) *tls.Certificate {
	if g.Former == nil {
		return &g.TLS
	}
	if peer != "" {
		return g.link(peer).shown()
	}
	// Whoever calls could be any of them, so all must know the new key first.
	if g.formerCounts() && len(g.Uninformed()) > 0 {
		return g.Former
	}
	return &g.TLS
}

// formerCounts reports whether the key before is listed still. One that is not was
// stolen, or had its time.
func (g *Gateway) formerCounts() bool { return g.Own.PinValid(spki(g.Former.Leaf), g.Now()) }

// shown chooses the other key after an attempt that failed: the peer may have got the
// record by another way, or not have it yet and know none but a stolen one.
func (l *link) shown() *tls.Certificate {
	newest := l.informed.Load() || !l.g.formerCounts()
	l.mu.Lock()
	defer l.mu.Unlock()
	if newest == (l.failures%2 == 0) {
		return &l.g.TLS
	}
	return l.g.Former
}

// Uninformed are the peers that have not shown yet that they know the node's newest
// record, and with it its TLS key; nil when that was not replaced.
func (g *Gateway) Uninformed() (all []protocol.NodeID) {
	if g.Former == nil {
		return nil
	}
	for _, p := range g.book.peers() {
		if !g.link(p).informed.Load() {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return all
}

// inform is the loop that asks a peer, until it says so, whether it has adopted
// this node's newest record, which every hello hands over.
func (l *link) inform(ctx context.Context) {
	for wait := comparePause; ctx.Err() == nil; wait = min(2*wait, comparePauseMax) {
		rung := l.renewed.wait()
		if l.isInformed(ctx) {
			l.informed.Store(true)
			if !l.g.formerCounts() {
				l.drop() // it was made with a key that the peer takes no more
			}
			return
		}
		pauseUnless(ctx, rung, wait) // it has called
	}
}

// isInformed asks the peer. One that let the key in and then calls it unknown has
// adopted the record in between.
func (l *link) isInformed(ctx context.Context) bool {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, data, err := l.call(call, http.MethodGet, heldPath, nil, protocol.MaxHello)
	if err != nil {
		var p *problem
		return errors.As(err, &p) && p.Status == http.StatusForbidden
	}
	held, err := exchange.DecodeHeld(data)
	if err != nil {
		return false
	}
	if held.Record.Digest() == l.g.Own.Ref().Digest {
		return true
	}
	theirs, err := record.Parse(held.Record.Document)
	return err == nil && theirs.Sequence >= l.g.Own.Record().Sequence
}
