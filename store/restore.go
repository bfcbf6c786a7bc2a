package store

import (
	"context"
	"slices"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
)

// RestoreInbound takes back what this node signed about a parcel and has lost,
// from the copy of the peer that sent it (R-OLD-4). Its key is used from then on.
// Of a parcel that was accepted, the row waits for its sealed bytes, see Lost, and
// then for its office. The caller has verified everything. Evidence that another one
// excludes is left out, and told in Outcome.Disputed (R-EVID-11); the rest counts.
type RestoreInbound struct {
	Inbound
	Submission Evidence
	Evidence   []Evidence // issued here, in their order
}

func (f RestoreInbound) apply(ctx context.Context, b *batch) (*answer, error) {
	told, a := f.agreed()
	var ended bool
	a.state, ended = stateOf(told)
	before, err := b.arrive(ctx, &f.Inbound, a.state, !ended)
	if err != nil {
		return before, err
	}
	a.repeat = before != nil
	if before == nil && len(f.Submission.Document) > 0 {
		if p, _, err := b.take(ctx, f.Key, f.Submission); err != nil {
			return blocked(p), err
		}
	}
	for _, e := range told {
		_, repeat, err := b.file(ctx, f.Key, e, f.Peer)
		switch {
		case protocol.CodeOf(err) == protocol.Equivocation:
			a.disputed = append(a.disputed, err)
			continue
		case err != nil:
			return nil, err
		case repeat:
			continue
		}
		a.repeat = false
		if before != nil {
			if a.state, err = b.restoreState(ctx, f.Key, e); err != nil {
				return nil, err
			}
		}
	}
	if a.repeat {
		return a, nil
	}
	return a, b.noteLost(ctx, f.Peer)
}

// agreed returns the evidence that can stand together, in its order. What another
// one before it excludes is disputed: a key of this side has signed both.
func (f RestoreInbound) agreed() ([]Evidence, *answer) {
	var told []Evidence
	a := new(answer)
	for _, e := range f.Evidence {
		i := slices.IndexFunc(told, func(t Evidence) bool {
			return t.Event == e.Event && string(t.Document) != string(e.Document) || t.Event == e.Event.Opposite()
		})
		if i < 0 {
			told = append(told, e)
			continue
		}
		a.disputed = append(a.disputed, protocol.Refuse(protocol.Equivocation, "a %s of %s beside its %s (%s…)", e.Event, f.Key, told[i].Event, told[i].Digest().Short()))
	}
	return told, a
}

// stateOf is where a parcel stands that was lost with everything about it but this
// evidence, and whether it has ended. The office has lost it, too: it waits there,
// whatever the office had signed.
func stateOf(told []Evidence) (state exchange.State, ended bool) {
	state = exchange.Relayed
	for _, e := range told {
		switch {
		case e.Event == evidence.RelayRejection || e.Event == evidence.ContentHandoverFailure:
			return exchange.Refused, true
		case e.Event == evidence.ContentConsignment:
			state = exchange.Consigned
		}
	}
	return state, false
}

// restoreState brings a row to the state that follows from evidence which this
// node had lost. A parcel that no office had taken in when the copy was made stays
// with those that wait: the office has lost it with the node.
func (b *batch) restoreState(ctx context.Context, k protocol.Key, e Evidence) (state exchange.State, err error) {
	if err := require(b.find(ctx, []any{&state}, `SELECT state FROM inbound WHERE sender = $1 AND parcel = $2 AND recipient = $3`,
		k.From, k.Parcel, k.To)); err != nil {
		return "", err
	}
	waits := state == exchange.Relayed || state == exchange.Consigned
	refused := e.Event == evidence.ContentHandoverFailure
	if waits && e.Event != evidence.ContentConsignment && !refused {
		return state, nil
	}
	state = state.After(e.Event)
	_, err = b.exec(ctx, `UPDATE inbound SET state = $4, keeps = CASE WHEN $5 = 1 THEN 0 ELSE keeps END
WHERE sender = $1 AND parcel = $2 AND recipient = $3`, k.From, k.Parcel, k.To, state, flag(refused))
	return state, err
}

// RestoreOutbound takes back a parcel that this node sent and has lost, from the
// copy of the peer that received it. What became of it the peer's feed tells; its
// sealed bytes are with the peer, and are not kept here again.
type RestoreOutbound struct {
	Outbound // with its SubmissionAcceptance
}

func (f RestoreOutbound) apply(ctx context.Context, b *batch) (*answer, error) {
	_, before, err := b.submitted(ctx, &f.Outbound)
	if before != nil || err != nil {
		if before != nil {
			before.repeat = true
		}
		return before, err
	}
	if _, err := b.exec(ctx, `INSERT INTO sealed (digest, size_bytes, inline, stored_us, released_us) VALUES ($1, $2, 0, $3, $3)
ON CONFLICT (digest) DO NOTHING`, f.Sealed.Digest[:], f.Sealed.Size, b.now.UnixMicro()); err != nil {
		return nil, err
	}
	if err := b.enqueue(ctx, &f.Outbound); err != nil {
		return nil, err
	}
	if _, err := b.exec(ctx, `UPDATE outbound SET offered = 1, keeps = 0 WHERE sender = $1 AND parcel = $2 AND recipient = $3`,
		f.Key.From, f.Key.Parcel, f.Key.To); err != nil {
		return nil, err
	}
	p, _, err := b.file(ctx, f.Key, f.Evidence, "")
	if err != nil {
		return blocked(p), err
	}
	return &answer{packets: []storedPacket{p}, state: exchange.Queued}, b.noteLost(ctx, f.Peer)
}

// RestoreSealed stores sealed bytes that a parcel waits for.
type RestoreSealed struct {
	Inbound
	Spool *Spool // the caller has called Keep
}

func (f RestoreSealed) apply(ctx context.Context, b *batch) (*answer, error) {
	return &answer{}, b.v.putSealed(ctx, b.tx, f.Spool, f.Sealed.Size, f.Sealed.Digest)
}

// Lost returns the parcels of a peer that were accepted here and whose sealed bytes
// are not: those of a copy older than the acceptance.
func (g *Gateway) Lost(ctx context.Context, peer protocol.NodeID) (list []Inbound, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collect(ctx, t, scanInbound, inboundColumns+` WHERE keeps = 1 AND peer = $1
AND NOT EXISTS (SELECT 1 FROM sealed WHERE sealed.digest = inbound.sealed_digest AND sealed.released_us IS NULL) ORDER BY ordinal`, peer)
		return err
	})
	return list, wrap("reading which sealed bytes of "+string(peer)+" are lost", err)
}

// Copy is what this node holds about one parcel that another node signed
// something about.
type Copy struct {
	Ordinal  int64
	Envelope statement.Signed
	Evidence []Evidence
}

// Copies returns what this node holds of a peer: about parcels that the peer
// received from here, or sent here, after a position, in order, at most limit.
// Received are those about which the peer, or an office there, has signed
// something: of what was never offered, or was withdrawn in time, it learns nothing
// (R-WDR-3).
func (g *Gateway) Copies(ctx context.Context, peer protocol.NodeID, received bool, after int64, limit int) (all []Copy, err error) {
	table, signed := "inbound", ""
	if received {
		table = "outbound"
		signed = ` AND EXISTS (SELECT 1 FROM evidence e
WHERE e.sender = outbound.sender AND e.parcel = outbound.parcel AND e.recipient = outbound.recipient AND e.own = 0)`
	}
	type row struct {
		Copy
		key protocol.Key
	}
	var rows []row
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		rows, err = collect(ctx, t, func(scan func(...any) error) (r row, err error) {
			err = scan(&r.Ordinal, &r.key.From, &r.key.Parcel, &r.key.To, &r.Envelope.Document, &r.Envelope.Signature)
			return r, err
		}, `SELECT ordinal, sender, parcel, recipient, envelope, envelope_signature FROM `+table+`
WHERE peer = $1 AND ordinal > $2`+signed+` ORDER BY ordinal LIMIT $3`, peer, after, limit)
		return err
	})
	for _, r := range rows {
		if err == nil {
			r.Evidence, err = g.Evidence(ctx, r.key)
			all = append(all, r.Copy)
		}
	}
	return all, wrap("reading what is held of "+string(peer), err)
}
