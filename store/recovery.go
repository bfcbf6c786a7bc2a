package store

import (
	"context"
	"fmt"

	"comity/protocol"
)

// MaxDoubts is how many parcels of one peer may be in doubt at once. A peer that
// shows more stays one from which nothing is accepted.
const MaxDoubts = 4096

// Doubt is a parcel of which a peer holds something in this node's name that could
// not be verified here yet, for a reason on this side. Its id is used all the same.
type Doubt struct {
	Key   protocol.Key
	Sent  bool  // this node sent it to the peer; else the peer sent it here
	After int64 // the position in the peer's list behind which it stands
}

// Recovering reports whether what the peer holds of this node is still to be
// fetched, and how far that got: after which parcels received from it, and sent to it.
func (g *Gateway) Recovering(ctx context.Context, peer protocol.NodeID) (still bool, received, sent int64, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.find(ctx, []any{&still, &received, &sent}, `SELECT recovering, received_cursor, sent_cursor FROM peer WHERE node = $1`, peer)
		return err
	})
	return still, received, sent, wrap("reading what is to be fetched from "+string(peer), err)
}

// Page is the part of a peer's list that was read: what could not be verified in
// it, and how far the reading has come with it.
type Page struct {
	Peer           protocol.NodeID
	Doubts         []Doubt
	Received, Sent int64 // the new cursors; they never go back
}

// SetRecovered notes that a page of what the peer holds was read, with what of it
// is in doubt, in one transaction: behind the cursor nothing is forgotten. More
// doubts than MaxDoubts are an error, and nothing is stored.
func (g *Gateway) SetRecovered(ctx context.Context, p Page) error {
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		for _, d := range p.Doubts {
			if _, err := t.exec(ctx, `INSERT INTO doubt (peer, sender, parcel, recipient, sent, place, noted_us) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (peer, sender, parcel, recipient) DO NOTHING`, p.Peer, d.Key.From, d.Key.Parcel, d.Key.To, flag(d.Sent), d.After, t.now.UnixMicro()); err != nil {
				return err
			}
		}
		if len(p.Doubts) > 0 {
			var all int64
			if _, err := t.find(ctx, []any{&all}, `SELECT count(*) FROM doubt WHERE peer = $1`, p.Peer); err != nil {
				return err
			}
			if all > MaxDoubts {
				return fmt.Errorf("more than %d parcels cannot be verified", MaxDoubts)
			}
		}
		_, err := t.exec(ctx, `UPDATE peer SET received_cursor = $2, sent_cursor = $3
WHERE node = $1 AND received_cursor <= $2 AND sent_cursor <= $3`, p.Peer, p.Received, p.Sent)
		return err
	})
	return wrap("storing what was fetched from "+string(p.Peer), err)
}

// Known counts the parcels that are here with a peer: those that were sent to it, or
// those that came from it.
func (g *Gateway) Known(ctx context.Context, peer protocol.NodeID, sent bool) (n int64, err error) {
	table := "inbound"
	if sent {
		table = "outbound"
	}
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.find(ctx, []any{&n}, `SELECT count(*) FROM `+table+` WHERE peer = $1`, peer)
		return err
	})
	return n, wrap("counting the parcels with "+string(peer), err)
}

// EndRecovery notes that all that the peer holds was read.
func (g *Gateway) EndRecovery(ctx context.Context, peer protocol.NodeID) error {
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE peer SET recovering = 0 WHERE node = $1`, peer)
		return err
	})
	return wrap("storing that all was fetched from "+string(peer), err)
}

// Doubts returns the parcels of a peer that are in doubt, by their places.
func (g *Gateway) Doubts(ctx context.Context, peer protocol.NodeID) (all []Doubt, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		all, err = collect(ctx, t, func(scan func(...any) error) (d Doubt, err error) {
			err = scan(&d.Key.From, &d.Key.Parcel, &d.Key.To, &d.Sent, &d.After)
			return d, err
		}, `SELECT sender, parcel, recipient, sent, place FROM doubt WHERE peer = $1 ORDER BY sent, place, sender, parcel, recipient`, peer)
		return err
	})
	return all, wrap("reading what cannot be verified of "+string(peer), err)
}

// EndDoubt forgets a doubt: the parcel was taken back, or what the peer holds of it
// is no word of this node.
func (g *Gateway) EndDoubt(ctx context.Context, peer protocol.NodeID, k protocol.Key) error {
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM doubt WHERE peer = $1 AND sender = $2 AND parcel = $3 AND recipient = $4`, peer, k.From, k.Parcel, k.To)
		return err
	})
	return wrap("storing that "+k.String()+" is in doubt no more", err)
}
