package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"comity/protocol"

	"github.com/pressly/goose/v3"
)

// kind is one of the two databases.
type kind struct {
	name        string // for sentences
	file        string
	bodies      string // folder of the sealed bytes
	application int64  // marks the file, so that one kind is never taken for another
	schema      func() (fs.FS, error)
}

// database is one open database: a single writing connection and a pool of
// reading ones.
type database struct {
	config Config
	kind   kind
	writer *sql.DB
	reader *sql.DB

	// mu is held for the length of every writing transaction and guards session.
	mu      sync.Mutex
	session *session

	// readers holds one entry per reading connection; nil is one not open yet.
	readers chan *session
}

// session is one connection with its prepared statements.
type session struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// create makes the database under a working name and gives it its real one when
// all is durable, so that an interrupted create leaves no half database.
func create(ctx context.Context, c Config, k kind, fill func(context.Context, *tx) error) error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("creating the %s database: %w", k.name, err)
	}
	path := filepath.Join(c.Dir, k.file)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = ErrExists
		}
		return fmt.Errorf("creating the %s database %s: %w", k.name, path, err)
	}
	work := path + ".new"
	for _, leftover := range []string{work, work + "-wal", work + "-shm", work + "-journal"} {
		if err := os.Remove(leftover); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("creating the %s database: %w", k.name, err)
		}
	}
	f, err := os.OpenFile(work, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("creating the %s database: %w", k.name, err)
	}
	f.Close()
	err = func() error {
		d, err := connect(c, k, work)
		if err != nil {
			return err
		}
		defer d.close()
		if err := d.migrate(ctx); err != nil {
			return err
		}
		if _, err := d.writer.ExecContext(ctx, setApplication+strconv.FormatInt(k.application, 10)); err != nil {
			return err
		}
		if fill != nil {
			if err := d.write(ctx, fill); err != nil {
				return err
			}
			d.discard()
		}
		// The file alone gets the real name, so nothing may be left beside it.
		_, err = d.writer.ExecContext(ctx, flushLog)
		return err
	}()
	if err == nil {
		err = noLeftovers(work)
	}
	if err == nil {
		// Link, not rename: it never replaces a file.
		if err = os.Link(work, path); err == nil {
			err = os.Remove(work)
		}
	}
	if err == nil {
		err = c.syncFolder(c.Dir)
	}
	if err != nil {
		return fmt.Errorf("creating the %s database %s: %w", k.name, path, err)
	}
	return nil
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

// open opens an existing database and brings its schema up to date.
func open(ctx context.Context, c Config, k kind) (*database, error) {
	path, err := filepath.Abs(filepath.Join(c.Dir, k.file))
	if err != nil {
		return nil, fmt.Errorf("opening the %s database: %w", k.name, err)
	}
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: restore it from a backup; an empty one in its place would contradict what this node has signed", ErrMissing)
		}
		return nil, fmt.Errorf("opening the %s database %s: %w", k.name, path, err)
	}
	d, err := connect(c, k, path)
	if err != nil {
		return nil, fmt.Errorf("opening the %s database %s: %w", k.name, path, integrity(err))
	}
	if err := d.check(ctx); err != nil {
		d.close()
		return nil, fmt.Errorf("opening the %s database %s: %w", k.name, path, integrity(err))
	}
	return d, nil
}

func connect(c Config, k kind, path string) (*database, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	connector := func(dsn string) (driver.Connector, error) {
		if c.Connect != nil {
			return c.Connect(dsn), nil
		}
		return sqliteConnector(dsn)
	}
	w, err := connector(dataSource(path, writerSettings))
	if err != nil {
		return nil, err
	}
	r, err := connector(dataSource(path, readerSettings))
	if err != nil {
		return nil, err
	}
	d := &database{config: c, kind: k, writer: sql.OpenDB(w), reader: sql.OpenDB(r)}
	d.writer.SetMaxOpenConns(1)
	readers := c.Readers
	if readers <= 0 {
		readers = 4
	}
	d.readers = make(chan *session, readers)
	for range readers {
		d.readers <- nil
	}
	return d, nil
}

// check refuses what this program must not run on, then migrates.
func (d *database) check(ctx context.Context) error {
	var application int64
	if err := d.writer.QueryRowContext(ctx, readApplication).Scan(&application); err != nil {
		return err
	}
	if application != d.kind.application {
		return fmt.Errorf("%w: application id %#x, a %s database has %#x", ErrForeign, application, d.kind.name, d.kind.application)
	}
	if err := d.migrate(ctx); err != nil {
		return err
	}
	if err := readBack(ctx, d.writer, writerSettings); err != nil {
		return err
	}
	return readBack(ctx, d.reader, readerSettings)
}

// readBack asks the engine what it really does.
func readBack(ctx context.Context, db *sql.DB, settings []setting) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, s := range settings {
		var have string
		if err := conn.QueryRowContext(ctx, readSetting+s.name).Scan(&have); err != nil {
			return fmt.Errorf("reading back %s: %w", s.name, err)
		}
		if !strings.EqualFold(have, s.want) {
			return fmt.Errorf("%w: %s is %q, must be %q", ErrPragma, s.name, have, s.want)
		}
	}
	return nil
}

// migrate applies the numbered files that are missing, each in its own
// transaction, and refuses a database that has more than this program knows.
func (d *database) migrate(ctx context.Context) error {
	files, err := d.kind.schema()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, d.writer, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	var known int64
	for _, s := range p.ListSources() {
		known = max(known, s.Version)
	}
	var migrated int64
	if err := d.writer.QueryRowContext(ctx, isMigrated).Scan(&migrated); err != nil {
		return err
	}
	if migrated != 0 {
		have, err := p.GetDBVersion(ctx)
		if err != nil {
			return fmt.Errorf("reading the schema's version: %w", err)
		}
		if have > known {
			return fmt.Errorf("%w: its schema is version %d, this program knows %d; run the newer program", ErrNewer, have, known)
		}
	}
	done, err := p.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	if len(done) > 0 {
		return d.references(ctx, d.writer)
	}
	return nil
}

// references reports rows that refer to nothing. The check must be queried:
// executed, it succeeds whatever it finds.
func (d *database) references(ctx context.Context, db interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
},
) error {
	rows, err := db.QueryContext(ctx, checkReferences)
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
		return fmt.Errorf("%w: a row of table %s refers to a missing row of %s", ErrIntegrity, table, parent)
	}
	return rows.Err()
}

func (d *database) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for range cap(d.readers) {
		(<-d.readers).close() // waits for who still reads
	}
	d.session.close()
	d.session = nil
	// The reader first: the last connection to close folds the write-ahead log
	// into the database, and a reader may not write.
	err := errors.Join(d.reader.Close(), d.writer.Close())
	for range cap(d.readers) {
		d.readers <- nil // who comes later learns that the database is closed
	}
	return err
}

// tx is one transaction, writing or reading, with its one now.
type tx struct {
	now     time.Time
	prepare func(ctx context.Context, query string) (*sql.Stmt, error)
	plain   func(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// exec runs a fixed statement and returns how many rows it changed.
func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	s, err := t.prepare(ctx, query) //nolint:sqlclosecheck // the session keeps it for later transactions
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// query runs a fixed query.
func (t *tx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := t.prepare(ctx, query) //nolint:sqlclosecheck // the session keeps it for later transactions
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// find reads one row into dest and reports whether there was one.
func (t *tx) find(ctx context.Context, dest []any, query string, args ...any) (bool, error) {
	rows, err := t.query(ctx, query, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return false, rows.Err()
	}
	if err := rows.Scan(dest...); err != nil {
		return false, err
	}
	return true, rows.Close()
}

// write runs f in a writing transaction. Cancelling ctx has no effect once it
// has begun: database/sql would roll back behind f's back, and what f still
// wrote would then be outside any transaction.
//
// An error from the commit itself is an ErrUnknownOutcome. After any trouble
// the connection is thrown away, so nothing half-open is ever used again.
func (d *database) write(ctx context.Context, f func(context.Context, *tx) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	s := d.session
	ctx = context.WithoutCancel(ctx)
	sqlTx, err := s.conn.BeginTx(ctx, nil)
	if err != nil {
		d.drop()
		return fmt.Errorf("begin: %w", err)
	}
	done := false
	defer func() {
		if !done { // f panicked
			_ = sqlTx.Rollback()
			d.drop()
		}
	}()
	err = f(ctx, &tx{now: d.config.now(), prepare: s.prepare, plain: s.conn.QueryContext})
	done = true
	if err != nil {
		if rollback := sqlTx.Rollback(); rollback != nil {
			d.drop()
		}
		return err
	}
	if err := sqlTx.Commit(); err != nil {
		d.drop()
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	return nil
}

// begin makes sure that there is a session. The caller holds mu.
func (d *database) begin(ctx context.Context) (err error) {
	if d.session == nil {
		d.session, err = newSession(ctx, d.writer)
	}
	return err
}

// drop throws the writing connection away. The caller holds mu.
func (d *database) drop() {
	d.session.kill()
	d.session = nil
}

// discard does so when nothing is being written.
func (d *database) discard() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop()
}

func newSession(ctx context.Context, db *sql.DB) (*session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return &session{conn: conn, stmts: make(map[string]*sql.Stmt)}, nil
}

// close gives the connection back to its pool.
func (s *session) close() {
	if s != nil {
		for _, stmt := range s.stmts {
			stmt.Close()
		}
		s.conn.Close()
	}
}

// kill closes the connection for good; SQLite then undoes whatever was open.
func (s *session) kill() {
	if s != nil {
		_ = s.conn.Raw(func(any) error { return driver.ErrBadConn })
		s.conn.Close()
	}
}

func (s *session) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt, ok := s.stmts[query]; ok {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(ctx, query)
	if err == nil {
		s.stmts[query] = stmt
	}
	return stmt, err
}

// read runs f in a reading transaction: everything that f sees is one moment.
// f must not call read again: it would wait for a connection that it holds.
func (d *database) read(ctx context.Context, f func(context.Context, *tx) error) (err error) {
	var s *session
	select {
	case s = <-d.readers:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { d.readers <- s }()
	if s == nil {
		if s, err = newSession(ctx, d.reader); err != nil {
			return err
		}
	}
	sqlTx, err := s.conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		s.kill()
		s = nil
		return err
	}
	defer func() {
		if rollback := sqlTx.Rollback(); rollback != nil {
			s.kill()
			s = nil
		}
	}()
	return f(ctx, &tx{now: d.config.now(), prepare: s.prepare, plain: s.conn.QueryContext})
}

// checkClock refuses a clock that stands before the time last stored, by more
// than honest clocks are corrected: what is signed under it would be dated
// before what it follows.
func (d *database) checkClock(now, last time.Time) error {
	if now.Before(last.Add(-protocol.MaxSkew)) {
		return fmt.Errorf("%w: it says %s, the last entry was made at %s; set the clock", ErrClock,
			now.UTC().Format(time.RFC3339), last.UTC().Format(time.RFC3339))
	}
	return nil
}

func isNoSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) }
