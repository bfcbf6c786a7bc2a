package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
	"comity/store/sickdisk"
)

// The tests speak of two states: xa sends, xb receives.
const (
	central     protocol.AuthorityID = "xa/central-authority"
	prosecution protocol.AuthorityID = "xb/prosecution-service"
	court       protocol.AuthorityID = "xb/district-court"
	nodeA       protocol.NodeID      = "xa"
	nodeB       protocol.NodeID      = "xb"
)

// logKeys makes one log's keys for all tests: generating them is slow.
var logKeys = sync.OnceValue(func() *merkle.Signer {
	s, err := merkle.GenerateLog("xb.example/log/1")
	if err != nil {
		panic(err)
	}
	return s
})

// node is a gateway's store under test with its clock and its log key.
type node struct {
	*Gateway
	t     testing.TB
	dir   string
	place Config // the engine's part
	clock *clock
	disk  *sickdisk.Disk
	logV  *merkle.Verifier
}

// clock moves only when a test says so.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Unix(2_000_000_000, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// newNode makes a store in a fresh folder. After the test, whatever it did, the
// log must be whole.
func newNode(t testing.TB) *node {
	t.Helper()
	return newNodeAt(t, at(t, Config{}))
}

// newNodeAt is newNode for a place of the test's own.
func newNodeAt(t testing.TB, place Config) *node {
	t.Helper()
	n := &node{t: t, dir: filepath.Join(t.TempDir(), "node"), place: place, clock: newClock(), disk: &sickdisk.Disk{}}
	if err := CreateGateway(context.Background(), n.config()); err != nil {
		t.Fatal(err)
	}
	ed, pq := logKeys().VerifierKeys()
	v, err := merkle.NewVerifier(logKeys().Origin(), ed, pq)
	if err != nil {
		t.Fatal(err)
	}
	n.logV = v
	n.reopen()
	t.Cleanup(func() {
		n.disk.Heal()
		if _, err := n.CheckLog(context.Background(), n.logV.Checkpoint); err != nil {
			t.Errorf("after the test: %v", err)
		}
		n.Close()
	})
	return n
}

func (n *node) config() Config {
	c := n.place
	c.Dir, c.Now, c.Wrap = n.dir, n.clock.now, n.disk.Wrap
	return c
}

func (n *node) reopen() {
	n.t.Helper()
	if _, err := n.again(); err != nil {
		n.t.Fatal(err)
	}
}

// again closes the store and opens it once more. When that is refused, the test
// must reopen it later.
func (n *node) again() (*Gateway, error) { return n.openWith(n.config()) }

// openWith is again with another configuration.
func (n *node) openWith(c Config) (*Gateway, error) {
	n.t.Helper()
	if n.Gateway != nil {
		if err := n.Close(); err != nil {
			n.t.Fatal(err)
		}
		n.Gateway = nil
	}
	g, err := OpenGateway(context.Background(), c)
	if err == nil {
		n.Gateway = g
	}
	return g, err
}

func (n *node) sign(size int64, root merkle.Hash) ([]byte, error) {
	return logKeys().Checkpoint(size, root, n.clock.now())
}

// commit stores facts that must all succeed.
func (n *node) commit(facts ...Fact) []Outcome {
	n.t.Helper()
	out, err := n.Commit(context.Background(), facts, n.sign)
	if err != nil {
		n.t.Fatal(err)
	}
	for i, o := range out {
		if o.Err != nil {
			n.t.Fatalf("fact %d (%T): %v", i, facts[i], o.Err)
		}
		for _, p := range o.Packets {
			n.provable(p)
		}
	}
	return out
}

// commitOne is commit for one fact that may be refused.
func (n *node) commitOne(f Fact) Outcome {
	n.t.Helper()
	out, err := n.Commit(context.Background(), []Fact{f}, n.sign)
	if err != nil {
		n.t.Fatal(err)
	}
	return out[0]
}

// provable fails the test unless the packet's proof, if it is of this log, holds.
func (n *node) provable(p statement.Packet) {
	n.t.Helper()
	if p.Proof == nil || bytes.Equal(p.Proof, foreignProof) {
		return
	}
	ref := p.Ref()
	if _, _, err := n.logV.Proof(p.Proof, ref.Document, ref.Signature); err != nil {
		n.t.Fatalf("proof of %.60s…: %v", p.Document, err)
	}
}

// spool returns a kept spool with the body.
func (n *node) spool(body []byte) *Spool {
	n.t.Helper()
	s := n.NewSpool()
	for len(body) > 0 { // in pieces, as a network brings them
		k := min(len(body), 30_000)
		if _, err := s.Write(body[:k]); err != nil {
			n.t.Fatal(err)
		}
		body = body[k:]
	}
	if err := s.Keep(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(s.Discard)
	return s
}

// parcelID makes readable ids; only their form matters.
func parcelID(n int) protocol.ParcelID {
	return protocol.ParcelID(fmt.Sprintf("01900000-0000-7000-8000-%012d", n))
}

func key(n int, to protocol.AuthorityID) protocol.Key {
	return protocol.Key{From: central, Parcel: parcelID(n), To: to}
}

// document makes a signed document; words tell one from another.
func document(words ...any) statement.Signed {
	text := fmt.Sprintln(words...)
	sum := sha256.Sum256([]byte(text))
	return statement.Signed{
		Document:  fmt.Appendf(nil, "{\n  \"says\": %q\n}\n", text),
		Signature: fmt.Appendf(nil, "-----BEGIN PGP SIGNATURE-----\n\n%x\n-----END PGP SIGNATURE-----\n", sum),
	}
}

var foreignProof = []byte("c2sp.org/tlog-proof@v1 of another log\n")

func (n *node) evidence(k protocol.Key, e evidence.Event, words ...any) Evidence {
	return Evidence{Packet: statement.Packet{Signed: document(append([]any{e, k}, words...)...)}, Event: e, Time: n.clock.now()}
}

func (n *node) foreign(k protocol.Key, e evidence.Event, words ...any) Evidence {
	ev := n.evidence(k, e, words...)
	ev.Proof = foreignProof
	return ev
}

func sealedOf(body []byte) envelope.Sealed {
	return envelope.Sealed{Size: int64(len(body)), Digest: protocol.Sum(body), Recipients: 1}
}

func body(n, size int) []byte {
	b := bytes.Repeat([]byte(fmt.Sprintf("sealed %d ", n)), size/8+1)
	return b[:size]
}

// outbound is a row for a parcel of xa to an authority of xb.
func (n *node) outbound(number int, to protocol.AuthorityID, sealed []byte) Outbound {
	k := key(number, to)
	return Outbound{
		Key: k, Peer: nodeB, Envelope: document("envelope", k), Sealed: sealedOf(sealed), Priority: protocol.Routine,
		Created: n.clock.now(), Expires: n.clock.now().Add(protocol.DefaultLifetime),
		Evidence: n.evidence(k, evidence.SubmissionAcceptance),
	}
}

func (n *node) submit(number int, to ...protocol.AuthorityID) Submit {
	n.t.Helper()
	sealed := body(number, 100)
	f := Submit{Spool: n.spool(sealed)}
	for _, a := range to {
		f.Out = append(f.Out, n.outbound(number, a, sealed))
	}
	return f
}

func (n *node) inbound(number int, sealed []byte) Inbound {
	k := key(number, prosecution)
	return Inbound{
		Key: k, Peer: nodeA, Envelope: document("envelope", k), Sealed: sealedOf(sealed), Priority: protocol.Routine,
		Created: n.clock.now(), Expires: n.clock.now().Add(protocol.DefaultLifetime),
	}
}

func (n *node) accept(number int) AcceptRelay {
	n.t.Helper()
	sealed := body(number, 100)
	in := n.inbound(number, sealed)
	return AcceptRelay{
		Inbound: in, Spool: n.spool(sealed),
		Submission: n.foreign(in.Key, evidence.SubmissionAcceptance), Evidence: n.evidence(in.Key, evidence.RelayAcceptance),
	}
}

func (n *node) refuse(number int) RefuseRelay {
	in := n.inbound(number, body(number, 100))
	return RefuseRelay{
		Inbound: in, Submission: n.foreign(in.Key, evidence.SubmissionAcceptance), Evidence: n.evidence(in.Key, evidence.RelayRejection),
	}
}

func wantCode(t testing.TB, what string, err error, want protocol.Code) {
	t.Helper()
	if got := protocol.CodeOf(err); got != want {
		t.Errorf("%s: refused with %q (%v), want %q", what, got, err, want)
	}
}

func wantState(t testing.TB, what string, got, want exchange.State) {
	t.Helper()
	if got != want {
		t.Errorf("%s: state %q, want %q", what, got, want)
	}
}
