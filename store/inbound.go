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

// Inbound is one parcel to one recipient on the receiving side. Key is its
// identity, kept for ever.
type Inbound struct {
	Key      protocol.Key
	Peer     protocol.NodeID // node that offered it
	Envelope statement.Signed
	Sealed   envelope.Sealed
	Priority protocol.Priority
	Test     bool
	Created  time.Time // as the envelope says
	Expires  time.Time // as the envelope says

	// Filled when read.
	State   exchange.State
	Ordinal int64 // grows with every row; a cursor for lists
	Stored  time.Time
	Keeps   bool // still needs its sealed bytes
	// Withdrawal is the sender's, when it ended the parcel here; else empty.
	Withdrawal statement.Signed
}

const (
	lastInbound   = `SELECT coalesce(max(ordinal), 0) FROM inbound`
	insertInbound = `INSERT INTO inbound (ordinal, sender, parcel, recipient, peer, envelope, envelope_signature, envelope_digest,
sealed_digest, sealed_bytes, sealed_recipients, priority, priority_rank, test, created_us, expires_us, stored_us, state, keeps)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (sender, parcel, recipient) DO NOTHING`
)

// arrive inserts the row of an envelope that is decided about now. For a key
// that is used already, the answer is what was decided then; err is
// Equivocation when that was about another envelope.
func (b *batch) arrive(ctx context.Context, i *Inbound, state exchange.State, keeps bool) (before *answer, err error) {
	if len(i.Envelope.Document) == 0 || len(i.Envelope.Signature) == 0 || i.Created.IsZero() || i.Expires.IsZero() {
		return nil, factError("arrival with an incomplete row")
	}
	ordinal, err := b.next(ctx, "inbound", lastInbound)
	if err != nil {
		return nil, err
	}
	d := i.Envelope.Digest()
	n, err := b.exec(ctx, insertInbound, ordinal, i.Key.From, i.Key.Parcel, i.Key.To, i.Peer,
		string(i.Envelope.Document), string(i.Envelope.Signature), d[:], i.Sealed.Digest[:], i.Sealed.Size, i.Sealed.Recipients,
		i.Priority, i.Priority.Rank(), flag(i.Test), i.Created.UnixMicro(), i.Expires.UnixMicro(), b.now.UnixMicro(), state, flag(keeps))
	if err != nil || n == 1 {
		return nil, err
	}
	b.last["inbound"]--
	var stored digest
	before = &answer{repeat: true}
	if err := require(b.find(ctx, []any{&stored, &before.state},
		`SELECT envelope_digest, state FROM inbound WHERE sender = $1 AND parcel = $2 AND recipient = $3`,
		i.Key.From, i.Key.Parcel, i.Key.To)); err != nil {
		return nil, err
	}
	before.packets, err = b.allEvidence(ctx, i.Key, evidence.RelayAcceptance, evidence.RelayRejection)
	if err != nil {
		return nil, err
	}
	_, err = exchange.Offer(&exchange.Known{Envelope: protocol.Digest(stored), State: before.state}, d)
	return before, err
}

func (f AcceptRelay) apply(ctx context.Context, b *batch) (*answer, error) {
	before, err := b.arrive(ctx, &f.Inbound, exchange.Relayed, true)
	if before != nil || err != nil {
		return before, err
	}
	if err := b.v.putSealed(ctx, b.tx, f.Spool, f.Sealed.Size, f.Sealed.Digest); err != nil {
		return nil, err
	}
	return b.decide(ctx, &f.Inbound, f.Submission, f.Evidence, exchange.Relayed)
}

func (f RefuseRelay) apply(ctx context.Context, b *batch) (*answer, error) {
	before, err := b.arrive(ctx, &f.Inbound, exchange.Refused, false)
	if before != nil || err != nil {
		return before, err
	}
	if err := b.entomb(ctx, f.Key, f.Withdrawal); err != nil {
		return nil, err
	}
	return b.decide(ctx, &f.Inbound, f.Submission, f.Evidence, exchange.Refused)
}

// decide stores the sender's evidence and ours; ours goes into the peer's feed.
func (b *batch) decide(ctx context.Context, i *Inbound, submission, ours Evidence, state exchange.State) (*answer, error) {
	if len(submission.Document) > 0 {
		if p, _, err := b.take(ctx, i.Key, submission); err != nil {
			return blocked(p), err
		}
	}
	p, _, err := b.file(ctx, i.Key, ours, i.Peer)
	if err != nil {
		return blocked(p), err
	}
	return &answer{packets: []storedPacket{p}, state: state}, nil
}

const inboundColumns = `SELECT ordinal, sender, parcel, recipient, peer, envelope, envelope_signature, sealed_digest, sealed_bytes,
sealed_recipients, priority, test, created_us, expires_us, stored_us, state, keeps,
withdrawal, withdrawal_signature FROM inbound`

func scanInbound(scan func(...any) error) (i Inbound, err error) {
	var sealed digest
	var created, expires, stored int64
	err = scan(&i.Ordinal, &i.Key.From, &i.Key.Parcel, &i.Key.To, &i.Peer, &i.Envelope.Document, &i.Envelope.Signature, &sealed, &i.Sealed.Size,
		&i.Sealed.Recipients, &i.Priority, &i.Test, &created, &expires, &stored, &i.State, &i.Keeps,
		&i.Withdrawal.Document, &i.Withdrawal.Signature)
	i.Sealed.Digest = protocol.Digest(sealed)
	i.Created, i.Expires, i.Stored = instant(&created), instant(&expires), instant(&stored)
	return i, err
}

// Inbound returns one row. ErrNotFound.
func (g *Gateway) Inbound(ctx context.Context, k protocol.Key) (*Inbound, error) {
	return one(ctx, g.v, "inbound "+k.String(), scanInbound,
		inboundColumns+` WHERE sender = $1 AND parcel = $2 AND recipient = $3`, k.From, k.Parcel, k.To)
}

// InboundByEnvelope returns the row of an envelope by the digest of its
// document, which is also its upload address (R-WIRE-4). ErrNotFound.
func (g *Gateway) InboundByEnvelope(ctx context.Context, digest protocol.Digest) (*Inbound, error) {
	return one(ctx, g.v, "inbound envelope "+digest.Short(), scanInbound, inboundColumns+` WHERE envelope_digest = $1`, digest[:])
}

// InboundList returns rows, newest first.
func (g *Gateway) InboundList(ctx context.Context, f Filter) (list []Inbound, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		c := f.conditions()
		list, err = collectPlain(ctx, t, scanInbound, inboundColumns+c.end("ordinal", f.Limit), c.args...)
		return err
	})
	return list, wrap("listing inbound transmissions", err)
}

const (
	waitingRows = `SELECT ordinal, sender, parcel FROM inbound
WHERE keeps = 1 AND recipient = $1 AND state = $2 AND priority_rank = $3 AND ordinal > $4 ORDER BY ordinal LIMIT $5`
	waitingRow = inboundColumns + ` WHERE ordinal = $1`
	// waitingPage is how many names are read at a time.
	waitingPage = 256
)

// Waiting returns what waits for an authority's office, that is relayed or
// consigned and not handed over: urgent ones first, and of one priority those
// already consigned, because an interrupted office takes up where it stopped,
// then in the order of arrival. Test parcels are included: the office must
// take them in to answer them.
//
// Those for which held says true are passed over, by their names alone, so
// that however many the office cannot finish now, the others come; nil holds
// nothing.
func (g *Gateway) Waiting(ctx context.Context, to protocol.AuthorityID, held func(protocol.Key) bool, limit int) (list []Inbound, err error) {
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		for _, rank := range ranks {
			for _, state := range []exchange.State{exchange.Consigned, exchange.Relayed} {
				free, err := waitingOrdinals(ctx, t, to, state, rank, held, limit-len(list))
				if err != nil {
					return err
				}
				for _, ordinal := range free {
					rows, err := collect(ctx, t, scanInbound, waitingRow, ordinal)
					if err != nil {
						return err
					}
					list = append(list, rows...)
				}
			}
		}
		return nil
	})
	return list, wrap("reading what waits for "+string(to), err)
}

// waitingOrdinals returns the rows of one state and priority that are not held,
// at most limit.
func waitingOrdinals(ctx context.Context, t *tx, to protocol.AuthorityID, state exchange.State, rank int, held func(protocol.Key) bool, limit int) (free []int64, err error) {
	type name struct {
		ordinal int64
		key     protocol.Key
	}
	for after := int64(0); len(free) < limit; {
		names, err := collect(ctx, t, func(scan func(...any) error) (name, error) {
			n := name{key: protocol.Key{To: to}}
			err := scan(&n.ordinal, &n.key.From, &n.key.Parcel)
			return n, err
		}, waitingRows, to, state, rank, after, waitingPage)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if len(free) < limit && (held == nil || !held(n.key)) {
				free = append(free, n.ordinal)
			}
		}
		if len(names) < waitingPage {
			break
		}
		after = names[len(names)-1].ordinal
	}
	return free, nil
}
