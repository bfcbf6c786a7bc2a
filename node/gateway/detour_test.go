package gateway_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
)

// swallower is a UDP socket behind a firewall that drops every packet while shut.
type swallower struct {
	net.PacketConn
	shut atomic.Bool
}

func (s *swallower) WriteTo(p []byte, to net.Addr) (int, error) {
	if s.shut.Load() {
		return len(p), nil
	}
	return s.PacketConn.WriteTo(p, to)
}

func (s *swallower) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := s.PacketConn.ReadFrom(p)
		if err != nil || !s.shut.Load() {
			return n, from, err
		}
	}
}

// doorman counts the connections over TCP that come in, and how many are open;
// while slow, little passes.
type doorman struct {
	net.Listener
	count, open atomic.Int32
	slow        atomic.Bool
}

func (d *doorman) Accept() (net.Conn, error) {
	conn, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	d.count.Add(1)
	d.open.Add(1)
	return &guarded{Conn: conn, doorman: d, leave: sync.OnceFunc(func() { d.open.Add(-1) })}, nil
}

type guarded struct {
	net.Conn
	doorman *doorman
	leave   func()
}

func (g *guarded) Read(p []byte) (int, error) {
	if g.doorman.slow.Load() {
		time.Sleep(10 * time.Millisecond)
		p = p[:min(len(p), 32<<10)]
	}
	return g.Conn.Read(p)
}

func (g *guarded) Close() error {
	g.leave()
	return g.Conn.Close()
}

// behind puts the node behind a firewall, with a doorman.
func behind(s *swallower, d *doorman) option {
	return func(n *node) {
		s.PacketConn, d.Listener = n.conn, n.tcp
		n.conn, n.tcp = s, d
	}
}

// over is what the node's connection to its one peer runs on.
func (n *node) over() gateway.Transport {
	n.t.Helper()
	peers, err := n.Peers(n.t.Context())
	if err != nil || len(peers) != 1 {
		n.t.Fatalf("peers of %s: %+v, %v", n.id, peers, err)
	}
	return peers[0].Over
}

func (n *node) awaitOver(want gateway.Transport) {
	n.t.Helper()
	until(n.t, fmt.Sprintf("%s calls over %q", n.id, want), func() bool { return n.over() == want })
}

// until polls until something holds.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not hold that %s", what)
		}
	}
}

// crosses sends a letter, and waits for what the answer to its bytes proves and
// for what comes back through the feed.
func crosses(a, b *node, from, to protocol.AuthorityID, size int) {
	a.t.Helper()
	k := a.submit(newLetter(from, size, b.party, to))[0].Key
	a.await(k, evidence.RelayAcceptance)
	b.await(k, evidence.RelayAcceptance)
	if _, err := b.File(a.t.Context(), b.answer(k, evidence.ContentHandover)); err != nil {
		a.t.Fatal(err)
	}
	a.await(k, evidence.ContentHandover)
}

// R-TCP-2, R-TCP-3: where UDP is dropped, everything goes over TCP, in both
// directions; when it passes again, QUIC is taken at the next ping, and by the
// other side when it is called over QUIC.
func TestUDPDropped(t *testing.T) {
	t.Parallel()
	wall, porter := &swallower{}, &doorman{}
	wall.shut.Store(true)
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	b := newNode(t, "xb", []protocol.AuthorityID{prosecution, court}, behind(wall, porter))
	a.pin(b.party)
	b.pin(a.party)
	for _, size := range []int{100, 300 << 10, 7 << 20} {
		crosses(a, b, central, prosecution, size)
	}
	crosses(b, a, prosecution, central, 300<<10)
	a.awaitOver(gateway.TCP)
	b.awaitOver(gateway.TCP)
	if porter.count.Load() == 0 {
		t.Error("nobody came in over TCP")
	}

	wall.shut.Store(false)
	pong, err := a.Ping(t.Context(), b.id)
	if err != nil || pong.Over != gateway.QUIC {
		t.Fatalf("ping when UDP passes again: %+v, %v", pong, err)
	}
	b.awaitOver(gateway.QUIC)
	before := porter.count.Load()
	crosses(a, b, central, prosecution, 300<<10)
	crosses(b, a, prosecution, central, 100)
	if a.over() != gateway.QUIC || b.over() != gateway.QUIC || porter.count.Load() != before {
		t.Error("TCP is used although UDP passes")
	}
}

// R-TCP-2: a peer that is slow to answer is no reason to leave QUIC, and to end
// what else is under way; one of which nothing at all arrives is.
func TestASlowPeerIsNotABlockedOne(t *testing.T) {
	wall, porter := &swallower{}, &doorman{}
	a := newNode(t, "xa", []protocol.AuthorityID{central}, behind(wall, porter))
	b := newReceiver(t, nil)
	a.pin(b.party)
	a.awaitOver(gateway.QUIC)
	ask := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Ping(ctx, b.id); err == nil {
			t.Fatal("an answer came")
		}
	}
	b.busy.Store(true)
	ask()
	if over := a.over(); over != gateway.QUIC {
		t.Errorf("a peer that is slow is called over %q", over)
	}
	wall.shut.Store(true)
	ask()
	if over := a.over(); over == gateway.QUIC {
		t.Error("a session over which nothing arrives is kept")
	}
}

// R-TCP-3: after its time a node tries QUIC again by itself. An upload under way
// ends over TCP, where it began, and then so does the connection.
func TestBackToQUICUnderAnUpload(t *testing.T) {
	wall, porter := &swallower{}, &doorman{}
	wall.shut.Store(true)
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	b := newNode(t, "xb", []protocol.AuthorityID{prosecution}, behind(wall, porter))
	a.pin(b.party)
	b.pin(a.party)
	a.awaitOver(gateway.TCP)
	porter.slow.Store(true)
	k := a.submit(newLetter(central, 7<<20, b.party, prosecution))[0].Key
	until(t, "the upload is under way", func() bool { return must(a.db.Outbound(t.Context(), k)).Offered })
	wall.shut.Store(false)
	a.PassDetour(b.id)
	a.awaitOver(gateway.QUIC)
	if _, arrived := b.events(k)[evidence.RelayAcceptance]; arrived {
		t.Fatal("the upload was over too soon: nothing was shown")
	}
	if porter.open.Load() == 0 {
		t.Error("the connection of the upload was closed under it")
	}
	a.await(k, evidence.RelayAcceptance)
	if row := must(a.db.Outbound(t.Context(), k)); row.Attempts != 0 {
		t.Errorf("the upload was cut: %d further attempts", row.Attempts)
	}
	b.PassDetour(a.id)
	b.awaitOver(gateway.QUIC)
	until(t, "no connection over TCP is left", func() bool { return porter.open.Load() == 0 })
}

// R-TCP-2: a key that is not the pinned one is no network fault, whichever side
// finds it wrong: no attempt over TCP follows.
func TestAWrongKeyIsNotFollowedByTCP(t *testing.T) {
	wall, porter := &swallower{}, &doorman{}
	b := newNode(t, "xb", []protocol.AuthorityID{prosecution}, behind(wall, porter))
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	// Node b stands where the record of xc says that node xc is.
	c := newParty("xc", b.conn.LocalAddr().String(), "xc/ministry")
	a.pin(b.party, c) // and b has not pinned a
	for _, peer := range []*party{b.party, c} {
		for range 3 {
			if _, err := a.Ping(t.Context(), peer.id); err == nil {
				t.Errorf("%s answered with the wrong key, or to one", peer.id)
			}
		}
	}
	if n := porter.count.Load(); n != 0 {
		t.Errorf("%d attempts over TCP followed", n)
	}
	b.pin(a.party)
	if pong, err := a.Ping(t.Context(), b.id); err != nil || pong.Over != gateway.QUIC {
		t.Errorf("with the right keys: %+v, %v", pong, err)
	}
}

// R-TCP-2: over TCP the pins hold as well.
func TestAWrongKeyOverTCP(t *testing.T) {
	wall, porter := &swallower{}, &doorman{}
	wall.shut.Store(true)
	b := newNode(t, "xb", []protocol.AuthorityID{prosecution}, behind(wall, porter))
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	c := newParty("xc", b.conn.LocalAddr().String(), "xc/ministry")
	a.pin(b.party, c)
	var wg sync.WaitGroup
	for _, peer := range []*party{b.party, c} {
		wg.Go(func() {
			if pong, err := a.Ping(t.Context(), peer.id); err == nil {
				t.Errorf("%s: %+v", peer.id, pong)
			}
		})
	}
	wg.Wait()
	if porter.count.Load() == 0 {
		t.Error("nothing was tried over TCP, so nothing was shown")
	}
}

// The wire is the same over TCP: what a hostile peer is told.
func TestRequestsOverTCP(t *testing.T) {
	h, _ := besiegeOver(t, gateway.TCP)
	o := h.offering(300 << 10)
	m := h.make(o)
	if got := h.put(m); got.status != 201 {
		t.Fatalf("offer: %d %s", got.status, got.body)
	}
	spoilt := append([]byte(nil), o.body...)
	spoilt[len(spoilt)-1] ^= 1
	h.rejected("another digest", o, m, h.patch(m, spoilt), protocol.DigestMismatch)
	if got := h.hello(func(x *exchange.Hello) { x.Node = "xc" }); got.status == 200 {
		t.Error("a node under another name was taken in")
	}
	if got := h.do(http.MethodGet, "/v1/evidence?after=0&wait=0", nil, nil); got.status != 200 {
		t.Errorf("feed: %d %s", got.status, got.body)
	}
	huge := http.Header{"X-Padding": {strings.Repeat("x", 2*protocol.MaxHeaderBytes)}}
	if got, err := h.try(http.MethodGet, m.path, huge, nil, 0); err == nil && got.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("headers beyond MaxHeaderBytes: %d", got.status)
	}
}
