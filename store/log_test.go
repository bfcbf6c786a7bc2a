package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"comity/crypto/merkle"
	"comity/protocol"

	"github.com/google/go-cmp/cmp"
)

// R-LOG-4: every checkpoint extends the one before, whatever the sizes of the
// commits, and the hashes kept in memory are those of the table.
func TestCheckpointsExtendEachOther(t *testing.T) {
	n := newNode(t)
	var sizes []int64
	number := 0
	for round, k := range []int{1, 2, 3, 1, 33, 64, 7, 100, 1, 1, 128, 5} {
		var facts []Fact
		for range k {
			number++
			facts = append(facts, n.accept(number))
		}
		n.commit(facts...)
		if round%4 == 3 {
			n.reopen() // the edge is read from the table
		}
		size, _ := n.Size(t.Context())
		sizes = append(sizes, size)
	}
	var old merkle.Checkpoint
	for _, size := range sizes {
		note, err := n.CheckpointAt(t.Context(), size)
		if err != nil {
			t.Fatal(err)
		}
		c, err := n.logV.Checkpoint(note)
		if err != nil || c.Size != size {
			t.Fatalf("checkpoint over %d: %+v, %v", size, c, err)
		}
		if old.Size > 0 {
			proof, err := merkle.ProveConsistency(c.Size, old.Size, n)
			if err == nil {
				err = merkle.CheckConsistency(proof, c.Size, c.Root, old.Size, old.Root)
			}
			if err != nil {
				t.Errorf("size %d does not extend %d: %v", c.Size, old.Size, err)
			}
		}
		old = c
	}
	if _, err := n.CheckpointAt(t.Context(), 3); !errors.Is(err, ErrNotFound) {
		t.Errorf("checkpoint over 3 leaves: %v, want none", err)
	}
	r, err := n.CheckLog(t.Context(), n.logV.Checkpoint)
	if err != nil || r.Leaves != int64(2*number) || r.Checkpoints != int64(len(sizes)) || r.Evidence != int64(number) || r.Foreign != r.Evidence || r.ForeignLeaves != r.Foreign {
		t.Errorf("report %+v, %v", r, err)
	}
}

func TestEmptyLog(t *testing.T) {
	n := newNode(t)
	note, err := n.Checkpoint(t.Context())
	if note != nil || err != nil {
		t.Errorf("checkpoint of an empty log: %q, %v", note, err)
	}
	if r, err := n.CheckLog(t.Context(), n.logV.Checkpoint); err != nil || !cmp.Equal(r, LogReport{}) {
		t.Errorf("empty log: %+v, %v", r, err)
	}
	if _, err := n.ReadHashes([]int64{0}); !errors.Is(err, ErrIntegrity) {
		t.Errorf("hash of an empty log: %v", err)
	}
}

// Whatever is changed behind the store's back, CheckLog finds it.
func TestCheckLogFindsChanges(t *testing.T) {
	n := newNode(t)
	n.commit(n.accept(1), n.accept(2), n.accept(3), AdoptRecord{Record{State: "xa", Node: nodeA, Sequence: 1, Signed: document("record")}})
	n.commit(n.accept(5), n.accept(6), n.accept(7), n.accept(8))
	var restore []string
	for _, table := range tampered {
		execute(t, n.v.database, "CREATE TABLE before_"+table+" AS SELECT * FROM "+table)
		restore = append(restore, "DELETE FROM "+table, "INSERT INTO "+table+" SELECT * FROM before_"+table)
	}
	for _, change := range []string{
		`UPDATE evidence SET document = document || ' ' WHERE ordinal = 4`,
		`UPDATE evidence SET signature = 'x' WHERE ordinal = 4`,
		`UPDATE evidence SET leaf = NULL, taken_us = 1 WHERE ordinal = 4`,
		`UPDATE evidence SET leaf = NULL WHERE ordinal = 3`,
		`UPDATE evidence SET own = 0 WHERE ordinal = 4`,
		`UPDATE evidence SET own = 1 WHERE ordinal = 3`,
		`DELETE FROM evidence WHERE ordinal = 4`,
		`UPDATE record SET document = 'x'`,
		`UPDATE log_leaf SET salt = zeroblob(16) WHERE leaf = 3`,
		`UPDATE log_leaf SET document_digest = zeroblob(32) WHERE leaf = 3`,
		`UPDATE log_leaf SET checkpoint_size = 15 WHERE leaf = 3`,
		`DELETE FROM log_leaf WHERE leaf = 3`,
		`DELETE FROM log_leaf WHERE leaf >= 12`,
		`UPDATE log_hash SET hash = zeroblob(32) WHERE position = 2`,
		`DELETE FROM log_hash WHERE position = 4`,
		`INSERT INTO log_hash (position, hash) VALUES (1000, zeroblob(32))`,
		`UPDATE checkpoint SET root = zeroblob(32) WHERE size = 7`,
		`UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 15) WHERE size = 7`,
		`DELETE FROM checkpoint WHERE size = 7`,
		`DELETE FROM checkpoint WHERE size = 15`,
		`INSERT INTO checkpoint (size, root, note, signed_us) VALUES (16, zeroblob(32), 'x', 1)`,
		`INSERT INTO outbound (ordinal, sender, parcel, recipient, peer, envelope, envelope_signature, envelope_digest, sealed_digest, sealed_recipients, priority,
		 priority_rank, test, created_us, expires_us, stored_us, state, offered, attempts, next_us, last_error, last_error_us, keeps) SELECT 1, sender, parcel, recipient, peer, envelope, envelope_signature, envelope_digest, zeroblob(32), 1, priority,
		 priority_rank, test, created_us, expires_us, stored_us, state, 0, 0, NULL, '', NULL, 0 FROM inbound LIMIT 1`,
	} {
		t.Run(strings.Fields(change)[0]+" "+fmt.Sprintf("%.40s", change), func(t *testing.T) {
			n.tamper(change)
			if _, err := n.CheckLog(t.Context(), n.logV.Checkpoint); !errors.Is(err, ErrIntegrity) {
				t.Errorf("found nothing: %v", err)
			}
			n.tamper(strings.Join(restore, "; ")) // the check after the test must hold
		})
	}
}

// tampered are the tables that the changes above touch.
var tampered = []string{"evidence", "record", "log_leaf", "log_hash", "checkpoint", "outbound"}

// zeroes is how SQLite writes a number of zero bytes.
var zeroes = regexp.MustCompile(`zeroblob\((\d+)\)`)

// tamper changes rows while nobody looks after references.
func (n *node) tamper(query string) {
	n.t.Helper()
	if testEngine == onPostgres {
		execute(n.t, n.v.database, "SET session_replication_role = replica; "+zeroes.ReplaceAllString(query, "decode(repeat('00', $1), 'hex')"))
		return
	}
	n.v.discard()
	for _, q := range []string{"PRAGMA foreign_keys = 0", query} {
		if _, err := n.v.writer.Exec(q); err != nil {
			n.t.Fatalf("%s: %v", q, err)
		}
	}
}

// Many callers commit, read, spool and sweep at once.
func TestConcurrentUse(t *testing.T) {
	n := newNode(t)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 12 {
				number := 1000*(w+1) + i
				large := bytes.Repeat([]byte{byte(w), byte(i)}, protocol.MaxInline)
				f := n.acceptBody(number, large)
				shared := n.accept(i) // the same keys from every side
				out, err := n.Commit(context.Background(), []Fact{f, shared, n.submit(5000+number, court)}, n.sign)
				if err != nil || out[0].Err != nil || out[1].Err != nil || out[2].Err != nil {
					t.Errorf("commit: %v, %+v", err, out)
					return
				}
				f.Spool.Discard()
				n.provable(out[1].Packets[0])
			}
		})
	}
	for range 3 {
		wg.Go(func() {
			for i := range 40 {
				ctx := context.Background()
				if _, err := n.Waiting(ctx, prosecution, nil, 10); err != nil {
					t.Error(err)
				}
				if _, err := n.Due(ctx, nodeB, n.clock.now(), nil, 10, nil); err != nil {
					t.Error(err)
				}
				if list, err := n.Evidence(ctx, key(i%12, prosecution)); err != nil {
					t.Error(err)
				} else {
					for _, e := range list {
						n.provable(e.Packet)
					}
				}
				if _, err := n.Sweep(ctx, 10); err != nil {
					t.Error(err)
				}
				if _, err := n.CheckLog(ctx, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if size, _ := n.Size(t.Context()); size != 4*12*3+12*2 {
		t.Errorf("log has %d leaves, want %d", size, 4*12*3+12*2)
	}
}
