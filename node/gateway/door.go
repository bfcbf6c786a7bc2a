package gateway

import (
	"context"
	"slices"
	"sync"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"comity/protocol"
)

// maxConnections is how many connections with one TLS key may be open over one
// transport; the oldest gives way, because after a restart the peer's new
// connection is the real one. There are two in ordinary use: the peer's, and one
// that broke and was not noticed yet.
const maxConnections = 4

// guest is a connection of a pinned peer.
type guest interface {
	gone() bool
	turnOut() // there are too many with its key
}

// guests bounds the connections with one key.
type guests struct {
	mu   sync.Mutex
	open map[protocol.Digest][]guest // guarded by mu; oldest first; the keys are pinned ones, so there are few
}

func newGuests() *guests { return &guests{open: map[protocol.Digest][]guest{}} }

func (g *guests) admit(key protocol.Digest, one guest) {
	g.mu.Lock()
	held := slices.DeleteFunc(g.open[key], guest.gone)
	var oldest guest
	if held = append(held, one); len(held) > maxConnections {
		oldest = held[0]
		held = held[1:]
	}
	g.open[key] = held
	g.mu.Unlock()
	if oldest != nil {
		oldest.turnOut()
	}
}

// door is where connections over QUIC come in.
type door struct {
	*quic.Listener
	guests *guests
	knocks *knocks
}

// Accept returns the next connection of a pinned peer.
func (d *door) Accept(ctx context.Context) (*quic.Conn, error) {
	conn, err := d.Listener.Accept(ctx)
	if err != nil {
		return nil, err
	}
	d.knocks.known(conn.RemoteAddr())
	d.guests.admit(spki(conn.ConnectionState().TLS.PeerCertificates[0]), quicGuest{conn})
	return conn, nil
}

type quicGuest struct{ *quic.Conn }

func (g quicGuest) gone() bool { return g.Context().Err() != nil }

func (g quicGuest) turnOut() {
	_ = g.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeExcessiveLoad), "too many connections")
}
