// Package sickdisk opens real SQLite databases whose commits fail on demand,
// before or after the data reached the disk. It is for tests of whoever keeps
// promises on a store; the product never links it.
package sickdisk

import (
	"context"
	"database/sql/driver"
	"strings"
	"sync"

	"modernc.org/sqlite"
)

// Disk is a disk under a database. The zero value is healthy. It is safe for
// concurrent use.
type Disk struct {
	// Change spoils a data source name before it is opened; nil leaves it.
	Change func(dsn string) string

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

// Connect is what store.Config wants. It panics on a data source name that the
// driver does not take.
func (d *Disk) Connect(dsn string) driver.Connector {
	writing := !strings.Contains(dsn, "query_only%281%29")
	if d.Change != nil {
		dsn = d.Change(dsn)
	}
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		panic(err)
	}
	if !writing {
		return c
	}
	return &connector{c, d}
}

type connector struct {
	driver.Connector
	disk *Disk
}

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	opened, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{opened.(realConn), c.disk}, nil
}

// realConn is all that the driver's connections can do and database/sql uses.
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
