package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"
)

// session is one connection with its prepared statements.
type session struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// tx is one transaction, writing or reading, with its one now.
type tx struct {
	now     time.Time
	head    head // of a writing one: where the log or the journal ends, its own part included
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
	s, sqlTx, err := d.begin(ctx)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	done := false
	defer func() {
		if !done { // f panicked
			_ = sqlTx.Rollback()
			d.drop()
		}
	}()
	t := &tx{now: d.config.now(), prepare: s.prepare, plain: s.conn.QueryContext}
	if err = d.engine.claim(ctx, t); err == nil {
		err = d.stand(ctx, t)
	}
	if err == nil {
		err = f(ctx, t)
	}
	done = true
	if err != nil {
		if rollback := sqlTx.Rollback(); rollback != nil {
			d.drop()
		}
		return err
	}
	if err := sqlTx.Commit(); err != nil {
		d.drop()
		if nothingWritten(err) {
			return fmt.Errorf("commit: %w", err)
		}
		d.moved(t, true)
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	d.moved(t, false)
	return nil
}

// begin begins a writing transaction. A connection that broke while it was idle
// (its server was restarted, say) is replaced by a new one, once; the pool may
// have handed out such a one as new. The caller holds mu.
func (d *database) begin(ctx context.Context) (s *session, t *sql.Tx, err error) {
	for range 2 {
		made := d.session == nil
		if made {
			if d.session, err = newSession(ctx, d.writer); err != nil {
				return nil, nil, err
			}
		}
		ctx := context.WithoutCancel(ctx)
		if err = nil; made && d.heads != nil {
			err = d.vet(ctx, d.session.conn) // another server may answer by now
		}
		if err == nil {
			t, err = d.session.conn.BeginTx(ctx, nil)
		}
		if err == nil {
			return d.session, t, nil
		}
		d.drop()
	}
	return nil, nil, fmt.Errorf("begin: %w", err)
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
		return nil, fmt.Errorf("connecting: %w", unreachable(err))
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

// kill closes the connection for good; the engine then undoes whatever was open.
// Its statements go first: with one left, SQLite keeps the whole connection, its
// memory, its files and its locks, and a disk that stays full kills one after
// the other.
func (s *session) kill() {
	if s != nil {
		for _, stmt := range s.stmts {
			stmt.Close()
		}
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
	var sqlTx *sql.Tx
	if s, sqlTx, err = d.beginReading(ctx, s); err != nil {
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

// beginReading is begin for a reading connection, or for none. The session that
// it returns is nil when there is no usable one.
func (d *database) beginReading(ctx context.Context, s *session) (_ *session, t *sql.Tx, err error) {
	for range 2 {
		if s == nil {
			if s, err = newSession(ctx, d.reader); err != nil {
				return nil, nil, err
			}
		}
		t, err = s.conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
		if err == nil {
			return s, t, nil
		}
		s.kill()
		if s = nil; ctx.Err() != nil {
			break
		}
	}
	return nil, nil, err
}
