// Package sickdisk stands between a store and its real database, SQLite or
// PostgreSQL, and makes commits fail on demand, before or after the data reached
// the disk. It is for tests of whoever keeps promises on a store; the product
// never links it.
package sickdisk

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
)

// Disk is a disk under a database. The zero value is healthy. It is safe for
// concurrent use.
type Disk struct {
	// Spoil is a statement that each new connection runs, such as one that
	// weakens a setting; "" is none.
	Spoil string

	mu    sync.Mutex
	fault func() (written bool, err error) // guarded by mu
}

// Set makes every commit of a writing connection ask f: it says whether the
// data reaches the disk, and which error the commit returns.
func (d *Disk) Set(f func() (written bool, err error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
}

// Heal ends all faults.
func (d *Disk) Heal() { d.Set(nil) }

// Wrap is what store.Config wants.
func (d *Disk) Wrap(c driver.Connector, writing bool) driver.Connector {
	return &connector{c, d, writing}
}

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
	if !c.writing {
		return opened, nil
	}
	return &conn{real, c.disk}, nil
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
	disk *Disk
}

func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	opened, err := c.realConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &tx{opened, c.disk}, nil
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

type tx struct {
	driver.Tx
	disk *Disk
}

func (t *tx) Commit() error {
	t.disk.mu.Lock()
	fault := t.disk.fault
	t.disk.mu.Unlock()
	if fault == nil {
		return t.Tx.Commit()
	}
	written, err := fault()
	if !written && err != nil {
		_ = t.Tx.Rollback()
		return err
	}
	if e := t.Tx.Commit(); e != nil {
		return e
	}
	return err
}
