package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
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
	stored := make(map[protocol.Key]bool, len(doubts))
	for _, d := range doubts {
		stored[d.Key] = true
	}
	// A doubt may have ended although to store that seemed to fail.
	if ended := l.unsure.drop(func(k protocol.Key) bool { return !stored[k] }); len(ended) > 0 {
		l.g.letOn()
	}
	var still error
	for _, s := range []side{l.receivedSide(), l.sentSide()} {
		places := map[protocol.Key]int64{}
		for _, d := range doubts {
			if d.Sent == s.sent {
				places[d.Key] = d.After
			}
		}
		left, err := l.askSide(ctx, s, places)
		if err != nil {
			return err
		}
		still = errors.Join(still, left)
	}
	return still
}

// askSide reads one of the peer's lists once more, as far as it takes to see all
// parcels that are in doubt. Each stands behind the place where it was seen, but not
// on the same page: about parcels before it something may have been signed since,
// with which they join the list. left is why some are still in doubt. One that the
// peer does not show any more stays so: its id was used.
func (l *link) askSide(ctx context.Context, s side, places map[protocol.Key]int64) (left, err error) {
	barren, err := l.barrenAtMost(ctx, s)
	if err != nil {
		return nil, err
	}
	for at := int64(0); len(places) > 0; {
		at = max(at, slices.Min(slices.Collect(maps.Values(places))))
		page, err := l.askCopies(ctx, s.of, at)
		if err != nil {
			return nil, err
		}
		if len(page.Packets) == 0 {
			break
		}
		for _, group := range byEnvelope(page.Packets) {
			k, ours := l.keyOf(group, s.sent)
			if _, doubted := places[k]; !ours || !doubted {
				barren--
				continue
			}
			delete(places, k)
			why, err := l.askAgain(ctx, s, k, group)
			if err != nil {
				return nil, err
			}
			left = errors.Join(left, why)
		}
		if barren < 0 {
			l.raise(errEndless)
			return nil, errEndless
		}
		at = page.Next
	}
	for k := range places {
		left = errors.Join(left, fmt.Errorf("what it held of %s, and this node could not verify, it shows no more", k))
	}
	return left, nil
}

// askAgain takes back one parcel that was in doubt. left is why it still is.
func (l *link) askAgain(ctx context.Context, s side, k protocol.Key, group []statement.Packet) (left, err error) {
	_, err = s.take(ctx, group)
	switch {
	case errors.As(err, &notYet{}):
		return err, nil
	case err != nil && protocol.CodeOf(err) == "":
		return nil, err
	case err != nil:
		l.raise(fmt.Errorf("it holds something in this node's name that does not verify: %w", err))
	}
	if err := l.g.Store.EndDoubt(ctx, l.peer, k); err != nil {
		return nil, err
	}
	l.unsure.set(k, false)
	l.g.letOn()
	return nil, nil
}
