package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
)

// storedEvidence is a row of evidence as facts need it.
type storedEvidence struct {
	storedPacket
	own   bool
	taken *int64
}

func (b *batch) storedEvidence(ctx context.Context, k protocol.Key, e evidence.Event) (*storedEvidence, error) {
	s := &storedEvidence{storedPacket: storedPacket{leaf: -1}}
	var leaf *int64
	err := require(b.find(ctx, []any{&s.signed.Document, &s.signed.Signature, &s.own, &leaf, &s.proof, &s.taken},
		`SELECT document, signature, own, leaf, proof, taken_us FROM evidence
WHERE sender = $1 AND parcel = $2 AND recipient = $3 AND event = $4`, k.From, k.Parcel, k.To, e))
	switch {
	case err != nil || !s.own:
	case leaf == nil:
		err = fmt.Errorf("%w: own %s of %s has no leaf", ErrIntegrity, e, k)
	default:
		s.leaf, s.proof = *leaf, nil
	}
	return s, err
}

// allEvidence returns those of the given events that are stored under the key.
func (b *batch) allEvidence(ctx context.Context, k protocol.Key, events ...evidence.Event) (all []storedPacket, err error) {
	for _, e := range events {
		s, err := b.storedEvidence(ctx, k, e)
		switch {
		case err == nil:
			all = append(all, s.storedPacket)
		case !errors.Is(err, ErrNotFound):
			return nil, err
		}
	}
	return all, nil
}

const (
	lastEvidence   = `SELECT coalesce(max(ordinal), 0) FROM evidence`
	insertEvidence = `INSERT INTO evidence (ordinal, sender, parcel, recipient, event, document, signature, event_us, stored_us, own, leaf, proof, taken_us, feed_peer, peer)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, CASE WHEN $15 = 1 THEN coalesce(
  (SELECT o.peer FROM outbound o WHERE o.sender = $2 AND o.parcel = $3 AND o.recipient = $4),
  (SELECT i.peer FROM inbound i WHERE i.sender = $2 AND i.parcel = $3 AND i.recipient = $4)) END
WHERE NOT EXISTS (SELECT 1 FROM evidence e WHERE e.sender = $2 AND e.parcel = $3 AND e.recipient = $4 AND e.event = $16)
ON CONFLICT (sender, parcel, recipient, event) DO NOTHING`
)

// staysHome holds the events of which the other node never hears: it has no leaf
// of them that it could prove.
var staysHome = map[evidence.Event]bool{evidence.SubmissionRejection: true, evidence.RelayFailure: true}

// insertEvidence inserts a row with its leaf (I4) and reports whether there was
// none before, nor one that excludes it.
func (b *batch) insertEvidence(ctx context.Context, k protocol.Key, e Evidence, own bool, proof, taken, feed any) (bool, error) {
	if len(e.Document) == 0 || len(e.Signature) == 0 || e.Event == "" || e.Time.IsZero() {
		return false, factError("evidence without document, signature, event or time")
	}
	ordinal, err := b.next(ctx, "evidence", lastEvidence)
	if err != nil {
		return false, err
	}
	n, err := b.exec(ctx, insertEvidence, ordinal, k.From, k.Parcel, k.To, e.Event, string(e.Document), string(e.Signature),
		e.Time.UnixMicro(), b.now.UnixMicro(), flag(own), b.leaf(), proof, taken, feed, flag(!staysHome[e.Event]), e.Event.Opposite())
	if err != nil {
		return false, err
	}
	if n == 0 {
		b.last["evidence"]--
		return false, nil
	}
	b.leaves = append(b.leaves, newLeafRow(e.Signed.Ref()))
	return true, nil
}

// file stores evidence issued on this side. The same
// document again is a repeat; another one of the same event is refused, and the
// stored one comes with the refusal.
func (b *batch) file(ctx context.Context, k protocol.Key, e Evidence, feed protocol.NodeID) (p storedPacket, repeat bool, err error) {
	var peer any
	if feed != "" {
		peer = feed
	}
	leaf := b.leaf()
	fresh, err := b.insertEvidence(ctx, k, e, true, nil, nil, peer)
	if err != nil {
		return p, false, err
	}
	if fresh {
		return storedPacket{signed: e.Signed, leaf: leaf}, false, nil
	}
	s, err := b.standing(ctx, k, e)
	if s == nil {
		return p, false, err
	}
	return s.storedPacket, true, err
}

// take stores evidence issued elsewhere. Its leaf in the own log says, to whoever
// does not trust the issuer's, when it was here (R-LOG-6). fresh is false when it
// was taken before. A node that is both sides of a transmission has filed it
// itself already: then only the taking is noted.
func (b *batch) take(ctx context.Context, k protocol.Key, e Evidence) (p storedPacket, fresh bool, err error) {
	var proof any
	if e.Proof != nil {
		proof = string(e.Proof)
	}
	fresh, err = b.insertEvidence(ctx, k, e, false, proof, b.now.UnixMicro(), nil)
	if err != nil {
		return p, false, err
	}
	if fresh {
		return storedPacket{signed: e.Signed, leaf: -1, proof: e.Proof}, true, nil
	}
	s, err := b.standing(ctx, k, e)
	switch {
	case s == nil:
		return p, false, err
	case err != nil:
		return s.storedPacket, false, err
	}
	if s.taken != nil && (s.proof != nil || s.own || e.Proof == nil) {
		return s.storedPacket, false, nil
	}
	fresh = s.taken == nil
	if !s.own && s.proof == nil {
		s.proof = e.Proof
	}
	_, err = b.exec(ctx, `UPDATE evidence SET taken_us = coalesce(taken_us, $5), proof = CASE WHEN own = 0 THEN coalesce(proof, $6) END
WHERE sender = $1 AND parcel = $2 AND recipient = $3 AND event = $4`, k.From, k.Parcel, k.To, e.Event, b.now.UnixMicro(), proof)
	return s.storedPacket, fresh, err
}

// standing returns the evidence in the place of e. It is refused when it is another
// document, or says the opposite (R-EVID-11).
func (b *batch) standing(ctx context.Context, k protocol.Key, e Evidence) (*storedEvidence, error) {
	event := e.Event
	s, err := b.storedEvidence(ctx, k, event)
	if opposite := event.Opposite(); opposite != "" && errors.Is(err, ErrNotFound) {
		event = opposite
		s, err = b.storedEvidence(ctx, k, event)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case event != e.Event:
		return s, protocol.Refuse(protocol.Equivocation, "a %s (%s…) of %s is stored already, which excludes a %s", event, s.signed.Digest().Short(), k, e.Event)
	case string(s.signed.Document) != string(e.Document):
		return s, protocol.Refuse(protocol.Equivocation, "another %s (%s…) of %s is stored already", event, s.signed.Digest().Short(), k)
	}
	return s, nil
}

func (f FileEvidence) apply(ctx context.Context, b *batch) (*answer, error) {
	p, repeat, err := b.file(ctx, f.Key, f.Evidence, f.Feed)
	if err != nil {
		return blocked(p), err
	}
	a := &answer{packets: []storedPacket{p}, repeat: repeat}
	if f.Evidence.Event == evidence.SubmissionRejection {
		return a, nil
	}
	a.state, err = b.move(ctx, f.Evidence.Event.Rule().Sender, f.Key, f.Evidence, "", f.Expect, f.Release, repeat)
	return a, err
}

func (f TakeEvidence) apply(ctx context.Context, b *batch) (*answer, error) {
	p, fresh, err := b.take(ctx, f.Key, f.Evidence)
	if err != nil {
		return blocked(p), err
	}
	a := &answer{packets: []storedPacket{p}, repeat: !fresh}
	a.state, err = b.move(ctx, !f.Evidence.Event.Rule().Sender, f.Key, f.Evidence, f.Peer, f.Expect, f.Release, !fresh)
	return a, err
}

// blocked is the answer that shows what stands in the way, if anything does.
func blocked(by ...storedPacket) *answer {
	a := new(answer)
	for _, p := range by {
		if len(p.signed.Document) > 0 {
			a.packets = append(a.packets, p)
		}
	}
	return a
}

// move brings the row of one side to the state that follows from evidence, as
// protocol/exchange decides, and returns that state. A repeat only reads it.
func (b *batch) move(ctx context.Context, sending bool, k protocol.Key, e Evidence, peer protocol.NodeID, want []exchange.State, release, repeat bool) (exchange.State, error) {
	table := "inbound"
	if sending {
		table = "outbound"
	}
	var state exchange.State
	var host protocol.NodeID
	var expires int64
	if err := require(b.find(ctx, []any{&state, &host, &expires}, `SELECT state, peer, expires_us FROM `+table+`
WHERE sender = $1 AND parcel = $2 AND recipient = $3`, k.From, k.Parcel, k.To)); err != nil {
		return "", fmt.Errorf("transmission %s: %w", k, err)
	}
	if peer != "" && peer != host {
		return "", protocol.Refuse(protocol.WrongParcel, "%s does not speak for the recipient of %s", peer, k)
	}
	// A restored row waits for its office although the evidence is there.
	if repeat && (sending || state.After(e.Event) == state) {
		return state, nil
	}
	if err := expect(k, state, want); err != nil {
		return "", err
	}
	if !sending {
		state = state.After(e.Event)
		_, err := b.exec(ctx, `UPDATE inbound SET state = $4, keeps = CASE WHEN $5 = 1 THEN 0 ELSE keeps END
WHERE sender = $1 AND parcel = $2 AND recipient = $3`, k.From, k.Parcel, k.To, state, flag(release))
		return state, err
	}
	o := exchange.Outgoing{State: state, Expires: time.UnixMicro(expires).UTC()}
	o, _ = o.Step(exchange.Learned{Event: e.Event, Time: e.Time}, b.now, 0)
	_, err := b.exec(ctx, `UPDATE outbound SET state = $4, next_us = CASE WHEN $5 = 1 THEN NULL ELSE next_us END, keeps = CASE WHEN $6 = 1 THEN 0 ELSE keeps END
WHERE sender = $1 AND parcel = $2 AND recipient = $3`, k.From, k.Parcel, k.To, o.State, flag(o.State.Settled()), flag(release))
	return o.State, err
}

// evidenceColumns are read by scanEvidence.
const evidenceColumns = `ordinal, event, document, signature, event_us, stored_us, own, leaf, proof`

type evidenceRow struct {
	ordinal int64
	leaf    *int64
	Evidence
}

func scanEvidence(scan func(...any) error, before ...any) (r evidenceRow, err error) {
	var event, stored int64
	err = scan(append(before, &r.ordinal, &r.Event, &r.Document, &r.Signature, &event, &stored, &r.Own, &r.leaf, &r.Proof)...)
	r.Time, r.Stored = time.UnixMicro(event).UTC(), time.UnixMicro(stored).UTC()
	return r, err
}

// prove fills in the proof of own evidence. A row that was altered since is not
// handed out: a peer would refuse it for good.
func (g *Gateway) prove(ctx context.Context, t *tx, r *evidenceRow) (err error) {
	if !r.Own {
		return nil // it has the proof it came with
	}
	if r.leaf == nil {
		return fmt.Errorf("%w: own evidence %d has no leaf", ErrIntegrity, r.ordinal)
	}
	proof, ref, ok := g.proofs.get(*r.leaf)
	if !ok {
		proof, ref, err = proofOf(ctx, t, *r.leaf)
	}
	if err == nil && ref != r.Ref() {
		err = fmt.Errorf("%w: evidence %d is not the document of its leaf %d", ErrIntegrity, r.ordinal, *r.leaf)
	}
	r.Proof = proof
	return err
}

// Evidence returns all evidence about a transmission in the order in which it
// was stored, own evidence with its proof rebuilt byte for byte.
func (g *Gateway) Evidence(ctx context.Context, k protocol.Key) ([]Evidence, error) {
	var all []Evidence
	err := g.v.read(ctx, func(ctx context.Context, t *tx) error {
		all = nil
		rows, err := g.evidenceRows(ctx, t, k)
		for _, r := range rows {
			all = append(all, r.Evidence)
		}
		return err
	})
	return all, wrap("reading the evidence of "+k.String(), err)
}

// evidenceRows reads all evidence about a transmission with its proofs.
func (g *Gateway) evidenceRows(ctx context.Context, t *tx, k protocol.Key) ([]evidenceRow, error) {
	rows, err := collect(ctx, t, func(scan func(...any) error) (evidenceRow, error) { return scanEvidence(scan) },
		`SELECT `+evidenceColumns+` FROM evidence WHERE sender = $1 AND parcel = $2 AND recipient = $3 ORDER BY ordinal`,
		k.From, k.Parcel, k.To)
	for i := range rows {
		if err == nil {
			err = g.prove(ctx, t, &rows[i])
		}
	}
	return rows, err
}

// EvidenceOf returns the evidence of one event, as Evidence does. ErrNotFound.
func (g *Gateway) EvidenceOf(ctx context.Context, k protocol.Key, e evidence.Event) (ev Evidence, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err := collect(ctx, t, func(scan func(...any) error) (evidenceRow, error) { return scanEvidence(scan) },
			`SELECT `+evidenceColumns+` FROM evidence WHERE sender = $1 AND parcel = $2 AND recipient = $3 AND event = $4`,
			k.From, k.Parcel, k.To, e)
		if err := require(len(list) > 0, err); err != nil {
			return err
		}
		err = g.prove(ctx, t, &list[0])
		ev = list[0].Evidence
		return err
	})
	return ev, wrap("reading the "+string(e)+" of "+k.String(), err)
}

// FeedEntry is one place in a peer's feed.
type FeedEntry struct {
	Position int64
	Key      protocol.Key
	Evidence Evidence
}

// Feed returns what the peer has not read yet: entries after the position, in
// order. Positions grow but are not consecutive.
func (g *Gateway) Feed(ctx context.Context, peer protocol.NodeID, after int64, limit int) ([]FeedEntry, error) {
	if limit <= 0 || limit > protocol.MaxFeedPage {
		limit = protocol.MaxFeedPage
	}
	var all []FeedEntry
	err := g.v.read(ctx, func(ctx context.Context, t *tx) error {
		type entry struct {
			evidenceRow
			key protocol.Key
		}
		list, err := collect(ctx, t, func(scan func(...any) error) (e entry, err error) {
			e.evidenceRow, err = scanEvidence(scan, &e.key.From, &e.key.Parcel, &e.key.To)
			return e, err
		}, `SELECT sender, parcel, recipient, `+evidenceColumns+` FROM evidence WHERE feed_peer = $1 AND ordinal > $2 ORDER BY ordinal LIMIT $3`,
			peer, after, limit)
		for i := range list {
			if err == nil {
				err = g.prove(ctx, t, &list[i].evidenceRow)
				all = append(all, FeedEntry{Position: list[i].ordinal, Key: list[i].key, Evidence: list[i].Evidence})
			}
		}
		return err
	})
	return all, wrap("reading the feed of "+string(peer), err)
}

// FeedEnd returns the last position in a peer's feed, 0 when it is empty. A peer
// that has read further read another history.
func (g *Gateway) FeedEnd(ctx context.Context, peer protocol.NodeID) (end int64, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.find(ctx, []any{&end}, `SELECT ordinal FROM evidence WHERE feed_peer = $1 ORDER BY ordinal DESC LIMIT 1`, peer)
		return err
	})
	return end, wrap("reading the end of the feed of "+string(peer), err)
}

// collect reads all rows of a query that has its own limit.
func collect[T any](ctx context.Context, t *tx, scan func(func(...any) error) (T, error), query string, args ...any) ([]T, error) {
	rows, err := t.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}
