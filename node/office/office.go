// Package office is the workplace of one authority: it attaches files, signs
// and seals messages and hands them to the gateway; it takes in what arrives,
// verifies it in full, opens single files, acknowledges or declines, and
// exports what stock tools need to check a transmission (SPEC.md, "Parcel",
// "Sealed bytes", "Evidence").
//
// It holds the authority's keys and is the only part that sees content. How
// parcels travel is the gateway's work, which the office knows by the interface
// below only: the two may run on separate machines.
//
// If the power goes now: a message is stored with its sealed bytes before it is
// submitted, and evidence is stored before it is filed, so both are handed to
// the gateway again; a parcel whose verification was under way is consigned
// again. Repeats change nothing on either side.
package office

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

// Gateway is what an office needs of the node that hosts it. Every method that
// changes something may be repeated after a failure or a crash.
type Gateway interface {
	// OwnState returns the record of the node's own state.
	OwnState() *record.State
	// State returns the newest adopted record of a state.
	State(protocol.StateID) (*record.State, bool)
	// MayDate waits until the node knows whether its clock can be trusted, and
	// returns an error while nothing must be signed by it.
	MayDate(context.Context) error
	// Find returns an authority with the record that lists it.
	Find(protocol.AuthorityID) (*record.State, *record.Member, error)
	// Admit refuses what would take the authority beyond its share of the node: so many
	// parcels for the queue, of so many sealed bytes together.
	Admit(ctx context.Context, from protocol.AuthorityID, parcels int, bytes int64) error
	// Expect says that a parcel is about to be submitted, so that what is less
	// urgent gives way; the returned function ends that.
	Expect(to []protocol.AuthorityID, p protocol.Priority) (release func())
	// Submit queues sealed bytes and returns one receipt per addressee, all
	// durable. A refusal means that nothing was taken.
	Submit(context.Context, exchange.Submission, exchange.Sealed) ([]exchange.Receipt, error)
	// Withdraw takes back a parcel that was submitted, by a withdrawal that the
	// office signed. Whether it came in time, the evidence tells. A refusal means
	// that nothing was stored.
	Withdraw(context.Context, statement.Signed) error
	// Consign returns parcels that wait for the authority and are not yet handed
	// over, urgent ones first, at most limit, without those that held names; nil
	// names none. Fewer than limit are all.
	Consign(ctx context.Context, to protocol.AuthorityID, consigneeKey protocol.Digest, held func(protocol.Key) bool, limit int) ([]exchange.Consignment, error)
	// Arrivals returns a channel that is closed when something next arrives.
	Arrivals(to protocol.AuthorityID) <-chan struct{}
	// Sealed opens the sealed bytes of a parcel that waits.
	Sealed(context.Context, protocol.Digest) (exchange.Sealed, error)
	// File gives evidence that the office signed its leaf, and sends it on.
	File(context.Context, statement.Signed) (statement.Packet, error)
	// Evidence returns all evidence about a transmission that stands at the node.
	Evidence(context.Context, protocol.Key) ([]exchange.Attested, error)
	// Envelope returns the envelope of a transmission, sent or received.
	Envelope(context.Context, protocol.Key) (statement.Signed, error)
	// Proofs returns, by event, the proofs of evidence that witnesses cosigned.
	Proofs(context.Context, protocol.Key) (map[evidence.Event]exchange.Proven, error)
	// Histories returns every record that the node has adopted, by state.
	Histories(context.Context) ([]exchange.History, error)
	// Changed returns a channel that is closed when any evidence is stored next.
	Changed() <-chan struct{}
	// Recovering reports whether the gateway, restored from a backup, has still to
	// fetch what the node of a state holds of this node's evidence; without a state,
	// of any, or cannot verify it yet.
	Recovering(protocol.StateID) bool
	// InDoubt reports whether the sender's node holds something that was signed here
	// about a parcel and that cannot be verified yet.
	InDoubt(protocol.Key) bool
}

// Config is all that an office needs. Every field without "nil" in its comment
// must be set.
type Config struct {
	Authority protocol.AuthorityID
	Store     *store.Office
	Gateway   Gateway
	// Act signs what a person decides: messages and formal answers.
	Act *pgp.Secret
	// Attest signs what the office says by itself: handed over, opened.
	Attest *pgp.Secret
	// Identities open what is sealed to the authority, the newest first.
	Identities seal.Identities
	// Locked says why Attest, Identities and ConsigneeKey could not be opened; nil:
	// they are given. A locked office lists, exports, submits and files what is
	// stored; what arrives waits at the gateway, unconsigned.
	Locked error
	// ActLocked says why Act could not be opened; nil: it is given. Without it only
	// the office that [Office.By] returns sends and answers.
	ActLocked error
	// ConsigneeKey is the digest of the TLS key (SPKI) by which the gateway
	// knows this office, also when both are one process.
	ConsigneeKey protocol.Digest
	// Now is the wall clock for stamps; nil: time.Now. Timers use package time.
	Now func() time.Time
	// Logger takes what the operator must know; nil: nothing is logged.
	Logger *slog.Logger
}

// Office is the office of one authority. It is safe for concurrent use.
type Office struct {
	authority  protocol.AuthorityID
	store      *store.Office
	gateway    Gateway
	act        *pgp.Secret
	attest     *pgp.Secret
	identities seal.Identities
	consignee  protocol.Digest
	locked     error // why attest and identities are nil
	actLocked  error // why act is nil
	now        func() time.Time
	log        *slog.Logger

	doors *gate // one sender per case, one answer per message
	// unfinished has a token when something was left for Run to repeat.
	unfinished chan struct{}
}

// New makes an office. It starts nothing: Send, Open and the others work
// without Run, which takes in what arrives. It refuses keys that the record of
// the node's state does not list in their role; whether they count at the
// moment is asked at each signature.
func New(c Config) (*Office, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	o := &Office{
		authority: c.Authority, store: c.Store, gateway: c.Gateway, act: c.Act, attest: c.Attest,
		identities: c.Identities, consignee: c.ConsigneeKey, now: c.Now,
		locked: c.Locked, actLocked: c.ActLocked,
		log:        c.Logger.With("authority", string(c.Authority)),
		doors:      new(gate),
		unfinished: make(chan struct{}, 1),
	}
	switch {
	case c.Store == nil || c.Gateway == nil || c.Act == nil && c.ActLocked == nil || c.Attest == nil && c.Locked == nil:
		return nil, errors.New("open an office: store, gateway and both keys must be given")
	case c.Locked != nil:
	case len(c.Identities) == 0:
		return nil, fmt.Errorf("open the office of %s: there is no age identity to open parcels with", c.Authority)
	case c.ConsigneeKey.IsZero():
		return nil, fmt.Errorf("open the office of %s: the key by which the gateway knows it is missing", c.Authority)
	}
	_, member, err := o.self()
	if err != nil {
		return nil, err
	}
	for role, key := range map[evidence.Role]*pgp.Secret{evidence.Act: c.Act, evidence.Attest: c.Attest} {
		if key == nil {
			continue
		}
		if err := member.Key(role, key.Digest(), c.Now()); protocol.CodeOf(err) == protocol.WrongRole {
			return nil, fmt.Errorf("open the office of %s: %w", c.Authority, err)
		}
	}
	return o, nil
}

// By returns the same office for one act of a person who has unlocked the act
// key. It is for Send, Withdraw, Acknowledge and Decline; the key is nowhere kept.
func (o *Office) By(act *pgp.Secret) *Office {
	acting := *o
	acting.act, acting.actLocked = act, nil
	return &acting
}

// mayAct fails when the key with which people act is locked, or nobody knows what
// time it is: what they sign is dated (R-TIME-1).
func (o *Office) mayAct(ctx context.Context) error {
	if o.locked != nil {
		return o.locked
	}
	if o.actLocked != nil {
		return o.actLocked
	}
	return o.gateway.MayDate(ctx)
}

// Original returns the sealed bytes of a message of this office; store.ErrNotFound,
// store.ErrGone.
func (o *Office) Original(ctx context.Context, digest protocol.Digest) (exchange.Sealed, error) {
	return o.store.Sealed(ctx, digest)
}

// Kept returns how many sealed bytes this office keeps.
func (o *Office) Kept(ctx context.Context) (int64, error) { return o.store.Kept(ctx) }

// Authority returns whose office this is.
func (o *Office) Authority() protocol.AuthorityID { return o.authority }

// self returns this authority as the node's own record lists it now.
func (o *Office) self() (*record.State, *record.Member, error) {
	state := o.gateway.OwnState()
	member, ok := state.Authority(o.authority)
	if !ok {
		return nil, nil, fmt.Errorf("the record of this node does not list %s: publish a record that does", o.authority)
	}
	return state, member, nil
}

// leaveUnfinished asks Run to come back to what could not be finished now.
func (o *Office) leaveUnfinished() {
	select {
	case o.unfinished <- struct{}{}:
	default: // it is asked already
	}
}

// nameOf is the message that a transmission carries.
func nameOf(k protocol.Key) store.Name { return store.Name{From: k.From, Parcel: k.Parcel} }

// keyTo is the transmission of a message to one recipient.
func keyTo(n store.Name, to protocol.AuthorityID) protocol.Key {
	return protocol.Key{From: n.From, Parcel: n.Parcel, To: to}
}

// gate lets one caller at a time through for each name. The zero value works.
type gate struct {
	mu     sync.Mutex
	inside map[string]chan struct{} // guarded by mu; closed when the one inside leaves
}

// enter waits until nobody else is inside under the name. The caller calls
// leave once.
func (g *gate) enter(ctx context.Context, name string) (leave func(), err error) {
	for {
		g.mu.Lock()
		busy, taken := g.inside[name]
		if !taken {
			gone := make(chan struct{})
			if g.inside == nil {
				g.inside = map[string]chan struct{}{}
			}
			g.inside[name] = gone
			g.mu.Unlock()
			return func() {
				g.mu.Lock()
				delete(g.inside, name)
				g.mu.Unlock()
				close(gone)
			}, nil
		}
		g.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
