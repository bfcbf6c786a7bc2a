package store

import (
	"errors"
	"testing"
	"time"

	"comity/protocol"
)

// R-WIT-7: every state seen waits until it was compared, across restarts; the head moves only from where it was.
func TestFollowing(t *testing.T) {
	n, h := newNode(t), newHistory(t, "honest", 0, 30)
	ctx, origin := t.Context(), logKeys().Origin()
	follow := func() Following {
		t.Helper()
		f, err := n.Following(ctx, origin, 9)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	began := n.clock.now()
	for _, size := range []int64{7, 12, 7, 3} {
		if forked, err := n.See(ctx, h.state(size)); err != nil || forked {
			t.Fatalf("See of %d: %v, %v", size, forked, err)
		}
		n.clock.advance(time.Minute)
	}
	n.reopen()
	f := follow()
	if len(f.Seen) != 3 || f.Seen[0].Checkpoint.Size != 12 || f.Seen[2].Checkpoint.Size != 3 || !f.Since.Equal(began) || f.Head.Note != nil {
		t.Fatalf("Following = %+v", f)
	}
	if err := n.Follow(ctx, LogState{}, f.Seen[0], f.Seen[1:2]); err != nil {
		t.Fatal(err)
	}
	if f = follow(); f.Head.Checkpoint.Size != 12 || len(f.Seen) != 1 || f.Seen[0].Checkpoint.Size != 3 {
		t.Errorf("after a comparison: %+v", f)
	}
	// From a head that is no longer the head nothing is noted.
	if err := n.Follow(ctx, LogState{}, h.state(20), f.Seen); err != nil {
		t.Fatal(err)
	}
	if err := n.Follow(ctx, h.state(7), h.state(20), f.Seen); err != nil {
		t.Fatal(err)
	}
	if f = follow(); f.Head.Checkpoint.Size != 12 || len(f.Seen) != 1 {
		t.Errorf("after comparisons with an old head: %+v", f)
	}
	// A submission that extends the head moves it.
	if _, err := n.Cosign(ctx, h.submission(12, 0), cosigner().Cosign); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Cosign(ctx, h.submission(25, 12), cosigner().Cosign); err != nil {
		t.Fatal(err)
	}
	if f = follow(); f.Head.Checkpoint.Size != 25 || len(f.Seen) != 1 {
		t.Errorf("after a submission: %+v", f)
	}
}

// A second root over a size is a fork wherever the first one stands: it waits, it was compared, or it was cosigned. The
// commit that brings it goes through.
func TestTwoRootsOverOneSize(t *testing.T) {
	h, evil := newHistory(t, "honest", 0, 30), newHistory(t, "evil", 2, 30)
	for name, first := range map[string]func(*node) error{
		"it waits": func(n *node) error { _, err := n.See(t.Context(), h.state(9)); return err },
		"it was compared": func(n *node) error {
			return n.Follow(t.Context(), LogState{}, h.state(9), nil)
		},
		"it was cosigned": func(n *node) error {
			_, err := n.Cosign(t.Context(), h.submission(9, 0), cosigner().Cosign)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			if err := first(n); err != nil {
				t.Fatal(err)
			}
			out := n.commit(n.submit(1, prosecution), SeeState{evil.state(9)})
			if out[0].Err != nil || out[1].Err != nil {
				t.Errorf("the commit: %+v", out)
			}
			f, err := n.Following(t.Context(), logKeys().Origin(), 9)
			if err != nil || f.Fork == nil || f.Fork.One.Checkpoint != h.state(9).Checkpoint || f.Fork.Other.Checkpoint != evil.state(9).Checkpoint {
				t.Errorf("Following = %+v, %v, want the fork", f, err)
			}
			if forked, err := n.See(t.Context(), h.state(11)); err != nil || !forked {
				t.Errorf("a later state of the log: forked %v, %v", forked, err)
			}
		})
	}
}

// What waits is bounded: a peer that lets nobody compare fills no disk.
func TestSightingsAreBounded(t *testing.T) {
	n, h := newNode(t), newHistory(t, "honest", 0, 3)
	s := h.state(3)
	facts := make([]Fact, 0, protocol.MaxBatch)
	for i := range protocol.MaxSightings + 10 {
		s.Checkpoint.Size = int64(i + 1)
		if facts = append(facts, SeeState{s}); len(facts) == cap(facts) || i == protocol.MaxSightings+9 {
			for _, o := range n.commit(facts...) {
				if o.Err != nil {
					t.Fatal(o.Err)
				}
			}
			facts = facts[:0]
		}
	}
	f, err := n.Following(t.Context(), logKeys().Origin(), 2*protocol.MaxSightings)
	if err != nil || len(f.Seen) != protocol.MaxSightings {
		t.Errorf("%d states wait, %v, want %d", len(f.Seen), err, protocol.MaxSightings)
	}
}

// Other writes of this file, both ways.
func TestFollowingFailsBothWays(t *testing.T) {
	h, evil := newHistory(t, "honest", 0, 30), newHistory(t, "evil", 2, 30)
	for name, w := range map[string]struct {
		do   func(*node) error
		done func(Following) bool
	}{
		"See":     {func(n *node) error { _, err := n.See(t.Context(), h.state(9)); return err }, func(f Following) bool { return len(f.Seen) == 1 }},
		"Follow":  {func(n *node) error { return n.Follow(t.Context(), LogState{}, h.state(9), nil) }, func(f Following) bool { return f.Head.Note != nil }},
		"AddFork": {func(n *node) error { return n.AddFork(t.Context(), h.state(9), evil.state(12)) }, func(f Following) bool { return f.Fork != nil }},
	} {
		for kind, written := range map[string]bool{"not written": false, "but written": true} {
			t.Run(name+" "+kind, func(t *testing.T) {
				n := newNode(t)
				n.disk.Set(func() (bool, error) { return written, errDisk })
				if err := w.do(n); !errors.Is(err, errDisk) {
					t.Fatalf("error %v, want %v", err, errDisk)
				}
				n.disk.Heal()
				for i := range 2 {
					f, err := n.Following(t.Context(), logKeys().Origin(), 9)
					if err != nil || w.done(f) != (written || i > 0) {
						t.Errorf("try %d took effect: %+v, %v", i+1, f, err)
					}
					if err := w.do(n); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}
