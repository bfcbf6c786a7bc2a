package store

import (
	"context"
	"fmt"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
)

// Period is a span of time, as exceptions are asked for: From is in it, Until
// is not.
type Period struct{ From, Until time.Time }

func (p Period) micros() (from, until int64) { return p.From.UnixMicro(), p.Until.UnixMicro() }

// Exceptions of a period are read with a limit, at most MaxPage; more says that
// there are others. Test parcels are never among them (R-XCH-5). Those about
// parcels may be asked for one authority of the node, as sender or recipient; empty
// means all. The limit counts its own rows only.

// Parcel is the transmission of which an exception speaks.
type Parcel struct {
	Key      protocol.Key
	Peer     protocol.NodeID
	Priority protocol.Priority
	Stored   time.Time // when it was queued here, or taken over
	Expires  time.Time // as the envelope says
}

// Slow is a sent parcel for which the other node was long in answering.
type Slow struct {
	Parcel
	State    exchange.State
	Answered time.Time // the first evidence that ended the wait; zero: none until now
}

// slowRows: acceptance, rejection or failure ends the wait, whichever is first.
const slowRows = `SELECT o.sender, o.parcel, o.recipient, o.peer, o.priority, o.stored_us, o.expires_us, o.state,
(SELECT min(e.stored_us) FROM evidence e WHERE e.sender = o.sender AND e.parcel = o.parcel AND e.recipient = o.recipient
  AND e.event IN ('RelayAcceptance', 'RelayRejection', 'RelayFailure')) AS answered_us
FROM outbound o WHERE o.stored_us >= $1 AND o.stored_us < $2 AND o.test = 0
AND NOT EXISTS (SELECT 1 FROM evidence e WHERE e.sender = o.sender AND e.parcel = o.parcel AND e.recipient = o.recipient
  AND e.event IN ('RelayAcceptance', 'RelayRejection', 'RelayFailure') AND e.stored_us - o.stored_us <= $3)
AND ($4 = '' OR o.sender = $4 OR o.recipient = $4)
ORDER BY o.stored_us, o.ordinal LIMIT $5`

// Slow returns parcels for which a time without evidence of the other node ran
// out in the period, the oldest first. So each is in the report of one period.
func (g *Gateway) Slow(ctx context.Context, p Period, of protocol.AuthorityID, within time.Duration, limit int) (list []Slow, more bool, err error) {
	from, until := Period{p.From.Add(-within), p.Until.Add(-within)}.micros()
	return exceptions(ctx, g.v, "reading slow deliveries", limit, func(scan func(...any) error) (s Slow, err error) {
		var answered *int64
		err = s.Parcel.scan(scan, &s.State, &answered)
		s.Answered = instant(answered)
		return s, err
	}, slowRows, from, until, within.Microseconds(), string(of))
}

func (p *Parcel) scan(scan func(...any) error, more ...any) error {
	var stored, expires int64
	err := scan(append([]any{&p.Key.From, &p.Key.Parcel, &p.Key.To, &p.Peer, &p.Priority, &stored, &expires}, more...)...)
	p.Stored, p.Expires = instant(&stored), instant(&expires)
	return err
}

// Unanswered is a parcel that was handed to its office and not formally answered
// in the period.
type Unanswered struct {
	Key       protocol.Key
	Sent      bool // by an authority of this node; otherwise received
	Delivered time.Time
	Opened    time.Time // as evidence says; zero: no evidence of it
	Answered  time.Time // after the period; zero: not until now
}

// noted is the condition of the index evidence_noted, word for word: so the
// engines know that the index has all rows of the query.
const noted = `event IN ('SubmissionRejection', 'RelayRejection', 'RelayFailure', 'ContentConsignment', 'ContentHandoverFailure', 'ConsignmentRejection')`

// unansweredRows: what failed at the office was answered by that.
const unansweredRows = `SELECT c.sender, c.parcel, c.recipient, CASE WHEN o.ordinal IS NULL THEN 0 ELSE 1 END, c.stored_us,
(SELECT min(e.stored_us) FROM evidence e WHERE e.sender = c.sender AND e.parcel = c.parcel AND e.recipient = c.recipient
  AND e.event = 'ContentAccessTracking'),
(SELECT min(e.stored_us) FROM evidence e WHERE e.sender = c.sender AND e.parcel = c.parcel AND e.recipient = c.recipient
  AND e.event IN ('ContentHandoverFailure', 'ConsignmentAcceptance', 'ConsignmentRejection'))
FROM evidence c LEFT JOIN outbound o ON o.sender = c.sender AND o.parcel = c.parcel AND o.recipient = c.recipient
LEFT JOIN inbound i ON i.sender = c.sender AND i.parcel = c.parcel AND i.recipient = c.recipient
WHERE c.` + noted + `
AND c.event = 'ContentConsignment' AND c.stored_us >= $1 AND c.stored_us < $2 AND coalesce(o.test, i.test, 0) = 0
AND NOT EXISTS (SELECT 1 FROM evidence e WHERE e.sender = c.sender AND e.parcel = c.parcel AND e.recipient = c.recipient
  AND e.event IN ('ContentHandoverFailure', 'ConsignmentAcceptance', 'ConsignmentRejection') AND e.stored_us < $2)
AND ($3 = '' OR c.sender = $3 OR c.recipient = $3)
ORDER BY c.stored_us, c.ordinal LIMIT $4`

// Unanswered returns the parcels, sent and received, that were delivered in the
// period and neither acknowledged nor declined by its end, the oldest first.
func (g *Gateway) Unanswered(ctx context.Context, p Period, of protocol.AuthorityID, limit int) (list []Unanswered, more bool, err error) {
	from, until := p.micros()
	return exceptions(ctx, g.v, "reading unanswered parcels", limit, func(scan func(...any) error) (u Unanswered, err error) {
		var delivered int64
		var opened, answered *int64
		err = scan(&u.Key.From, &u.Key.Parcel, &u.Key.To, &u.Sent, &delivered, &opened, &answered)
		u.Delivered, u.Opened, u.Answered = instant(&delivered), instant(opened), instant(answered)
		return u, err
	}, unansweredRows, from, until, string(of))
}

// Negative is evidence of a refusal or a failure.
type Negative struct {
	Key    protocol.Key
	Event  evidence.Event
	Signed statement.Signed
	Stored time.Time
}

const negativeRows = `SELECT e.sender, e.parcel, e.recipient, e.event, e.document, e.signature, e.stored_us
FROM evidence e LEFT JOIN outbound o ON o.sender = e.sender AND o.parcel = e.parcel AND o.recipient = e.recipient
LEFT JOIN inbound i ON i.sender = e.sender AND i.parcel = e.parcel AND i.recipient = e.recipient
WHERE e.` + noted + `
AND e.event IN ('SubmissionRejection', 'RelayRejection', 'RelayFailure', 'ContentHandoverFailure', 'ConsignmentRejection')
AND e.stored_us >= $1 AND e.stored_us < $2 AND coalesce(o.test, i.test, 0) = 0
AND ($3 = '' OR e.sender = $3 OR e.recipient = $3)
ORDER BY e.stored_us, e.ordinal LIMIT $4`

// Negative returns the negative evidence stored in the period, the oldest first.
func (g *Gateway) Negative(ctx context.Context, p Period, of protocol.AuthorityID, limit int) (list []Negative, more bool, err error) {
	from, until := p.micros()
	return exceptions(ctx, g.v, "reading negative evidence", limit, func(scan func(...any) error) (n Negative, err error) {
		var stored int64
		err = scan(&n.Key.From, &n.Key.Parcel, &n.Key.To, &n.Event, &n.Signed.Document, &n.Signed.Signature, &stored)
		n.Stored = instant(&stored)
		return n, err
	}, negativeRows, from, until, string(of))
}

// Resent is a parcel that took more than one attempt.
type Resent struct {
	Parcel
	Failures int64 // attempts that ended without evidence
	Breaks   int64 // of those, bodies that broke off on the way
	// LastError says why the last one failed, in our words or the peer's.
	LastError   string
	LastErrorAt time.Time
}

const resentRows = `SELECT sender, parcel, recipient, peer, priority, stored_us, expires_us, failures, breaks, last_error, last_error_us
FROM outbound WHERE stored_us >= $1 AND stored_us < $2 AND test = 0 AND failures > 0
AND ($3 = '' OR sender = $3 OR recipient = $3)
ORDER BY stored_us, ordinal LIMIT $4`

// Resent returns parcels queued in the period that had to be tried again, the
// oldest first.
func (g *Gateway) Resent(ctx context.Context, p Period, of protocol.AuthorityID, limit int) (list []Resent, more bool, err error) {
	from, until := p.micros()
	return exceptions(ctx, g.v, "reading repeated deliveries", limit, func(scan func(...any) error) (r Resent, err error) {
		var failed *int64
		err = r.Parcel.scan(scan, &r.Failures, &r.Breaks, &r.LastError, &failed)
		r.LastErrorAt = instant(failed)
		return r, err
	}, resentRows, from, until, string(of))
}

// RecordsOf returns the records adopted in the period, own ones too, the oldest
// first, each with the one of its state before it.
func (g *Gateway) RecordsOf(ctx context.Context, p Period, limit int) (list []Adoption, more bool, err error) {
	from, until := p.micros()
	return exceptions(ctx, g.v, "reading adopted records", limit, func(scan func(...any) error) (a Adoption, err error) {
		var adopted int64
		err = scan(&a.State, &a.Node, &a.Sequence, &a.Signed.Document, &a.Signed.Signature, &a.Own, &a.Pinned, &adopted,
			&a.Before.Document, &a.Before.Signature)
		a.Adopted = instant(&adopted)
		return a, err
	}, `SELECT r.state, r.node, r.sequence, r.document, r.signature, r.own, r.pinned, r.adopted_us, b.document, b.signature
FROM record r LEFT JOIN record b ON b.state = r.state AND b.sequence = (SELECT max(p.sequence) FROM record p WHERE p.state = r.state AND p.sequence < r.sequence)
WHERE r.adopted_us >= $1 AND r.adopted_us < $2 ORDER BY r.leaf LIMIT $3`, from, until)
}

// Adoption is a record that was adopted. Before is the one of the state that was
// known then; empty: none.
type Adoption struct {
	Record
	Before statement.Signed
}

// exceptions reads at most limit rows; the query's last parameter is the limit.
func exceptions[T any](ctx context.Context, v *vault, doing string, limit int, scan func(func(...any) error) (T, error), query string, args ...any) (list []T, more bool, err error) {
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	err = v.read(ctx, func(ctx context.Context, t *tx) (err error) {
		list, err = collect(ctx, t, scan, query, append(args, limit+1)...)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", doing, err)
	}
	if more = len(list) > limit; more {
		list = list[:limit]
	}
	return list, more, nil
}
