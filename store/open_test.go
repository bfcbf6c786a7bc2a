package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"comity/protocol"
	"comity/store/sickdisk"
)

func TestCreateAndOpenRefuse(t *testing.T) {
	ctx := t.Context()
	empty := at(t, Config{Dir: t.TempDir()})
	if _, err := OpenGateway(ctx, empty); !errors.Is(err, ErrMissing) {
		t.Errorf("opening nothing: %v, want ErrMissing", err)
	}
	if _, err := OpenGateway(ctx, empty); !errors.Is(err, ErrMissing) {
		t.Errorf("opening nothing made a database: %v", err)
	}
	n := newNode(t)
	if err := CreateGateway(ctx, n.config()); !errors.Is(err, ErrExists) {
		t.Errorf("creating twice: %v, want ErrExists", err)
	}

	office := at(t, Config{Dir: t.TempDir()})
	if err := CreateOffice(ctx, office, prosecution); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenOffice(ctx, office, court); !errors.Is(err, ErrForeign) {
		t.Errorf("opening another authority's office: %v, want ErrForeign", err)
	}
	if testEngine == onSQLite {
		if err := os.Rename(filepath.Join(office.Dir, "office.db"), filepath.Join(office.Dir, "gateway.db")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenGateway(ctx, office); !errors.Is(err, ErrForeign) {
		t.Errorf("opening an office as a gateway: %v, want ErrForeign", err)
	}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	c := at(t, Config{Dir: t.TempDir()})
	if err := CreateGateway(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	g, err := OpenGateway(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	execute(t, g.v.database, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)`)
	g.Close()
	_, err = OpenGateway(t.Context(), c)
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "9999") {
		t.Errorf("newer database: %v, want ErrNewer with its version", err)
	}
}

// A connection that does not do what durability rests on is refused.
func TestSettingsAreReadBack(t *testing.T) {
	n := newNode(t)
	for _, spoil := range map[string][]string{
		onSQLite: {
			"PRAGMA synchronous = NORMAL", "PRAGMA foreign_keys = 0", "PRAGMA trusted_schema = 1",
			"PRAGMA query_only = 0", "PRAGMA busy_timeout = 0",
		},
		onPostgres: {
			"SET synchronous_commit = off", "SET synchronous_commit = local", "SET search_path = public",
			"SET default_transaction_read_only = off", "SET default_transaction_isolation = serializable", "SET lock_timeout = 0",
		},
	}[testEngine] {
		c := n.config()
		c.Wrap = (&sickdisk.Disk{Spoil: spoil}).Wrap
		if _, err := n.openWith(c); !errors.Is(err, ErrSetting) {
			t.Errorf("%s: %v, want ErrSetting", spoil, err)
		}
	}
	n.reopen()
}

// The clock may be corrected a little; never far behind what was signed.
func TestClockBehind(t *testing.T) {
	n := newNode(t)
	n.commit(n.accept(1))
	n.clock.advance(-protocol.MaxSkew)
	n.commit(n.accept(2))
	n.clock.advance(protocol.MaxSkew)
	n.commit(n.accept(3))
	n.clock.advance(-protocol.MaxSkew - time.Second)
	if _, err := n.Commit(t.Context(), []Fact{n.accept(4)}, n.sign); !errors.Is(err, ErrClock) {
		t.Errorf("commit with the clock behind: %v, want ErrClock", err)
	}
	if _, err := n.again(); !errors.Is(err, ErrClock) {
		t.Errorf("open with the clock behind: %v, want ErrClock", err)
	}
	n.clock.advance(time.Hour)
	n.reopen()
}

// A folder's name is a name, not part of a connection string.
func TestFolderWithAnyName(t *testing.T) {
	if testEngine != onSQLite {
		return
	}
	c := Config{Dir: filepath.Join(t.TempDir(), "a b?mode=memory&x=%41#c;é عربي")}
	if err := CreateGateway(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	g, err := OpenGateway(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	info, err := os.Stat(filepath.Join(c.Dir, "gateway.db"))
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %o, want 600", mode)
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "gateway.db.new")); !os.IsNotExist(err) {
		t.Errorf("the working name is left behind: %v", err)
	}
}

// An interrupted create leaves no half database, and the next one starts afresh.
func TestInterruptedCreate(t *testing.T) {
	c := at(t, Config{Dir: t.TempDir()})
	e, err := engineOf(c, gatewayKind)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.draft(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenGateway(t.Context(), c); !errors.Is(err, ErrMissing) {
		t.Errorf("half a database: %v, want ErrMissing", err)
	}
	if err := CreateGateway(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func TestReadersCannotWrite(t *testing.T) {
	n := newNode(t)
	if _, err := n.v.reader.Exec(`DELETE FROM checkpoint`); err == nil {
		t.Errorf("a reading connection wrote")
	}
	var rows int
	if err := n.v.reader.QueryRow(`SELECT count(*) FROM checkpoint`).Scan(&rows); err != nil {
		t.Fatal(err)
	}
}

// Every table is STRICT, so that no column ever holds another type. The
// migration tool's own table is the exception.
func TestTablesAreStrict(t *testing.T) {
	if testEngine != onSQLite {
		return
	}
	n := newNode(t)
	rows, err := n.v.reader.Query(`SELECT name FROM pragma_table_list WHERE type = 'table' AND strict = 0 AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		t.Errorf("table %s is not STRICT", name)
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
}

func TestUseAfterClose(t *testing.T) {
	c := at(t, Config{Dir: t.TempDir()})
	if err := CreateGateway(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	g, err := OpenGateway(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	if _, err := g.Size(t.Context()); err == nil {
		t.Errorf("reading a closed store succeeded")
	}
	if err := g.RewindFeed(t.Context(), nodeA); err == nil {
		t.Errorf("writing a closed store succeeded")
	}
}

// Whoever reads may give up in the middle of it, as everybody does when a node stops. The
// connection is thrown away with all that was prepared on it, and reading goes on.
func TestAReaderWhoGivesUp(t *testing.T) {
	n := newNode(t)
	for range 2 * cap(n.v.readers) {
		ctx, cancel := context.WithCancel(t.Context())
		err := n.v.read(ctx, func(ctx context.Context, r *tx) error {
			var count int64
			if _, err := r.find(ctx, []any{&count}, `SELECT count(*) FROM peer`); err != nil {
				t.Error(err)
			}
			cancel()
			time.Sleep(20 * time.Millisecond) // until the transaction has ended by itself
			return ctx.Err()
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a reader who gives up: %v", err)
		}
	}
	if _, err := n.Size(t.Context()); err != nil {
		t.Errorf("the next reader: %v", err)
	}
}
