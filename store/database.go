package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
	application int64  // marks a SQLite file, so that one kind is never taken for another
	schema      func(goose.Dialect) (fs.FS, error)
	chain       string // what only grows in it, for sentences
	head        func(context.Context, *tx) (head, error)
}

// database is one open database: a single writing connection and a pool of
// reading ones.
type database struct {
	config Config
	kind   kind
	engine engine
	writer *sql.DB
	reader *sql.DB

	// mu is held for the length of every writing transaction and guards session
	// and heads.
	mu      sync.Mutex
	session *session
	// heads are where the log or the journal may end: one, or two after a commit
	// of unknown outcome. None while the database is being made or opened.
	heads []head

	// readers holds one entry per reading connection; nil is one not open yet.
	readers chan *session
}

// create makes the database under a working name and gives it its real one when
// all is durable, so that an interrupted create leaves no half database.
func create(ctx context.Context, c Config, k kind, fill func(context.Context, *tx) error) error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("creating the %s database: %w", k.name, err)
	}
	e, err := engineOf(c, k)
	if err != nil {
		return fmt.Errorf("creating the %s database: %w", k.name, err)
	}
	draft, err := e.draft(ctx)
	if err == nil {
		err = fillDraft(ctx, c, k, draft, fill)
	}
	if err == nil {
		err = e.finish(ctx, draft)
	}
	if err != nil {
		return fmt.Errorf("creating the %s database %s: %w", k.name, e, err)
	}
	return nil
}

func fillDraft(ctx context.Context, c Config, k kind, draft engine, fill func(context.Context, *tx) error) error {
	d, err := connect(c, k, draft)
	if err != nil {
		return err
	}
	if err = d.readBack(ctx, true); err == nil {
		err = d.migrate(ctx)
	}
	if err == nil && fill != nil {
		if err = d.write(ctx, fill); err == nil {
			d.discard()
		}
	}
	if err == nil {
		err = draft.mark(ctx, d.writer)
	}
	return errors.Join(err, d.close())
}

// open opens an existing database and brings its schema up to date.
func open(ctx context.Context, c Config, k kind) (*database, error) {
	e, err := engineOf(c, k)
	if err != nil {
		return nil, fmt.Errorf("opening the %s database: %w", k.name, err)
	}
	var d *database
	if err = e.find(ctx); err == nil {
		d, err = connect(c, k, e)
	}
	if err == nil {
		if err = d.check(ctx); err != nil {
			d.close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the %s database %s: %w", k.name, e, integrity(err))
	}
	return d, nil
}

func connect(c Config, k kind, e engine) (*database, error) {
	w, r, err := e.connectors()
	if err != nil {
		return nil, err
	}
	if c.Wrap != nil {
		w, r = c.Wrap(w, true), c.Wrap(r, false)
	}
	d := &database{config: c, kind: k, engine: e, writer: sql.OpenDB(w), reader: sql.OpenDB(r)}
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
	writer, err := d.writer.Conn(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(d.vet(ctx, writer), writer.Close()); err != nil {
		return err
	}
	if err := d.readBack(ctx, false); err != nil {
		return err
	}
	return d.migrate(ctx)
}

// vet refuses a writing connection to something else than the opened database,
// or to a server that would lose what is committed.
func (d *database) vet(ctx context.Context, conn *sql.Conn) error {
	if err := d.engine.recognise(ctx, conn); err != nil {
		return err
	}
	return d.readBackOn(ctx, conn, true)
}

// readBack asks the engine what it really does on a connection of its pool.
func (d *database) readBack(ctx context.Context, writing bool) error {
	db := d.reader
	if writing {
		db = d.writer
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	return errors.Join(d.readBackOn(ctx, conn, writing), conn.Close())
}

func (d *database) readBackOn(ctx context.Context, conn *sql.Conn, writing bool) error {
	for _, s := range d.engine.settings(writing) {
		var have string
		if err := conn.QueryRowContext(ctx, d.engine.readBack(s.name)).Scan(&have); err != nil {
			return fmt.Errorf("reading back %s: %w", s.name, err)
		}
		if !s.holds(have) {
			return fmt.Errorf("%w: %s is %q, must be %q", ErrSetting, s.name, have, s.want)
		}
	}
	return nil
}

// migrate applies the numbered files that are missing, each in its own
// transaction, and refuses a database that has more than this program knows.
func (d *database) migrate(ctx context.Context) error {
	files, err := d.kind.schema(d.engine.dialect())
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(d.engine.dialect(), d.writer, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	var known int64
	for _, s := range p.ListSources() {
		known = max(known, s.Version)
	}
	var migrated int64
	if err := d.writer.QueryRowContext(ctx, d.engine.isMigrated()).Scan(&migrated); err != nil {
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
		return d.engine.references(ctx, d.writer.QueryContext)
	}
	return nil
}

func (d *database) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for range cap(d.readers) {
		(<-d.readers).close() // waits for who still reads
	}
	d.session.close()
	d.session = nil
	// The reader first: the last connection to close folds SQLite's write-ahead
	// log into the database, and a reader may not write.
	err := errors.Join(d.reader.Close(), d.writer.Close())
	for range cap(d.readers) {
		d.readers <- nil // who comes later learns that the database is closed
	}
	return err
}

// checkClock carries out R-TIME-3. It refuses a clock that stands before the time last stored, by more
// than honest clocks are corrected: what is signed under it would be dated
// before what it follows.
func (d *database) checkClock(now, last time.Time) error {
	if now.Before(last.Add(-protocol.MaxSkew)) && (d.config.Confirmed == nil || !d.config.Confirmed()) {
		return fmt.Errorf("%w: it says %s, the last entry was made at %s; set the clock", ErrClock,
			now.UTC().Format(time.RFC3339), last.UTC().Format(time.RFC3339))
	}
	return nil
}

func isNoSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) }

func damaged(err error) error {
	if errors.Is(err, ErrIntegrity) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrIntegrity, err)
}
