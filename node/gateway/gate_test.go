package gateway_test

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"comity/node/gateway"
	"comity/protocol/exchange"
)

// The bounds of gate.go and door.go, as a stranger meets them.
const (
	mostHandshakes  = 64
	mostConnections = 4
)

// ended waits until the node has hung up.
func ended(t *testing.T, conn net.Conn) bool {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return true
	}
	_, err := io.Copy(io.Discard, conn)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// Callers over TCP that say nothing are bounded, and keep nobody out: the oldest
// gives way (I9).
func TestSilentCallersOverTCP(t *testing.T) {
	h, b := besiegeOver(t, gateway.TCP)
	var silent []net.Conn
	for range mostHandshakes + 8 {
		conn := must(net.Dial("tcp", b.tcp.Addr().String()))
		defer conn.Close()
		silent = append(silent, conn)
	}
	begin := time.Now()
	h.connect()
	if got := h.hello(func(*exchange.Hello) {}); got.status != http.StatusOK {
		t.Errorf("a peer beside %d silent callers: %d", len(silent), got.status)
	}
	took := time.Since(begin)
	if !ended(t, silent[0]) {
		t.Error("the oldest silent caller is still there")
	}
	first := time.Since(begin)
	for i, conn := range silent { // the handshake has its time
		if !ended(t, conn) {
			t.Errorf("silent caller %d is still there", i)
		}
	}
	if last := time.Since(begin); took > last || first > last {
		t.Errorf("the peer waited %s, the oldest was turned out after %s, the last after %s", took, first, last)
	}
}

// Connections with one key are bounded; the oldest gives way, on either transport.
func TestConnectionsOfOnePeer(t *testing.T) { onBoth(t, testConnectionsOfOnePeer) }

func testConnectionsOfOnePeer(t *testing.T, over gateway.Transport) {
	h, _ := besiegeOver(t, over)
	all := []http.RoundTripper{h.http}
	h.hello(func(*exchange.Hello) {}) // it is taken in
	for range mostConnections {
		h.connect()
		all = append(all, h.http)
		h.hello(func(*exchange.Hello) {})
	}
	for i, one := range all {
		h.http = one
		_, err := h.try(http.MethodGet, "/v1/evidence?after=0&wait=0", nil, nil, 0)
		if turnedOut := err != nil; turnedOut != (i == 0) {
			t.Errorf("connection %d of %d: %v", i+1, len(all), err)
		}
	}
}

// The windows that the node offers over TCP are those of performance, not the
// library's: on a path of 300 ms its 1 MiB would be 3 MB/s.
func TestWindowsOverTCP(t *testing.T) {
	h, b := besiegeOver(t, gateway.TCP)
	config := h.clientTLS()
	config.NextProtos = []string{"h2"}
	conn := must(dialTCP(t, config, b))
	// The preface of a client and its empty SETTINGS (RFC 9113, section 3.4).
	must(conn.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")))
	settings, window := serverPreface(t, conn)
	for _, c := range []struct {
		name string
		id   uint16
		want uint32
	}{
		{"SETTINGS_MAX_CONCURRENT_STREAMS", 3, 256},
		{"SETTINGS_INITIAL_WINDOW_SIZE", 4, 8 << 20},
		{"SETTINGS_MAX_FRAME_SIZE", 5, 1 << 20},
	} {
		if got := settings[c.id]; got != c.want {
			t.Errorf("%s is %d, want %d", c.name, got, c.want)
		}
	}
	if window != 16<<20 {
		t.Errorf("the window of the connection is %d, want %d", window, 16<<20)
	}
}

// serverPreface reads frames until both SETTINGS and the WINDOW_UPDATE of the
// connection have come.
func serverPreface(t *testing.T, conn *tls.Conn) (settings map[uint16]uint32, window uint32) {
	t.Helper()
	const initial = 1<<16 - 1 // RFC 9113, section 6.9.2
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	for settings == nil || window == 0 {
		head := make([]byte, 9)
		if _, err := io.ReadFull(conn, head); err != nil {
			t.Fatal(err)
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(conn, payload); err != nil {
			t.Fatal(err)
		}
		switch kind, ack := head[3], head[4]&1 == 1; {
		case kind == 4 && !ack: // SETTINGS
			settings = map[uint16]uint32{}
			for ; len(payload) >= 6; payload = payload[6:] {
				settings[binary.BigEndian.Uint16(payload)] = binary.BigEndian.Uint32(payload[2:])
			}
		case kind == 8: // WINDOW_UPDATE
			window = initial + binary.BigEndian.Uint32(payload)
		}
	}
	return settings, window
}
