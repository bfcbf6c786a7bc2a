package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

// doubted turns the refusal of what a peer holds of this node into notYet where
// this node may be the reason: its clock is behind, or it has not got the record
// that is named, of its own or of the peer's state. What says that nobody signed
// these bytes stays a refusal only when the record that is named is known.
func (g *Gateway) doubted(ctx context.Context, newest *record.State, named envelope.RecordRef, err error) error {
	if protocol.CodeOf(err) == "" || errors.As(err, &notYet{}) {
		return err
	}
	if protocol.CodeOf(err) == protocol.ClockSkew {
		return notYet{err}
	}
	if named.State != newest.Record().State || named.Digest == newest.Ref().Digest {
		return err
	}
	_, failed := g.Store.RecordByDigest(ctx, named.Digest)
	if errors.Is(failed, store.ErrNotFound) {
		return notYet{fmt.Errorf("record %d of %s, which it names, is not here: %w", named.Sequence, named.State, err)}
	}
	return errors.Join(err, failed)
}

// keyOf returns what the parcel of a group is called, if its envelope can be read
// and it is one between the peer and this node.
func (l *link) keyOf(group []statement.Packet, sent bool) (protocol.Key, bool) {
	env, err := envelope.Parse(group[0].Document)
	if err != nil {
		return protocol.Key{}, false
	}
	k, from, to := env.Key(), l.peer, l.g.Own.Record().Node.ID
	if sent {
		from, to = to, from
	}
	return k, k.From.State() == from.State() && k.To.State() == to.State()
}

// decidable returns a *comeBack for a parcel of which the peer holds something that
// could not be verified here yet: its id is used, and how is not known (R-OLD-7).
func (l *link) decidable(k protocol.Key) error {
	if l.unsure.has(k) {
		const why = "this node was restored from a backup, and cannot verify yet what you hold of its evidence about this parcel"
		return &comeBack{http.StatusServiceUnavailable, time.Minute, why}
	}
	return nil
}

// askDoubts asks again for the parcels that are in doubt. An error says that some
// still are.
func (l *link) askDoubts(ctx context.Context) error {
	doubts, err := l.g.Store.Doubts(ctx, l.peer)
	if err != nil {
		return err
	}
	var still error
	for len(doubts) > 0 {
		first, rest := doubts[0], 1
		for rest < len(doubts) && doubts[rest].Sent == first.Sent && doubts[rest].After == first.After {
			rest++
		}
		left, err := l.askPage(ctx, first.Sent, first.After, doubts[:rest])
		if err != nil {
			return err
		}
		still = errors.Join(still, left)
		doubts = doubts[rest:]
	}
	return still
}

// askPage asks for one page of the peer's list once more. left is why some of the
// parcels in it are still in doubt. One that the page does not hold any more stays
// so: its id was used.
func (l *link) askPage(ctx context.Context, sent bool, place int64, doubts []store.Doubt) (left, err error) {
	s := l.receivedSide()
	if sent {
		s = l.sentSide()
	}
	page, err := l.askCopies(ctx, s.of, place)
	if err != nil {
		return nil, err
	}
	groups := map[protocol.Key][]statement.Packet{}
	for _, group := range byEnvelope(page.Packets) {
		if k, ok := l.keyOf(group, sent); ok {
			groups[k] = group
		}
	}
	for _, d := range doubts {
		group, there := groups[d.Key]
		if !there {
			left = errors.Join(left, fmt.Errorf("what it held of %s, and this node could not verify, it shows no more", d.Key))
			continue
		}
		_, err := s.take(ctx, group)
		switch {
		case errors.As(err, &notYet{}):
			left = errors.Join(left, err)
			continue
		case err != nil && protocol.CodeOf(err) == "":
			return left, err
		case err != nil:
			l.raise(fmt.Errorf("it holds something in this node's name that does not verify: %w", err))
		}
		if err := l.g.Store.EndDoubt(ctx, l.peer, d.Key); err != nil {
			return left, err
		}
		l.unsure.set(d.Key, false)
		l.g.changes.ring()
	}
	return left, nil
}
