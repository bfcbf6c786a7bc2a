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
// goes on, or sends again.
var errBrokeOff = errors.New("the body broke off")

// acceptSpool makes a whole body, whose digest was checked, durable with its
// evidence in one commit that it shares with others. A refusal is for good; all
// else is our own trouble.
func (g *Gateway) acceptSpool(ctx context.Context, o *offer, spool *store.Spool) ([]statement.Packet, error) {
	ev, err := g.issue(o.env, o.signed.Ref(), evidence.RelayAcceptance, nil)
	if err != nil {
		return nil, err
	}
	outcomes, err := g.fileOwn(ctx, o.peer, store.AcceptRelay{
		Inbound: o.inbound(), Submission: o.submission, Evidence: ev, Spool: spool,
	}, o.seen)
	// Also after an error: the parcel may be here for all that, and the peer, which
	// comes back, is then answered from the rows.
	g.arrived.of(o.env.To).ring()
	if err != nil {
		return nil, err
	}
	g.link(o.peer).sighted.ring()
	if outcomes[0].Err == nil && outcomes[0].State == exchange.Relayed {
		g.in.put(o.env.Key(), newTransmission(o.peer, o.env, o.signed.Ref()))
	}
	return outcomes[0].Packets, outcomes[0].Err
}

// wrongDigest refuses a whole body that is not the one announced.
func wrongDigest(got, want protocol.Digest) error {
	return protocol.Refuse(protocol.DigestMismatch, "the bytes have the digest %s, the envelope says %s", got.Short(), want.Short())
}

// receive copies one append into what keeps the bytes. Of a body that begins,
// the header is checked from the first bytes, before any is stored (R-SEAL-2,
// R-SEAL-3); one byte more than announced ends it.
func (g *Gateway) receive(o *offer, p piece, body *patientBody, to io.Writer) error {
	left := p.length
	var err error
	if p.offset == 0 {
		var head []byte
		if head, err = readHeader(body, o.env.Sealed); err == nil {
			_, err = to.Write(head)
		}
		if err != nil {
			return err
		}
		left -= int64(len(head))
	}
	pipe := newPipeline(to, left+1)
	for {
		buf, failed := pipe.buffer()
		if err = failed; err != nil {
			break
		}
		n, rerr := body.fill(buf)
		// Looked at when the bytes are here: also the last one must be in time.
		if err = g.inTime(o.env); err != nil {
			break
		}
		if left -= int64(n); left < 0 {
			err = protocol.Refuse(protocol.SizeMismatch, "more than the announced %d bytes", p.length)
			break
		}
		pipe.write(buf[:n])
		if errors.Is(rerr, io.EOF) && left == 0 {
			break
		}
		if rerr != nil {
			err = errBrokeOff
			break
		}
	}
	// First of all: the writer belongs to the pipeline until it has stopped.
	if werr := pipe.close(); err == nil {
		err = werr
	}
	return err
}

// inTime refuses a body that outlives its envelope (R-ENV-8). A clock in doubt ends
// nothing.
func (g *Gateway) inTime(env *envelope.Envelope) error {
	if g.Now().Before(env.Expires.Time) {
		return nil
	}
	if doubt := g.certain(); doubt != nil {
		return doubt
	}
	return protocol.Refuse(protocol.Expired, "the parcel expired at %s, before its last byte arrived", env.Expires)
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

// patientBody reads a body and gives each piece a bounded time, and ends one that
// trickles.
type patientBody struct {
	body     io.Reader
	control  *http.ResponseController
	extended time.Time // when the deadline was last set
	since    time.Time // when came was last 0
	came     int       // bytes since then
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
		if b.trickles(now) {
			return 0, errBrokeOff
		}
	}
	if b.over.Load() { // after the deadline was set, so that cut always wins
		return 0, errBrokeOff
	}
	n, err := b.body.Read(p)
	b.came += n
	return n, err
}

// trickles reports whether less comes than any line carries: such a body only
// holds a place.
func (b *patientBody) trickles(now time.Time) bool {
	switch {
	case b.since.IsZero():
		b.since = now
	case now.Sub(b.since) < protocol.MaxTrickle:
	case b.came < protocol.MinTrickle:
		return true
	default:
		b.since, b.came = now, 0
	}
	return false
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

// interopVersion is that of the draft of resumable uploads.
const interopVersion = "8"

// uploadHeaders are those of the last PATCH of a body, from offset to its end.
func uploadHeaders(offset, size int64) [][2]string {
	return [][2]string{
		{"content-type", "application/partial-upload"},
		{"content-length", strconv.FormatInt(size-offset, 10)},
		{"upload-offset", strconv.FormatInt(offset, 10)},
		{"upload-complete", "?1"},
		{"upload-draft-interop-version", interopVersion},
	}
}

// offerHeaders are those of the PUT.
func offerHeaders(size int) [][2]string {
	return [][2]string{{"content-type", "application/json"}, {"content-length", strconv.Itoa(size)}}
}
