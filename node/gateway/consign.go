package gateway

import (
	"context"
	"fmt"
	"slices"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
	"comity/store"
)

// Consign hands what waits for an authority to the office that authenticated
// with consigneeKey: it issues ContentConsignment for each parcel that has none
// and returns what the office has not yet answered, urgent ones first, at most
// limit. What held names is passed over without being read: the office has it at
// work, or tries it again later, and it must not stand in the way of the others. So
// is what this node may have consigned before it was restored from a backup, while
// it has not heard that from the sender's node.
func (g *Gateway) Consign(ctx context.Context, to protocol.AuthorityID, consigneeKey protocol.Digest, held func(protocol.Key) bool, limit int) ([]exchange.Consignment, error) {
	rows, err := g.Store.Waiting(ctx, to, func(k protocol.Key) bool {
		return held != nil && held(k) || g.wanted.has(k) || g.Recovering(k.From.State()) || g.InDoubt(k)
	}, limit)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var facts []store.Fact
	var fresh []int // where in waiting each fact's parcel stands
	waiting := make([]exchange.Consignment, len(rows))
	for i, row := range rows {
		env, err := envelope.Parse(row.Envelope.Document)
		if err != nil {
			return nil, fmt.Errorf("read stored envelope of %s: %w", row.Key, err)
		}
		waiting[i] = exchange.Consignment{
			Key: row.Key, Envelope: row.Envelope, Parsed: env,
			Events: []evidence.Event{evidence.RelayAcceptance, evidence.ContentConsignment},
		}
		if row.State != exchange.Relayed {
			if waiting[i].Earlier, err = g.earlier(ctx, row.Key); err != nil {
				return nil, err
			}
			continue
		}
		ev, err := g.issue(env, row.Envelope.Ref(), evidence.ContentConsignment, func(ev *evidence.Evidence) {
			ev.ConsigneeKey = &consigneeKey
		})
		if err != nil {
			return nil, err
		}
		facts = append(facts, store.FileEvidence{Key: row.Key, Evidence: ev, Feed: row.Peer})
		fresh = append(fresh, i)
	}
	if len(facts) == 0 {
		return waiting, nil
	}
	outcomes, err := g.seq.commit(ctx, facts...)
	if err != nil {
		return nil, err
	}
	var withheld []protocol.Key
	for n, o := range outcomes {
		i := fresh[n]
		// Two calls at once sign two: the first one committed stands.
		if o.Err != nil && protocol.CodeOf(o.Err) != protocol.Equivocation {
			// R-EVID-4: without its evidence it is not handed over; the others are.
			g.Logger.Error("cannot consign a parcel", "transmission", waiting[i].Key, "error", o.Err)
			withheld = append(withheld, waiting[i].Key)
			continue
		}
		g.feeds.of(rows[i].Peer).ring()
	}
	g.changes.ring()
	return slices.DeleteFunc(waiting, func(c exchange.Consignment) bool { return slices.Contains(withheld, c.Key) }), nil
}

// earlier returns what the office signed about a parcel that it has not taken in:
// it did, and has lost it with the node (R-OLD-4).
func (g *Gateway) earlier(ctx context.Context, k protocol.Key) (all []statement.Packet, err error) {
	rows, err := g.Store.Evidence(ctx, k)
	for _, r := range rows {
		if r.Own && r.Event.Rule().Role != evidence.Node {
			all = append(all, r.Packet)
		}
	}
	return all, err
}

// Arrivals returns a channel that is closed when something next arrives for
// the authority. Take it before Consign, so that nothing slips between.
func (g *Gateway) Arrivals(to protocol.AuthorityID) <-chan struct{} { return g.arrived.of(to).wait() }
