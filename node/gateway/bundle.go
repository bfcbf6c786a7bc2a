package gateway

import (
	"context"

	"comity/protocol/exchange"
)

// Histories returns every record that this node has adopted, its own included,
// by state.
func (g *Gateway) Histories(ctx context.Context) (all []exchange.History, err error) {
	rows, err := g.Store.RecordHistory(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if len(all) == 0 || all[len(all)-1].State != r.State {
			all = append(all, exchange.History{State: r.State})
		}
		h := &all[len(all)-1]
		h.Node = r.Node
		h.Versions = append(h.Versions, exchange.Version{Sequence: r.Sequence, Signed: r.Signed})
	}
	return all, nil
}
