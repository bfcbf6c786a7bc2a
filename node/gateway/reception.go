package gateway

import (
	"context"
	"sync"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// maxOneWay is how many one-way streams a peer may have open at once: HTTP/3 needs
// three.
const maxOneWay = 8

// reception takes in the connections that come through the door, and each stream of
// theirs. The library could, too, but it would begin each stream at once, and let
// the peer open the next: one that resets its streams, or fills them with what is
// no request, never meets a handler that could make it wait.
type reception struct {
	g      *Gateway
	door   *door
	server *http3.Server // only for its settings and its handler
	cut    context.Context
	cutOff context.CancelFunc // ends all connections
}

func newReception(g *Gateway, d *door, server *http3.Server) *reception {
	r := &reception{g: g, door: d, server: server}
	r.cut, r.cutOff = context.WithCancel(context.Background())
	return r
}

// serve returns when the door is closed and all connections have ended.
func (r *reception) serve() error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := r.door.Accept(r.cut)
		if err != nil {
			return err
		}
		wg.Go(func() { r.attend(conn) })
	}
}

// attend serves one connection until it ends.
func (r *reception) attend(conn *quic.Conn) {
	defer context.AfterFunc(r.cut, func() {
		_ = conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	})()
	peer, ok := r.g.book.pinned(spki(conn.ConnectionState().TLS.PeerCertificates[0]), r.g.Now())
	raw, err := r.server.NewRawServerConn(conn)
	if !ok || err != nil { // the record has changed since the handshake, or the connection has ended
		_ = conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
		return
	}
	l := r.g.link(peer)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for {
			stream, err := conn.AcceptUniStream(conn.Context())
			if err != nil {
				return
			}
			wg.Go(func() {
				l.pace(conn.Context())
				raw.HandleUnidirectionalStream(stream)
			})
		}
	})
	for {
		stream, err := conn.AcceptStream(conn.Context())
		if err != nil {
			return
		}
		wg.Go(func() {
			// The peer may open no other in its place meanwhile, also when it has
			// reset this one: not its end ends the wait, only that of the connection.
			l.pace(conn.Context())
			raw.HandleRequestStream(stream)
		})
	}
}
