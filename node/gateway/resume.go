package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"comity/protocol"
	"comity/protocol/statement"
	"comity/store"
)

// statusResumable is 104 Upload Resumption Supported.
const statusResumable = 104

// tidyEvery is how often uploads are looked through that nothing comes to.
const tidyEvery = 10 * time.Minute

// resumable reports whether a part of the body is kept when it breaks off.
func (o *offer) resumable() bool { return o.env.Sealed.Size > protocol.MaxWhole }

// announced is the upload as the store remembers it.
func (o *offer) announced() (store.Announced, error) {
	packets, err := statement.EncodePackets([]statement.Packet{{Signed: o.signed}, o.submission.Packet})
	return store.Announced{
		Envelope: o.signed.Digest(), Peer: o.peer, Packets: packets, Size: o.env.Sealed.Size, Expires: o.env.Expires.Time,
	}, err
}

// announce lets the bytes of an offer come: there is room for what is not here
// yet. It returns the offer that stands and how many bytes are here.
func (g *Gateway) announce(ctx context.Context, at address, o *offer) (*offer, int64, error) {
	offset, err := g.durable(ctx, o)
	if err == nil && offset == 0 && o.resumable() {
		// Each may leave a part here for as long as its envelope lives.
		var parts int64
		if parts, err = g.Store.CountUploads(ctx, at.peer); parts >= maxUploads {
			err = errTooMany
		}
	}
	if err != nil {
		return nil, 0, err
	}
	o, err = g.uploads.add(at, o, offset)
	return o, offset, err
}

// durable is how many bytes of a body need not be sent again. While no append
// is under way, that is all that have arrived.
func (g *Gateway) durable(ctx context.Context, o *offer) (int64, error) {
	if !o.resumable() {
		return 0, nil
	}
	row, err := g.Store.Upload(ctx, o.signed.Digest())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	}
	return row.Offset, nil
}

// restore announces again what stands in the store from before a restart, after
// the same checks as when it was offered. nil: there is nothing, or it is another
// peer's, or it would not be taken now; the peer learns why when it offers the
// envelope again.
func (g *Gateway) restore(ctx context.Context, at address) (*offer, error) {
	row, err := g.Store.Upload(ctx, at.digest)
	if errors.Is(err, store.ErrNotFound) || err == nil && row.Peer != at.peer {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	packets, err := statement.DecodePackets(row.Packets, 2*protocol.MaxPacket, 2)
	if err == nil && len(packets) != 2 {
		err = fmt.Errorf("%d packets", len(packets))
	}
	var o *offer
	if err == nil {
		o, err = g.authenticate(ctx, at.peer, packets)
	}
	if err == nil {
		err = g.judge(ctx, o)
	}
	if err != nil {
		g.link(at.peer).aloud().Warn("an upload from before is not gone on with", "envelope", at.digest.Short(), "error", err)
		return nil, nil
	}
	o, _, err = g.announce(ctx, at, o)
	return o, err
}

// serveOffset tells a peer where to go on with a body (HEAD). An append that is
// still under way is ended first, so that the answer stays true (R-WIRE-11).
func (g *Gateway) serveOffset(w http.ResponseWriter, r *http.Request, l *link) {
	digest, err := protocol.ParseDigest(r.PathValue("envelope"))
	if err != nil {
		g.answerError(w, r, l.peer, http.StatusBadRequest, err)
		return
	}
	at := address{l.peer, digest}
	o, ok := g.uploads.announced(at)
	if !ok {
		if row, err := g.Store.InboundByEnvelope(r.Context(), digest); err == nil && row.Peer == l.peer {
			size := strconv.FormatInt(row.Sealed.Size, 10)
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("Upload-Complete", "?1")
			w.Header().Set("Upload-Offset", size)
			w.Header().Set("Upload-Length", size)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if o, err = g.restore(r.Context(), at); err != nil {
			g.answerError(w, r, l.peer, http.StatusServiceUnavailable, err)
			return
		}
	}
	if o == nil {
		answerProblem(w, http.StatusNotFound, "", "no such upload was announced")
		return
	}
	end, err := o.begin(r.Context(), func() {})
	if err != nil {
		g.answerError(w, r, l.peer, http.StatusServiceUnavailable, err)
		return
	}
	defer end()
	offset, err := g.durable(r.Context(), o)
	if err != nil {
		g.answerError(w, r, l.peer, http.StatusServiceUnavailable, err)
		return
	}
	if o.over {
		offset = o.env.Sealed.Size
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Upload-Complete", complete(o.over))
	g.describeUpload(w, r, o, offset)
	w.WriteHeader(http.StatusNoContent)
}

// describeUpload says where an upload stands and how long it is kept while
// nothing comes to it.
func (g *Gateway) describeUpload(w http.ResponseWriter, r *http.Request, o *offer, offset int64) {
	h := w.Header()
	h.Set("Location", r.URL.Path)
	h.Set("Upload-Offset", strconv.FormatInt(offset, 10))
	h.Set("Upload-Length", strconv.FormatInt(o.env.Sealed.Size, 10))
	left := max(int64(min(o.env.Expires.Sub(g.Now()), protocol.MaxStandstill)/time.Second), 0)
	h.Set("Upload-Limit", fmt.Sprintf("max-size=%d, min-append-size=%d, max-age=%d", o.env.Sealed.Size, protocol.MaxWhole, left))
	h.Set("Upload-Draft-Interop-Version", interopVersion)
}

// complete is the structured boolean of Upload-Complete.
func complete(yes bool) string {
	if yes {
		return "?1"
	}
	return "?0"
}

// tidy gives back, from time to time, what uploads hold to which no bytes come.
func (g *Gateway) tidy(ctx context.Context) {
	for ctx.Err() == nil {
		g.uploads.expireAll()
		if err := g.dropUploads(ctx); err != nil && ctx.Err() == nil {
			g.Logger.Error("cannot give up uploads", "error", err)
		}
		pause(ctx, tidyEvery)
	}
}

// dropUploads gives up what is durable of bodies that will not be taken any
// more, because their envelopes expired or were decided, or their peer is not
// pinned; and those to which nothing came for MaxStandstill. An append under way
// goes by itself.
func (g *Gateway) dropUploads(ctx context.Context) error {
	var after protocol.Digest
	for {
		page, err := g.Store.Uploads(ctx, after)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, s := range page {
			after = s.Envelope
			_, pinned := g.book.node(s.Peer)
			// R-ENV-8; a clock in doubt ends nothing.
			steady := g.clock.steady() == nil
			expired := steady && !g.Now().Before(s.Expires)
			stalled := steady && g.Now().Sub(s.Advanced) >= protocol.MaxStandstill
			if pinned && !expired && !stalled && !s.Decided {
				continue
			}
			at := address{s.Peer, s.Envelope}
			if o, ok := g.uploads.announced(at); ok && o.busy() {
				continue
			}
			g.uploads.forget(at)
			if err := g.dropUpload(ctx, at); err != nil {
				return err
			}
			g.Logger.Info("gave up a body under way", "peer", s.Peer, "envelope", s.Envelope.Short(),
				"offset", s.Offset, "pinned", pinned, "expired", expired, "stalled", stalled, "decided", s.Decided)
		}
	}
}

// dropUpload gives up what is durable of a body, so that it takes no room any more.
func (g *Gateway) dropUpload(ctx context.Context, at address) error {
	err := g.Store.DropUpload(ctx, at.digest)
	if err == nil {
		g.uploads.room.removed(at)
	}
	return err
}
