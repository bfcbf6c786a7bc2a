package hostile

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"comity/protocol"
	"comity/protocol/exchange"
)

// Flooder asks what it may ask, as fast as it can.
var Flooder = Program{
	Name: "flooder", Does: "makes authentic requests as fast as it can: hello, feed, status",
	Step: func(ctx context.Context, s *Session) error {
		if s.kept == nil {
			hello, err := exchange.EncodeHello(&exchange.Hello{Node: s.own.Record().Node.ID, Time: protocol.At(time.Now()), Record: s.own.Signed()})
			if err != nil {
				return err
			}
			s.kept = hello
		}
		var err error
		switch s.step % 3 {
		case 0:
			_, err = s.call(ctx, http.MethodPost, "/v1/hello", nil, s.kept.([]byte))
		case 1:
			_, err = s.call(ctx, http.MethodGet, "/v1/evidence?after=0&wait=0", nil, nil)
		default:
			_, err = s.call(ctx, http.MethodGet, "/v1/parcels/"+protocol.Sum(s.kept.([]byte)).String(), nil, nil)
		}
		return err
	},
}

// Stranger knocks with a key that nobody pinned. It must not get in (R-WIRE-1).
var Stranger = Program{
	Name: "stranger", Does: "begins connections with a key that no record lists",
	Step: func(ctx context.Context, s *Session) error {
		key, ok := s.kept.(tls.Certificate)
		if !ok {
			var err error
			if key, err = stranger(); err != nil {
				return err
			}
			s.kept = key
		}
		s.Tally.Requests.Add(1)
		l, err := dial(ctx, s.address, key)
		if err != nil {
			return nil //nolint:nilerr // that is how it should be
		}
		defer func() { _ = l.conn.CloseWithError(0, "") }()
		// A client is through before the server has judged its key: ask something.
		knocking := &Session{Peer: s.Peer, line: l}
		a, err := knocking.call(ctx, http.MethodGet, "/v1/evidence?after=0&wait=0", nil, nil)
		if err == nil && a.accepted() {
			return untrue("answered a stranger: %d", a.Status)
		}
		return nil
	},
}

// Garbage sends datagrams that look like the beginning of a connection.
var Garbage = Program{
	Name: "garbage", Does: "sends datagrams that look like first packets of QUIC and are noise",
	Step: func(ctx context.Context, s *Session) error {
		conn, ok := s.kept.(net.Conn)
		if !ok {
			var err error
			if conn, err = (&net.Dialer{}).DialContext(ctx, "udp", s.address); err != nil {
				return err
			}
			s.kept = conn
			context.AfterFunc(ctx, func() { _ = conn.Close() })
		}
		for range 16 {
			packet := make([]byte, 1200)
			_, _ = rand.Read(packet) // never fails
			packet[0] = 0xc0 | packet[0]&0x0f
			copy(packet[1:], []byte{0, 0, 0, 1, 8}) // version 1, a connection id of 8 bytes
			s.Tally.Requests.Add(1)
			if _, err := conn.Write(packet); err != nil {
				return err
			}
		}
		pause(ctx, time.Millisecond)
		return nil
	},
}
