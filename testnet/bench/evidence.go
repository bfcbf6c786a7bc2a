//go:build linux

package bench

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"comity/node/gateway"
	"comity/node/office"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/parcel"
	"comity/protocol/statement"
	"comity/store"
)

// positive are the events of a parcel that goes well, all the way to the officer's
// acknowledgement.
var positive = []evidence.Event{
	evidence.SubmissionAcceptance, evidence.RelayAcceptance, evidence.ContentConsignment,
	evidence.ContentHandover, evidence.ContentAccessTracking, evidence.ConsignmentAcceptance,
}

// transmissions is what it took to bring some parcels all the way.
type transmissions struct {
	keys   []protocol.Key
	sealed int64   // bytes of all sealed bodies
	wire   traffic // until the officers have acknowledged all
	last   traffic // after that, until all evidence stands under cosigned checkpoints
}

// traffic is bytes of UDP payload, both ways.
type traffic int64

// carry sends count parcels, atOnce at a time, has each opened and acknowledged,
// and waits until both sides hold all evidence under checkpoints that the other
// side, as a witness, has cosigned.
func carry(tb testing.TB, a, b *countedNode, path string, count, atOnce int) *transmissions {
	tb.Helper()
	t := &transmissions{}
	begin := a.sent.Load() + b.sent.Load()
	var mu sync.Mutex // guards t.keys and t.sealed
	together(tb, count, atOnce, func(int) error {
		sent, err := a.office().Send(tb.Context(), office.Draft{
			Kind: parcel.KindRequest, To: []protocol.AuthorityID{b.authority}, Files: []office.Source{{Path: path}},
		}, nil)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		t.sealed += sent.Size
		t.keys = append(t.keys, sent.Receipts[0].Key)
		return nil
	})
	together(tb, count, atOnce, func(i int) error {
		if err := awaitEvidence(tb.Context(), a.Gateway, t.keys[i], evidence.ContentHandover); err != nil {
			return err
		}
		return b.acknowledge(tb.Context(), t.keys[i].Parcel)
	})
	for _, k := range t.keys {
		must(tb, 0, awaitEvidence(tb.Context(), a.Gateway, k, positive...))
	}
	all := a.sent.Load() + b.sent.Load()
	t.wire = traffic(all - begin)
	must(tb, 0, awaitWitness(tb.Context(), a, b))
	for _, n := range []*countedNode{a, b} {
		for _, k := range t.keys {
			if allProven(tb.Context(), n.Gateway, k) == nil {
				continue
			}
			// What a node does by itself half a minute after the last evidence.
			must(tb, 0, n.Gateway.RefreshProofs(tb.Context(), k))
			must(tb, 0, allProven(tb.Context(), n.Gateway, k))
		}
	}
	t.last = traffic(a.sent.Load() + b.sent.Load() - all)
	return t
}

// together calls f count times, atOnce at a time, with the numbers from 0.
func together(tb testing.TB, count, atOnce int, f func(int) error) {
	tb.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error // guarded by mu
	next := make(chan int, count)
	for i := range count {
		next <- i
	}
	close(next)
	for range min(atOnce, count) {
		wg.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	must(tb, 0, failed)
}

// acknowledge does what an officer does: opens the parcel and signs for it.
func (n *countedNode) acknowledge(ctx context.Context, id protocol.ParcelID) error {
	name, err := n.office().Locate(ctx, id)
	if err != nil {
		return err
	}
	_, file, err := n.office().OpenFile(ctx, name, 1)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	_, err = n.office().Acknowledge(ctx, name)
	return err
}

// awaitEvidence waits until the node holds evidence of all these events.
func awaitEvidence(ctx context.Context, g *gateway.Gateway, k protocol.Key, events ...evidence.Event) error {
	ctx, cancel := context.WithTimeout(ctx, tooLong)
	defer cancel()
	for {
		changed := g.Changed()
		held, err := g.Store.Evidence(ctx, k)
		if err != nil {
			return err
		}
		missing := slices.DeleteFunc(slices.Clone(events), func(e evidence.Event) bool {
			return slices.ContainsFunc(held, func(h store.Evidence) bool { return h.Event == e })
		})
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%v of %s did not come: %w", missing, k.Parcel, ctx.Err())
		}
	}
}

// awaitWitness waits until each of two nodes holds the other's cosignature of all
// of its log.
func awaitWitness(ctx context.Context, nodes ...*countedNode) error {
	ctx, cancel := context.WithTimeout(ctx, tooLong)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for _, n := range nodes {
		for {
			size, err := n.Gateway.Store.Size(ctx)
			if err != nil {
				return err
			}
			_, cosigned, err := n.Gateway.Store.CosignedCheckpoint(ctx)
			if err != nil {
				return err
			}
			if cosigned == size {
				break
			}
			select {
			case <-poll.C:
			case <-ctx.Done():
				return fmt.Errorf("%d of the %d leaves of %s are cosigned: %w", cosigned, size, n.id, ctx.Err())
			}
		}
	}
	return nil
}

// allProven fails unless all evidence stands under cosigned checkpoints of both logs.
func allProven(ctx context.Context, g *gateway.Gateway, k protocol.Key) error {
	all, err := g.ProofsOf(ctx, k)
	if err != nil {
		return err
	}
	for _, p := range all {
		if len(p.Witnesses) == 0 || len(p.Others) == 0 {
			return fmt.Errorf("%s of %s is witnessed by %d in the log of its issuer and by %d in the other", p.Event, k.Parcel, len(p.Witnesses), len(p.Others))
		}
	}
	if len(all) != len(positive) {
		return fmt.Errorf("%s has %d evidences, want %d", k.Parcel, len(all), len(positive))
	}
	return nil
}

// weight is what a signed document takes with its proof.
func weight(p statement.Packet) int { return len(p.Document) + len(p.Signature) + len(p.Proof) }
