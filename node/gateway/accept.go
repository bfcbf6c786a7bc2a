package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
	"comity/store"
)

// pieceSize is how much of a body is read and written at a time.
const pieceSize = 256 << 10

// errBrokeOff says that a body ended before its announced length: the peer
// sends again.
var errBrokeOff = errors.New("the body broke off")

// serveBytes takes the sealed bytes (PATCH) and answers with the
// RelayAcceptance once bytes, evidence, leaf and checkpoint are durable
// (R-EVID-4), or with the RelayRejection.
func (g *Gateway) serveBytes(w http.ResponseWriter, r *http.Request, l *link) {
	peer := l.peer
	digest, err := protocol.ParseDigest(r.PathValue("envelope"))
	if err != nil {
		g.answerError(w, r, peer, http.StatusBadRequest, err)
		return
	}
	if !checkAppend(w, r) {
		return
	}
	at := address{peer, digest}
	o, ok := g.uploads.announced(at)
	if !ok {
		if decided, err := g.decided(r.Context(), peer, digest); err != nil {
			g.answerError(w, r, peer, http.StatusForbidden, err)
			return
		} else if decided != nil {
			g.answer(w, r, peer, decided)
			return
		}
		o, ok = g.uploads.find(r.Context(), at)
	}
	if !ok {
		answerProblem(w, http.StatusNotFound, "", "no such upload was announced")
		return
	}
	body := &patientBody{body: r.Body, control: http.NewResponseController(w)}
	end := o.begin(body.cut)
	defer end()
	packets, err := g.accept(r.Context(), o, body, r.ContentLength)
	var why *protocol.Refusal
	switch {
	case errors.Is(err, errBrokeOff):
		answerProblem(w, http.StatusBadRequest, "", "the body broke off; send it again")
		return
	case errors.As(err, &why) && why.Code != protocol.Equivocation:
		if packets, err = g.reject(r.Context(), o, why); err != nil {
			g.answerError(w, r, peer, http.StatusServiceUnavailable, err)
			return
		}
	case err != nil:
		g.answerError(w, r, peer, http.StatusServiceUnavailable, err)
		return
	}
	g.uploads.forget(at)
	w.Header().Set("Upload-Complete", "?1")
	g.answer(w, r, peer, packets)
}

// checkAppend answers appends that this version does not take (R-WIRE-5).
func checkAppend(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.Header.Get("Content-Type") != "application/partial-upload":
		answerProblem(w, http.StatusUnsupportedMediaType, "", "want Content-Type: application/partial-upload")
	case r.Header.Get("Upload-Complete") != "?1":
		answerProblem(w, http.StatusBadRequest, "", "want Upload-Complete: ?1")
	case r.Header.Get("Upload-Offset") == "":
		answerProblem(w, http.StatusBadRequest, "", "want Upload-Offset: 0")
	case r.Header.Get("Upload-Offset") != "0":
		w.Header().Set("Upload-Offset", "0")
		answerProblem(w, http.StatusConflict, "", "want Upload-Offset: 0")
	case r.ContentLength < 0:
		answerProblem(w, http.StatusLengthRequired, "", "want Content-Length")
	default:
		return true
	}
	return false
}

// accept reads the whole body, checks it against the envelope, and makes
// everything durable in one commit that it shares with others. A refusal is for
// good; all else is our own trouble, or the peer's network.
func (g *Gateway) accept(ctx context.Context, o *offer, body *patientBody, length int64) ([]statement.Packet, error) {
	if length != o.env.Sealed.Size {
		return nil, protocol.Refuse(protocol.SizeMismatch, "the body has %d bytes, the envelope says %d", length, o.env.Sealed.Size)
	}
	spool := g.Store.NewSpool()
	defer spool.Discard()
	if err := g.receive(o, body, spool); err != nil {
		return nil, err
	}
	if spool.Digest() != o.env.Sealed.Digest {
		return nil, protocol.Refuse(protocol.DigestMismatch, "the bytes have the digest %s, the envelope says %s",
			spool.Digest().Short(), o.env.Sealed.Digest.Short())
	}
	if err := spool.Keep(); err != nil {
		return nil, err
	}
	ev, err := g.issue(o.env, o.signed.Ref(), evidence.RelayAcceptance, nil)
	if err != nil {
		return nil, err
	}
	outcomes, err := g.fileOwn(ctx, o.peer, store.AcceptRelay{
		Inbound: o.inbound(), Submission: o.submission, Evidence: ev, Spool: spool,
	})
	if err != nil {
		return nil, err
	}
	if outcomes[0].Err == nil && outcomes[0].State == exchange.Relayed {
		g.in.put(o.env.Key(), newTransmission(o.peer, o.env, o.signed.Ref()))
		g.arrived.of(o.env.To).ring()
	}
	return outcomes[0].Packets, outcomes[0].Err
}

// receive copies the body into the spool. The header is checked from the first
// bytes, before any is stored (R-SEAL-2, R-SEAL-3); one byte more than
// announced ends it.
func (g *Gateway) receive(o *offer, body *patientBody, spool *store.Spool) error {
	head, err := readHeader(body, o.env.Sealed)
	if err != nil {
		return err
	}
	if _, err := spool.Write(head); err != nil {
		return err
	}
	left := o.env.Sealed.Size - int64(len(head))
	p := newPipeline(spool, left+1)
	for {
		// R-ENV-8: a body that trickles in does not outlive its envelope.
		if !g.Now().Before(o.env.Expires.Time) {
			err = protocol.Refuse(protocol.Expired, "the parcel expired at %s, before its last byte arrived", o.env.Expires)
			if doubt := g.certain(); doubt != nil {
				err = doubt
			}
			break
		}
		buf, failed := p.buffer()
		if err = failed; err != nil {
			break
		}
		n, rerr := body.fill(buf)
		if left -= int64(n); left < 0 {
			err = protocol.Refuse(protocol.SizeMismatch, "more than the announced %d bytes", o.env.Sealed.Size)
			break
		}
		p.write(buf[:n])
		if errors.Is(rerr, io.EOF) && left == 0 {
			break
		}
		if rerr != nil {
			err = errBrokeOff
			break
		}
	}
	// First of all: the spool belongs to the pipeline until it has stopped.
	if werr := p.close(); err == nil {
		err = werr
	}
	return err
}

// readHeader reads until the header of the sealed bytes is whole and inspects
// it without a key.
func readHeader(body io.Reader, sealed envelope.Sealed) ([]byte, error) {
	var head []byte
	buf := make([]byte, 4<<10)
	for {
		n, err := body.Read(buf)
		head = append(head, buf[:n]...)
		header, herr := seal.InspectHeader(head, protocol.MaxSealedHeader)
		switch {
		case herr == nil && int64(header.Recipients) != sealed.Recipients:
			return nil, protocol.Refuse(protocol.BadHeader, "%d recipients in the header, the envelope says %d", header.Recipients, sealed.Recipients)
		case herr == nil:
			return head, nil
		case !errors.Is(herr, seal.ErrNeedMore):
			return nil, protocol.Refuse(protocol.BadHeader, "the bytes do not begin with an allowed age header: %v", herr)
		case err == io.EOF && int64(len(head)) == sealed.Size:
			return nil, protocol.Refuse(protocol.BadHeader, "the bytes end inside the age header")
		case err != nil:
			return nil, errBrokeOff
		}
	}
}

// patientBody reads a body and gives each piece a bounded time.
type patientBody struct {
	body     io.Reader
	control  *http.ResponseController
	extended time.Time // when the deadline was last set
	over     atomic.Bool
}

// extendEvery is how often the deadline of a body that flows is moved: setting
// it for each packet would cost more than reading the packet.
const extendEvery = time.Second

func (b *patientBody) Read(p []byte) (int, error) {
	if now := time.Now(); now.Sub(b.extended) >= extendEvery {
		if err := b.control.SetReadDeadline(now.Add(protocol.MaxIdleBody)); err != nil {
			return 0, err
		}
		b.extended = now
	}
	if b.over.Load() { // after the deadline was set, so that cut always wins
		return 0, errBrokeOff
	}
	return b.body.Read(p)
}

// fill reads until p is full or a second has passed, so that a fast body, which
// comes in packets, is written in large pieces, and a slow one is looked at now
// and then. Unlike io.ReadFull it returns io.EOF together with the last bytes.
func (b *patientBody) fill(p []byte) (n int, err error) {
	for began := time.Now(); n < len(p) && err == nil && (n == 0 || b.extended.Sub(began) < extendEvery); {
		var m int
		m, err = b.Read(p[n:])
		n += m
	}
	return n, err
}

// cut ends a read under way and all later ones.
func (b *patientBody) cut() {
	b.over.Store(true)
	_ = b.control.SetReadDeadline(time.Unix(1, 0))
}

// uploadHeaders are those of the one PATCH that this version sends.
func uploadHeaders(size int64) [][2]string {
	return [][2]string{
		{"content-type", "application/partial-upload"},
		{"content-length", strconv.FormatInt(size, 10)},
		{"upload-offset", "0"},
		{"upload-complete", "?1"},
		{"upload-draft-interop-version", "8"},
	}
}

// offerHeaders are those of the PUT.
func offerHeaders(size int) [][2]string {
	return [][2]string{{"content-type", "application/json"}, {"content-length", strconv.Itoa(size)}}
}
