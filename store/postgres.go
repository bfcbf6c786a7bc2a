package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// All that only PostgreSQL knows is in this file, in postgres_url.go and in the
// migrations.
//
// A database is one schema of a PostgreSQL database. One process at a time may
// write it: its writing connection holds an advisory lock on the schema for as
// long as it lives, and the server gives the lock to the next one only when
// that session has ended. So whoever comes after a connection that broke inside
// a commit waits until that commit is over, and reads its outcome, not its
// middle.

//
// The sealed bytes are files in a folder of the node. Folder and schema name each
// other by a random text, because a folder opened with another schema would look
// like a folder full of orphans.

// postgresSchema is a database in a PostgreSQL server.
type postgresSchema struct {
	config Config
	kind   kind
	server *pgx.ConnConfig
	schema string
	pair   string // the file with the text that the schema's comment has too
	name   string // of its sessions in the server: no other process has it
}

const (
	// oldestPostgres is the oldest server that the tests know.
	oldestPostgres = 150000
	// lockPatience is how long an opening process waits for the one before it:
	// after a kill -9, the server needs a moment to notice.
	lockPatience = "5s"
	// longestSchema leaves room for the working name; the server cuts what is
	// longer than 63 bytes without a word.
	longestSchema = 59
)

func newPostgres(c Config, k kind) (*postgresSchema, error) {
	p := c.Postgres
	if p.Schema == "" || len(p.Schema) > longestSchema {
		return nil, fmt.Errorf("schema %q: want a name of 1 to %d bytes", p.Schema, longestSchema)
	}
	server, err := readConnection(p.URL)
	if err != nil {
		return nil, err
	}
	return &postgresSchema{c, k, server, p.Schema, filepath.Join(c.Dir, k.name+".schema"), "comity " + rand.Text()}, nil
}

func (p *postgresSchema) String() string {
	return fmt.Sprintf("%s (PostgreSQL database %s at %s)", p.schema, p.server.Database, p.server.Host)
}

func (p *postgresSchema) quoted() string { return pgx.Identifier{p.schema}.Sanitize() }

// ask runs f on a connection of its own.
func (p *postgresSchema) ask(ctx context.Context, f func(*pgx.Conn) error) error {
	config := p.server.Copy()
	config.RuntimeParams["synchronous_commit"] = "on"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return errors.Join(f(conn), conn.Close(context.WithoutCancel(ctx)))
}

func (p *postgresSchema) there(ctx context.Context, conn *pgx.Conn) (there bool, err error) {
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", p.schema).Scan(&there)
	return there, err
}

func (p *postgresSchema) find(ctx context.Context) error {
	return p.ask(ctx, func(conn *pgx.Conn) error {
		there, err := p.there(ctx, conn)
		if err == nil && !there {
			err = missing()
		}
		return err
	})
}

func (p *postgresSchema) draft(ctx context.Context) (engine, error) {
	work := *p
	work.schema += "_new"
	return &work, p.ask(ctx, func(conn *pgx.Conn) error {
		there, err := p.there(ctx, conn)
		if err == nil && there {
			err = ErrExists
		}
		if err == nil {
			_, err = conn.Exec(ctx, "DROP SCHEMA IF EXISTS "+work.quoted()+" CASCADE")
		}
		if err == nil {
			_, err = conn.Exec(ctx, "CREATE SCHEMA "+work.quoted())
		}
		if postgresCode(err) == "42501" { // insufficient_privilege
			err = fmt.Errorf("%w; its owner types in psql: GRANT CREATE ON DATABASE %s TO %s", err,
				pgx.Identifier{p.server.Database}.Sanitize(), pgx.Identifier{p.server.User}.Sanitize())
		}
		return err
	})
}

func (p *postgresSchema) finish(ctx context.Context, draft engine) error {
	work := draft.(*postgresSchema)
	return p.ask(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "ALTER SCHEMA "+work.quoted()+" RENAME TO "+p.quoted())
		if postgresCode(err) == "42P06" { // duplicate_schema: another one was faster
			err = ErrExists
		}
		return err
	})
}

// settings: those with a value are set for the connection; the others are the
// server's own, and a server that is set to lose commits is refused.
func (p *postgresSchema) settings(writing bool) []setting {
	all := []setting{
		{"search_path", p.quoted(), p.quoted()},
		// A commit that returned survives a power cut; see sqlite.go.
		{"synchronous_commit", "on", "on"},
		{"fsync", "", "on"},
		{"full_page_writes", "", "on"},
		{"server_encoding", "", "UTF8"},
		{"client_encoding", "UTF8", "UTF8"},
		{"lock_timeout", lockPatience, lockPatience},
		{"statement_timeout", "0", "0"},
		{"idle_in_transaction_session_timeout", "0", "0"},
	}
	if writing {
		return append(all, setting{"default_transaction_read_only", "off", "off"},
			setting{"default_transaction_isolation", "read committed", "read committed"})
	}
	// All that a reading transaction sees is one moment.
	return append(all, setting{"default_transaction_read_only", "on", "on"},
		setting{"default_transaction_isolation", "repeatable read", "repeatable read"})
}

func (p *postgresSchema) readBack(name string) string { return "SHOW " + name }

func (p *postgresSchema) connectors() (writer, reader driver.Connector, err error) {
	return stdlib.GetConnector(*p.session(true), stdlib.OptionAfterConnect(p.seize)), stdlib.GetConnector(*p.session(false)), nil
}

// session is the configuration of a connection with all its settings.
func (p *postgresSchema) session(writing bool) *pgx.ConnConfig {
	c := p.server.Copy()
	for _, s := range p.settings(writing) {
		if s.value != "" {
			c.RuntimeParams[s.name] = s.value
		}
	}
	c.RuntimeParams["application_name"] = p.name
	// The server lets go of a machine that has died within two minutes.
	c.RuntimeParams["tcp_keepalives_idle"] = "60"
	c.RuntimeParams["tcp_keepalives_interval"] = "10"
	c.RuntimeParams["tcp_keepalives_count"] = "5"
	return c
}

// lock is the number of the advisory lock on the schema.
func (p *postgresSchema) lock() int64 {
	sum := sha256.Sum256([]byte("comity/store/" + p.schema))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// seize makes a fresh connection the schema's only writer, or returns ErrTaken.
// The server may still hold the lock for the connection before this one, because
// it has not heard that it broke: that session is ended first.
func (p *postgresSchema) seize(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, seizeLock, p.lock())
	if postgresCode(err) == lockNotAvailable { // after lock_timeout
		var own int
		if err = conn.QueryRow(ctx, endOwnHolder, p.lock(), p.name).Scan(&own); err == nil {
			err = ErrTaken
			if own > 0 {
				_, err = conn.Exec(ctx, seizeLock, p.lock()) // waits until it has ended
			}
		}
	}
	if err == nil {
		return nil
	}
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

const (
	lockNotAvailable = "55P03"
	seizeLock        = `SELECT pg_advisory_lock($1)`
	// One object of 64 bits is two numbers and the kind 1 in pg_locks.
	endOwnHolder = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = $2 AND pid <> pg_backend_pid() AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND ((classid::bigint << 32) | objid::bigint) = $1 AND objsubid = 1)`
)

// claim takes the same lock once more for the transaction, which costs nothing
// to who holds it. Between a node and its server there may be a pooler that
// gives each transaction another session: then this waits in vain and fails,
// and nobody writes beside the holder.
func (p *postgresSchema) claim(ctx context.Context, t *tx) error {
	_, err := t.exec(ctx, "SELECT pg_advisory_xact_lock($1)", p.lock())
	if postgresCode(err) == lockNotAvailable {
		err = ErrTaken
	}
	return err
}

// mark: a comment on the schema goes with it into every dump.
func (p *postgresSchema) mark(ctx context.Context, db *sql.DB) error {
	text := rand.Text()
	if err := p.writePair(text); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, "COMMENT ON SCHEMA "+p.quoted()+" IS '"+p.comment(text)+"'")
	return err
}

func (p *postgresSchema) comment(pair string) string {
	return fmt.Sprintf("comity %s database %s", p.kind.name, pair)
}

func (p *postgresSchema) recognise(ctx context.Context, conn *sql.Conn) error {
	var version, have string
	if err := conn.QueryRowContext(ctx, "SHOW server_version_num").Scan(&version); err != nil {
		return err
	}
	if n, err := strconv.Atoi(version); err != nil || n < oldestPostgres {
		return fmt.Errorf("%w: server_version_num is %s, must be %d or newer", ErrSetting, version, oldestPostgres)
	}
	err := conn.QueryRowContext(ctx, "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = $1", p.schema).Scan(&have)
	if errors.Is(err, sql.ErrNoRows) {
		err = missing()
	}
	if err != nil {
		return err
	}
	if !strings.HasPrefix(have, p.comment("")) {
		return fmt.Errorf("%w: the comment on the schema is %q, that of a %s database begins %q", ErrForeign, have, p.kind.name, p.comment(""))
	}
	pair, err := os.ReadFile(p.pair)
	if errors.Is(err, fs.ErrNotExist) || err == nil && have != p.comment(strings.TrimSpace(string(pair))) {
		err = fmt.Errorf("%w: %s does not name this schema, so the folder belongs to another database", ErrForeign, p.pair)
	}
	return err
}

func (p *postgresSchema) writePair(text string) error {
	f, err := os.OpenFile(p.pair, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text + "\n")
	return errors.Join(err, p.config.sync(f), f.Close(), p.config.syncFolder(filepath.Dir(p.pair)))
}

func (p *postgresSchema) dialect() goose.Dialect { return goose.DialectPostgres }

func (p *postgresSchema) isMigrated() string {
	return "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'goose_db_version'"
}

// references looks at every reference again, as SQLite's own check does: the
// server holds them, unless somebody switched that off.
func (p *postgresSchema) references(ctx context.Context, query queryFunc) error {
	type reference struct{ table, column, parent, key string }
	rows, err := query(ctx, `SELECT c.conrelid::regclass::text, a.attname, c.confrelid::regclass::text, b.attname
FROM pg_constraint c
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1]
WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace ORDER BY 1, 2`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var all []reference
	for rows.Next() {
		var r reference
		if err := rows.Scan(&r.table, &r.column, &r.parent, &r.key); err != nil {
			return err
		}
		all = append(all, r)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, r := range all {
		if err := dangling(ctx, query, r.table, fmt.Sprintf(`SELECT 1 FROM %s c WHERE c.%s IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM %s p WHERE p.%s = c.%s) LIMIT 1`, r.table, r.column, r.parent, r.key, r.column), r.parent); err != nil {
			return err
		}
	}
	return nil
}

func dangling(ctx context.Context, query queryFunc, table, text, parent string) error {
	rows, err := query(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Next() {
		return inconsistent("a row of table %s refers to a missing row of %s", table, parent)
	}
	return rows.Err()
}

// postgresConstraint: classes 22 (data), 23 (constraint) and 54 (limits) are
// about the values of a statement.
func postgresConstraint(err error) bool {
	code := postgresCode(err)
	return len(code) == 5 && (code[:2] == "22" || code[:2] == "23" || code[:2] == "54")
}

func postgresDamage(err error) bool {
	code := postgresCode(err)
	return code == "XX001" || code == "XX002" // data_corrupted, index_corrupted
}

// unreachable marks that a connection could not be made.
func unreachable(err error) error {
	var e *pgconn.ConnectError
	if errors.As(err, &e) {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return err
}

func postgresFull(err error) bool { return postgresCode(err) == "53100" } // disk_full

// postgresCode is the SQLSTATE; "" for an error that is not the server's.
func postgresCode(err error) string {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return ""
	}
	return e.Code
}

// nothingWritten reports whether a commit that failed is known to be undone: the
// server itself said so. (An ERROR; with FATAL the session ended, and perhaps
// after the commit.) pgconn.SafeToRetry is no help: of a connection that broke
// after COMMIT was sent, pgx says "conn closed", as of one that was closed
// before. SQLite never says so.
func nothingWritten(err error) bool {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.SeverityUnlocalized == "ERROR"
	}
	return errors.Is(err, pgx.ErrTxCommitRollback)
}
