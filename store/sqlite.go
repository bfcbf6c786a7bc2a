package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// All that only SQLite knows is in this file and in the migrations.

const dialect = goose.DialectSQLite3

// setting is a pragma, with what it must read back as. A connection that does
// not is refused: durability and integrity rest on them.
type setting struct{ name, value, want string }

var settings = []setting{
	{"busy_timeout", "5000", "5000"},
	{"journal_mode", "WAL", "wal"},
	// FULL: a commit that returned survives a power cut. With NORMAL a signed
	// checkpoint could be lost after it was released: a self-made fork.
	{"synchronous", "FULL", "2"},
	{"foreign_keys", "1", "1"},
	{"trusted_schema", "0", "0"},
	// Savepoints keep what they may have to undo in memory instead of a file.
	{"temp_store", "MEMORY", "2"},
}

// Each connection has a cache of its own, in KiB: a node with one office has two
// writers and eight readers, and their caches are most of what it keeps in
// memory. Beyond these sizes the system's page cache does as well.
var (
	writerSettings = append(settings[:len(settings):len(settings)],
		setting{"query_only", "0", "0"}, setting{"cache_size", "-8192", "-8192"})
	readerSettings = append(settings[:len(settings):len(settings)],
		setting{"query_only", "1", "1"}, setting{"cache_size", "-2048", "-2048"})
)

// dataSource names an existing database file: mode=rw never creates one.
// Writers take the write lock at BEGIN, so that they never have to upgrade a
// read lock and fail.
func dataSource(path string, settings []setting) string {
	q := url.Values{"mode": {"rw"}, "_txlock": {"immediate"}}
	for _, s := range settings {
		q.Add("_pragma", s.name+"("+s.value+")")
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	return u.String()
}

// sqliteConnector is the real driver.
func sqliteConnector(dsn string) (driver.Connector, error) { return sqlite.NewConnector(dsn) }

// isConstraint reports whether a statement was refused because of its own
// values, so that the transaction may go on after its savepoint is undone. With
// everything else (full disk, I/O, memory) it may not: SQLite may have rolled
// back the whole transaction already.
func isConstraint(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG:
		return true
	}
	return false
}

// integrity marks the engine's own word that a file is damaged or is no
// database, so that callers see one kind of error.
func integrity(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && !errors.Is(err, ErrIntegrity) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%w: %w", ErrIntegrity, err)
		}
	}
	return err
}

// IsFull reports whether err says that the disk or the database is full.
func IsFull(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_FULL || isNoSpace(err)
}

const (
	readSetting     = "PRAGMA " // + name
	readApplication = "PRAGMA application_id"
	setApplication  = "PRAGMA application_id = " // + number
	checkReferences = "PRAGMA foreign_key_check"
	flushLog        = "PRAGMA wal_checkpoint(TRUNCATE)"
	isMigrated      = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'"
)
