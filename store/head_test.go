package store

import (
	"errors"
	"fmt"
	"testing"

	"comity/crypto/merkle"
)

// lose takes all leaves from one on out of the database, as a standby that was
// behind does when it takes over, and has the node connect again.
func (n *node) lose(from int64) {
	n.t.Helper()
	for _, query := range []string{
		`DELETE FROM evidence WHERE leaf >= %d`,
		`DELETE FROM log_leaf WHERE leaf >= %d`,
		`DELETE FROM checkpoint WHERE size > %d`,
	} {
		execute(n.t, n.v.database, fmt.Sprintf(query, from))
	}
	execute(n.t, n.v.database, fmt.Sprintf(`DELETE FROM log_hash WHERE position >= %d`, merkle.StoredIndex(from)))
	n.v.discard()
}

// refusesAll fails the test unless the store writes nothing more, twice.
func (n *node) refusesAll(size int64) {
	n.t.Helper()
	for range 2 {
		if _, err := n.Commit(n.t.Context(), []Fact{n.accept(9)}, n.sign); !errors.Is(err, ErrIntegrity) || !IsBroken(err) {
			n.t.Errorf("commit on a log that is not the one committed: %v, want ErrIntegrity", err)
		}
	}
	if have, _ := n.Size(n.t.Context()); have != size {
		n.t.Errorf("log has %d leaves, want %d", have, size)
	}
}

// I4: a database that lost commits while the node runs is not written any more.
// Otherwise the next checkpoint would contradict one that peers have.
func TestCommitsAreLostUnderTheNode(t *testing.T) {
	n := newNode(t)
	n.commit(n.accept(1))
	n.commit(n.accept(2))
	n.lose(2)
	n.refusesAll(2)
}

// The log has the size that this process committed, and is another one.
func TestLogIsReplacedUnderTheNode(t *testing.T) {
	n := newNode(t)
	n.commit(n.accept(1))
	n.commit(n.accept(2))
	n.lose(2)
	first := n.Gateway
	first.v.writer.SetMaxIdleConns(0) // another process gets the database
	other, err := OpenGateway(t.Context(), n.config())
	if err != nil {
		t.Fatal(err)
	}
	n.Gateway = other
	n.commit(n.accept(3))
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	n.Gateway = first
	n.refusesAll(4)
}

// After a commit of unknown outcome the log ends before it or after it, nowhere
// else.
func TestCommitsAreLostAfterAnUnknownOutcome(t *testing.T) {
	for _, written := range []bool{false, true} {
		t.Run(fmt.Sprintf("written %v", written), func(t *testing.T) {
			n := newNode(t)
			n.commit(n.accept(1))
			n.commit(n.accept(2))
			n.disk.Set(func() (bool, error) { return written, errDisk })
			if _, err := n.Commit(t.Context(), []Fact{n.accept(3)}, n.sign); !errors.Is(err, ErrUnknownOutcome) {
				t.Fatal(err)
			}
			n.disk.Heal()
			n.lose(2)
			n.refusesAll(2)
		})
	}
}

// The same for the acts of an office.
func TestJournalIsCutUnderTheOffice(t *testing.T) {
	d := newDesk(t)
	for i := range 2 {
		if _, err := d.Append(t.Context(), entry("act", i)); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, d.v.database, `DELETE FROM journal WHERE sequence = 2`)
	d.v.discard()
	if _, err := d.Append(t.Context(), entry("act", 3)); !errors.Is(err, ErrIntegrity) || !IsBroken(err) {
		t.Errorf("writing on behind a cut journal: %v, want ErrIntegrity", err)
	}
}

// A new connection may lead to another server than the one before: what is
// checked at open is checked again.
func TestAnotherDatabaseAnswers(t *testing.T) {
	n := newNode(t)
	n.commit(n.accept(1))
	strange := `PRAGMA application_id = 7`
	if e, ok := n.v.engine.(*postgresSchema); ok {
		strange = `COMMENT ON SCHEMA ` + e.quoted() + ` IS 'another one'`
	}
	execute(t, n.v.database, strange)
	n.v.discard()
	if _, err := n.Commit(t.Context(), []Fact{n.accept(2)}, n.sign); !errors.Is(err, ErrForeign) || !IsBroken(err) {
		t.Errorf("commit to another database: %v, want ErrForeign", err)
	}
}
