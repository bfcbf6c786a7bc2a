package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// All that only SQLite knows is in this file and in the migrations.

// sqliteFile is a database in a file: the engine of a node that nobody else
// looks after.
type sqliteFile struct {
	config Config
	kind   kind
	path   string
}

func newSQLite(c Config, k kind) (sqliteFile, error) {
	path, err := filepath.Abs(filepath.Join(c.Dir, k.file))
	return sqliteFile{c, k, path}, err
}

func (f sqliteFile) String() string { return f.path }

func (f sqliteFile) find(context.Context) error {
	_, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return missing()
	}
	return err
}

func (f sqliteFile) draft(context.Context) (engine, error) {
	if _, err := os.Lstat(f.path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = ErrExists
		}
		return nil, err
	}
	work := sqliteFile{f.config, f.kind, f.path + ".new"}
	for _, leftover := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(work.path + leftover); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	file, err := os.OpenFile(work.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return work, file.Close()
}

func (f sqliteFile) finish(_ context.Context, draft engine) error {
	work := draft.String()
	if err := noLeftovers(work); err != nil {
		return err
	}
	// Link, not rename: it never replaces a file.
	if err := os.Link(work, f.path); err != nil {
		return err
	}
	return errors.Join(os.Remove(work), f.config.syncFolder(filepath.Dir(f.path)))
}

// noLeftovers removes the empty files that the engine left beside a closed
// database. One with content would be part of the database.
func noLeftovers(path string) error {
	for _, name := range []string{path + "-wal", path + "-journal", path + "-shm"} {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.Size() > 0 && !strings.HasSuffix(name, "-shm") {
			return fmt.Errorf("%w: %s was not folded into the database", ErrIntegrity, name)
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

var sqliteSettings = []setting{
	{"busy_timeout", "5000", "5000"},
	{"journal_mode", "WAL", "wal"},
	// FULL: a commit that returned survives a power cut. With NORMAL a signed
	// checkpoint could be lost after it was released: a self-made fork.
	{"synchronous", "FULL", "2"},
	{"foreign_keys", "1", "1"},
	{"trusted_schema", "0", "0"},
	// Savepoints keep what they may have to undo in memory instead of a file.
	{"temp_store", "MEMORY", "2"},
	// Pages in the write-ahead log before it is folded into the database. A page
	// that many commits touch is then written there once for all of them; the log
	// grows to 16 MiB.
	{"wal_autocheckpoint", "4000", "4000"},
}

// Each connection has a cache of its own, in KiB: a node with one office has two
// writers and eight readers, and their caches are most of what it keeps in
// memory. Beyond these sizes the system's page cache does as well.
var (
	sqliteWriter = append(sqliteSettings[:len(sqliteSettings):len(sqliteSettings)],
		setting{"query_only", "0", "0"}, setting{"cache_size", "-8192", "-8192"})
	sqliteReader = append(sqliteSettings[:len(sqliteSettings):len(sqliteSettings)],
		setting{"query_only", "1", "1"}, setting{"cache_size", "-2048", "-2048"})
)

func (f sqliteFile) settings(writing bool) []setting {
	if writing {
		return sqliteWriter
	}
	return sqliteReader
}

func (f sqliteFile) readBack(name string) string { return "PRAGMA " + name }

// connectors: who may open the file is for the caller's lock to decide.
func (f sqliteFile) connectors() (writer, reader driver.Connector, err error) {
	if writer, err = sqlite.NewConnector(f.source(sqliteWriter)); err != nil {
		return nil, nil, err
	}
	reader, err = sqlite.NewConnector(f.source(sqliteReader))
	return writer, reader, err
}

// source names the file for the driver: mode=rw never creates one. Writers take
// the write lock at BEGIN, so that they never have to upgrade a read lock and
// fail.
func (f sqliteFile) source(settings []setting) string {
	q := url.Values{"mode": {"rw"}, "_txlock": {"immediate"}}
	for _, s := range settings {
		q.Add("_pragma", s.name+"("+s.value+")")
	}
	u := url.URL{Scheme: "file", Path: f.path, RawQuery: q.Encode()}
	return u.String()
}

// claim: the write lock was taken at BEGIN.
func (f sqliteFile) claim(context.Context, *tx) error { return nil }

func (f sqliteFile) mark(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, "PRAGMA application_id = "+strconv.FormatInt(f.kind.application, 10))
	if err != nil {
		return err
	}
	// The file alone gets the real name, so nothing may be left beside it.
	_, err = db.ExecContext(ctx, flushLog)
	return err
}

func (f sqliteFile) recognise(ctx context.Context, conn *sql.Conn) error {
	var application int64
	if err := conn.QueryRowContext(ctx, "PRAGMA application_id").Scan(&application); err != nil {
		return err
	}
	if application != f.kind.application {
		return fmt.Errorf("%w: application id %#x, a %s database has %#x", ErrForeign, application, f.kind.name, f.kind.application)
	}
	return nil
}

func (f sqliteFile) dialect() goose.Dialect { return goose.DialectSQLite3 }

func (f sqliteFile) isMigrated() string {
	return "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'"
}

// references: the check must be queried; executed, it succeeds whatever it finds.
func (f sqliteFile) references(ctx context.Context, query queryFunc) error {
	rows, err := query(ctx, "PRAGMA foreign_key_check")
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Next() {
		var table, parent string
		var row, key *int64
		if err := rows.Scan(&table, &row, &parent, &key); err != nil {
			return err
		}
		return inconsistent("a row of table %s refers to a missing row of %s", table, parent)
	}
	return rows.Err()
}

// sqliteConstraint: with everything else, SQLite may have rolled back the whole
// transaction already.
func sqliteConstraint(err error) bool {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG:
		return true
	}
	return false
}

func sqliteDamage(err error) bool {
	code := sqliteCode(err)
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}

func sqliteFull(err error) bool { return sqliteCode(err) == sqlite3.SQLITE_FULL }

// sqliteCode is the primary result code; 0 for an error that is not SQLite's.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

const flushLog = "PRAGMA wal_checkpoint(TRUNCATE)"
