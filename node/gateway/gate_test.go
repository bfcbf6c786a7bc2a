package gateway_test

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"comity/node/gateway"
	"comity/protocol/exchange"
)

// The bounds of gate.go and door.go, as a stranger meets them.
const (
	mostHandshakes  = 64
	mostStrange     = 20
	mostConnections = 4
)

// callFrom makes a connection over TCP, from an address on this host, that says nothing yet.
func (n *node) callFrom(ip net.IP) net.Conn {
	n.t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}}).Dial("tcp", n.tcp.Addr().String())
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

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
	for i := range mostHandshakes + 8 {
		silent = append(silent, b.callFrom(net.IPv4(127, 1, 0, byte(i+1))))
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

// R-WIRE-1: who calls over TCP again and again and shows no pinned key is turned away
// at once, and has no more than a share of the places; from elsewhere a peer gets in.
func TestOneAddressOverTCP(t *testing.T) {
	h, b := besiegeOver(t, gateway.TCP)
	const calls = 60
	var silent []net.Conn
	for range calls {
		silent = append(silent, b.callFrom(net.IPv4(127, 2, 0, 1)))
	}
	h.connect()
	if got := h.hello(func(*exchange.Hello) {}); got.status != http.StatusOK {
		t.Errorf("a peer beside %d callers from one address: %d", calls, got.status)
	}
	var turned atomic.Int64
	var wg sync.WaitGroup
	for _, conn := range silent {
		_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second)) // less than a handshake may take
		wg.Go(func() {
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				turned.Add(1)
			}
		})
	}
	wg.Wait()
	if n := turned.Load(); n < calls-mostStrange {
		t.Errorf("%d of %d callers from one address were turned away, want %d at least", n, calls, calls-mostStrange)
	}
}

// I9: however many strangers call over TCP, from wherever, one that calls from where
// a pinned peer lives has its time for the handshake.
func TestStrangersDoNotCrowdOutAPeerOverTCP(t *testing.T) {
	h, b := besiegeOver(t, gateway.TCP)
	h.hello(func(*exchange.Hello) {}) // it is known here
	slow := must(net.Dial("tcp", b.tcp.Addr().String()))
	for i := range mostHandshakes + 8 {
		b.callFrom(net.IPv4(127, 1, 0, byte(i+1)))
	}
	config := h.clientTLS()
	config.NextProtos = []string{"h2"}
	conn, err := shake(t, config, slow)
	if err != nil {
		t.Fatalf("the handshake of a peer that called before %d strangers: %v", mostHandshakes+8, err)
	}
	h.http = http2(t, conn)
	if got := h.hello(func(*exchange.Hello) {}); got.status != http.StatusOK {
		t.Errorf("its hello is answered %d", got.status)
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
