package gateway

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limits on connections over TCP whose TLS handshake is not over: anybody can
// open one, and QUIC's proof of the caller's address is not asked for.
const (
	// maxHandshakes is how many there may be in all. The oldest gives way, so that
	// many that say nothing keep nobody else out.
	maxHandshakes = 64
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
	ready  chan net.Conn
	closed chan struct{}
	close  func() error
	wg     sync.WaitGroup // run and the handshakes

	mu      sync.Mutex
	waiting []*visitor // guarded by mu; those whose handshake is not over, oldest first; nil for good once closed
}

// openGate begins to take callers in; Close ends it.
func openGate(l net.Listener, config *tls.Config) *gate {
	g := &gate{Listener: l, config: config, guests: newGuests(), ready: make(chan net.Conn), closed: make(chan struct{})}
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
			v := &visitor{Conn: conn}
			g.wait(v)
			g.wg.Go(func() { g.greet(v) })
		case g.isClosed():
			return
		default: // no file descriptor, say
			time.Sleep(acceptPause)
		}
	}
}

// wait notes a caller whose handshake begins.
func (g *gate) wait(v *visitor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting = append(g.waiting, v); len(g.waiting) > maxHandshakes {
		g.waiting[0].turnOut()
		g.waiting = slices.Delete(g.waiting, 0, 1)
	}
	if g.isClosed() {
		v.turnOut()
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
