package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
)

// history is one run of another node's log: leaves that follow from a name. Two
// histories that share a beginning are a fork.
type history struct {
	t      testing.TB
	hashes []merkle.Hash
}

// newHistory has common leaves first, and then those of its own name.
func newHistory(t testing.TB, name string, common, size int64) *history {
	t.Helper()
	h := &history{t: t}
	for i := range size {
		from := name
		if i < common {
			from = "common"
		}
		stored, err := merkle.StoredHashes(i, merkle.Leaf(protocol.Sum(fmt.Append(nil, from, i))), h)
		if err != nil {
			t.Fatal(err)
		}
		h.hashes = append(h.hashes, stored...)
	}
	return h
}

func (h *history) ReadHashes(indexes []int64) ([]merkle.Hash, error) {
	out := make([]merkle.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = h.hashes[x]
	}
	return out, nil
}

// state is the history as it stood with so many leaves, signed by the log.
func (h *history) state(size int64) LogState {
	h.t.Helper()
	root, err := merkle.Root(size, h)
	if err != nil {
		h.t.Fatal(err)
	}
	note, err := logKeys().Checkpoint(size, root, time.Unix(2_000_000_000, 0))
	if err != nil {
		h.t.Fatal(err)
	}
	return LogState{Node: nodeB, Checkpoint: merkle.Checkpoint{Origin: logKeys().Origin(), Size: size, Root: root}, Note: note}
}

func (h *history) submission(size, old int64) Submission {
	h.t.Helper()
	proof, err := merkle.ProveConsistency(size, old, h)
	if err != nil {
		h.t.Fatal(err)
	}
	return Submission{LogState: h.state(size), Old: old, Proof: proof}
}

// cosigner makes one witness's keys for all tests.
var cosigner = sync.OnceValue(func() *merkle.Cosigner {
	secret, _, _, err := merkle.GenerateKeypair("comity/witness/xa")
	if err != nil {
		panic(err)
	}
	c, err := merkle.ParseCosigner(secret)
	if err != nil {
		panic(err)
	}
	return c
})

var address = protocol.Sum([]byte("xb.example/log/1"))

// R-WIT-3, R-WIT-4: the state cosigned only ever grows, and each answer is the newest one stored.
func TestCosigning(t *testing.T) {
	n, h := newNode(t), newHistory(t, "honest", 0, 20)
	ctx := t.Context()
	if _, err := n.Cosigned(ctx, address); !errors.Is(err, ErrNotFound) {
		t.Errorf("before the first: %v", err)
	}
	evil := newHistory(t, "evil", 5, 20)
	wrong := h.submission(12, 7)
	wrong.Proof = evil.submission(12, 7).Proof
	for _, step := range []struct {
		what string
		s    Submission
		want int64 // cosigned afterwards
		err  error
	}{
		{"begins beyond nothing", h.submission(7, 3), 0, &StaleError{0}},
		{"the first", h.submission(7, 0), 7, nil},
		{"the same again", h.submission(7, 7), 7, nil},
		{"begins before", h.submission(9, 3), 7, &StaleError{7}},
		{"from nothing again", h.submission(9, 0), 7, &StaleError{7}},
		{"a wrong proof", wrong, 7, merkle.ErrConsistency},
		{"growth", h.submission(12, 7), 12, nil},
		{"an older state", h.submission(7, 7), 12, &StaleError{12}},
		{"a fork after a common beginning", evil.submission(20, 12), 12, merkle.ErrConsistency},
		{"growth again", h.submission(18, 12), 18, nil},
		{"the size that the fork has, with another root", h.submission(20, 18), 18, ErrForked},
	} {
		n.clock.advance(time.Minute)
		lines, err := n.Cosign(ctx, step.s, cosigner().Cosign)
		var stale, want *StaleError
		switch {
		case errors.As(step.err, &want):
			if !errors.As(err, &stale) || *stale != *want {
				t.Errorf("%s: %v, want %v", step.what, err, step.err)
			}
		case !errors.Is(err, step.err):
			t.Errorf("%s: %v, want %v", step.what, err, step.err)
		}
		if err != nil && lines != nil {
			t.Errorf("%s: lines beside an error", step.what)
		}
		n.reopen() // what was answered outlives the process
		c, err := n.Cosigned(ctx, address)
		if step.want == 0 {
			continue
		}
		if err != nil || c.Checkpoint.Size != step.want || c.Node != nodeB {
			t.Fatalf("%s: cosigned is %+v, %v, want size %d", step.what, c.Checkpoint, err, step.want)
		}
		if lines == nil {
			continue
		}
		whole, err := merkle.WithCosignatures(c.Note, c.Lines)
		if err != nil {
			t.Fatal(err)
		}
		got, err := cosigner().Witness().Cosignature(whole)
		if err != nil || string(lines) != string(c.Lines) || got.Time.Unix() != n.clock.now().Unix() {
			t.Errorf("%s: stored cosignature %+v, %v, want the one answered, of now", step.what, got, err)
		}
	}
}

// R-WIT-5: two roots over one size are a fork. Both notes are kept for ever, and the log is cosigned no more.
func TestAForkEndsCosigning(t *testing.T) {
	n, h, evil := newNode(t), newHistory(t, "honest", 0, 20), newHistory(t, "evil", 5, 20)
	ctx := t.Context()
	if _, err := n.Cosign(ctx, h.submission(10, 0), cosigner().Cosign); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Cosign(ctx, evil.submission(10, 10), cosigner().Cosign); !errors.Is(err, ErrForked) {
		t.Errorf("another root over ten leaves: %v, want ErrForked", err)
	}
	n.reopen()
	if _, err := n.Cosign(ctx, h.submission(12, 10), cosigner().Cosign); !errors.Is(err, ErrForked) {
		t.Errorf("the honest side afterwards: %v, want ErrForked", err)
	}
	f, err := n.Following(ctx, logKeys().Origin(), 9)
	if err != nil || f.Fork == nil {
		t.Fatalf("Following = %+v, %v, want the fork", f, err)
	}
	if string(f.Fork.One.Note) != string(h.state(10).Note) && f.Fork.One.Checkpoint != h.state(10).Checkpoint ||
		f.Fork.Other.Checkpoint != evil.state(10).Checkpoint {
		t.Errorf("the fork kept is %+v", f.Fork)
	}
	for _, side := range []LogState{f.Fork.One, f.Fork.Other} { // evidence: each verifies by itself
		if c, err := n.logV.Checkpoint(side.Note); err != nil || c.Size != 10 || c.Root != side.Checkpoint.Root {
			t.Errorf("a note of the fork: %+v, %v", c, err)
		}
	}
	c, err := n.Cosigned(ctx, address)
	if err != nil || c.Checkpoint.Root != h.state(10).Checkpoint.Root {
		t.Errorf("cosigned is %+v, %v, want what it was", c.Checkpoint, err)
	}
}

// R-WIT-3: of submissions that begin at one state, one passes, however they race.
func TestRacingSubmissions(t *testing.T) {
	n, h := newNode(t), newHistory(t, "common", 5, 40)
	ctx := t.Context()
	if _, err := n.Cosign(ctx, h.submission(5, 0), cosigner().Cosign); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	passed := 0
	for i := range 8 { // each is another continuation of the same five leaves, of another size
		s := newHistory(t, fmt.Sprint("branch ", i), 5, int64(10+i)).submission(int64(10+i), 5)
		wg.Go(func() {
			_, err := n.Cosign(ctx, s, cosigner().Cosign)
			var stale *StaleError
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				passed++
			case !errors.As(err, &stale):
				t.Errorf("a submission that lost: %v, want StaleError", err)
			}
		})
	}
	wg.Wait()
	if passed != 1 {
		t.Errorf("%d submissions passed from one state, want 1", passed)
	}
}

// Both fault tests: a cosignature whose commit failed is not answered, and what
// was written all the same is what the next submission is compared with.
func TestCosignFailsBothWays(t *testing.T) {
	for name, written := range map[string]bool{"not written": false, "but written": true} {
		t.Run(name, func(t *testing.T) {
			n, h := newNode(t), newHistory(t, "honest", 0, 20)
			if _, err := n.Cosign(t.Context(), h.submission(5, 0), cosigner().Cosign); err != nil {
				t.Fatal(err)
			}
			n.disk.Set(func() (bool, error) { return written, errDisk })
			if lines, err := n.Cosign(t.Context(), h.submission(9, 5), cosigner().Cosign); !errors.Is(err, errDisk) {
				t.Fatalf("Cosign = %q, %v, want %v", lines, err, errDisk)
			}
			n.disk.Heal()
			_, err := n.Cosign(t.Context(), h.submission(9, 5), cosigner().Cosign)
			var stale *StaleError
			if written != errors.As(err, &stale) || !written && err != nil {
				t.Errorf("the same again: %v", err)
			}
			if c, err := n.Cosigned(t.Context(), address); err != nil || c.Checkpoint.Size != 9 {
				t.Errorf("cosigned %+v, %v, want size 9", c.Checkpoint, err)
			}
		})
	}
}

// A clock that stands behind what was signed cosigns nothing.
func TestNoCosignatureFromThePast(t *testing.T) {
	n, h := newNode(t), newHistory(t, "honest", 0, 9)
	n.commit(n.submit(1, prosecution))
	n.clock.advance(-time.Hour)
	if _, err := n.Cosign(t.Context(), h.submission(5, 0), cosigner().Cosign); !errors.Is(err, ErrClock) {
		t.Errorf("Cosign = %v, want ErrClock", err)
	}
	n.clock.advance(time.Hour)
}

// Cosignatures of own checkpoints: the first of each witness counts, the newest state with any is handed out with all.
func TestCosignaturesOfOwnCheckpoints(t *testing.T) {
	n := newNode(t)
	ctx := context.Background()
	if note, size, err := n.CosignedCheckpoint(ctx); err != nil || note != nil || size != 0 {
		t.Errorf("before the first: %q, %d, %v", note, size, err)
	}
	n.commit(n.adopt("xb"), n.adopt("xc"), n.submit(1, prosecution))
	first := n.mustCheckpoint()
	n.clock.advance(time.Minute)
	n.commit(n.submit(2, prosecution))
	second := n.mustCheckpoint()
	add := func(c merkle.Checkpoint, note []byte, witness protocol.NodeID, w *merkle.Cosigner) {
		t.Helper()
		lines, err := w.Cosign(note, n.clock.now())
		if err != nil {
			t.Fatal(err)
		}
		if err := n.AddCosignature(ctx, Cosignature{Size: c.Size, Root: c.Root, Witness: witness, Lines: lines, Claimed: n.clock.now()}); err != nil {
			t.Fatal(err)
		}
	}
	noteFirst, noteSecond := n.mustNote(first.Size), n.mustNote(second.Size)
	other := newWitness(t, "comity/witness/xc")
	add(first, noteFirst, "xb", cosigner())
	before := n.clock.now()
	n.clock.advance(time.Hour)
	add(first, noteFirst, "xb", cosigner()) // later: ignored
	add(first, noteFirst, "xc", other)
	note, size, err := n.CosignedCheckpoint(ctx)
	if err != nil || size != first.Size {
		t.Fatalf("cosigned checkpoint of size %d, %v, want %d", size, err, first.Size)
	}
	if c, err := cosigner().Witness().Cosignature(note); err != nil || c.Time.Unix() != before.Unix() {
		t.Errorf("cosignature of xb: %+v, %v, want the first one, of %v", c, err, before)
	}
	if _, err := other.Witness().Cosignature(note); err != nil {
		t.Errorf("cosignature of xc: %v", err)
	}
	if _, err := n.logV.Checkpoint(note); err != nil {
		t.Error(err)
	}
	add(second, noteSecond, "xc", other)
	states, err := n.WitnessStates(ctx)
	if err != nil || len(states) != 2 {
		t.Fatalf("WitnessStates = %+v, %v", states, err)
	}
	if b := states[0]; b.Node != "xb" || b.Size != first.Size || b.Since.Unix() != second.Time.Unix() || b.Claimed.Unix() != before.Unix() {
		t.Errorf("xb is at %+v, want late since %v", b, second.Time)
	}
	if c := states[1]; c.Node != "xc" || c.Size != second.Size || !c.Since.IsZero() {
		t.Errorf("xc is at %+v, want not late", c)
	}
	if err := n.AddCosignature(ctx, Cosignature{Size: 999, Witness: "xb", Lines: []byte("x")}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a cosignature of no checkpoint: %v, want ErrNotFound", err)
	}
}

func newWitness(t testing.TB, name string) *merkle.Cosigner {
	t.Helper()
	secret, _, _, err := merkle.GenerateKeypair(name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := merkle.ParseCosigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (n *node) adopt(peer protocol.NodeID) Fact {
	return AdoptRecord{Record: Record{
		State: peer.State(), Node: peer, Sequence: 1, Pinned: true,
		Signed: document("record of", peer),
	}}
}

func (n *node) mustNote(size int64) []byte {
	n.t.Helper()
	note, err := n.CheckpointAt(context.Background(), size)
	if err != nil {
		n.t.Fatal(err)
	}
	return note
}

func (n *node) mustCheckpoint() merkle.Checkpoint {
	n.t.Helper()
	note, err := n.Checkpoint(context.Background())
	if err != nil {
		n.t.Fatal(err)
	}
	c, err := n.logV.Checkpoint(note)
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}
