package store

import (
	"context"

	"comity/protocol"
)

// Load is what an authority of this node has with its gateway.
type Load struct {
	Queued  int64 // parcels to be delivered, tests too, once for each recipient
	Arrived int64 // sealed bytes that wait for its office
}

// Loads returns the load of each authority that has one.
func (g *Gateway) Loads(ctx context.Context) (map[protocol.AuthorityID]Load, error) {
	all := map[protocol.AuthorityID]Load{}
	type row struct {
		of protocol.AuthorityID
		n  int64
	}
	scan := func(scan func(...any) error) (r row, err error) { return r, scan(&r.of, &r.n) }
	err := g.v.read(ctx, func(ctx context.Context, t *tx) error {
		queued, err := collectPlain(ctx, t, scan, `SELECT sender, count(*) FROM outbound WHERE next_us IS NOT NULL GROUP BY sender`)
		if err != nil {
			return err
		}
		arrived, err := collectPlain(ctx, t, scan, `SELECT recipient, CAST(sum(sealed_bytes) AS BIGINT) FROM inbound WHERE keeps = 1 GROUP BY recipient`)
		if err != nil {
			return err
		}
		for _, r := range queued {
			all[r.of] = Load{Queued: r.n}
		}
		for _, r := range arrived {
			all[r.of] = Load{Queued: all[r.of].Queued, Arrived: r.n}
		}
		return nil
	})
	return all, wrap("counting what authorities have with the node", err)
}

// Kept returns how many sealed bytes the office keeps.
func (o *Office) Kept(ctx context.Context) (n int64, err error) {
	err = o.v.read(ctx, func(ctx context.Context, t *tx) error {
		return require(t.find(ctx, []any{&n}, `SELECT CAST(coalesce(sum(size_bytes), 0) AS BIGINT) FROM sealed WHERE released_us IS NULL`))
	})
	return n, wrap("counting the sealed bytes of the office", err)
}
