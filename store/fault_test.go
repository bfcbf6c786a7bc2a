package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"

	"github.com/google/go-cmp/cmp"
)

var errDisk = errors.New("disk went away")

// I3, I4: whether a failed commit was written or not, committing the same facts
// again gives one answer, one row and one leaf each, and no released checkpoint
// is contradicted.
func TestCommitFailsAndIsRepeated(t *testing.T) {
	for name, written := range map[string]bool{"not written": false, "but written": true} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.commit(n.accept(1), n.submit(2, prosecution))
			k := key(1, prosecution)
			facts := []Fact{
				n.accept(3), n.refuse(4), n.submit(5, prosecution, court),
				FileEvidence{Key: k, Evidence: n.evidence(k, evidence.ContentConsignment), Feed: nodeA},
				TakeEvidence{Key: key(2, prosecution), Peer: nodeB, Evidence: n.foreign(key(2, prosecution), evidence.RelayAcceptance)},
				AdoptRecord{Record{State: "xa", Node: nodeA, Sequence: 1, Signed: document("record")}},
			}
			n.disk.Set(func() (bool, error) { return written, errDisk })
			var signed [][]byte
			out, err := n.Commit(t.Context(), facts, func(size int64, root merkle.Hash) ([]byte, error) {
				note, err := n.sign(size, root)
				signed = append(signed, note)
				return note, err
			})
			if !errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, errDisk) || out != nil {
				t.Fatalf("failed commit answered %v, %v", out, err)
			}
			n.disk.Heal()
			n.clock.advance(time.Second) // another checkpoint would have another time
			out = n.commit(facts...)
			for i, o := range out {
				if o.Repeat != written {
					t.Errorf("fact %d: repeat %v, want %v", i, o.Repeat, written)
				}
			}
			note, _ := n.Checkpoint(t.Context())
			if same := cmp.Equal(note, signed[0]); same != written {
				t.Errorf("checkpoint of the failed commit stands: %v, want %v", same, written)
			}
			if size, _ := n.Size(t.Context()); size != 12 {
				t.Errorf("log has %d leaves, want 12", size)
			}
			if again := n.commit(facts...); !cmp.Equal(packetsOf(again), packetsOf(out)) {
				t.Errorf("third answer differs from the second")
			}
			for _, s := range []*Spool{spoolOf(facts[0]), spoolOf(facts[2])} {
				s.Discard()
			}
			if _, err := n.Sweep(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			n.readBody(3)
		})
	}
}

// A connection that is given up is closed for good: it keeps no file open and no
// lock, however often that happens.
func TestGivenUpConnectionsAreClosed(t *testing.T) {
	n := newNode(t)
	open := func() (count int) {
		links, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			return 0 // not Linux
		}
		for _, l := range links {
			if to, err := os.Readlink("/proc/self/fd/" + l.Name()); err == nil && (strings.HasPrefix(to, n.dir) || strings.HasPrefix(to, "socket:")) {
				count++
			}
		}
		return count
	}
	n.commit(n.accept(1))
	before := open()
	for i := range 5 {
		f := n.accept(2 + i)
		n.disk.Set(func() (bool, error) { return false, errDisk })
		if _, err := n.Commit(t.Context(), []Fact{f}, n.sign); !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
		n.disk.Heal()
		n.commit(f)
	}
	if after := open(); after > before {
		t.Errorf("%d files are open, %d were before five connections were given up", after, before)
	}
}

func packetsOf(out []Outcome) (all []any) {
	for _, o := range out {
		all = append(all, o.Packets, o.Envelopes, o.State)
	}
	return all
}

func (n *node) readBody(number int) {
	n.t.Helper()
	want := body(number, 100)
	s, err := n.Sealed(context.Background(), protocol.Sum(want))
	if err != nil {
		n.t.Fatal(err)
	}
	defer s.Close()
	got := make([]byte, len(want))
	if _, err := s.ReadAt(got, 0); err != nil || !cmp.Equal(got, want) {
		n.t.Errorf("body %d: read %q, %v; want %q", number, got, err, want)
	}
}

// Every other write, too, leaves all or nothing.
func TestOtherWritesFailBothWays(t *testing.T) {
	writes := map[string]struct {
		do   func(*node) error
		done func(*node) bool
	}{
		"Reschedule": {
			func(n *node) error {
				return n.Reschedule(context.Background(), Attempt{Key: key(1, prosecution), Attempts: 7})
			},
			func(n *node) bool {
				o, _ := n.Outbound(context.Background(), key(1, prosecution))
				return o.Attempts == 7
			},
		},
		"Wake": {
			func(n *node) error {
				_, err := n.Wake(context.Background(), nodeB, n.clock.now().Add(-time.Hour))
				return err
			},
			func(n *node) bool {
				at, _ := n.NextDue(context.Background(), nodeB, time.Time{})
				return at.Before(n.clock.now())
			},
		},
		"SetPeerCheckpoint": {
			func(n *node) error {
				return n.SetPeerCheckpoint(context.Background(), nodeB, merkle.Checkpoint{Origin: "xb", Size: 5}, []byte("note"))
			},
			func(n *node) bool {
				c, _, _ := n.PeerCheckpoint(context.Background(), nodeB)
				return c.Size == 5
			},
		},
		"Sweep": {
			func(n *node) error { _, err := n.Sweep(context.Background(), 0); return err },
			func(n *node) bool {
				_, err := n.Sealed(context.Background(), protocol.Sum(body(2, 100)))
				return errors.Is(err, ErrGone)
			},
		},
	}
	for name, w := range writes {
		for kind, written := range map[string]bool{"not written": false, "but written": true} {
			t.Run(name+" "+kind, func(t *testing.T) {
				n := newNode(t)
				n.commit(n.submit(1, prosecution), n.accept(2))
				k := key(2, prosecution)
				n.commit(FileEvidence{Key: k, Evidence: n.evidence(k, evidence.ContentHandover), Release: true})
				n.disk.Set(func() (bool, error) { return written, errDisk })
				if err := w.do(n); !errors.Is(err, errDisk) {
					t.Fatalf("error %v, want %v", err, errDisk)
				}
				n.disk.Heal()
				if got := w.done(n); got != written {
					t.Errorf("took effect: %v, want %v", got, written)
				}
				if err := w.do(n); err != nil {
					t.Fatal(err)
				}
				if !w.done(n) {
					t.Errorf("second try took no effect")
				}
			})
		}
	}
}

// A full disk fails whole batches, loses nothing that was answered, and the
// node goes on as soon as there is room.
func TestFullDisk(t *testing.T) {
	n := newNode(t)
	n.commit(n.accept(1))
	n.fillDisk()
	answered, full := 1, 0
	for i := 2; i < 60; i++ {
		out, err := n.Commit(t.Context(), []Fact{n.accept(i), n.submit(1000+i, prosecution)}, n.sign)
		if err != nil {
			if !IsFull(err) {
				t.Fatalf("batch %d: %v, want a full disk", i, err)
			}
			full++
			continue
		}
		if out[0].Err != nil || out[1].Err != nil {
			t.Fatalf("batch %d: %v, %v", i, out[0].Err, out[1].Err)
		}
		answered++
	}
	if full == 0 || answered < 3 {
		t.Fatalf("%d batches answered, %d met a full disk; want some of both", answered, full)
	}
	r, err := n.CheckLog(t.Context(), n.logV.Checkpoint)
	if err != nil || r.Leaves != int64(3*answered-1) {
		t.Errorf("log after the full disk: %+v, %v; want %d leaves", r, err, 3*answered-1)
	}
	n.emptyDisk()
	n.commit(n.accept(900))
}

// fillDisk leaves room for some rows. PostgreSQL has no such limit of its own:
// there a trigger says what the server says of a full disk.
func (n *node) fillDisk() {
	n.t.Helper()
	for _, q := range map[string][]string{
		onSQLite: {"PRAGMA max_page_count = 100"},
		onPostgres: {
			`CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END$$`,
			`CREATE TRIGGER no_room BEFORE INSERT ON log_hash FOR EACH ROW WHEN (NEW.position > 40) EXECUTE FUNCTION no_room()`,
		},
	}[testEngine] {
		execute(n.t, n.v.database, q)
	}
}

func (n *node) emptyDisk() {
	n.t.Helper()
	execute(n.t, n.v.database, map[string]string{
		onSQLite: "PRAGMA max_page_count = 1000000", onPostgres: "DROP TRIGGER no_room ON log_hash",
	}[testEngine])
}

// What Commit answered is there after the power is cut: the files are copied
// as they are, without closing anything, and opened elsewhere.
func TestPowerCutAfterCommit(t *testing.T) {
	if testEngine != onSQLite {
		return // see TestServerCrash
	}
	n := newNode(t)
	big := body(7, 3*protocol.MaxInline)
	f := n.accept(7)
	f.Sealed, f.Spool = sealedOf(big), n.spool(big)
	var want [][]Outcome
	for i := range 5 {
		want = append(want, n.commit(n.accept(10+i), n.submit(100+i, prosecution)))
	}
	want = append(want, n.commit(f))

	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(n.dir)); err != nil {
		t.Fatal(err)
	}
	c := n.config()
	c.Dir = dir
	g, err := OpenGateway(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if r, err := g.CheckLog(t.Context(), n.logV.Checkpoint); err != nil || r.Leaves != 17 {
		t.Errorf("log after the cut: %+v, %v; want 17 leaves", r, err)
	}
	all, err := g.Evidence(t.Context(), f.Key)
	if err != nil || len(all) != 2 || !cmp.Equal(all[1].Packet, want[5][0].Packets[0]) {
		t.Errorf("evidence after the cut: %v, %v", all, err)
	}
	s, err := g.Sealed(t.Context(), f.Sealed.Digest)
	if err != nil || s.Size() != int64(len(big)) {
		t.Fatalf("sealed bytes after the cut: %v, %v", s, err)
	}
	s.Close()
}

// A commit cut in the middle leaves nothing: everything but the last frames of
// the write-ahead log is cut away at every place.
func TestPowerCutWithinCommit(t *testing.T) {
	if testEngine != onSQLite {
		return // see TestServerCrash
	}
	n := newNode(t)
	n.commit(n.accept(1))
	n.v.discard()
	if _, err := n.v.writer.Exec(flushLog); err != nil {
		t.Fatal(err)
	}
	n.commit(n.accept(2))
	wal, err := os.ReadFile(filepath.Join(n.dir, "gateway.db-wal"))
	if err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut <= len(wal); cut += 4096 {
		dir := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(dir, os.DirFS(n.dir)); err != nil {
			t.Fatal(err)
		}
		os.Remove(filepath.Join(dir, "gateway.db-shm"))
		if err := os.WriteFile(filepath.Join(dir, "gateway.db-wal"), wal[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		c := n.config()
		c.Dir = dir
		g, err := OpenGateway(t.Context(), c)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		r, err := g.CheckLog(t.Context(), n.logV.Checkpoint)
		_, missing := g.Inbound(t.Context(), key(2, prosecution))
		if err != nil || (r.Leaves == 4) != (missing == nil) || r.Leaves < 2 {
			t.Errorf("cut at %d of %d: %+v, %v, row: %v", cut, len(wal), r, err, missing)
		}
		g.Close()
	}
}

// Cancelling a caller never leaves half a batch.
func TestCancelledCommit(t *testing.T) {
	n := newNode(t)
	ctx, cancel := context.WithCancel(t.Context())
	out, err := n.Commit(ctx, []Fact{n.accept(1), n.accept(2)}, func(size int64, root merkle.Hash) ([]byte, error) {
		cancel()
		return n.sign(size, root)
	})
	if err != nil || out[0].State != exchange.Relayed {
		t.Errorf("commit cancelled while signing: %v, %v; want it done", out, err)
	}
	if _, err := n.Commit(ctx, []Fact{n.accept(3)}, n.sign); !errors.Is(err, context.Canceled) {
		t.Errorf("commit cancelled before: %v", err)
	}
	if _, err := n.Inbound(ctx, key(1, prosecution)); !errors.Is(err, context.Canceled) {
		t.Errorf("read after cancelling: %v", err)
	}
	if _, err := n.Inbound(t.Context(), key(3, prosecution)); !errors.Is(err, ErrNotFound) {
		t.Errorf("row of the cancelled commit: %v", err)
	}
}
