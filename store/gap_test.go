package store

import (
	"testing"
	"time"

	"comity/protocol"

	"github.com/google/go-cmp/cmp"
)

// A witness's silence is a gap from the first checkpoint that it left out to the
// cosignature that made up for it; one that goes on is open.
func TestGapsOfWitnesses(t *testing.T) {
	n := newNode(t)
	for _, state := range []protocol.StateID{"xb", "xc"} {
		n.commit(AdoptRecord{Record{State: state, Node: protocol.NodeID(state), Sequence: 1, Signed: document("record", state), Pinned: true}})
	}
	start := n.clock.now()
	cosign := func(witness protocol.NodeID) int64 {
		t.Helper()
		note, err := n.Checkpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c, err := n.logV.Checkpoint(note)
		if err == nil {
			err = n.AddCosignature(t.Context(), Cosignature{Size: c.Size, Root: c.Root, Witness: witness, Lines: []byte("lines"), Claimed: n.clock.now()})
		}
		if err != nil {
			t.Fatal(err)
		}
		return c.Size
	}
	n.clock.advance(time.Minute)
	inTime := cosign("xb")
	n.clock.advance(time.Minute)
	late := n.clock.now()
	n.commit(n.accept(1))
	n.clock.advance(2 * time.Hour)
	n.commit(n.accept(2))
	caughtUp := cosign("xb") // two hours late
	again := n.clock.now()
	n.clock.advance(10 * time.Minute)
	got, _, err := n.Gaps(t.Context(), n.since(start), time.Hour, 10)
	if err != nil {
		t.Fatal(err)
	}
	want := []Gap{
		{Witness: "xc", Since: start.UTC()},
		{Witness: "xb", After: inTime, Since: late.UTC(), Size: caughtUp, Until: again.UTC()},
	}
	if !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	before := Period{start.Add(-time.Hour), late}
	if got, _, err := n.Gaps(t.Context(), before, time.Hour, 10); err != nil || len(got) != 0 {
		t.Errorf("before anything was late: %+v, %v", got, err)
	}
}
