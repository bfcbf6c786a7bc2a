package office

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// node stands for the machine beside an office: it signs as a real node does,
// keeps everything in memory, and hands parcels and evidence to the other nodes
// of its world at once. What it cannot show, transport and its durability, is
// tested with the real gateway elsewhere.
type node struct {
	w     *world
	state *state

	mu       *sync.Mutex // one for all nodes of a world; guards what follows
	rows     map[protocol.Key]*row
	order    []protocol.Key
	sealed   map[protocol.Digest][]byte
	arrivals chan struct{}
	changes  chan struct{}
	filed    int
	fail     error // returned by Submit, Withdraw and File while set
	cut      bool  // nothing leaves the node
	silent   bool  // it leaves, and the peer never answers
}

// row is one transmission as a node remembers it.
type row struct {
	env      *envelope.Envelope
	signed   statement.Signed
	evidence []exchange.Attested
	offered  bool
	taken    []statement.Signed // withdrawals
}

func newNode(w *world, s *state) *node {
	return &node{w: w, state: s, mu: &w.mu, rows: map[protocol.Key]*row{}, sealed: map[protocol.Digest][]byte{}, arrivals: make(chan struct{}), changes: make(chan struct{})}
}

func (n *node) OwnState() *record.State { return n.state.record }

func (n *node) State(id protocol.StateID) (*record.State, bool) {
	s, ok := states()[id]
	if !ok {
		return nil, false
	}
	return s.record, true
}

func (n *node) Find(id protocol.AuthorityID) (*record.State, *record.Member, error) {
	if s, ok := n.State(id.State()); ok {
		if m, ok := s.Authority(id); ok {
			return s, m, nil
		}
	}
	return nil, nil, protocol.Refuse(protocol.UnknownRecipient, "%s: no record lists it; exchange introductions first", id)
}

// issue signs evidence as this node and adds it to the row here and at the other side.
func (n *node) issue(r *row, event evidence.Event, more func(*evidence.Evidence)) statement.Packet {
	now := n.w.clock.now()
	ref := r.signed.Ref()
	ev := &evidence.Evidence{
		Type: evidence.Type, Event: event, Parcel: r.env.Parcel, From: r.env.From, To: r.env.To, Test: r.env.Test, Envelope: &ref,
		Sealed: r.env.Sealed.Digest, Time: protocol.At(now), Log: n.state.log.Origin(), Record: n.state.record.Ref(),
		Issuer: evidence.Issuer{Name: string(n.state.id), Role: evidence.Node, Key: n.state.node.Subkeys[0].Digest()},
	}
	if more != nil {
		more(ev)
	}
	return n.add(r, must(ev.Sign(n.state.node.Subkeys[0], now)))
}

// add adds evidence to a row, once, and tells the other side.
func (n *node) add(r *row, signed statement.Signed) statement.Packet {
	p := statement.Packet{Signed: signed, Proof: fmt.Appendf(nil, "proof of %s\n", signed.Digest())}
	parsed := must(evidence.Parse(signed.Document))
	r.evidence = append(r.evidence, exchange.Attested{Packet: p, Parsed: parsed})
	other := r.env.From.State()
	if other == n.state.id {
		other = r.env.To.State()
	}
	if peer := n.w.nodes[other]; peer != nil && other != n.state.id {
		if at, ok := peer.rows[r.env.Key()]; ok {
			at.evidence = append(at.evidence, exchange.Attested{Packet: p, Parsed: parsed})
			peer.ring()
		}
	}
	n.ring()
	return p
}

// envelope makes what a sending node states about a submission.
func (n *node) envelope(s *exchange.Submission, a exchange.Addressee) *envelope.Envelope {
	to := states()[a.To.State()]
	return &envelope.Envelope{
		Type: envelope.Type, Parcel: s.Parcel, From: s.From, To: a.To, RecipientKey: a.Key, Priority: s.Priority, Test: s.Test,
		Sealed: s.Sealed, Manifest: s.Manifest, Created: protocol.At(n.w.clock.now()), Expires: s.Expires,
		Records: envelope.Records{From: n.state.record.Ref(), To: to.record.Ref()},
	}
}

func (n *node) MayDate(context.Context) error { return nil }

func (n *node) Admit(context.Context, protocol.AuthorityID, int, int64) error { return nil }

func (n *node) Expect([]protocol.AuthorityID, protocol.Priority) func() { return func() {} }

func (n *node) Submit(_ context.Context, s exchange.Submission, sealed exchange.Sealed) ([]exchange.Receipt, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail != nil {
		return nil, n.fail
	}
	body, err := io.ReadAll(io.NewSectionReader(sealed, 0, sealed.Size()))
	if err != nil {
		return nil, err
	}
	if protocol.Sum(body) != s.Sealed.Digest {
		return nil, errors.New("the sealed bytes are not those of the submission")
	}
	var receipts []exchange.Receipt
	for _, a := range s.To {
		k := protocol.Key{From: s.From, Parcel: s.Parcel, To: a.To}
		if r, ok := n.rows[k]; ok {
			receipts = append(receipts, exchange.Receipt{Key: k, Envelope: r.signed, Evidence: r.evidence[0].Packet})
			continue
		}
		env := n.envelope(&s, a)
		r := &row{env: env, signed: must(env.Sign(n.state.node.Subkeys[0], env.Created.Time))}
		n.rows[k] = r
		p := n.issue(r, evidence.SubmissionAcceptance, nil)
		receipts = append(receipts, exchange.Receipt{Key: k, Envelope: r.signed, Evidence: p})
		if r.offered = !n.cut; r.offered && !n.silent {
			n.w.nodes[a.To.State()].receive(r.signed, body, r.evidence...)
		}
	}
	return receipts, nil
}

func (n *node) Withdraw(_ context.Context, signed statement.Signed) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail != nil {
		return n.fail
	}
	w, err := n.state.record.VerifyWithdrawal(signed, n.w.clock.now())
	if err != nil {
		return err
	}
	r := n.rows[w.TransmissionKey()]
	if err := w.About(r.env, r.signed.Ref()); err != nil {
		return err
	}
	r.taken = append(r.taken, signed)
	if !r.offered && !r.has(evidence.RelayFailure) {
		n.issue(r, evidence.RelayFailure, func(ev *evidence.Evidence) {
			ev.Reason = evidence.NewReason(protocol.Withdrawn, "before it was ever offered")
		})
	}
	return nil
}

// arrive makes this node the recipient's: the bytes are whole and it says so.
func (n *node) arrive(signed statement.Signed, body []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.receive(signed, body)
}

func (n *node) receive(signed statement.Signed, body []byte, known ...exchange.Attested) {
	r := &row{env: must(envelope.Parse(signed.Document)), signed: signed, evidence: slices.Clone(known)}
	n.rows[r.env.Key()] = r
	n.order = append(n.order, r.env.Key())
	n.sealed[r.env.Sealed.Digest] = body
	n.issue(r, evidence.RelayAcceptance, nil)
	close(n.arrivals)
	n.arrivals = make(chan struct{})
}

func (n *node) Consign(_ context.Context, to protocol.AuthorityID, key protocol.Digest, held func(protocol.Key) bool, limit int) ([]exchange.Consignment, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var waiting []exchange.Consignment
	for _, k := range n.order {
		r := n.rows[k]
		c := exchange.Consignment{Key: k, Envelope: r.signed, Parsed: r.env}
		if k.To != to || r.has(evidence.ContentHandover) || r.has(evidence.ContentHandoverFailure) {
			continue
		}
		if len(waiting) == limit || held != nil && held(k) {
			continue
		}
		if !r.has(evidence.ContentConsignment) {
			n.issue(r, evidence.ContentConsignment, func(ev *evidence.Evidence) { ev.ConsigneeKey = &key })
		}
		waiting = append(waiting, c)
	}
	return waiting, nil
}

func (r *row) has(event evidence.Event) bool {
	return slices.ContainsFunc(r.evidence, func(a exchange.Attested) bool { return a.Parsed.Event == event })
}

func (n *node) Arrivals(protocol.AuthorityID) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.arrivals
}

// sealedBytes are sealed bytes in memory.
type sealedBytes struct{ *bytes.Reader }

func (sealedBytes) Close() error { return nil }

func (n *node) Sealed(_ context.Context, digest protocol.Digest) (exchange.Sealed, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return sealedBytes{bytes.NewReader(n.sealed[digest])}, nil
}

func (n *node) File(_ context.Context, signed statement.Signed) (statement.Packet, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail != nil {
		return statement.Packet{}, n.fail
	}
	ev, err := n.state.record.VerifyEvidence(signed, n.w.clock.now())
	if err != nil {
		return statement.Packet{}, err
	}
	r := n.rows[ev.TransmissionKey()]
	if err := ev.About(r.env, r.signed.Ref()); err != nil {
		return statement.Packet{}, err
	}
	for _, a := range r.evidence {
		if a.Parsed.Event == ev.Event {
			if bytes.Equal(a.Document, signed.Document) {
				return a.Packet, nil
			}
			return statement.Packet{}, protocol.Refuse(protocol.Equivocation, "another %s is filed", ev.Event)
		}
	}
	n.filed++
	return n.add(r, signed), nil
}

func (n *node) Evidence(_ context.Context, k protocol.Key) ([]exchange.Attested, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r, ok := n.rows[k]; ok {
		return slices.Clone(r.evidence), nil
	}
	return nil, nil
}

func (n *node) Envelope(_ context.Context, k protocol.Key) (statement.Signed, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r, ok := n.rows[k]; ok {
		return r.signed, nil
	}
	return statement.Signed{}, fmt.Errorf("there is no transmission %s", k)
}

// Proofs are none: this node has no log, and what it calls proofs are not.
func (n *node) Proofs(context.Context, protocol.Key) (map[evidence.Event]exchange.Proven, error) {
	return nil, nil
}

func (n *node) Histories(context.Context) (all []exchange.History, err error) {
	for _, id := range slices.Sorted(maps.Keys(states())) {
		s := states()[id]
		all = append(all, exchange.History{State: id, Node: protocol.NodeID(s.id), Versions: []exchange.Version{{Sequence: s.record.Record().Sequence, Signed: s.record.Signed()}}})
	}
	return all, nil
}

func (n *node) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changes
}

// Recovering is for nodes that were restored; this one was not.
func (n *node) Recovering(protocol.StateID) bool { return false }
func (n *node) InDoubt(protocol.Key) bool        { return false }

func (n *node) ring() {
	close(n.changes)
	n.changes = make(chan struct{})
}

func (n *node) setFail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail = err
}
