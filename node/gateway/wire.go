package gateway

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"comity/protocol"
)

// Times of the transport.
const (
	idleTimeout      = 45 * time.Second
	keepAlive        = 15 * time.Second
	handshakeTimeout = 5 * time.Second
	closeTimeout     = time.Second
)

// Limits on what one peer may hold open here.
const (
	// maxCalls is how many of its small calls are worked on at once; each may
	// hold a body of several megabytes.
	maxCalls = 32
	// maxPolls is how many of its long polls wait at once; it needs one.
	maxPolls = 8
	// callWait is how long a small call beyond maxCalls waits for its turn: the
	// peer must hear the refusal while it still waits itself.
	callWait = callTimeout / 3
)

// wire is the node's one UDP socket, serving and dialing, and the TCP port of the
// same number. One socket for both means that a firewall that lets our calls out
// lets the peer's answers and calls back in.
type wire struct {
	g         *Gateway
	transport *quic.Transport
	knocks    *knocks
	reception *reception
	gate      *gate // nil: no TCP
	server2   *http.Server
	running   *running      // the handlers at work
	stopping  chan struct{} // closed when long polls must end
}

// quicConfig is never nil: the library's default would accept 0-RTT (R-WIRE-3).
func quicConfig(window int64) *quic.Config {
	return &quic.Config{
		Allow0RTT:                      false,
		HandshakeIdleTimeout:           handshakeTimeout,
		MaxIdleTimeout:                 idleTimeout,
		KeepAlivePeriod:                keepAlive,
		MaxIncomingStreams:             protocol.MaxStreams,
		MaxIncomingUniStreams:          maxOneWay,
		InitialStreamReceiveWindow:     1 << 20,
		MaxStreamReceiveWindow:         uint64(window / 2),
		InitialConnectionReceiveWindow: 2 << 20,
		MaxConnectionReceiveWindow:     uint64(window),
	}
}

func (g *Gateway) listen() (*wire, error) {
	reset, err := g.resetKey()
	if err != nil {
		return nil, err
	}
	w := &wire{g: g, knocks: newKnocks(), running: newRunning(), stopping: make(chan struct{})}
	w.transport = &quic.Transport{
		Conn: Offload(g.Conn), StatelessResetKey: reset, VerifySourceAddress: w.knocks.doubt, ConnContext: w.knocks.admit,
	}
	// Not ListenEarly: nothing is said before the peer's key is known.
	listener, err := w.transport.Listen(http3.ConfigureTLSConfig(g.tlsConfig("", alpnQUIC)), quicConfig(g.memory.window()))
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", g.Conn.LocalAddr(), err)
	}
	routes := w.counted(g.routes(w))
	w.reception = newReception(g, &door{listener, newGuests(), w.knocks}, &http3.Server{
		Handler: routes, MaxHeaderBytes: protocol.MaxHeaderBytes,
		ConnContext: func(ctx context.Context, _ *quic.Conn) context.Context { return withFirstCall(ctx) },
	})
	if g.TCP != nil {
		w.gate = openGate(g.TCP, g.tlsConfig("", alpnTCP), w.knocks)
		w.server2 = &http.Server{
			Handler: routes, MaxHeaderBytes: protocol.MaxHeaderBytes, Protocols: http2Only(), HTTP2: http2Config(g.memory.window()),
			ReadHeaderTimeout: handshakeTimeout, IdleTimeout: lazyTimeout, ErrorLog: slog.NewLogLogger(g.Logger.Handler(), slog.LevelDebug),
			ConnContext: func(ctx context.Context, _ net.Conn) context.Context { return withFirstCall(ctx) },
		}
	}
	return w, nil
}

// counted lets stopServing wait for the handlers.
func (w *wire) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !w.running.enter() {
			answerProblem(rw, http.StatusServiceUnavailable, "", "this node stops, come back later")
			return
		}
		defer w.running.leave()
		next.ServeHTTP(rw, r)
	})
}

// resetKey stays the same over restarts, so that a node that comes back after a
// crash can tell its peers at once that their connections are gone.
func (g *Gateway) resetKey() (*quic.StatelessResetKey, error) {
	secret, err := x509.MarshalPKCS8PrivateKey(g.TLS.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("derive the stateless reset key: %w", err)
	}
	b, err := hkdf.Key(sha256.New, secret, nil, "comity/quic-stateless-reset/v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the stateless reset key: %w", err)
	}
	key := quic.StatelessResetKey(b)
	return &key, nil
}

// serve answers until stopServing is called. It returns an error when a
// listener ends by itself.
func (w *wire) serve() error {
	var tcp error
	var wg sync.WaitGroup
	if w.gate != nil {
		wg.Go(func() {
			tcp = w.server2.Serve(w.gate)
			w.cutOff() // one without the other is not a node
		})
	}
	err := w.reception.serve()
	w.cutOff()
	wg.Wait()
	select {
	case <-w.stopping:
		return nil
	default:
		return fmt.Errorf("serve on %s: %w", w.g.Conn.LocalAddr(), errors.Join(err, tcp))
	}
}

// stopServing ends the long polls, lets other requests finish for a moment, and
// returns when no handler runs any more. What was not answered is repeated by
// the peer.
func (w *wire) stopServing() {
	close(w.stopping)
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var wg sync.WaitGroup
	if w.gate != nil {
		wg.Go(func() { _ = w.server2.Shutdown(ctx) })
	}
	none := w.running.end()
	select {
	case <-none:
	case <-ctx.Done():
	}
	wg.Wait()
	w.cutOff()
	<-none
}

// cutOff ends both servers and all their connections.
func (w *wire) cutOff() {
	_ = w.reception.door.Close()
	w.reception.cutOff()
	if w.gate != nil {
		_ = w.server2.Close()
		_ = w.gate.Close()
	}
}

// close gives the socket back. Connections that are left are cut off.
func (w *wire) close() { _ = w.transport.Close() }

// dial connects to one endpoint and makes sure that it is the peer.
func (w *wire) dial(ctx context.Context, peer protocol.NodeID, endpoint string) (*quic.Conn, error) {
	addr, err := w.g.Resolve(ctx, endpoint)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", endpoint, err)
	}
	config := quicConfig(w.g.memory.window())
	if w.g.TCP != nil {
		config.HandshakeIdleTimeout = quicPatience
	}
	conn, err := w.transport.Dial(ctx, addr, w.g.tlsConfig(peer, alpnQUIC), config)
	if err != nil {
		return nil, fmt.Errorf("dial %s at %s: %w", peer, endpoint, err)
	}
	w.knocks.settle(addr)
	return conn, nil
}

// handler answers one request of a peer that is known by its TLS key.
type handler func(http.ResponseWriter, *http.Request, *link)

// routes is the whole wire (SPEC.md, section 12).
func (g *Gateway) routes(w *wire) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /v1/hello", g.peerOnly(paced(small(g.serveHello))))
	mux.Handle("GET /v1/held", g.peerOnly(paced(small(g.serveHeld))))
	mux.Handle("GET /v1/copies", g.peerOnly(paced(small(g.serveCopies))))
	mux.Handle("GET /v1/sealed", g.peerOnly(paced(small(g.serveSealed))))
	mux.Handle("PUT /v1/parcels/{envelope}", g.peerOnly(paced(whole(small(g.serveOffer)))))
	mux.Handle("PATCH /v1/parcels/{envelope}", g.peerOnly(paced(whole(g.serveBytes))))
	mux.Handle("HEAD /v1/parcels/{envelope}", g.peerOnly(paced(whole(small(g.serveOffset)))))
	mux.Handle("GET /v1/parcels/{envelope}", g.peerOnly(paced(small(g.serveStatus))))
	mux.Handle("PUT /v1/parcels/{envelope}/withdrawal", g.peerOnly(paced(whole(small(g.serveWithdrawal)))))
	mux.Handle("GET /v1/parcels/{envelope}/proofs", g.peerOnly(paced(leisurely(small(g.serveProofs)))))
	mux.Handle("GET /v1/log/checkpoint", g.peerOnly(paced(leisurely(small(g.serveCheckpoint)))))
	mux.Handle("GET /v1/log/tile/{tile...}", g.peerOnly(paced(leisurely(small(g.serveTile)))))
	mux.Handle("GET /v1/evidence", g.peerOnly(paced(w.serveFeed)))
	mux.Handle("POST /v1/evidence", g.peerOnly(paced(whole(small(g.servePush)))))
	mux.Handle("POST "+submitPath, g.peerOnly(paced(small(g.serveSubmission))))
	mux.Handle("GET /v1/witness/{origin}/checkpoint", g.peerOnly(paced(small(g.serveCosigned))))
	return mux
}

// peerOnly names the peer of a request by its TLS key. The key was checked when
// the connection began; a record adopted since may have dropped it (R-WIRE-1).
func (g *Gateway) peerOnly(next handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
			answerProblem(w, http.StatusForbidden, "", "no certificate")
			return
		}
		peer, ok := g.book.pinned(spki(r.TLS.PeerCertificates[0]), g.Now())
		if !ok {
			answerProblem(w, http.StatusForbidden, "", "this key is not in a record pinned here")
			return
		}
		l := g.link(peer)
		l.readTime(r.Context(), r.Header)
		a := &answer{ResponseWriter: w, stamp: g.stampTime}
		next(a, r, l)
		a.allow()
	})
}

// small bounds how many calls of one peer are worked on at once, and the time
// that a call may take to send its body.
func small(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, l *link) {
		timer := time.NewTimer(callWait)
		defer timer.Stop()
		select {
		case l.calls <- struct{}{}:
			defer func() { <-l.calls }()
		case <-timer.C:
			l.g.answerError(w, r, l.peer, http.StatusTooManyRequests, errTooManyCalls)
			return
		case <-r.Context().Done():
			return
		}
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(callTimeout)); err != nil {
			answerProblem(w, http.StatusServiceUnavailable, "", "trouble at this node, come back later")
			return
		}
		l.within(w, r, next)
	}
}
