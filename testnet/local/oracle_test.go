//go:build linux

package local

import (
	"bytes"
	"context"
	"testing"

	"comity/node/operate"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/store"
)

// compareStores opens the data of two stopped nodes and compares what they hold
// of each other: every evidence of the other side stands there, byte for byte,
// in rows that a commit made durable (I3), and every checkpoint that one saw is
// one that the other stored (I4).
func compareStores(t *testing.T, a, b *Node) {
	t.Helper()
	stores := map[*Node]*store.Gateway{}
	for _, n := range []*Node{a, b} {
		open, err := operate.Open(t.Context(), n.Dir, operate.Options{})
		if err != nil {
			n.fatalf("open the data of %s: %v", n.ID, err)
		}
		defer open.Close()
		stores[n] = open.Gateway.Store
	}
	ctx := t.Context()
	rows, err := stores[a].OutboundList(ctx, store.Filter{Test: store.WithTests})
	if err != nil || len(rows) == 0 {
		a.fatalf("what %s has sent: %d rows, %v", a.ID, len(rows), err)
	}
	for _, row := range rows {
		taken, err := stores[b].Inbound(ctx, row.Key)
		if err != nil {
			t.Errorf("%s: %s holds it as %s, %s does not know it: %v", row.Key, a.ID, row.State, b.ID, err)
			continue
		}
		if taken.State != exchange.HandedOver {
			t.Errorf("%s is %s at %s", row.Key, taken.State, b.ID)
		}
		sameEvidence(ctx, t, stores, a, b, row)
		sameEvidence(ctx, t, stores, b, a, row)
	}
	sameCheckpoint(ctx, t, stores, a, b)
	sameCheckpoint(ctx, t, stores, b, a)
}

// sameEvidence: what holder has from issuer about one parcel, issuer has too.
func sameEvidence(ctx context.Context, t *testing.T, stores map[*Node]*store.Gateway, holder, issuer *Node, row store.Outbound) {
	t.Helper()
	have, err := stores[holder].Evidence(ctx, row.Key)
	if err != nil {
		t.Errorf("evidence about %s at %s: %v", row.Key, holder.ID, err)
	}
	own, err := stores[issuer].Evidence(ctx, row.Key)
	if err != nil {
		t.Errorf("evidence about %s at %s: %v", row.Key, issuer.ID, err)
	}
	events := map[evidence.Event]store.Evidence{}
	for _, ev := range own {
		events[ev.Event] = ev
	}
	for _, ev := range have {
		if ev.Own {
			continue
		}
		issued, ok := events[ev.Event]
		if !ok || !issued.Own || !bytes.Equal(issued.Document, ev.Document) || !bytes.Equal(issued.Signature, ev.Signature) {
			t.Errorf("%s: %s holds a %s that %s never stored", row.Key, holder.ID, ev.Event, issuer.ID)
		}
	}
}

// sameCheckpoint: the newest checkpoint that seer saw of owner's log is one that
// owner stored.
func sameCheckpoint(ctx context.Context, t *testing.T, stores map[*Node]*store.Gateway, seer, owner *Node) {
	t.Helper()
	seen, note, err := stores[seer].PeerCheckpoint(ctx, owner.ID)
	if err != nil || note == nil {
		t.Errorf("the checkpoint of %s that %s saw: %v", owner.ID, seer.ID, err)
		return
	}
	if held, err := stores[owner].CheckpointAt(ctx, seen.Size); err != nil || !bytes.Equal(held, note) {
		t.Errorf("%s saw a checkpoint over %d leaves that %s does not have: %v", seer.ID, seen.Size, owner.ID, err)
	}
}
