//go:build linux

package bench

import (
	"context"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/node/gateway"
	"comity/node/office"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/record"
)

// countedNode is a whole node in this process: what stands between it and its
// network counts bytes, which no process of its own would show.
type countedNode struct {
	*operate.Node
	id        protocol.NodeID
	authority protocol.AuthorityID
	sent      *atomic.Int64 // bytes of UDP payload that have left it
	run       context.CancelFunc
	ended     chan error
}

// counter is a UDP socket that counts what leaves through it. It hides that it is
// one of the kernel's, so each packet leaves by a call of its own and has the size
// that QUIC chose for it.
type counter struct {
	net.PacketConn
	sent atomic.Int64
}

// SetReadBuffer and SetWriteBuffer are for QUIC, which wants more than the kernel
// gives unasked.
func (c *counter) SetReadBuffer(bytes int) error {
	return c.PacketConn.(*net.UDPConn).SetReadBuffer(bytes)
}

func (c *counter) SetWriteBuffer(bytes int) error {
	return c.PacketConn.(*net.UDPConn).SetWriteBuffer(bytes)
}

func (c *counter) WriteTo(b []byte, to net.Addr) (int, error) {
	n, err := c.PacketConn.WriteTo(b, to)
	c.sent.Add(int64(n))
	return n, err
}

// countedPair makes two nodes that know each other and runs them until the test ends.
func countedPair(tb testing.TB) (a, b *countedNode) {
	tb.Helper()
	a, b = newCounted(tb, "xa"), newCounted(tb, "xb")
	must(tb, 0, a.Gateway.Pin(tb.Context(), b.Gateway.OwnState()))
	must(tb, 0, b.Gateway.Pin(tb.Context(), a.Gateway.OwnState()))
	return a, b
}

func newCounted(tb testing.TB, id protocol.NodeID) *countedNode {
	tb.Helper()
	n := &countedNode{id: id, authority: protocol.AuthorityID(string(id) + "/central-authority"), ended: make(chan error, 1)}
	udp, tcp, err := gateway.Listen("127.0.0.1:0")
	must(tb, 0, err)
	endpoint := udp.LocalAddr().String()
	dir := filepath.Join(tb.TempDir(), string(id))
	_, err = operate.Create(tb.Context(), operate.Plan{
		Dir: dir, Node: id, StateName: []record.Name{{Language: "en", Text: "State " + string(id)}},
		Authorities: []operate.PlannedAuthority{{ID: n.authority, Name: []record.Name{{Language: "en", Text: "Central Authority"}}}},
		Listen:      endpoint, Endpoints: []string{endpoint}, Algorithm: pgp.Ed25519, Now: time.Now(),
	})
	must(tb, 0, err)
	conn := &counter{PacketConn: udp}
	n.sent = &conn.sent
	n.Node, err = operate.Open(tb.Context(), dir, operate.Options{Conn: conn, TCP: tcp})
	must(tb, 0, err)
	ctx, stop := context.WithCancel(context.Background())
	n.run = stop
	go func() { n.ended <- n.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		must(tb, 0, <-n.ended)
		must(tb, 0, n.Close())
		must(tb, 0, udp.Close())
	})
	return n
}

func (n *countedNode) office() *office.Office { return n.Offices[n.authority] }

// databases are where the node keeps its rows, by the room they belong to.
func (n *countedNode) databases() map[string]string {
	return map[string]string{
		"gateway": n.Layout.NodeFile("gateway.db"),
		"office":  n.Layout.OfficeFile(n.authority, "office.db"),
	}
}
