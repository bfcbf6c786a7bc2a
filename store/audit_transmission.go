package store

import (
	"context"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
)

// auditedWay is a row of outbound or inbound with what an audit compares beside
// what the product reads.
type auditedWay struct {
	ordinal          int64
	key              protocol.Key
	peer             protocol.NodeID
	signed           statement.Signed
	envelope         digest
	sealed           digest
	size             *int64 // null: the sealed row is missing
	recipients       int64
	priority         protocol.Priority
	rank             int64
	test             bool
	created, expires int64
	state            exchange.State
	withdrawal       statement.Signed
	keeps            bool
	offered, large   bool   // sent
	next, withdrawn  *int64 // sent
	attempts         int64  // sent
	failures, breaks int64  // sent
	failed           *int64 // sent
	events           []auditedEvent
}

type auditedEvent struct {
	event evidence.Event
	time  int64
	taken *int64
	leaf  *int64
}

const auditOutbound = `SELECT o.ordinal, o.sender, o.parcel, o.recipient, o.peer, o.envelope, o.envelope_signature, o.envelope_digest, o.sealed_digest, s.size_bytes,
o.sealed_recipients, o.priority, o.priority_rank, o.test, o.created_us, o.expires_us, o.state, o.withdrawal, o.withdrawal_signature, o.keeps,
o.offered, o.large, o.next_us, o.withdrawn_us, o.attempts, o.failures, o.breaks, o.last_error_us
FROM outbound o LEFT JOIN sealed s ON s.digest = o.sealed_digest WHERE o.ordinal > $1 ORDER BY o.ordinal LIMIT $2`

const auditInbound = `SELECT ordinal, sender, parcel, recipient, peer, envelope, envelope_signature, envelope_digest, sealed_digest, sealed_bytes,
sealed_recipients, priority, priority_rank, test, created_us, expires_us, state, withdrawal, withdrawal_signature, keeps
FROM inbound WHERE ordinal > $1 ORDER BY ordinal LIMIT $2`

func (w *auditedWay) common() []any {
	return []any{
		&w.ordinal, &w.key.From, &w.key.Parcel, &w.key.To, &w.peer, &w.signed.Document, &w.signed.Signature, &w.envelope, &w.sealed, &w.size,
		&w.recipients, &w.priority, &w.rank, &w.test, &w.created, &w.expires, &w.state, &w.withdrawal.Document, &w.withdrawal.Signature, &w.keeps,
	}
}

func (w *auditedWay) sent() []any {
	return append(w.common(), &w.offered, &w.large, &w.next, &w.withdrawn, &w.attempts, &w.failures, &w.breaks, &w.failed)
}

// ways reads a page of outbound or inbound with the events of each row.
func ways(query string, columns func(*auditedWay) []any) func(context.Context, *tx, *auditedWay) ([]auditedWay, error) {
	return func(ctx context.Context, t *tx, after *auditedWay) ([]auditedWay, error) {
		from := past(after, func(last *auditedWay) int64 { return last.ordinal })
		list, err := collect(ctx, t, func(scan func(...any) error) (w auditedWay, err error) { return w, scan(columns(&w)...) }, query, from, checkPage)
		for i := range list {
			if err != nil {
				return nil, err
			}
			w := &list[i]
			w.events, err = collect(ctx, t, func(scan func(...any) error) (e auditedEvent, err error) {
				return e, scan(&e.event, &e.time, &e.taken, &e.leaf)
			}, `SELECT event, event_us, taken_us, leaf FROM evidence WHERE sender = $1 AND parcel = $2 AND recipient = $3 ORDER BY ordinal`,
				w.key.From, w.key.Parcel, w.key.To)
		}
		return list, err
	}
}

func (w *auditedWay) has(events ...evidence.Event) bool {
	for _, e := range w.events {
		for _, one := range events {
			if e.event == one {
				return true
			}
		}
	}
	return false
}

// judge compares what both sides have: every column that the envelope speaks of.
func (a *audit) way(r *row, w *auditedWay) *envelope.Envelope {
	a.Transmission++
	if w.envelope != digest(w.signed.Digest()) {
		r.fault("envelope_digest", "it is not that of the envelope")
	}
	e, err := a.history.VerifyEnvelope(w.signed, a.now)
	if !r.check("envelope and envelope_signature", err) {
		return nil
	}
	k := e.Key()
	same(r, "sender", w.key.From, k.From)
	same(r, "parcel", w.key.Parcel, k.Parcel)
	same(r, "recipient", w.key.To, k.To)
	same(r, "sealed_digest", protocol.Digest(w.sealed), e.Sealed.Digest)
	if w.size == nil {
		r.fault("sealed_digest", "there is no row of these sealed bytes")
	} else {
		same(r, "sealed_bytes", *w.size, e.Sealed.Size)
	}
	same(r, "sealed_recipients", w.recipients, e.Sealed.Recipients)
	same(r, "priority", w.priority, e.Priority)
	same(r, "priority_rank", w.rank, int64(e.Priority.Rank()))
	same(r, "test", w.test, e.Test)
	same(r, "created_us", w.created, e.Created.UnixMicro())
	same(r, "expires_us", w.expires, e.Expires.UnixMicro())
	if len(w.withdrawal.Document) > 0 {
		a.Withdrawals++
		d, err := a.history.VerifyWithdrawal(w.withdrawal, a.now)
		if err == nil {
			err = d.About(e, w.signed.Ref())
		}
		r.check("withdrawal and withdrawal_signature", err)
	} else if len(w.withdrawal.Signature) > 0 {
		r.fault("withdrawal_signature", "there is no withdrawal to it")
	}
	return e
}

// hosts checks that a row's peer is the node of a state.
func (a *audit) hosts(r *row, peer protocol.NodeID, id protocol.StateID) {
	if peer.State() != id || !a.history.Names(peer) {
		r.fault("peer", "no record of %s names the node %s", id, peer)
	}
}

func (a *audit) outbound(ctx context.Context, v *vault) error {
	return pages(ctx, a, v, ways(auditOutbound, (*auditedWay).sent), func(w *auditedWay) error {
		r := a.row("sent parcel %s (outbound %d)", w.key, w.ordinal)
		e := a.way(r, w)
		if e == nil {
			return r.err
		}
		a.hosts(r, w.peer, e.To.State())
		same(r, "large", w.large, e.Sealed.Size > protocol.MaxSmall)
		o := exchange.Outgoing{State: exchange.Queued, Expires: e.Expires.Time}
		for _, event := range w.events {
			if event.event.Rule().Sender || event.taken != nil {
				o, _ = o.Step(exchange.Learned{Event: event.event, Time: time.UnixMicro(event.time).UTC()}, a.now, 0)
			}
		}
		same(r, "state", w.state, o.State)
		if !w.has(evidence.SubmissionAcceptance) {
			r.fault("evidence", "there is no SubmissionAcceptance")
		}
		if (w.next == nil) != o.State.Settled() {
			r.fault("next_us", "what is queued is due at some time, and nothing else is")
		}
		switch {
		case w.keeps || o.State.Settled():
		case a.lostLog() && w.offered: // fetched back: the peer has the bytes, and its feed tells what became of it
			a.Waiting++
		default:
			r.fault("keeps", "the sealed bytes are needed")
		}
		if !w.offered && w.has(evidence.RelayAcceptance, evidence.RelayRejection) {
			r.fault("offered", "the peer has answered an envelope that never left")
		}
		if (w.withdrawn != nil) != (len(w.withdrawal.Document) > 0) {
			r.fault("withdrawn_us", "it stands beside a withdrawal, and only there")
		}
		if w.attempts < 0 || w.breaks < 0 || w.failures < w.breaks {
			r.fault("attempts, failures and breaks", "%d, %d and %d do not go together", w.attempts, w.failures, w.breaks)
		}
		return r.err
	})
}

func (a *audit) inbound(ctx context.Context, v *vault) error {
	return pages(ctx, a, v, ways(auditInbound, (*auditedWay).common), func(w *auditedWay) error {
		r := a.row("received parcel %s (inbound %d)", w.key, w.ordinal)
		e := a.way(r, w)
		if e == nil {
			return r.err
		}
		a.hosts(r, w.peer, e.From.State())
		state := exchange.State("")
		for _, event := range w.events {
			if !event.event.Rule().Sender {
				state = state.After(event.event)
			}
		}
		if a.lostLog() && w.waits(state) {
			a.Waiting++
		} else {
			same(r, "state", w.state, state)
		}
		if !w.has(evidence.RelayAcceptance, evidence.RelayRejection) {
			r.fault("evidence", "there is neither a RelayAcceptance nor a RelayRejection")
		}
		if w.keeps && w.state == exchange.Refused || !w.keeps && w.state == exchange.Relayed {
			r.fault("keeps", "it is %v in the state %s", w.keeps, w.state)
		}
		return r.err
	})
}

// waits reports whether a received parcel waits for its bytes or its office, which
// lost it with the node: the evidence of what they had done stands (R-OLD-4).
func (w *auditedWay) waits(says exchange.State) bool {
	before := w.state == exchange.Relayed || w.state == exchange.Consigned
	return w.keeps && before && says != w.state && w.has(evidence.RelayAcceptance)
}

// lostLog reports whether the node has lost a log and begun another.
func (a *audit) lostLog() bool { return a.history.Logs(a.options.Own) > 1 }

type auditedEvidence struct {
	ordinal     int64
	key         protocol.Key
	event       evidence.Event
	packet      statement.Packet
	time        int64
	leaf, taken *int64
	feed        *protocol.NodeID
	about       statement.Signed // the envelope; empty: no row
	peer        *protocol.NodeID // of the row
}

const auditEvidence = `SELECT e.ordinal, e.sender, e.parcel, e.recipient, e.event, e.document, e.signature, e.proof, e.event_us, e.leaf, e.taken_us, e.feed_peer,
coalesce(o.envelope, i.envelope), coalesce(o.envelope_signature, i.envelope_signature), coalesce(i.peer, o.peer)
FROM evidence e LEFT JOIN outbound o ON o.sender = e.sender AND o.parcel = e.parcel AND o.recipient = e.recipient
LEFT JOIN inbound i ON i.sender = e.sender AND i.parcel = e.parcel AND i.recipient = e.recipient
WHERE e.ordinal > $1 ORDER BY e.ordinal LIMIT $2`

// evidence verifies every evidence again: signature, role, subject and, of
// others, the proof under their log.
func (a *audit) evidence(ctx context.Context, v *vault) error {
	return pages(ctx, a, v, func(ctx context.Context, t *tx, after *auditedEvidence) ([]auditedEvidence, error) {
		from := past(after, func(last *auditedEvidence) int64 { return last.ordinal })
		return collect(ctx, t, func(scan func(...any) error) (e auditedEvidence, err error) {
			return e, scan(&e.ordinal, &e.key.From, &e.key.Parcel, &e.key.To, &e.event, &e.packet.Document, &e.packet.Signature, &e.packet.Proof, &e.time, &e.leaf, &e.taken, &e.feed,
				&e.about.Document, &e.about.Signature, &e.peer)
		}, auditEvidence, from, checkPage)
	}, func(e *auditedEvidence) error {
		r := a.row("%s of %s (evidence %d)", e.event, e.key, e.ordinal)
		is := a.attested(r, e.key, e.event, e.packet, e.time)
		if is == nil {
			return r.err
		}
		own := is.Side().State() == a.options.Own
		if own && a.history.Former(is.Log) {
			a.Former++
		}
		if own && (e.leaf == nil || e.packet.Proof != nil) {
			r.fault("leaf and proof", "evidence issued here has a leaf here, and no proof from elsewhere")
		}
		if !own && e.packet.Proof == nil {
			r.fault("proof", "evidence of another node has none")
		}
		if !own && e.taken == nil {
			r.fault("taken_us", "it is evidence of another node, and was never taken")
		}
		if e.feed != nil && (e.peer == nil || *e.feed != *e.peer) {
			r.fault("feed_peer", "it stands in the feed of %s, whom it does not concern", *e.feed)
		}
		if len(e.about.Document) == 0 {
			if e.event != evidence.SubmissionRejection {
				r.fault("sender, parcel and recipient", "there is no envelope of this transmission")
			}
			return r.err
		}
		if env, err := envelope.Parse(e.about.Document); err == nil { // else its own row has the finding
			r.check("document", is.About(env, e.about.Ref()))
		}
		return r.err
	})
}

// attested verifies one evidence and compares the columns that every store of
// evidence has.
func (a *audit) attested(r *row, k protocol.Key, event evidence.Event, p statement.Packet, at int64) *evidence.Evidence {
	a.Evidence++
	is, _, err := a.history.VerifyEvidence(p, a.now)
	if !r.check("document, signature and proof", err) {
		return nil
	}
	if p.Proof != nil {
		a.Proofs++
	}
	same(r, "event", event, is.Event)
	same(r, "sender", k.From, is.From)
	same(r, "parcel", k.Parcel, is.Parcel)
	same(r, "recipient", k.To, is.To)
	same(r, "event_us", at, is.Time.UnixMicro())
	return is
}
