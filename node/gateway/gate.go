package gateway

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limits on connections over TCP whose TLS handshake is not over: anybody can
// open one, and QUIC's proof of the caller's address is not asked for.
const (
	// maxHandshakes is how many there may be in all. The oldest gives way, so that
	// many that say nothing keep nobody else out; those from where a pinned peer
	// lives give way last.
	maxHandshakes = 64
	// maxHandshakesOf is how many there may be from one address: its own oldest
	// gives way.
	maxHandshakesOf = 16
	// lingerTimeout and maxLinger bound how long and how much a refused caller
	// is listened to: a connection that is closed with bytes unread takes the
	// alert that says why along.
	lingerTimeout = time.Second
	maxLinger     = 64 << 10
	// acceptPause is the rest after the system could not give us a connection.
	acceptPause = 100 * time.Millisecond
)

// gate is where connections over TCP come in. It ends the handshake before it
// hands them on, so that a connection always has a key, as over QUIC.
type gate struct {
	net.Listener
	config *tls.Config
	guests *guests
	knocks *knocks
	ready  chan net.Conn
	closed chan struct{}
	close  func() error
	wg     sync.WaitGroup // run and the handshakes

	mu      sync.Mutex
	waiting []*visitor // guarded by mu; those whose handshake is not over, oldest first
}

// openGate begins to take callers in; Close ends it.
func openGate(l net.Listener, config *tls.Config, k *knocks) *gate {
	g := &gate{Listener: l, config: config, guests: newGuests(), knocks: k, ready: make(chan net.Conn), closed: make(chan struct{})}
	g.close = sync.OnceValue(func() error {
		close(g.closed)
		err := g.Listener.Close()
		g.mu.Lock()
		for _, v := range g.waiting {
			v.turnOut()
		}
		g.mu.Unlock()
		g.wg.Wait()
		return err
	})
	g.wg.Go(g.run)
	return g
}

// Accept returns the next connection of a pinned peer.
func (g *gate) Accept() (net.Conn, error) {
	select {
	case conn := <-g.ready:
		return conn, nil
	case <-g.closed:
		return nil, net.ErrClosed
	}
}

// Close turns away whoever has not been taken in, and waits for it.
func (g *gate) Close() error { return g.close() }

func (g *gate) isClosed() bool {
	select {
	case <-g.closed:
		return true
	default:
		return false
	}
}

func (g *gate) run() {
	for {
		conn, err := g.Listener.Accept()
		switch {
		case err == nil:
			g.receive(conn)
		case g.isClosed():
			return
		default: // no file descriptor, say
			time.Sleep(acceptPause)
		}
	}
}

// receive lets a handshake begin, unless those from the same address keep failing.
func (g *gate) receive(conn net.Conn) {
	if b := g.knocks.from(conn.RemoteAddr()); b != nil && !b.take() {
		_ = conn.Close()
		return
	}
	v := &visitor{Conn: conn}
	v.from, _ = network(conn.RemoteAddr())
	g.wait(v)
	g.wg.Go(func() { g.greet(v) })
}

// wait notes a caller whose handshake begins.
func (g *gate) wait(v *visitor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, v)
	if i := g.tooMany(v.from); i >= 0 {
		g.waiting[i].turnOut()
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	if g.isClosed() {
		v.turnOut()
	}
}

// tooMany returns who has to give way to the one that has come last, from an
// address; -1: there is room. Called with mu held.
func (g *gate) tooMany(from netip.Prefix) int {
	neighbours, first, stranger := 0, -1, -1
	for i, v := range g.waiting {
		if v.from == from {
			if neighbours++; first < 0 {
				first = i
			}
		}
		if stranger < 0 && !g.knocks.home(v.from) {
			stranger = i
		}
	}
	switch {
	case neighbours > maxHandshakesOf:
		return first
	case len(g.waiting) <= maxHandshakes:
		return -1
	default:
		return max(stranger, 0)
	}
}

// greet shakes hands and hands the connection on, or refuses it (R-WIRE-1).
func (g *gate) greet(v *visitor) {
	defer g.through(v)
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	conn := tls.Server(v, g.config)
	if err := conn.HandshakeContext(ctx); err != nil {
		v.linger()
		return
	}
	g.knocks.welcome(v.RemoteAddr())
	g.guests.admit(spki(conn.ConnectionState().PeerCertificates[0]), v)
	select {
	case g.ready <- conn:
	case <-g.closed:
		_ = conn.Close()
	}
}

// through forgets a caller whose handshake is over.
func (g *gate) through(v *visitor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(o *visitor) bool { return o == v })
}

// visitor is a connection that knows when it was closed.
type visitor struct {
	net.Conn
	from netip.Prefix
	shut atomic.Bool
}

func (v *visitor) Close() error {
	v.shut.Store(true)
	return v.Conn.Close()
}

func (v *visitor) gone() bool { return v.shut.Load() }

func (v *visitor) turnOut() { _ = v.Close() }

// linger lets the alert arrive that tells the caller why it is refused.
func (v *visitor) linger() {
	defer v.turnOut()
	if half, ok := v.Conn.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		return
	}
	if v.SetDeadline(time.Now().Add(lingerTimeout)) == nil {
		_, _ = io.CopyN(io.Discard, v.Conn, maxLinger)
	}
}
