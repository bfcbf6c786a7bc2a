package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// cosigned waits until the node's newest checkpoint is cosigned by all these witnesses, and returns it with their lines.
func (n *node) cosigned(by ...*party) []byte {
	n.t.Helper()
	var note []byte
	until(n.t, fmt.Sprintf("the newest checkpoint of %s is cosigned", n.id), func() bool {
		size, err := n.db.Size(context.Background())
		if err != nil {
			n.t.Fatal(err)
		}
		var at int64
		if note, at, err = n.db.CosignedCheckpoint(context.Background()); err != nil {
			n.t.Fatal(err)
		}
		return at == size && !slices.ContainsFunc(by, func(p *party) bool {
			_, err := p.witness.Witness().Cosignature(note)
			return err != nil
		})
	})
	return note
}

// R-WIT-1 to R-WIT-3: the peers cosign each other's logs by themselves, after a delivery that did not wait for it; what
// they cosigned can be asked for, also by the log's owner after a restart.
func TestPeersCosignEachOther(t *testing.T) {
	a, b := pair(t)
	r := a.submit(newLetter(central, 1000, b.party, prosecution))
	a.await(r[0].Key, evidence.RelayAcceptance)
	for _, side := range [][2]*node{{a, b}, {b, a}} {
		owner, witness := side[0], side[1]
		note := owner.cosigned(witness.party)
		c := must(owner.state.LogVerifier().Checkpoint(note))
		held := must(witness.db.Cosigned(t.Context(), protocol.Sum([]byte(c.Origin))))
		if held.Checkpoint.Size != c.Size || held.Node != owner.id {
			t.Errorf("%s cosigned %+v, want size %d", witness.id, held.Checkpoint, c.Size)
		}
	}
	peers := must(a.Peers(t.Context()))
	if size := must(a.db.Size(t.Context())); peers[0].Witnessed != size || peers[0].Unwitnessed != 0 {
		t.Errorf("peer list says %+v, want %d leaves witnessed", peers[0], size)
	}
	b.restart()
	a.restart()
	a.cosigned(b.party)
}

// submission is a body of add-checkpoint by the hostile peer's log.
func (h *hostile) submission(tree *history, size, old int64) []byte {
	h.t.Helper()
	return merkle.Submission{
		Old: old, Proof: must(merkle.ProveConsistency(size, old, tree)),
		Checkpoint: must(h.log.Checkpoint(size, must(merkle.Root(size, tree)), time.Now())),
	}.Marshal()
}

// history is a run of a log that a test makes up; with common leaves first.
type history struct{ hashes }

func newHistory(name string, common, size int64) *history {
	h := &history{hashes{}}
	for i := range size {
		from := name
		if i < common {
			from = "common"
		}
		for j, v := range must(merkle.StoredHashes(i, merkle.Leaf(digest(fmt.Sprint(from, i))), h)) {
			h.hashes[merkle.StoredIndex(i)+int64(j)] = v
		}
	}
	return h
}

// R-WIT-4, R-WIT-5: the statuses of the specification, one after the other.
func TestSubmissionStatuses(t *testing.T) {
	h, b := besiege(t)
	honest, evil := newHistory("honest", 0, 100), newHistory("evil", 20, 100)
	good := string(h.submission(honest, 90, 80))
	foreign := newParty("xz", "127.0.0.1:1")
	const add = "/v1/witness/add-checkpoint"
	for _, step := range []struct {
		what   string
		body   []byte
		status int
		size   string // of a 409
	}{
		{"nothing", nil, 400, ""},
		{"no proof that parses", []byte(strings.Replace(string(h.submission(honest, 50, 30)), "\n", "\nAAAA\n", 1)), 400, ""},
		{"smaller than its old size", []byte(strings.Replace(string(h.submission(honest, 50, 0)), "old 0", "old 51", 1)), 400, ""},
		{"far too long", bytes.Repeat([]byte("old 0\n"), protocol.MaxSubmission/6+1), 413, ""},
		{"another log", merkle.Submission{Checkpoint: must(foreign.log.Checkpoint(0, merkle.Hash(protocol.Sum(nil)), time.Now()))}.Marshal(), 404, ""},
		{"a log of its origin with other keys", merkle.Submission{Checkpoint: must(newParty("xa", "127.0.0.1:1").log.Checkpoint(0, merkle.Hash(protocol.Sum(nil)), time.Now()))}.Marshal(), 403, ""},
		{"first, but it says there was one", h.submission(honest, 50, 30), 409, "0\n"},
		{"first", h.submission(honest, 50, 0), 200, ""},
		{"growth", h.submission(honest, 80, 50), 200, ""},
		{"stale", h.submission(honest, 90, 50), 409, "80\n"},
		{"from nothing", h.submission(honest, 90, 0), 409, "80\n"},
		{"refresh", h.submission(honest, 80, 80), 200, ""},
		{"a proof for another size", []byte(strings.Replace(good, "old 80", "old 79", 1)), 409, "80\n"},
		{"a proof of too few hashes", []byte(good[:len("old 80\n")] + good[len("old 80\n")+45:]), 422, ""},
		{"a signature altered", []byte(strings.Replace(good, "\n90\n", "\n91\n", 1)), 403, ""},
		{"fork after 20", h.submission(evil, 95, 80), 422, ""},
		{"fork of one size", h.submission(evil, 80, 80), 422, ""},
		{"the honest side of a forked log", h.submission(honest, 90, 80), 422, ""},
	} {
		r := h.do(http.MethodPost, add, nil, step.body)
		if r.status != step.status {
			t.Errorf("%s: status %d %s, want %d", step.what, r.status, r.body, step.status)
		}
		switch kind := r.header.Get("Content-Type"); r.status {
		case 409:
			if kind != "text/x.tlog.size" || string(r.body) != step.size {
				t.Errorf("%s: %q of type %s, want the size %q", step.what, r.body, kind, step.size)
			}
		case 200:
			sub, _, err := merkle.ParseSubmission(step.body)
			if err != nil {
				t.Fatal(err)
			}
			whole, err := merkle.WithCosignatures(sub.Checkpoint, r.body)
			if err != nil {
				t.Fatalf("%s: %v", step.what, err)
			}
			if _, err := b.witness.Witness().Cosignature(whole); err != nil {
				t.Errorf("%s: %v", step.what, err)
			}
		}
	}

	asked := h.do(http.MethodGet, "/v1/witness/"+protocol.Sum([]byte(h.log.Origin())).String()+"/checkpoint", nil, nil)
	c, err := h.state.LogVerifier().Checkpoint(asked.body)
	if err != nil || asked.status != 200 || c.Size != 80 {
		t.Errorf("what was cosigned: %d %q: %+v, %v, want size 80", asked.status, asked.body, c, err)
	}
	if cs, err := b.witness.Witness().Cosignature(asked.body); err != nil || time.Since(cs.Time) > time.Hour {
		t.Errorf("its cosignature: %+v, %v", cs, err)
	}
	for _, path := range []string{"/v1/witness/" + digest("nobody").String() + "/checkpoint", "/v1/witness/XYZ/checkpoint"} {
		if r := h.do(http.MethodGet, path, nil, nil); r.status != 404 {
			t.Errorf("GET %s: status %d, want 404", path, r.status)
		}
	}
	peers := must(b.Peers(t.Context()))
	if !strings.Contains(peers[0].LogFault, "forked") {
		t.Errorf("peer list says %q of the log, want that it forked", peers[0].LogFault)
	}
	f := must(b.db.Following(t.Context(), h.log.Origin(), 1)).Fork
	if f == nil {
		t.Fatal("the fork is not kept")
	}
	for _, side := range [][]byte{f.One.Note, f.Other.Note} {
		if c, err := h.state.LogVerifier().Checkpoint(side); err != nil || c.Size != 80 {
			t.Errorf("a note of the fork: %+v, %v", c, err)
		}
	}
}

// I8: a witness that takes each question and answers none stops no delivery.
func TestASilentWitnessStopsNothing(t *testing.T) {
	r := newReceiver(t, acceptAll)
	var asked atomic.Int64
	silent := http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		asked.Add(1)
		<-req.Context().Done()
	})
	r.cosign.Store(&silent)
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	a.pin(r.party)
	until(t, "the witness is asked", func() bool { return asked.Load() > 0 })
	for range 3 {
		k := a.submit(newLetter(central, 1000, r.party, prosecution))[0].Key
		a.await(k, evidence.RelayAcceptance)
	}
	if note, _, err := a.db.CosignedCheckpoint(t.Context()); err != nil || note != nil {
		t.Errorf("cosigned checkpoint %q, %v, want none", note, err)
	}
}

// R-WIT-2, R-WIT-6: what a witness answers is believed only as far as it verifies. One that shows a larger state or
// another one, signed by this node's log, raises the alarm; one that only claims to have it does not.
func TestHostileWitness(t *testing.T) {
	for name, test := range map[string]struct {
		claims  string                         // the size in its 409; empty: it answers 422
		shows   func(a *node) []byte           // what it says that it cosigned
		answers func(a *node, w *party) []byte // its 200, when nothing else is asked
		alarm   string
	}{
		"a larger state, signed": {claims: "1000000\n", alarm: "1000000 leaves", shows: func(a *node) []byte {
			return must(a.log.Checkpoint(1_000_000, merkle.Hash{1}, time.Now()))
		}},
		"a larger state, only claimed": {claims: "1000000\n"},
		"a larger state, signed by itself": {claims: "1000000\n", shows: func(a *node) []byte {
			return must(newParty("xa", "127.0.0.1:1").log.Checkpoint(1_000_000, merkle.Hash{1}, time.Now()))
		}},
		"another state of a size that is here": {alarm: "over 1 other leaves", shows: func(a *node) []byte {
			return must(a.log.Checkpoint(1, merkle.Hash{1}, time.Now()))
		}},
		"no size": {claims: "many\n"},
		"lines of another witness": {answers: func(a *node, w *party) []byte {
			other := newParty("xb", "127.0.0.1:1").witness
			return must(other.Cosign(must(a.db.Checkpoint(context.Background())), time.Now()))
		}},
		"one line of two": {answers: func(a *node, w *party) []byte {
			return bytes.SplitAfter(must(w.witness.Cosign(must(a.db.Checkpoint(context.Background())), time.Now())), []byte("\n"))[0]
		}},
		"a cosignature of another checkpoint": {answers: func(a *node, w *party) []byte {
			return must(w.witness.Cosign(must(a.log.Checkpoint(1, merkle.Hash{1}, time.Now())), time.Now()))
		}},
		"far too much": {answers: func(*node, *party) []byte { return bytes.Repeat([]byte("x"), 2*merkle.MaxCheckpoint) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, acceptAll)
			a := newNode(t, "xa", []protocol.AuthorityID{central})
			var asked, looked atomic.Int64
			cosign := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				defer asked.Add(1)
				switch {
				case test.answers != nil:
					_, _ = w.Write(test.answers(a, r.party))
				case test.claims != "":
					w.Header().Set("Content-Type", "text/x.tlog.size")
					w.WriteHeader(http.StatusConflict)
					_, _ = w.Write([]byte(test.claims))
				default:
					w.WriteHeader(http.StatusUnprocessableEntity)
				}
			})
			shows := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				defer looked.Add(1)
				if test.shows == nil {
					w.WriteHeader(http.StatusNotFound)
					return
				}
				_, _ = w.Write(test.shows(a))
			})
			r.cosign.Store(&cosign)
			r.shows.Store(&shows)
			a.pin(r.party)
			until(t, "the witness is asked", func() bool { return asked.Load() > 0 })
			if test.alarm != "" {
				if err := a.wait(); !errors.Is(err, gateway.ErrOlderCopy) || !strings.Contains(err.Error(), test.alarm) {
					t.Errorf("the node ended with %v, want ErrOlderCopy and %q", err, test.alarm)
				}
				return
			}
			if test.claims == "1000000\n" {
				until(t, "it is asked to show what it claims", func() bool { return looked.Load() > 0 })
			}
			a.restart() // all that was under way has ended
			if note, _, err := a.db.CosignedCheckpoint(t.Context()); err != nil || note != nil {
				t.Errorf("cosigned checkpoint %q, %v, want none", note, err)
			}
		})
	}
}

// A witness that has forgotten what it cosigned is told to the operator, and asked from where it stands.
func TestAWitnessThatForgot(t *testing.T) {
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	r := newReceiver(t, acceptAll)
	var size atomic.Int64
	cosign := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		sub, claims, err := merkle.ParseSubmission(body)
		if err != nil {
			t.Error(err)
			return
		}
		if sub.Old != size.Load() {
			w.Header().Set("Content-Type", "text/x.tlog.size")
			w.WriteHeader(http.StatusConflict)
			fmt.Fprintf(w, "%d\n", size.Load())
			return
		}
		size.Store(claims.Size)
		_, _ = w.Write(must(r.witness.Cosign(sub.Checkpoint, time.Now())))
	})
	r.cosign.Store(&cosign)
	a.pin(r.party)
	a.cosigned(r.party)
	size.Store(0)
	a.submit(newLetter(central, 1000, r.party, prosecution))
	a.cosigned(r.party)
	if p := must(a.Peers(t.Context()))[0]; !strings.Contains(p.LastError, "older copy of itself") {
		t.Errorf("peer list says %q, want that the witness runs on an older copy", p.LastError)
	}
}

// A peer whose clock is wrong still cosigns, and its word about the time stands as it gave it, beside when it came.
func TestACosignatureByAWrongClock(t *testing.T) {
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	r := newReceiver(t, acceptAll)
	off := 26 * time.Hour
	cosign := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		sub, _, err := merkle.ParseSubmission(body)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = w.Write(must(r.witness.Cosign(sub.Checkpoint, time.Now().Add(off))))
	})
	r.cosign.Store(&cosign)
	a.pin(r.party)
	a.cosigned(r.party)
	states := must(a.db.WitnessStates(t.Context()))
	if len(states) != 1 || states[0].Claimed.Sub(states[0].Stored) < off-time.Minute {
		t.Errorf("witness states %+v, want a claim %v ahead", states, off)
	}
}

// acceptAll takes each parcel over.
func acceptAll(r *receiver, env *envelope.Envelope, ref statement.Ref, w http.ResponseWriter, req *http.Request) {
	_, _ = io.Copy(io.Discard, req.Body)
	r.answer(env, ref, evidence.RelayAcceptance, w)
}
