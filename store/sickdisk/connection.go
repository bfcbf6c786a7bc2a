package sickdisk

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

type connector struct {
	driver.Connector
	disk    *Disk
	writing bool
}

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	opened, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	real := opened.(realConn)
	if c.disk.Spoil != "" {
		if _, err := real.ExecContext(ctx, c.disk.Spoil, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", c.disk.Spoil, err), opened.Close())
		}
	}
	return &conn{realConn: real, disk: c.disk, writing: c.writing}, nil
}

// realConn is all that the drivers' connections can do and database/sql uses.
type realConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
}

type conn struct {
	realConn
	disk    *Disk
	writing bool
	full    bool // what the engine was told; database/sql uses a connection from one goroutine at a time
}

func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if !c.writing {
		return c.realConn.BeginTx(ctx, o)
	}
	if err := c.room(ctx); err != nil {
		return nil, err
	}
	opened, err := c.realConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &tx{opened, c}, nil
}

// room tells the engine how far the file may grow. A limit below its present
// size means: not at all.
func (c *conn) room(ctx context.Context) error {
	c.disk.mu.Lock()
	full := c.disk.full
	c.disk.mu.Unlock()
	if full == c.full {
		return nil
	}
	c.full = full
	if c.postgres() {
		return nil // see stmt.ExecContext
	}
	limit := "4294967294" // the engine's own
	if full {
		limit = "1"
	}
	_, err := c.ExecContext(ctx, "PRAGMA max_page_count = "+limit, nil)
	return err
}

func (c *conn) postgres() bool {
	_, is := c.realConn.(*stdlib.Conn)
	return is
}

// file is the path of an SQLite database; "" with PostgreSQL.
func (c *conn) file() string {
	if c.postgres() {
		return ""
	}
	rows, err := c.QueryContext(context.Background(), "PRAGMA database_list", nil)
	if err != nil {
		return ""
	}
	defer rows.Close()
	row := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(row); err != nil || len(row) < 3 {
		return ""
	}
	path, _ := row[2].(string)
	return path
}

// CheckNamedValue lets a driver that takes its own types have them.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.realConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// ResetSession lets a driver that looks after its connection do so.
func (c *conn) ResetSession(ctx context.Context) error {
	if resetter, ok := c.realConn.(driver.SessionResetter); ok {
		return resetter.ResetSession(ctx)
	}
	return nil
}

// IsValid does the same. Of a driver that has neither, database/sql closes the connection
// when the context of a transaction ends, under the statements that were prepared on it.
func (c *conn) IsValid() bool {
	v, ok := c.realConn.(driver.Validator)
	return !ok || v.IsValid()
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.realConn.PrepareContext(ctx, query)
	if err != nil || c.writing && !writes(query) {
		return s, err
	}
	return &stmt{s.(realStmt), c, query}, nil
}

// writes reports whether a statement changes rows. Savepoints do not.
func writes(query string) bool {
	word, _, _ := strings.Cut(strings.TrimSpace(query), " ")
	return word == "INSERT" || word == "UPDATE" || word == "DELETE"
}

type realStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type stmt struct {
	realStmt
	conn  *conn
	query string
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.conn.disk.mu.Lock()
	read := s.conn.disk.read
	s.conn.disk.mu.Unlock()
	if read != nil && !s.conn.writing {
		if err := read(s.query); err != nil {
			return nil, err
		}
	}
	return s.realStmt.QueryContext(ctx, args)
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.conn.disk.mu.Lock()
	write := s.conn.disk.write
	s.conn.disk.mu.Unlock()
	if s.conn.full && s.conn.postgres() {
		// A server cannot be told to have no room: this is what it says then.
		return nil, &pgconn.PgError{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "53100", Message: "could not extend file: No space left on device"}
	}
	if write == nil {
		return s.realStmt.ExecContext(ctx, args)
	}
	var result driver.Result
	err := write(Write{Do: func() (err error) {
		result, err = s.realStmt.ExecContext(ctx, args)
		return err
	}})
	return result, err
}

type tx struct {
	driver.Tx
	conn *conn
}

func (t *tx) Commit() error {
	t.conn.disk.mu.Lock()
	commit := t.conn.disk.commit
	t.conn.disk.mu.Unlock()
	if commit == nil {
		return t.Tx.Commit()
	}
	return commit(Commit{Do: t.Tx.Commit, Undo: func() { _ = t.Tx.Rollback() }, File: t.conn.file})
}
