package gateway

import (
	"context"
	"errors"
	"fmt"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

// adopt stores a verified record, gives it a leaf, and trusts it from then on.
func (g *Gateway) adopt(ctx context.Context, s *record.State, pinned bool) error {
	return g.adoptChain(ctx, []*record.State{s}, store.Record{Pinned: pinned})
}

// adoptChain stores verified records of one state of which each follows from the one
// before, gives each a leaf, and trusts the last from then on. how says how they came.
func (g *Gateway) adoptChain(ctx context.Context, chain []*record.State, how store.Record) error {
	newest := chain[len(chain)-1]
	r := newest.Record()
	if err := errors.Join(newest.CheckTimes(g.Now()), g.book.distinct(newest)); err != nil {
		return fmt.Errorf("adopt record %d of state %s: %w", r.Sequence, r.State, err)
	}
	var facts []store.Fact
	newLog := false
	before, _ := g.book.state(r.State)
	for _, s := range chain {
		row, is := how, s.Record()
		row.State, row.Node, row.Sequence, row.Signed, row.Marked = is.State, is.Node.ID, is.Sequence, s.Signed(), markedWitness(s)
		row.NewLog = before != nil && before.Record().Node.Log != is.Node.Log
		newLog = newLog || row.NewLog
		facts, before = append(facts, store.AdoptRecord{Record: row}), s
	}
	outcomes, err := g.seq.commit(ctx, facts...)
	for i := 0; err == nil && i < len(outcomes); i++ {
		err = outcomes[i].Err
	}
	if err != nil {
		return fmt.Errorf("adopt record %d of state %s: %w", r.Sequence, r.State, err)
	}
	begin, err := g.welcome(ctx, r.Node.ID)
	if err != nil {
		return fmt.Errorf("read what record %d of state %s is about: %w", r.Sequence, r.State, err)
	}
	g.book.put(newest)
	begin()
	if newLog {
		g.link(r.Node.ID).settle()
		g.Logger.Warn("a node has begun another log: it was restored from a backup, or its log keys were replaced", "peer", r.Node.ID, "log", r.Node.Log.Origin)
	}
	g.Logger.Info("adopted a record", "state", r.State, "sequence", r.Sequence, "confirmed", how.Pinned, "listed", how.Listed)
	return nil
}

// markedWitness returns how lines begin that were made with marked keys of the
// node's witness: what the store has of them counts for nothing from then on.
func markedWitness(s *record.State) (starts []string) {
	for _, m := range s.Record().Node.Compromised {
		if start, err := merkle.LineStart(m.Keys.Ed25519); err == nil {
			starts = append(starts, start)
		}
	}
	return starts
}

// Pin trusts a state's record from now on, because a person compared its words
// with the other side (R-REC-4), and begins to talk to its node.
func (g *Gateway) Pin(ctx context.Context, s *record.State) error {
	if s.Record().State == g.Own.Record().State {
		return errors.New("this is the record of this node's own state; pin the other state's")
	}
	if err := g.adopt(ctx, s, true); err != nil {
		return err
	}
	g.callAgain(s.Record().Node.ID)
	return nil
}

// AdoptNext adopts a record that follows from the one that is held of its state
// (R-REC-3), however it came here, as if its node had handed it over (R-REC-9): the
// keys of the record before vouch for it, so nobody compares words.
func (g *Gateway) AdoptNext(ctx context.Context, signed statement.Signed, held *record.State) error {
	next, err := record.Verify(signed, held)
	if err != nil {
		return err
	}
	if err := g.adopt(ctx, next, false); err != nil {
		return err
	}
	g.callAgain(next.Record().Node.ID)
	return nil
}

// callAgain tries at once what was refused by a node, or failed, before its record
// was adopted.
func (g *Gateway) callAgain(peer protocol.NodeID) {
	l := g.link(peer)
	l.forgive()
	l.circuits.forgive()
	l.wake()
}
