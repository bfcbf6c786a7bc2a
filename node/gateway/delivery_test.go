package gateway_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"comity/crypto/keys"
	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
)

// shifted is a wall clock that a test sets.
type shifted struct{ by atomic.Int64 }

func (s *shifted) now() time.Time          { return time.Now().Add(time.Duration(s.by.Load())) }
func (s *shifted) forward(d time.Duration) { s.by.Add(int64(d)) }

// Two hundred parcels at once each way, all evidence, both logs whole.
func TestManyAtOnceBothWays(t *testing.T) {
	a, b := pair(t)
	const each = 200
	var wg sync.WaitGroup
	for range each {
		wg.Go(func() {
			k := a.submit(newLetter(central, 200, b.party, prosecution))[0].Key
			a.await(k, evidence.RelayAcceptance)
		})
		wg.Go(func() {
			k := b.submit(newLetter(prosecution, 200, a.party, central))[0].Key
			b.await(k, evidence.RelayAcceptance)
		})
	}
	wg.Wait()
	for _, n := range []*node{a, b} {
		report, err := n.CheckLog(t.Context())
		if err != nil || report.Evidence != 2*each || report.Foreign != 2*each {
			t.Errorf("%s: %+v, %v; want %d of each side", n.id, report, err, 2*each)
		}
	}
}

// R-XCH-6: one recipient's node is down; the other's gets its envelope and
// evidence of the same sealed body at once. When the first comes back, it is
// tried at once too (R-XCH-2).
func TestOnePeerDownDelaysNoOther(t *testing.T) {
	a, b := pair(t)
	c := newNode(t, "xc", []protocol.AuthorityID{"xc/ministry"})
	c.pin(a.party)
	a.pin(c.party)
	c.halt()
	l := newLetter(central, 100<<10, b.party, prosecution)
	there := c.offices["xc/ministry"].identity.Recipient()
	l.To = append(l.To, exchange.Addressee{To: "xc/ministry", Key: there.Digest()})
	l.enclose(sealTo(100<<10, b.offices[prosecution].identity.Recipient(), there), 2)
	receipts := a.submit(l)
	a.await(receipts[0].Key, evidence.RelayAcceptance)
	if _, ok := a.events(receipts[1].Key)[evidence.RelayAcceptance]; ok {
		t.Fatal("a node that is down has accepted")
	}
	c.listen(c.conn.LocalAddr().String())
	c.open()
	c.run()
	// c says hello as soon as it runs: no retry has to fall due for this.
	a.await(receipts[1].Key, evidence.RelayAcceptance)
}

// R-EVID-9, R-XCH-1: no failure before the end; after it, for a peer that was
// never reached, one RelayFailure, and none again.
func TestAPeerThatNeverComesEndsInFailure(t *testing.T) {
	t.Parallel()
	clock := &shifted{}
	a := newNode(t, "xa", []protocol.AuthorityID{central}, at(clock.now))
	b := newParty("xb", "127.0.0.1:9", prosecution)
	a.pin(b)
	first := a.submit(newLetter(central, 100, b, prosecution))[0].Key
	if _, ok := a.events(first)[evidence.RelayFailure]; ok {
		t.Fatal("failed before the end")
	}
	clock.forward(time.Hour + protocol.MaxSkew + exchange.FailGrace + time.Minute)
	a.restart() // a running node would not believe the jump
	later := newLetter(central, 100, b, prosecution)
	later.Expires = protocol.At(clock.now().Add(time.Hour))
	a.submit(later) // wakes the queue
	e := a.await(first, evidence.RelayFailure)
	if e.Parsed.Reason.Code != protocol.PeerUnreachable {
		t.Errorf("reason %+v", e.Parsed.Reason)
	}
	if _, ok := a.events(later.key())[evidence.RelayFailure]; ok {
		t.Error("the later one failed with it")
	}
}

func (l *letter) key() protocol.Key {
	return protocol.Key{From: l.From, Parcel: l.Parcel, To: l.To[0].To}
}

// What was submitted before a restart is delivered after it (R-EVID-4).
func TestARestartLosesNothing(t *testing.T) {
	a, b := pair(t)
	var all []protocol.Key
	for range 20 {
		all = append(all, a.submit(newLetter(central, 100, b.party, prosecution))[0].Key)
	}
	a.restart()
	b.restart()
	a.restart()
	for _, k := range all {
		a.await(k, evidence.RelayAcceptance)
		b.await(k, evidence.RelayAcceptance)
	}
}

// The first peer may be pinned while the node already runs.
func TestPinWhileRunning(t *testing.T) {
	a, b := pair(t)
	pong, err := a.Ping(t.Context(), b.id)
	if err != nil || pong.Trip <= 0 || pong.Skew.Abs() > protocol.MaxSkew || pong.Over != gateway.QUIC {
		t.Errorf("ping: %+v %v", pong, err)
	}
	peers, err := a.Peers(t.Context())
	if err != nil || len(peers) != 1 || peers[0].Node != b.id || !peers[0].Reachable || !peers[0].Pinned {
		t.Errorf("peers: %+v, %v", peers, err)
	}
}

// Run returns when everything has stopped, also with calls under way and with a
// peer that does not answer.
func TestRunLeavesNothingBehind(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	a, b := pair(t)
	ghost := newParty("xz", "127.0.0.1:9", "xz/ministry")
	a.pin(ghost)
	for range 50 {
		a.submit(newLetter(central, 100, b.party, prosecution))
	}
	a.submit(newLetter(central, 100, ghost, "xz/ministry"))
	a.halt()
	b.halt()
	goleak.VerifyNone(t, ignore)
	a.listen("127.0.0.1:0")
	b.listen("127.0.0.1:0")
	a.open()
	a.run()
	b.open()
	b.run()
}

// Without a network the node can be looked at and take submissions; it talks to nobody.
func TestOffline(t *testing.T) {
	a, b := pair(t)
	a.halt()
	conn := a.conn
	a.conn = nil
	a.open()
	k := a.submit(newLetter(central, 100, b.party, prosecution))[0].Key
	if _, err := a.Ping(t.Context(), b.id); err == nil {
		t.Error("an offline node was heard")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Run(ctx); err != nil {
		t.Errorf("offline Run: %v", err)
	}
	if err := a.db.Close(); err != nil {
		t.Error(err)
	}
	a.listen(conn.LocalAddr().String())
	a.open()
	a.run()
	a.await(k, evidence.RelayAcceptance)
}

// A node does not start with keys that its record does not list.
func TestNewRefusesForeignKeys(t *testing.T) {
	a, b := pair(t)
	right := gateway.Config{
		Store: a.db, Own: a.state, NodeKey: a.party.node.Subkeys[0], TLS: must(keys.ParseTLS(a.pem)), Log: a.log, Witness: a.witness,
		Now: time.Now, Logger: logger(t),
	}
	for name, spoil := range map[string]func(*gateway.Config){
		"log":     func(c *gateway.Config) { c.Log = b.log },
		"TLS":     func(c *gateway.Config) { c.TLS = must(keys.ParseTLS(b.pem)) },
		"witness": func(c *gateway.Config) { c.Witness = b.witness },
		"node":    func(c *gateway.Config) { c.NodeKey = b.party.node.Subkeys[0] },
	} {
		c := right
		spoil(&c)
		if _, err := gateway.New(t.Context(), c); err == nil {
			t.Errorf("started with another %s key", name)
		}
	}
	if _, err := gateway.New(t.Context(), right); err != nil {
		t.Error(err)
	}
}

// BenchmarkSmallParcels measures parcels from Submit to the RelayAcceptance at
// the sender, with 64 under way, both nodes in this process.
func BenchmarkSmallParcels(b *testing.B) {
	x, y := pair(b)
	letters := make(chan *letter, b.N)
	for range b.N {
		letters <- newLetter(central, 1000, y.party, prosecution)
	}
	close(letters)
	keys := make(chan protocol.Key, 64)
	b.ResetTimer()
	var submitting sync.WaitGroup
	for range 8 {
		submitting.Go(func() {
			for l := range letters {
				keys <- x.submit(l)[0].Key
			}
		})
	}
	go func() { submitting.Wait(); close(keys) }()
	for k := range keys {
		x.relayed(k)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "parcels/s")
}

// BenchmarkLargeParcel measures one parcel of 4 MiB.
func BenchmarkLargeParcel(b *testing.B) {
	x, y := pair(b)
	const size = 4 << 20
	b.SetBytes(size)
	for range b.N {
		b.StopTimer()
		l := newLetter(central, size, y.party, prosecution)
		b.StartTimer()
		x.await(x.submit(l)[0].Key, evidence.RelayAcceptance)
	}
}

// relayed waits until the sender's row shows that the peer has accepted.
func (n *node) relayed(k protocol.Key) {
	n.t.Helper()
	for {
		changed := n.Changed()
		row, err := n.db.Outbound(n.t.Context(), k)
		if err != nil {
			n.t.Fatal(err)
		}
		if row.State != exchange.Queued {
			return
		}
		<-changed
	}
}

// R-ENV-7: of a submission that is a repeat for one recipient and new for another
// the stored envelope stands, and the evidence about it is taken.
func TestASubmissionThatIsPartlyARepeat(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	address := b.conn.LocalAddr().String()
	b.halt()
	l := newLetter(central, 1000, b.party, prosecution, court)
	both := l.To
	l.To = both[:1]
	first := a.submit(l)[0]
	time.Sleep(time.Second) // a second signing makes another envelope
	a.restart()             // it forgets what it remembered
	l.To = both
	for _, r := range a.submit(l) {
		if r.Key == first.Key && r.Envelope.Digest() != first.Envelope.Digest() {
			t.Error("R-ENV-7: another envelope under the same key")
		}
	}
	b.listen(address)
	b.open()
	b.run()
	for _, to := range []protocol.AuthorityID{prosecution, court} {
		k := first.Key
		k.To = to
		a.await(k, evidence.RelayAcceptance)
	}
}
