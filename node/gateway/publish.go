package gateway

import (
	"context"
	"errors"
	"fmt"

	"comity/protocol/record"
	"comity/store"
)

// Publish commits the next record of this node's own state, with its leaf. The
// caller has verified that it follows the present one (R-REC-3), puts it where
// the node finds it at its next start, and closes this Gateway, which speaks for
// one record as long as it lives. Peers get the new one at the next contact
// (R-REC-9).
func (g *Gateway) Publish(ctx context.Context, s *record.State) error {
	r := s.Record()
	if r.Node.ID != g.Own.Record().Node.ID {
		return fmt.Errorf("publish record %d of state %s: this is the node %s", r.Sequence, r.State, g.Own.Record().Node.ID)
	}
	if err := errors.Join(s.CheckTimes(g.Now()), g.book.distinct(s)); err != nil {
		return fmt.Errorf("publish record %d of state %s: %w", r.Sequence, r.State, err)
	}
	outcomes, err := g.seq.commit(ctx, store.AdoptRecord{Record: store.Record{
		State: r.State, Node: r.Node.ID, Sequence: r.Sequence, Signed: s.Signed(), Own: true, Pinned: true, Marked: markedWitness(s),
	}})
	if err == nil {
		err = outcomes[0].Err
	}
	if err != nil {
		return fmt.Errorf("publish record %d of state %s: %w", r.Sequence, r.State, err)
	}
	return nil
}
