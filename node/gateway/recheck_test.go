package gateway_test

import (
	"testing"
	"time"

	"comity/node/gateway"
	"comity/protocol"
)

// A peer that was killed and is back calls us. Our connection from before, over
// which nothing comes any more, ends then, and not when it times out.
func TestAConnectionToARestartedPeerEnds(t *testing.T) {
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	var wire *swallower
	b := newNode(t, "xb", []protocol.AuthorityID{prosecution, court}, func(n *node) {
		wire = &swallower{PacketConn: n.conn}
		n.conn = wire
	})
	a.pin(b.party)
	b.pin(a.party)
	if _, err := a.Ping(t.Context(), "xb"); err != nil {
		t.Fatal(err)
	}
	connected := a.Connected("xb")
	if !connected() {
		t.Fatal("there is no connection")
	}
	// Nothing is on its way any more: what is sent again would be answered with a reset.
	time.Sleep(500 * time.Millisecond)
	wire.shut.Store(true) // it dies without a word
	b.restart()
	for began := time.Now(); connected(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > gateway.KeepAlive {
			t.Fatal("the connection to the peer as it was before looks alive")
		}
	}
}
