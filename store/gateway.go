package store

import (
	"context"
	"fmt"
	"sync"

	"comity/protocol"
	"comity/protocol/exchange"
	"comity/store/schema"
)

// Gateway is a node's store. It is safe for concurrent use; Commit calls run
// one after the other.
type Gateway struct {
	v *vault

	mu   sync.Mutex // held by Commit; guards edge
	edge edge

	proofs proofs
}

var gatewayKind = kind{
	name: "gateway", file: "gateway.db", bodies: "sealed", application: 0x434d5447, // "CMTG"
	schema: schema.Gateway, chain: "log", head: readHead,
}

// CreateGateway makes an empty store in c.Dir. ErrExists when there is one.
func CreateGateway(ctx context.Context, c Config) error {
	return create(ctx, c, gatewayKind, nil)
}

// OpenGateway opens the store, brings its schema up to date, reads its settings
// back, and removes what an interrupted run left unfinished; uploads under way
// whose rows promise something stay, and so does whatever is whole (see
// RemoveOrphans). ErrMissing,
// ErrNewer, ErrForeign, ErrSetting, ErrClock and ErrIntegrity stop the node.
func OpenGateway(ctx context.Context, c Config) (*Gateway, error) {
	v, err := openVault(ctx, c, gatewayKind)
	if err != nil {
		return nil, err
	}
	g := &Gateway{v: v}
	if err = v.remember(ctx); err == nil {
		err = v.openPartials(ctx)
	}
	if err != nil {
		v.close()
		return nil, fmt.Errorf("opening the gateway database: %w", err)
	}
	return g, nil
}

// Close waits for running transactions and closes the database.
func (g *Gateway) Close() error { return g.v.close() }

// NewSpool starts a spool in the gateway's store.
func (g *Gateway) NewSpool() *Spool { return newSpool(g.v.bodies) }

// Sealed opens sealed bytes by their digest. ErrNotFound, or ErrGone after they
// were released.
func (g *Gateway) Sealed(ctx context.Context, digest protocol.Digest) (*Sealed, error) {
	return g.v.sealed(ctx, digest)
}

// unneededByGateway holds for sealed bytes that no transmission needs.
const unneededByGateway = `NOT EXISTS (SELECT 1 FROM outbound WHERE outbound.sealed_digest = sealed.digest AND outbound.keeps = 1)
AND NOT EXISTS (SELECT 1 FROM inbound WHERE inbound.sealed_digest = sealed.digest AND inbound.keeps = 1)`

// Sweep deletes sealed bytes that no row needs any longer and returns how many
// bodies it removed, at most limit (and a few hundred at once). Readers that
// have them open go on reading.
func (g *Gateway) Sweep(ctx context.Context, limit int) (int, error) {
	return g.v.sweep(ctx, unneededByGateway, limit)
}

// Counts are the node's own figures; test parcels are left out unless asked for.
type Counts struct {
	Leaves   int64
	Outbound map[exchange.State]int64
	Inbound  map[exchange.State]int64
	Sealed   int64 // bodies kept, those of test parcels too
	Bytes    int64 // their size
}

// Counts returns the figures. It reads whole tables: for pages and reports, not
// for every request.
func (g *Gateway) Counts(ctx context.Context, tests Tests) (Counts, error) {
	c := Counts{Outbound: map[exchange.State]int64{}, Inbound: map[exchange.State]int64{}}
	err := g.v.read(ctx, func(ctx context.Context, t *tx) error {
		h, err := readHead(ctx, t)
		if err != nil {
			return err
		}
		c.Leaves = h.size
		for table, into := range map[string]map[exchange.State]int64{"outbound": c.Outbound, "inbound": c.Inbound} {
			_, err := collect(ctx, t, func(scan func(...any) error) (struct{}, error) {
				var s exchange.State
				var n int64
				err := scan(&s, &n)
				into[s] = n
				return struct{}{}, err
			}, `SELECT state, count(*) FROM `+table+` WHERE `+tests.condition()+` GROUP BY state`)
			if err != nil {
				return err
			}
		}
		_, err = t.find(ctx, []any{&c.Sealed, &c.Bytes},
			`SELECT count(*), coalesce(sum(size_bytes), 0) FROM sealed WHERE released_us IS NULL`)
		return err
	})
	return c, wrap("counting", err)
}
