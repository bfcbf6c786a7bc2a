package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
	"comity/store"
)

// maxCopies is how many parcels one page tells of: each has at most an envelope
// and one evidence of each event.
const maxCopies = 4

// Which parcels a peer asks about, seen from the peer.
const (
	copiesReceived = "received"
	copiesSent     = "sent"
)

// serveCopies gives a peer back what it signed: about parcels that it received
// from here, or sent here.
func (g *Gateway) serveCopies(w http.ResponseWriter, r *http.Request, l *link) {
	of := r.URL.Query().Get("of")
	after, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	if err != nil || after < 0 || of != copiesReceived && of != copiesSent {
		answerProblem(w, http.StatusBadRequest, protocol.Malformed, "want of=received or of=sent, and after=N, from 0")
		return
	}
	all, err := g.Store.Copies(r.Context(), l.peer, of == copiesReceived, after, maxCopies)
	if err != nil {
		g.answerError(w, r, l.peer, http.StatusServiceUnavailable, err)
		return
	}
	page := exchange.Copies{Next: after, Packets: []statement.Packet{}}
	for _, c := range all {
		page.Next = c.Ordinal
		page.Packets = append(page.Packets, statement.Packet{Signed: c.Envelope})
		for _, ev := range c.Evidence {
			// Of what this node signed only the acceptance goes along, by which the
			// asker knows the parcel.
			if !ev.Own || ev.Event == evidence.SubmissionAcceptance {
				page.Packets = append(page.Packets, ev.Packet)
			}
		}
	}
	if len(all) > 0 {
		l.idle.give()
	}
	body, err := exchange.EncodeCopies(&page)
	if err != nil {
		g.answerError(w, r, l.peer, http.StatusServiceUnavailable, err)
		return
	}
	held := l.memory.hold()
	defer held.free()
	if err := held.grow(r.Context(), int64(len(body))); err != nil {
		g.answerError(w, r, l.peer, http.StatusTooManyRequests, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if _, err := w.Write(body); err != nil {
		l.aloud().Info("a page of copies did not reach the peer", "error", err)
	}
}

// keyIn reads which transmission a query is about. No database sees a name that is none:
// one with a zero byte is a fault of the query for PostgreSQL.
func keyIn(q url.Values) (k protocol.Key, err error) {
	err = errors.Join(k.From.UnmarshalText([]byte(q.Get("from"))), k.Parcel.UnmarshalText([]byte(q.Get("parcel"))), k.To.UnmarshalText([]byte(q.Get("to"))))
	return k, err
}

// serveSealed gives the recipient's node sealed bytes again that it had accepted
// and has lost: a piece of at most MaxUnsettled bytes from an offset (R-OLD-6).
// What this node released its office may still have.
func (g *Gateway) serveSealed(w http.ResponseWriter, r *http.Request, l *link) {
	q := r.URL.Query()
	k, wrong := keyIn(q)
	offset, err := strconv.ParseInt(q.Get("offset"), 10, 64)
	if err != nil || wrong != nil || offset < 0 {
		answerProblem(w, http.StatusBadRequest, protocol.Malformed, "want from, parcel, to, and offset, from 0")
		return
	}
	row, err := g.Store.Outbound(r.Context(), k)
	accepted := false
	if err == nil {
		accepted, err = g.accepted(r.Context(), k)
	}
	if errors.Is(err, store.ErrNotFound) || err == nil && (row.Peer != l.peer || !accepted) {
		answerProblem(w, http.StatusNotFound, "", "no such parcel was sent to you")
		return
	}
	var sealed exchange.Sealed
	if err == nil {
		if sealed, err = g.Store.Sealed(r.Context(), row.Sealed.Digest); errors.Is(err, store.ErrGone) && g.Original != nil {
			sealed, err = g.Original(r.Context(), k.From, row.Sealed.Digest)
		}
	}
	switch {
	case errors.Is(err, store.ErrGone), errors.Is(err, store.ErrNotFound):
		answerProblem(w, http.StatusGone, "", "the sealed bytes of this parcel are no longer kept here")
		return
	case err != nil:
		g.answerError(w, r, l.peer, http.StatusServiceUnavailable, err)
		return
	}
	defer sealed.Close() // only read from
	size := min(max(sealed.Size()-offset, 0), protocol.MaxUnsettled)
	held := l.memory.hold()
	defer held.free()
	if err := held.grow(r.Context(), size); err != nil {
		g.answerError(w, r, l.peer, http.StatusTooManyRequests, err)
		return
	}
	piece := make([]byte, size)
	if _, err := sealed.ReadAt(piece, offset); err != nil && !errors.Is(err, io.EOF) {
		g.answerError(w, r, l.peer, http.StatusServiceUnavailable, err)
		return
	}
	l.idle.give()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	if _, err := w.Write(piece); err != nil {
		l.aloud().Info("sealed bytes did not reach the peer", "error", err)
	}
}

// accepted reports whether the recipient's node has signed that it has the bytes of
// a parcel. Before that they are its business only by PUT and PATCH: what is queued
// can still be withdrawn (R-WDR-3, R-WDR-4).
func (g *Gateway) accepted(ctx context.Context, k protocol.Key) (bool, error) {
	all, err := g.Store.Evidence(ctx, k)
	return slices.ContainsFunc(all, func(e store.Evidence) bool { return e.Event == evidence.RelayAcceptance }), err
}
