package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
)

// Outbound is one parcel to one recipient on the sending side. Key is its
// identity, kept for ever.
type Outbound struct {
	Key      protocol.Key
	Peer     protocol.NodeID // node that hosts the recipient
	Envelope statement.Signed
	Sealed   envelope.Sealed
	Priority protocol.Priority
	Test     bool
	Created  time.Time // as the envelope says
	Expires  time.Time // as the envelope says
	// Evidence is the SubmissionAcceptance; for Submit only, zero when read.
	Evidence Evidence

	State exchange.State // when read; a submitted row is exchange.Queued
	// Offered is set before the envelope first leaves the node.
	Offered  bool
	Attempts int
	Next     time.Time // when to try or decide next; zero when read: nothing left to send. Submit: zero means at once
	// LastError and LastErrorAt tell the operator why the last attempt failed.
	LastError   string
	LastErrorAt time.Time

	// Filled when read.
	Ordinal int64 // grows with every row; a cursor for lists
	Stored  time.Time
	Keeps   bool // still needs its sealed bytes
	// Withdrawal is the sending authority's; empty: none. See Withdraw.
	Withdrawal statement.Signed
}

// Outgoing returns the row as the state machine takes it.
func (o *Outbound) Outgoing() exchange.Outgoing {
	return exchange.Outgoing{State: o.State, Expires: o.Expires, Offered: o.Offered, Withdrawn: len(o.Withdrawal.Document) > 0, Attempts: o.Attempts, Next: o.Next}
}

const (
	lastOutbound   = `SELECT coalesce(max(ordinal), 0) FROM outbound`
	insertOutbound = `INSERT INTO outbound (ordinal, sender, parcel, recipient, peer, envelope, envelope_signature, envelope_digest,
sealed_digest, sealed_recipients, priority, priority_rank, test, created_us, expires_us, stored_us, state, offered, attempts, next_us, last_error, keeps, large)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0, 0, $18, '', 1, $19)`
)

func (f Submit) apply(ctx context.Context, b *batch) (*answer, error) {
	if len(f.Out) == 0 {
		return nil, factError("submission without a recipient")
	}
	sealed := f.Out[0].Sealed
	a := &answer{repeat: true}
	for i := range f.Out {
		o := &f.Out[i]
		if o.Sealed != sealed || len(o.Envelope.Document) == 0 || len(o.Envelope.Signature) == 0 || o.Created.IsZero() || o.Expires.IsZero() {
			return nil, factError("submission with an incomplete row, or with two different sealed bodies")
		}
		env, before, err := b.submitted(ctx, o)
		if err != nil {
			return before, err
		}
		if before != nil {
			a.envelopes = append(a.envelopes, env)
			a.packets = append(a.packets, before.packets...)
			a.state = before.state
			continue
		}
		if a.repeat {
			if err := b.v.putSealed(ctx, b.tx, f.Spool, sealed.Size, sealed.Digest); err != nil {
				return nil, err
			}
		}
		if err := b.enqueue(ctx, o); err != nil {
			return nil, err
		}
		p, _, err := b.file(ctx, o.Key, o.Evidence, "")
		if err != nil {
			return blocked(p), err
		}
		a.repeat, a.state = false, exchange.Queued
		a.envelopes = append(a.envelopes, o.Envelope)
		a.packets = append(a.packets, p)
	}
	return a, nil
}

// enqueue inserts a row whose key is new.
func (b *batch) enqueue(ctx context.Context, o *Outbound) error {
	ordinal, err := b.next(ctx, "outbound", lastOutbound)
	if err != nil {
		return err
	}
	next := o.Next
	if next.IsZero() {
		next = b.now
	}
	digest := o.Envelope.Digest()
	_, err = b.exec(ctx, insertOutbound, ordinal, o.Key.From, o.Key.Parcel, o.Key.To, o.Peer,
		string(o.Envelope.Document), string(o.Envelope.Signature), digest[:], o.Sealed.Digest[:], o.Sealed.Recipients,
		o.Priority, o.Priority.Rank(), flag(o.Test), o.Created.UnixMicro(), o.Expires.UnixMicro(), b.now.UnixMicro(),
		exchange.Queued, next.UnixMicro(), flag(o.Sealed.Size > protocol.MaxSmall))
	return err
}

// submitted returns the envelope and the acceptance stored under the key; nil
// when it is new. Other sealed bytes under the same key are refused, and the
// answer says what stands in the way.
func (b *batch) submitted(ctx context.Context, o *Outbound) (env statement.Signed, before *answer, err error) {
	var sealed digest
	var state exchange.State
	found, err := b.find(ctx, []any{&env.Document, &env.Signature, &sealed, &state},
		`SELECT envelope, envelope_signature, sealed_digest, state FROM outbound WHERE sender = $1 AND parcel = $2 AND recipient = $3`,
		o.Key.From, o.Key.Parcel, o.Key.To)
	if err != nil || !found {
		return env, nil, err
	}
	s, err := b.storedEvidence(ctx, o.Key, evidence.SubmissionAcceptance)
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("%w: %s is queued without its SubmissionAcceptance", ErrIntegrity, o.Key)
	}
	if err != nil {
		return env, nil, err
	}
	before = blocked(s.storedPacket)
	before.state = state
	if protocol.Digest(sealed) != o.Sealed.Digest {
		err = protocol.Refuse(protocol.Equivocation, "other sealed bytes (%s…) were already submitted as %s",
			protocol.Digest(sealed).Short(), o.Key)
	}
	return env, before, err
}

func (f Attempt) apply(ctx context.Context, b *batch) (*answer, error) {
	var failed any
	if f.Error != "" {
		failed = b.now.UnixMicro()
	}
	n, err := b.exec(ctx, `UPDATE outbound SET
  offered = CASE WHEN $4 = 1 THEN 1 ELSE offered END,
  attempts = CASE WHEN withdrawal IS NOT NULL AND $9 = 0 THEN attempts ELSE $5 END,
  next_us = CASE WHEN withdrawal IS NOT NULL AND $9 = 0 THEN next_us ELSE coalesce($6, next_us) END,
  last_error = CASE WHEN $7 = '' THEN last_error ELSE $7 END,
  last_error_us = coalesce($8, last_error_us),
  failures = failures + $10, breaks = breaks + $11
WHERE sender = $1 AND parcel = $2 AND recipient = $3 AND next_us IS NOT NULL`,
		f.Key.From, f.Key.Parcel, f.Key.To, flag(f.Offered), f.Attempts, micros(f.Next), printable(f.Error), failed, flag(f.Withdrawn), flag(f.Failed), flag(f.BrokeOff))
	if err != nil {
		return nil, err
	}
	a := &answer{repeat: n == 0}
	err = require(b.find(ctx, []any{&a.state}, `SELECT state FROM outbound WHERE sender = $1 AND parcel = $2 AND recipient = $3`,
		f.Key.From, f.Key.Parcel, f.Key.To))
	return a, err
}

// printable makes foreign words text: an error may quote whatever a peer said,
// and PostgreSQL stores neither other bytes than UTF-8 nor the zero character.
func printable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// Reschedule stores attempts in a transaction of their own. See Attempt. A row
// with nothing left to send, or without a row, is passed over.
func (g *Gateway) Reschedule(ctx context.Context, attempts ...Attempt) error {
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		b := &batch{tx: t, v: g.v}
		for _, a := range attempts {
			if _, err := a.apply(ctx, b); err != nil && !failsAlone(err) {
				return err
			}
		}
		return nil
	})
	return wrap("storing delivery attempts", err)
}

const outboundColumns = `SELECT o.ordinal, o.sender, o.parcel, o.recipient, o.peer, o.envelope, o.envelope_signature, o.sealed_digest, s.size_bytes,
o.sealed_recipients, o.priority, o.test, o.created_us, o.expires_us, o.stored_us, o.state, o.offered, o.attempts, o.next_us, o.last_error, o.last_error_us, o.keeps,
o.withdrawal, o.withdrawal_signature
FROM outbound o JOIN sealed s ON s.digest = o.sealed_digest`

func scanOutbound(scan func(...any) error) (o Outbound, err error) {
	var sealed digest
	var created, expires, stored int64
	var next, failed *int64
	err = scan(&o.Ordinal, &o.Key.From, &o.Key.Parcel, &o.Key.To, &o.Peer, &o.Envelope.Document, &o.Envelope.Signature, &sealed, &o.Sealed.Size,
		&o.Sealed.Recipients, &o.Priority, &o.Test, &created, &expires, &stored, &o.State, &o.Offered, &o.Attempts, &next, &o.LastError, &failed, &o.Keeps,
		&o.Withdrawal.Document, &o.Withdrawal.Signature)
	o.Sealed.Digest = protocol.Digest(sealed)
	o.Created, o.Expires, o.Stored = instant(&created), instant(&expires), instant(&stored)
	o.Next, o.LastErrorAt = instant(next), instant(failed)
	return o, err
}

// ranks are the values of protocol.Priority.Rank.
var ranks = []int{protocol.Emergency.Rank(), protocol.Urgent.Rank(), protocol.Routine.Rank()}

const firstDue = `SELECT min(next_us) FROM outbound WHERE peer = $1 AND priority_rank = $2 AND next_us > $3`

// NextDue returns when the first of the peer's rows falls due that does so after
// a moment, which may be zero; the zero time when none will.
func (g *Gateway) NextDue(ctx context.Context, peer protocol.NodeID, after time.Time) (time.Time, error) {
	var first time.Time
	err := g.v.read(ctx, func(ctx context.Context, t *tx) error {
		for _, rank := range ranks {
			var us *int64
			if _, err := t.find(ctx, []any{&us}, firstDue, peer, rank, after.UnixMicro()); err != nil {
				return err
			}
			if at := instant(us); us != nil && (first.IsZero() || at.Before(first)) {
				first = at
			}
		}
		return nil
	})
	return first, wrap("reading what is due to "+string(peer), err)
}

// Wake makes every waiting row of the peer due now, because the peer has shown
// up (R-XCH-2). It returns how many.
func (g *Gateway) Wake(ctx context.Context, peer protocol.NodeID, now time.Time) (n int64, err error) {
	err = g.v.write(ctx, func(ctx context.Context, t *tx) error {
		for _, rank := range ranks {
			k, err := t.exec(ctx, `UPDATE outbound SET next_us = $3 WHERE peer = $1 AND priority_rank = $2 AND next_us > $3`,
				peer, rank, now.UnixMicro())
			if err != nil {
				return err
			}
			n += k
		}
		return nil
	})
	return n, wrap("waking what waits for "+string(peer), err)
}

// Outbound returns one row. ErrNotFound.
func (g *Gateway) Outbound(ctx context.Context, k protocol.Key) (*Outbound, error) {
	return one(ctx, g.v, "outbound "+k.String(), scanOutbound,
		outboundColumns+` WHERE o.sender = $1 AND o.parcel = $2 AND o.recipient = $3`, k.From, k.Parcel, k.To)
}

// one reads exactly one row. ErrNotFound.
func one[T any](ctx context.Context, v *vault, what string, scan func(func(...any) error) (T, error), query string, args ...any) (*T, error) {
	var list []T
	err := v.read(ctx, func(ctx context.Context, t *tx) (err error) {
		list, err = collect(ctx, t, scan, query, args...)
		return err
	})
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	return &list[0], nil
}

// OutboundList returns rows, newest first.
func (g *Gateway) OutboundList(ctx context.Context, f Filter) (list []Outbound, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		c := f.conditions()
		list, err = collectPlain(ctx, t, scanOutbound, outboundColumns+c.end("o.ordinal", f.Limit), c.args...)
		return err
	})
	return list, wrap("listing outbound transmissions", err)
}

// Queue is the waiting traffic towards one peer.
type Queue struct {
	Peer    protocol.NodeID
	Waiting int64     // transmissions with something left to send
	Bytes   int64     // their sealed bytes
	Oldest  time.Time // when the oldest was stored
	Next    time.Time // when the next falls due
}

// Queues returns the queue of each peer that has one, by name.
func (g *Gateway) Queues(ctx context.Context, tests Tests) (list []Queue, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collect(ctx, t, func(scan func(...any) error) (q Queue, err error) {
			var oldest, next int64
			err = scan(&q.Peer, &q.Waiting, &q.Bytes, &oldest, &next)
			q.Oldest, q.Next = instant(&oldest), instant(&next)
			return q, err
		}, `SELECT o.peer, count(*), sum(s.size_bytes), min(o.stored_us), min(o.next_us)
FROM outbound o JOIN sealed s ON s.digest = o.sealed_digest
WHERE o.next_us IS NOT NULL AND `+tests.condition()+` GROUP BY o.peer ORDER BY o.peer`)
		return err
	})
	return list, wrap("reading the queues", err)
}
