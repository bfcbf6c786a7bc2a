//go:build linux

package local

import (
	"encoding/json"
	"testing"

	"comity/node/control"
	"comity/node/gateway"
	"comity/protocol/exchange"
)

// R-TCP-2, R-TCP-3: the kernel's own firewall stands in the way of UDP, and the
// request crosses over TCP; when it is gone, QUIC is used again.
func TestUDPIsBlocked(t *testing.T) {
	for _, c := range []struct{ name, verdict string }{
		{"dropped silently", "drop"},
		{"refused", "reject with icmp port-unreachable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			needNamespaces(t)
			here, there := Cable(t)
			there.BlockUDP(t, c.verdict)
			w := New(t)
			a, b := w.CreateIn("xa", here), w.CreateIn("xb", there)
			w.Introduce(a, b)
			a.Start()
			b.Start()
			out := a.Send(Letter{To: []*Node{b}, Files: []string{w.File("request.pdf", 300<<10)}})
			a.AwaitProof(out, b, exchange.StatusDelivered, ToHandover...)
			back := b.Send(Letter{To: []*Node{a}, Files: []string{w.File("reply.pdf", 300<<10)}})
			b.AwaitProof(back, a, exchange.StatusDelivered, ToHandover...)
			a.wantOver(b, gateway.TCP)
			b.wantOver(a, gateway.TCP)
			if blocked := there.Blocked(t); blocked == 0 {
				t.Error("the firewall saw no UDP, so it was not in the way")
			}
			healed(t, w, a, b, there)
		})
	}
}

// R-TCP-2: UDP stops passing in the middle of an upload, all of it, or large
// packets alone, so that the connection looks alive: the upload goes on over TCP.
func TestUDPIsBlockedInMidUpload(t *testing.T) {
	for _, c := range []struct {
		name  string
		block func(*Namespace)
	}{
		{"all of it", func(n *Namespace) { n.BlockUDP(t, "drop") }},
		{"large packets", func(n *Namespace) { n.ShrinkMTU(t) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			needNamespaces(t)
			here, there := Cable(t)
			here.Slow(t, "100mbit") // so that there is a middle
			w := New(t)
			a, b := w.CreateIn("xa", here), w.CreateIn("xb", there)
			w.Introduce(a, b)
			a.Start()
			b.Start()
			a.await("the nodes talk over QUIC", func() bool { return a.peer(b).Transport == gateway.QUIC })
			const size = 48 << 20
			before := there.Received(t)
			out := a.Send(Letter{To: []*Node{b}, Files: []string{w.File("recording.mp4", size)}})
			a.await("the upload is under way", func() bool { return there.Received(t) > before+size/4 })
			c.block(there)
			if there.Received(t) > before+size*3/4 {
				t.Fatal("the upload was too fast to be cut in its middle")
			}
			a.AwaitProof(out, b, exchange.StatusDelivered, ToHandover...)
			a.wantOver(b, gateway.TCP)
			if there.Blocked(t) == 0 {
				t.Error("the firewall saw no UDP, so it was not in the way")
			}
			healed(t, w, a, b, there)
		})
	}
}

// healed takes the firewall away. A ping tries QUIC again, and the other side
// does so as soon as it is called over QUIC.
func healed(t *testing.T, w *Network, a, b *Node, there *Namespace) {
	t.Helper()
	there.UnblockUDP(t)
	pong, err := a.Client().Ping(t.Context(), b.ID)
	if err != nil || pong.Transport != gateway.QUIC {
		t.Fatalf("ping when UDP passes again: %+v, %v", pong, err)
	}
	a.wantOver(b, gateway.QUIC)
	id := a.Send(Letter{To: []*Node{b}, Files: []string{w.File("again.pdf", 300<<10)}})
	a.AwaitProof(id, b, exchange.StatusDelivered, ToHandover...)
	a.wantOver(b, gateway.QUIC)
	b.await("the other side calls over QUIC, too", func() bool { return b.peer(a).Transport == gateway.QUIC })
	a.CheckLog()
	b.CheckLog()
}

// wantOver fails the test unless "comity peer list --json" says that the node's
// connection to another runs on this transport.
func (n *Node) wantOver(other *Node, want gateway.Transport) {
	n.tb.Helper()
	var peers []control.Peer
	if err := json.Unmarshal([]byte(run(n.tb, "", Program(n.tb), "peer", "list", "--json", "--dir", n.Dir)), &peers); err != nil {
		n.fatalf("peer list of %s: %v", n.ID, err)
	}
	for _, p := range peers {
		if p.Node == other.ID && p.Transport != want {
			n.tb.Errorf("%s calls %s over %q, want %q", n.ID, other.ID, p.Transport, want)
		}
	}
}
