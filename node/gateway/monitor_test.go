package gateway_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/store"
)

// tells makes the peer serve one history of its log, and say in its hello that it stands at size.
func (r *receiver) tells(h *history, size int64) {
	serve := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		tile, err := merkle.ParseTile(req.PathValue("tile"))
		if err != nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		b, err := tile.Read(size, h)
		if err != nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(b)
	})
	r.tiles.Store(&serve)
	note := string(must(r.log.Checkpoint(size, must(merkle.Root(size, h)), time.Now())))
	r.head.Store(&note)
}

// greets makes the node say hello to the peer, and so see its checkpoint.
func (n *node) greets(p *party) {
	n.t.Helper()
	until(n.t, "the peer answers", func() bool {
		_, err := n.Ping(n.t.Context(), p.id)
		return err == nil
	})
}

func (n *node) following(p *party) store.Following {
	n.t.Helper()
	return must(n.db.Following(n.t.Context(), p.log.Origin(), 1000))
}

// R-WIT-7: an honest log is followed as it grows, whichever states of it are shown, across restarts, and raises no alarm.
func TestAPeersLogIsFollowed(t *testing.T) {
	r := newReceiver(t, acceptAll)
	h := newHistory("honest", 0, 1000)
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	for _, size := range []int64{3, 300, 257, 1000} {
		r.tells(h, max(size, 300))
		note := string(must(r.log.Checkpoint(size, must(merkle.Root(size, h)), time.Now())))
		r.head.Store(&note)
		if size == 3 {
			a.pin(r.party)
		}
		a.greets(r.party)
		if size == 257 {
			a.restart()
		}
	}
	until(t, "all that was seen is compared", func() bool {
		f := a.following(r.party)
		return f.Head.Checkpoint.Size == 1000 && len(f.Seen) == 0
	})
	if p := must(a.Peers(t.Context()))[0]; p.LogFault != "" {
		t.Errorf("log fault %q of an honest log", p.LogFault)
	}
}

// R-WIT-5, R-WIT-7: a log that tells this node one history and later another one is caught, also when the sizes differ and
// the node was restarted between the two. The notes kept prove it to anybody, and the log is cosigned no more.
func TestAForkedPeerIsCaught(t *testing.T) {
	for name, second := range map[string]int64{"a larger one": 700, "a smaller one": 260} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, acceptAll)
			honest, evil := newHistory("honest", 0, 500), newHistory("evil", 200, 1000)
			a := newNode(t, "xa", []protocol.AuthorityID{central})
			r.tells(honest, 500)
			a.pin(r.party)
			a.greets(r.party)
			until(t, "the first history is followed", func() bool { return a.following(r.party).Head.Checkpoint.Size == 500 })
			a.restart()
			if second < 500 { // shown, and then the log that has it grows
				r.tells(evil, second)
				a.greets(r.party)
			}
			r.tells(evil, 700)
			a.greets(r.party)
			until(t, "the fork is found", func() bool { return a.following(r.party).Fork != nil })
			f := a.following(r.party).Fork
			for _, side := range []store.LogState{f.One, f.Other} {
				c, err := r.state.LogVerifier().Checkpoint(side.Note)
				if err != nil || c.Size != side.Checkpoint.Size || c.Root != side.Checkpoint.Root {
					t.Errorf("a note of the fork: %+v, %v", c, err)
				}
			}
			if got := must(merkle.Root(f.One.Checkpoint.Size, honest)); f.One.Checkpoint.Root != got {
				t.Errorf("one side of the fork is not the first history: size %d", f.One.Checkpoint.Size)
			}
			if p := must(a.Peers(t.Context()))[0]; !strings.Contains(p.LogFault, "forked") {
				t.Errorf("peer list says %q of the log", p.LogFault)
			}
		})
	}
}

// R-WIT-5, R-WIT-7: a log that tells each of two peers its own story is caught, because they tell each other what they cosigned.
func TestAForkTowardsTwoPeersIsCaught(t *testing.T) {
	r := newReceiver(t, acceptAll)
	honest, evil := newHistory("honest", 0, 500), newHistory("evil", 200, 450)
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	c := newNode(t, "xc", nil)
	a.pin(r.party, c.party)
	c.pin(r.party, a.party)
	r.tells(honest, 500)
	a.greets(r.party)
	until(t, "the first story is followed", func() bool { return a.following(r.party).Head.Checkpoint.Size == 500 })
	liar := &hostile{party: r.party, t: t, to: c, over: gateway.QUIC}
	liar.connect()
	if reply := liar.do(http.MethodPost, "/v1/witness/add-checkpoint", nil, liar.submission(evil, 450, 0)); reply.status != http.StatusOK {
		t.Fatalf("the other story was not cosigned: %d %s", reply.status, reply.body)
	}
	a.restart() // it asks at the start, and each hour
	until(t, "the fork is found", func() bool { return a.following(r.party).Fork != nil })
	f := a.following(r.party).Fork
	want := []merkle.Hash{must(merkle.Root(450, evil)), must(merkle.Root(500, honest))}
	if f.One.Checkpoint.Root != want[0] || f.Other.Checkpoint.Root != want[1] {
		t.Errorf("the fork kept is %+v and %+v, want the two stories", f.One.Checkpoint, f.Other.Checkpoint)
	}
}

// R-WIT-7: the proofs of evidence show states of the log as well.
func TestAForkInProofsIsCaught(t *testing.T) {
	r := newReceiver(t, acceptAll) // each of its proofs is of a log of its own with one leaf
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	a.pin(r.party)
	for range 2 {
		a.await(a.submit(newLetter(central, 1000, r.party, prosecution))[0].Key, evidence.RelayAcceptance)
	}
	until(t, "the fork is found", func() bool { return a.following(r.party).Fork != nil })
	// It is an alarm and stops nothing.
	a.await(a.submit(newLetter(central, 1000, r.party, prosecution))[0].Key, evidence.RelayAcceptance)
}

// seenLong is longer than states are gathered.
const seenLong = time.Second

// Tiles that do not lead to what the log signed prove nothing, and neither does a peer that shows none: it is an alarm
// once it lasts.
func TestALogThatLetsNobodyCompare(t *testing.T) {
	t.Parallel()
	for name, tiles := range map[string]http.HandlerFunc{
		"no tiles":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"trouble":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"junk":        func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 32)) },
		"full junk":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 32*256)) },
		"far too big": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, acceptAll)
			h := newHistory("honest", 0, 500)
			var late atomic.Int64
			a := newNode(t, "xa", []protocol.AuthorityID{central}, at(func() time.Time { return time.Now().Add(time.Duration(late.Load())) }))
			var asked atomic.Int64
			r.tells(h, 100)
			a.pin(r.party)
			a.greets(r.party)
			until(t, "the first state is the head", func() bool { return a.following(r.party).Head.Checkpoint.Size == 100 })
			r.tells(h, 500)
			counted := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { tiles(w, req); asked.Add(1) })
			r.tiles.Store(&counted)
			a.greets(r.party)
			until(t, "the tiles are asked for", func() bool { return asked.Load() > 0 })
			time.Sleep(2 * seenLong)
			if n := asked.Load(); n > 20 {
				t.Errorf("the tiles were asked for %d times at once", n)
			}
			if f := a.following(r.party); f.Fork != nil || len(f.Seen) != 1 || f.Head.Checkpoint.Size != 100 {
				t.Errorf("following %+v, want one state that waits", f)
			}
			if p := must(a.Peers(t.Context()))[0]; p.LogFault != "" {
				t.Errorf("log fault %q at once", p.LogFault)
			}
			late.Store(int64(protocol.MaxUncompared + time.Minute))
			if p := must(a.Peers(t.Context()))[0]; !strings.Contains(p.LogFault, "not been compared") {
				t.Errorf("log fault %q after a day", p.LogFault)
			}
			late.Store(0)
			r.tells(h, 500)
			a.restart()
			until(t, "it is compared when it can be", func() bool { return a.following(r.party).Head.Checkpoint.Size == 500 })
		})
	}
}
