package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"

	"github.com/pressly/goose/v3"
)

// engine is what only one of the two SQL engines knows about one database:
// where it is, how it is reached, which of its settings durability rests on.
// Everything else is one SQL text for both. There are two: sqlite.go and
// postgres.go.
type engine interface {
	// String names the database for sentences, without any secret.
	String() string
	// find returns ErrMissing when the database is not there.
	find(ctx context.Context) error
	// draft makes an empty database under a working name, in place of what an
	// interrupted one left there. ErrExists when the real name is taken.
	draft(ctx context.Context) (engine, error)
	// finish gives a drafted database, closed by now, its real name: wholly and
	// durably, or not at all.
	finish(ctx context.Context, draft engine) error

	// connectors open a connection for writing and one for reading. Where the
	// engine lets others in, the writing one keeps them out as long as it lives.
	connectors() (writer, reader driver.Connector, err error)
	// settings are what a connection must read back.
	settings(writing bool) []setting
	// readBack is the query for one of them.
	readBack(name string) string
	// claim makes a writing transaction, just begun, the only one.
	claim(ctx context.Context, t *tx) error

	// mark writes down, last of all, which kind of database this is.
	mark(ctx context.Context, db *sql.DB) error
	// recognise returns ErrForeign for another kind of database, and for one that
	// does not go with its folder.
	recognise(ctx context.Context, conn *sql.Conn) error
	// dialect is the engine's name for the migrations.
	dialect() goose.Dialect
	// isMigrated counts the tables of applied migrations: 0 or 1.
	isMigrated() string
	// references returns ErrIntegrity for rows that refer to nothing.
	references(ctx context.Context, query queryFunc) error
}

// engineOf returns the engine that a configuration asks for.
func engineOf(c Config, k kind) (engine, error) {
	if c.Postgres != nil {
		return newPostgres(c, k)
	}
	return newSQLite(c, k)
}

// queryFunc runs one query in a transaction or outside.
type queryFunc func(ctx context.Context, query string, args ...any) (*sql.Rows, error)

// setting is one setting of a connection: what it is set to and what it must
// read back as. A connection that does not is refused: durability and integrity
// rest on them.
type setting struct{ name, value, want string }

// holds compares what was read back.
func (s setting) holds(have string) bool { return strings.EqualFold(have, s.want) }

// isConstraint reports whether a statement was refused because of its own
// values, so that the transaction may go on after its savepoint is undone. With
// everything else (full disk, I/O, memory) it may not.
func isConstraint(err error) bool { return sqliteConstraint(err) || postgresConstraint(err) }

// integrity marks the engine's own word that stored data is damaged or is no
// database, so that callers see one kind of error.
func integrity(err error) error {
	if sqliteDamage(err) || postgresDamage(err) {
		return damaged(err)
	}
	return err
}

// IsFull reports whether err says that the disk or the database is full.
func IsFull(err error) bool { return sqliteFull(err) || postgresFull(err) || isNoSpace(err) }
