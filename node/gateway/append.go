package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"comity/protocol"
	"comity/protocol/statement"
)

// piece is one append as its headers announce it.
type piece struct {
	offset, length int64
	last           bool // Upload-Complete: the body ends with it
}

// serveBytes takes sealed bytes (PATCH) and answers, when they were the last,
// with the RelayAcceptance once bytes, evidence, leaf and checkpoint are durable
// (R-EVID-4), or with the RelayRejection.
func (g *Gateway) serveBytes(w http.ResponseWriter, r *http.Request, l *link) {
	peer := l.peer
	digest, err := protocol.ParseDigest(r.PathValue("envelope"))
	if err != nil {
		g.answerError(w, r, peer, http.StatusBadRequest, err)
		return
	}
	p, ok := readAppend(w, r)
	if !ok {
		return
	}
	at := address{peer, digest}
	o, packets, err := g.findUpload(r.Context(), at, p)
	switch {
	case err != nil:
		g.answerError(w, r, peer, http.StatusForbidden, err)
	case packets != nil:
		w.Header().Set("Upload-Complete", "?1")
		g.answer(w, r, peer, packets)
	case o == nil:
		answerProblem(w, http.StatusNotFound, "", "no such upload was announced")
	default:
		body := &patientBody{body: r.Body, control: http.NewResponseController(w)}
		end, err := o.begin(r.Context(), body.cut)
		if err != nil {
			g.answerError(w, r, peer, http.StatusServiceUnavailable, err)
			return
		}
		defer end()
		defer g.uploads.touch(at)
		packets, err := l.pay(r.Context(), o, p, body)
		g.answerAppend(w, r, o, p, packets, err)
	}
}

// readAppend reads the headers of an append, or answers what is wrong with them (R-WIRE-5).
func readAppend(w http.ResponseWriter, r *http.Request) (p piece, ok bool) {
	offset, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	last := r.Header.Get("Upload-Complete")
	switch {
	case r.Header.Get("Content-Type") != "application/partial-upload":
		answerProblem(w, http.StatusUnsupportedMediaType, "", "want Content-Type: application/partial-upload")
	case last != "?1" && last != "?0":
		answerProblem(w, http.StatusBadRequest, "", "want Upload-Complete: ?1, or ?0 when more follows")
	case err != nil || offset < 0 || offset > protocol.MaxSealed:
		answerProblem(w, http.StatusBadRequest, "", "want Upload-Offset: the number of bytes that were sent before")
	case r.ContentLength < 0:
		answerProblem(w, http.StatusLengthRequired, "", "want Content-Length")
	default:
		return piece{offset, min(r.ContentLength, protocol.MaxSealed+1), last == "?1"}, true
	}
	return piece{}, false
}

// findUpload returns the offer that an append is for, or the evidence when it
// was decided before. Neither: nothing is known of it.
func (g *Gateway) findUpload(ctx context.Context, at address, p piece) (*offer, []statement.Packet, error) {
	if o, ok := g.uploads.announced(at); ok {
		return o, nil, nil
	}
	if packets, err := g.decided(ctx, at.peer, at.digest); err != nil || packets != nil {
		return nil, packets, err
	}
	if p.offset > 0 || p.length > protocol.MaxWhole {
		if o, err := g.restore(ctx, at); err != nil || o != nil {
			return o, nil, err
		}
	}
	o, _ := g.uploads.find(ctx, at)
	return o, nil, nil
}

// standstill is the answer to an append that decides nothing: where the upload
// stands, and why.
type standstill struct {
	status int
	offset int64
	detail string
}

func (e *standstill) Error() string { return e.detail }

// answerAppend answers with what became of an append. A refusal is signed, made
// durable, and then told.
func (g *Gateway) answerAppend(w http.ResponseWriter, r *http.Request, o *offer, p piece, packets []statement.Packet, err error) {
	var still *standstill
	if errors.As(err, &still) {
		answerStandstill(w, p, still)
		return
	}
	var why *protocol.Refusal
	equivocation := protocol.CodeOf(err) == protocol.Equivocation
	if errors.As(err, &why) && !equivocation {
		packets, err = g.reject(r.Context(), o, why)
	}
	if err == nil || equivocation {
		o.over = true
		g.uploads.forget(address{o.peer, o.signed.Digest()})
		g.drop(o)
	}
	if err == nil && why == nil { // it brought a parcel: neither this call nor the one that announced it was idle
		idle := g.link(o.peer).idle
		idle.give()
		idle.give()
	}
	if err != nil {
		g.answerError(w, r, o.peer, http.StatusServiceUnavailable, err)
		return
	}
	w.Header().Set("Upload-Complete", "?1")
	g.answer(w, r, o.peer, packets)
}

// drop removes what was durable of a body that is decided. When it fails, tidy
// does it later.
func (g *Gateway) drop(o *offer) {
	if !o.resumable() {
		return
	}
	if err := g.dropUpload(context.Background(), address{o.peer, o.signed.Digest()}); err != nil {
		g.link(o.peer).aloud().Warn("cannot give up an upload that is decided", "parcel", o.env.Parcel, "error", err)
	}
}

// answerStandstill says where to go on: with the next append, or because this
// one began at another place.
func answerStandstill(w http.ResponseWriter, p piece, s *standstill) {
	w.Header().Set("Upload-Offset", strconv.FormatInt(s.offset, 10))
	w.Header().Set("Upload-Complete", "?0")
	switch s.status {
	case http.StatusNoContent:
		w.WriteHeader(s.status)
	case http.StatusConflict:
		body, err := json.Marshal(struct {
			problem
			Type     string `json:"type"`
			Expected int64  `json:"expected-offset"`
			Provided int64  `json:"provided-offset"`
		}{
			problem{Title: http.StatusText(s.status), Status: s.status, Detail: s.detail},
			"https://iana.org/assignments/http-problem-types#mismatching-upload-offset", s.offset, p.offset,
		})
		if err != nil {
			panic(err) // plain members
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(s.status)
		_, _ = w.Write(body)
	default:
		answerProblem(w, s.status, "", s.detail)
	}
}

// pay takes an append once there is memory for its pieces, and holds that no
// longer than it needs it: not while the peer reads the answer.
func (l *link) pay(ctx context.Context, o *offer, p piece, body *patientBody) ([]statement.Packet, error) {
	held := l.memory.holdBody()
	defer held.free()
	if err := held.grow(ctx, min(p.length, (pipeDepth+1)*pieceSize)); err != nil {
		return nil, err
	}
	return l.g.take(ctx, o, p, body)
}

// take reads one append (R-WIRE-5). It returns the evidence when the body is whole and
// durable; a *standstill when more has to come; a refusal, which is for good. All
// else is our own trouble. Only one at a time runs for an offer.
func (g *Gateway) take(ctx context.Context, o *offer, p piece, body *patientBody) ([]statement.Packet, error) {
	if o.over { // by an append that this one waited for
		return g.decided(ctx, o.peer, o.signed.Digest())
	}
	if o.resumable() {
		return g.takePart(ctx, o, p, body)
	}
	return g.takeWhole(ctx, o, p, body)
}

// checkSize refuses an append that does not lead to the announced size.
func (p piece) checkSize(o *offer) error {
	if end := p.offset + p.length; end > o.env.Sealed.Size || p.last && end != o.env.Sealed.Size {
		return protocol.Refuse(protocol.SizeMismatch, "the body has %d bytes, the envelope says %d", end, o.env.Sealed.Size)
	}
	return nil
}

// takeWhole takes a small body, which comes in one piece: nothing is kept of one
// that breaks off.
func (g *Gateway) takeWhole(ctx context.Context, o *offer, p piece, body *patientBody) ([]statement.Packet, error) {
	switch {
	case p.offset != 0:
		return nil, &standstill{http.StatusConflict, 0, "want Upload-Offset: 0"}
	case !p.last:
		return nil, &standstill{http.StatusBadRequest, 0, "a body as small as this comes in one piece: want Upload-Complete: ?1"}
	}
	if err := p.checkSize(o); err != nil {
		return nil, err
	}
	spool := g.Store.NewSpool()
	defer spool.Discard()
	if err := g.receive(o, p, body, spool); errors.Is(err, errBrokeOff) {
		return nil, &standstill{http.StatusBadRequest, 0, "the body broke off; send it again"}
	} else if err != nil {
		return nil, err
	}
	if spool.Digest() != o.env.Sealed.Digest {
		return nil, wrongDigest(spool.Digest(), o.env.Sealed.Digest)
	}
	if err := spool.Keep(); err != nil {
		return nil, err
	}
	return g.acceptSpool(ctx, o, spool)
}

// takePart takes one piece of a large body and goes on where the last one ended,
// also before a restart. Whatever ends it, what has arrived is made durable (R-WIRE-12).
func (g *Gateway) takePart(ctx context.Context, o *offer, p piece, body *patientBody) ([]statement.Packet, error) {
	about, err := o.announced()
	if err != nil {
		return nil, err
	}
	up, err := g.Store.BeginUpload(ctx, about)
	if err != nil {
		return nil, err
	}
	defer up.Close()
	at := address{o.peer, about.Envelope}
	l := g.link(o.peer)
	if up.Damage != nil {
		l.aloud().Error("a body under way begins anew", "parcel", o.env.Parcel, "error", up.Damage)
		g.uploads.room.removed(at)
	}
	if p.offset != up.Offset() {
		return nil, &standstill{http.StatusConflict, up.Offset(), fmt.Sprintf("want Upload-Offset: %d", up.Offset())}
	}
	if err := p.checkSize(o); err != nil {
		return nil, err
	}
	if !p.last && p.length < protocol.MaxWhole {
		return nil, &standstill{http.StatusBadRequest, p.offset, fmt.Sprintf("an append that is not the last brings %d bytes at least", protocol.MaxWhole)}
	}
	if err := g.uploads.room.reserve(at, o.env.To, p.offset, about.Size-p.offset); err != nil {
		return nil, err
	}
	if p.offset > 0 {
		l.aloud().Info("a body goes on", "parcel", o.env.Parcel, "offset", p.offset, "size", about.Size)
	}
	if err := g.receivePart(ctx, o, p, body, up); err != nil {
		return nil, err
	}
	if !p.last {
		return nil, &standstill{http.StatusNoContent, up.Offset(), ""}
	}
	if up.Digest() != o.env.Sealed.Digest {
		return nil, g.blame(ctx, o, up)
	}
	spool, err := up.Finish(ctx)
	if err != nil {
		return nil, diskFull(err)
	}
	defer spool.Discard()
	return g.acceptSpool(ctx, o, spool)
}
