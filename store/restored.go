package store

import (
	"context"

	"comity/protocol"
)

// restoredRows are parcels that were sent before a log was lost, and stored here after.
const restoredRows = outboundColumns + ` WHERE o.sender = $1 AND o.test = 0 AND o.stored_us >= (SELECT min(begun_us) FROM era)
AND EXISTS (SELECT 1 FROM era e WHERE o.created_us < e.begun_us AND e.begun_us <= o.stored_us) ORDER BY o.ordinal DESC LIMIT $2`

// SentBefore returns parcels of an authority that were sent before this node lost a
// log and are here since the next one was begun: nearly all of them were fetched back
// from peers, so that their office may not have them. Newest first, at most MaxPage;
// none on a node that lost no log.
func (g *Gateway) SentBefore(ctx context.Context, from protocol.AuthorityID) (list []Outbound, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collect(ctx, t, scanOutbound, restoredRows, from, MaxPage)
		return err
	})
	return list, wrap("reading what "+string(from)+" had sent before the log was lost", err)
}
