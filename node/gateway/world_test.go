package gateway_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"comity/crypto/keys"
	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
	"comity/store/sickdisk"
)

// Run must leave nothing behind: every test stops its nodes. Those that are
// parallel wait for a peer that never answers, half a minute some of them
// (protocol.CompareWait), so all of them do it at once.
func TestMain(m *testing.M) {
	flag.Parse()
	must(0, flag.Set("test.parallel", "12"))
	goleak.VerifyTestMain(m)
}

const (
	central     protocol.AuthorityID = "xa/central-authority"
	prosecution protocol.AuthorityID = "xb/prosecution-service"
	court       protocol.AuthorityID = "xb/district-court"
)

// patience bounds every wait; no test depends on its length.
const patience = 60 * time.Second

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// party is all that one state holds: keys of the state, its node and its
// authorities, and the record that lists them.
type party struct {
	id       protocol.NodeID
	made     time.Time
	top      *pgp.Generated
	node     *pgp.Generated
	offices  map[protocol.AuthorityID]*office
	pem      []byte
	log      *merkle.Signer
	witness  *merkle.Cosigner
	document record.Record
	state    *record.State
}

type office struct {
	keys     *pgp.Generated // subkeys: act, attest
	identity *seal.Identity
}

const lifetime = 24 * time.Hour

func newParty(id protocol.NodeID, endpoint string, authorities ...protocol.AuthorityID) *party {
	made := time.Now().Add(-time.Hour).Truncate(time.Second)
	p := &party{id: id, made: made, offices: map[protocol.AuthorityID]*office{}}
	p.top = must(pgp.Generate("State "+string(id), pgp.Ed25519, 0, made, 0))
	p.node = must(pgp.Generate("Node "+string(id), pgp.Ed25519, 1, made, lifetime))
	p.log = must(merkle.GenerateLog("comity/log/" + string(id) + "/1"))
	secret, _, _, err := merkle.GenerateKeypair("comity/witness/" + string(id))
	p.witness = must(merkle.ParseCosigner(must(secret, err)))
	ed, pq := p.witness.VerifierKeys()
	p.pem = must(keys.GenerateTLS(string(id), made, made.Add(lifetime)))
	logEd, logPQ := p.log.VerifierKeys()
	p.document = record.Record{
		State: id.State(), Name: []record.Name{{Language: "en", Text: "State " + string(id)}}, Sequence: 1,
		Created: protocol.At(made), Valid: p.valid(), Versions: []string{protocol.Version},
		Certificate: p.top.Certificate.Bytes(), Keys: []record.Key{p.key(evidence.Primary, p.top.Primary)},
		Node: record.Node{
			ID: id, Certificate: p.node.Certificate.Bytes(),
			Keys: []record.Key{p.key(evidence.Primary, p.node.Primary), p.key(evidence.Node, p.node.Subkeys[0])},
			TLS:  []record.Pin{{SPKI: p.spki(), Valid: p.valid()}}, Endpoints: []string{endpoint},
			Log:     record.Log{Origin: p.log.Origin(), Keys: record.Keypair{Ed25519: logEd, MLDSA44: logPQ}},
			Witness: record.Keypair{Ed25519: ed, MLDSA44: pq}, Limits: record.Limits{Sealed: 8 << 20},
		},
	}
	for _, a := range authorities {
		o := &office{keys: must(pgp.Generate(string(a), pgp.Ed25519, 2, made, lifetime)), identity: must(seal.GenerateIdentity())}
		p.offices[a] = o
		entry := must(record.SignAuthority(&record.Authority{
			ID: a, Name: []record.Name{{Language: "en", Text: string(a)}}, Sequence: 1, Created: protocol.At(made), Host: id,
			Certificate: o.keys.Certificate.Bytes(),
			Keys: []record.Key{
				p.key(evidence.Primary, o.keys.Primary), p.key(evidence.Act, o.keys.Subkeys[0]), p.key(evidence.Attest, o.keys.Subkeys[1]),
			},
			Recipients: []record.Recipient{{Recipient: o.identity.Recipient().String(), Valid: p.valid()}},
		}, o.keys.Primary, made))
		p.document.Authorities = append(p.document.Authorities, entry)
	}
	p.state = must(record.Verify(p.sign(p.document), nil))
	return p
}

func (p *party) valid() protocol.Window {
	return protocol.Window{From: protocol.At(p.made), Until: protocol.At(p.made.Add(lifetime))}
}

func (p *party) key(role evidence.Role, s *pgp.Secret) record.Key {
	return record.Key{Role: role, Digest: s.Digest(), Valid: p.valid()}
}

func (p *party) spki() protocol.Digest { return keys.SPKI(must(keys.ParseTLS(p.pem)).Leaf) }

func (p *party) sign(r record.Record) statement.Signed {
	return must(record.SignRecord(&r, p.top.Primary, p.made))
}

// next is a record that follows the party's own, changed.
func (p *party) next(change func(*record.Record)) statement.Signed {
	r := p.document
	previous := p.state.Ref().Digest
	r.Sequence, r.Previous = p.document.Sequence+1, &previous
	r.Node.TLS = append([]record.Pin(nil), r.Node.TLS...)
	change(&r)
	return p.sign(r)
}

// node is one gateway on loopback with its store.
type node struct {
	*gateway.Gateway
	*party
	t      testing.TB
	db     *store.Gateway
	disk   *sickdisk.Disk
	dir    string
	conn   net.PacketConn
	tcp    net.Listener
	clock  func() time.Time
	said   *slog.Logger                                               // what it logs; nil: as COMITY_TEST_LOG says
	kept   func(context.Context, protocol.AuthorityID) (int64, error) // what its offices keep; nil: they are elsewhere
	places int64                                                      // in the queue, of each authority; 0: the usual
	stop   func() error                                               // ends Run
	wait   func() error                                               // until Run ends
}

// option changes how a node is opened.
type option func(*node)

func at(clock func() time.Time) option { return func(n *node) { n.clock = clock } }

// newNode creates a state with its node and runs it until the test ends.
func newNode(t testing.TB, id protocol.NodeID, authorities []protocol.AuthorityID, options ...option) *node {
	t.Helper()
	n := &node{t: t, disk: &sickdisk.Disk{}, dir: filepath.Join(t.TempDir(), string(id)), clock: time.Now}
	n.listen("127.0.0.1:0")
	n.party = newParty(id, n.conn.LocalAddr().String(), authorities...)
	for _, o := range options {
		o(n)
	}
	if err := store.CreateGateway(t.Context(), n.config()); err != nil {
		t.Fatal(err)
	}
	n.open()
	out, err := n.db.Commit(t.Context(), []store.Fact{store.AdoptRecord{Record: store.Record{
		State: id.State(), Node: id, Sequence: 1, Signed: n.state.Signed(), Own: true, Pinned: true,
	}}}, func(size int64, root merkle.Hash) ([]byte, error) { return n.log.Checkpoint(size, root, n.clock()) })
	if err == nil {
		err = out[0].Err
	}
	if err != nil {
		t.Fatal(err)
	}
	n.run()
	t.Cleanup(func() {
		n.disk.Heal()
		n.close()
	})
	return n
}

// listen opens both sockets of the node and returns the one for UDP. While a node was
// halted, somebody else on this machine may have got its port, for a moment.
func (n *node) listen(address string) net.PacketConn {
	n.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		conn, tcp, err := gateway.Listen(address)
		if err == nil {
			n.conn, n.tcp = conn, tcp
			return conn
		}
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline) {
			n.t.Fatal(err)
		}
	}
}

func (n *node) config() store.Config {
	return store.Config{Dir: n.dir, Now: func() time.Time { return n.clock() }, Wrap: n.disk.Wrap}
}

func (n *node) open() {
	n.t.Helper()
	var err error
	if n.db, err = store.OpenGateway(n.t.Context(), n.config()); err != nil {
		n.t.Fatal(err)
	}
	n.Gateway, err = gateway.New(n.t.Context(), gateway.Config{
		Store: n.db, Own: n.state, NodeKey: n.node.Subkeys[0], TLS: must(keys.ParseTLS(n.pem)), Log: n.log, Witness: n.witness,
		Conn: n.conn, TCP: n.tcp, Kept: n.kept, QueueShare: n.places, Now: func() time.Time { return n.clock() }, Logger: cmp.Or(n.said, logger(n.t)).With("node", n.id),
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

// logger shows the nodes' logs when COMITY_TEST_LOG is set.
func logger(t testing.TB) *slog.Logger {
	if os.Getenv("COMITY_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (n *node) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	n.wait = sync.OnceValue(func() error { return <-done })
	n.stop = func() error { cancel(); return n.wait() }
}

// halt stops the node; its directory stays.
func (n *node) halt() {
	n.t.Helper()
	if err := n.stop(); err != nil && !errors.Is(err, errDisk) && !errors.Is(err, gateway.ErrOlderCopy) {
		n.t.Errorf("%s stopped with: %v", n.id, err)
	}
	_ = n.tcp.Close() // Run has done so, unless it never ran
	if err := errors.Join(n.db.Close(), n.conn.Close()); err != nil {
		n.t.Error(err)
	}
}

// restart halts the node and runs it again on the same directory and port.
func (n *node) restart() {
	n.t.Helper()
	n.halt()
	n.start()
}

// start runs a node again that was halted.
func (n *node) start() {
	n.t.Helper()
	n.listen(n.conn.LocalAddr().String())
	n.open()
	n.run()
}

// close halts the node after its log was found whole (I4).
func (n *node) close() {
	if _, err := n.CheckLog(context.Background()); err != nil {
		n.t.Errorf("the log of %s: %v", n.id, err)
	}
	n.halt()
}

func (n *node) pin(others ...*party) {
	n.t.Helper()
	for _, o := range others {
		if err := n.Pin(n.t.Context(), o.state); err != nil {
			n.t.Fatal(err)
		}
	}
}

// pair makes the two nodes of most tests, introduced to each other.
func pair(t testing.TB) (a, b *node) {
	t.Helper()
	a = newNode(t, "xa", []protocol.AuthorityID{central})
	b = newNode(t, "xb", []protocol.AuthorityID{prosecution, court})
	a.pin(b.party)
	b.pin(a.party)
	return a, b
}

// sealed is a sealed parcel in memory.
type sealed struct{ *bytes.Reader }

func (sealed) Close() error { return nil }

// sealTo seals random content of the given size.
func sealTo(size int, to ...*seal.Recipient) []byte {
	var out bytes.Buffer
	w, _, err := seal.Encrypt(&out, to...)
	if err == nil {
		content := make([]byte, size)
		_, _ = rand.Read(content)
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	return must(out.Bytes(), err)
}

// letter is a submission that is ready to be made.
type letter struct {
	exchange.Submission
	body []byte
}

func digest(text string) protocol.Digest { return protocol.Sum([]byte(text)) }

func parcelID() protocol.ParcelID { return must(protocol.NewParcelID()) }

func newLetter(from protocol.AuthorityID, size int, hosts *party, to ...protocol.AuthorityID) *letter {
	l := &letter{Submission: exchange.Submission{
		Parcel: parcelID(), From: from, Priority: protocol.Routine,
		Manifest: statement.Ref{Document: digest("manifest"), Signature: digest("signature")},
		Created:  protocol.At(time.Now()), Expires: protocol.At(time.Now().Add(time.Hour)),
	}}
	var recipients []*seal.Recipient
	for _, a := range to {
		r := hosts.offices[a].identity.Recipient()
		recipients = append(recipients, r)
		l.To = append(l.To, exchange.Addressee{To: a, Key: r.Digest()})
	}
	l.enclose(sealTo(size, recipients...), len(recipients))
	return l
}

func (l *letter) enclose(body []byte, recipients int) {
	l.body = body
	l.Sealed = envelope.Sealed{Size: int64(len(body)), Digest: protocol.Sum(body), Recipients: int64(recipients)}
}

func (l *letter) open() sealed { return sealed{bytes.NewReader(l.body)} }

func (n *node) submit(l *letter) []exchange.Receipt {
	n.t.Helper()
	receipts, err := n.Submit(n.t.Context(), l.Submission, l.open())
	if err != nil {
		n.t.Fatalf("submit: %v", err)
	}
	return receipts
}

// events returns the events of which evidence stands at the node.
func (n *node) events(k protocol.Key) map[evidence.Event]exchange.Attested {
	n.t.Helper()
	list, err := n.Evidence(context.Background(), k)
	if err != nil {
		n.t.Fatal(err)
	}
	all := map[evidence.Event]exchange.Attested{}
	for _, e := range list {
		all[e.Parsed.Event] = e
	}
	return all
}

// await waits until evidence of the event stands at the node.
func (n *node) await(k protocol.Key, event evidence.Event) exchange.Attested {
	n.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		changed := n.Changed()
		all := n.events(k)
		if e, ok := all[event]; ok {
			return e
		}
		select {
		case <-changed:
		case <-deadline.C:
			n.t.Fatalf("%s has no %s of %s; it has %v", n.id, event, k, all)
		}
	}
}

// answer signs office evidence about a received parcel, as an office would.
func (n *node) answer(k protocol.Key, event evidence.Event) statement.Signed {
	n.t.Helper()
	signed, err := n.Envelope(n.t.Context(), k)
	if err != nil {
		n.t.Fatal(err)
	}
	env := must(envelope.Parse(signed.Document))
	ev := n.evidence(env, signed.Ref(), event, n.clock())
	return must(ev.Sign(n.secret(k.To, event), n.clock()))
}

func (p *party) secret(a protocol.AuthorityID, event evidence.Event) *pgp.Secret {
	switch event.Rule().Role {
	case evidence.Act:
		return p.offices[a].keys.Subkeys[0]
	case evidence.Attest:
		return p.offices[a].keys.Subkeys[1]
	default:
		return p.node.Subkeys[0]
	}
}

// evidence drafts what the party would say about an envelope.
func (p *party) evidence(env *envelope.Envelope, ref statement.Ref, event evidence.Event, now time.Time) *evidence.Evidence {
	rule := event.Rule()
	name, of := string(p.id), env.To
	if rule.Sender {
		of = env.From
	}
	if rule.Role != evidence.Node {
		name = string(of)
	}
	ev := &evidence.Evidence{
		Type: evidence.Type, Event: event, Parcel: env.Parcel, From: env.From, To: env.To, Test: env.Test, Envelope: &ref,
		Sealed: env.Sealed.Digest, Time: protocol.At(now), Log: p.log.Origin(), Record: p.state.Ref(),
		Issuer: evidence.Issuer{Name: name, Role: rule.Role, Key: p.secret(of, event).Digest()},
	}
	if rule.Negative {
		ev.Reason = evidence.NewReason(protocol.Policy, "a rule")
	}
	if event == evidence.ContentConsignment {
		key := digest("consignee")
		ev.ConsigneeKey = &key
	}
	return ev
}

// packet adds the proof of a log with this one leaf.
func (p *party) packet(s statement.Signed, now time.Time) statement.Packet {
	var salt [merkle.SaltSize]byte
	_, _ = rand.Read(salt[:])
	ref := s.Ref()
	h := hashes{}
	for i, v := range must(merkle.StoredHashes(0, merkle.NewLeaf(salt, ref.Document, ref.Signature), h)) {
		h[int64(i)] = v
	}
	note := must(p.log.Checkpoint(1, must(merkle.Root(1, h)), now))
	return statement.Packet{Signed: s, Proof: merkle.Proof{
		Checkpoint: note, Salt: salt, Document: ref.Document, Signature: ref.Signature,
	}.Marshal()}
}

type hashes map[int64]merkle.Hash

func (h hashes) ReadHashes(indexes []int64) ([]merkle.Hash, error) {
	out := make([]merkle.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = h[x]
	}
	return out, nil
}
