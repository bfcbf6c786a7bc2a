package store

import (
	"context"
	"database/sql/driver"
	"strings"
	"sync"

	"modernc.org/sqlite"
)

// disk opens real SQLite connections whose commits can be made to fail, before
// or after the data reached the disk.
type disk struct {
	mu     sync.Mutex
	fault  func() (written bool, err error) // nil: healthy; for writing connections only
	change func(dsn string) string          // spoils a data source name
}

func (d *disk) set(f func() (written bool, err error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
}

func (d *disk) heal() { d.set(nil) }

func (d *disk) connect(dsn string) driver.Connector {
	writing := !strings.Contains(dsn, "query_only%281%29")
	if d.change != nil {
		dsn = d.change(dsn)
	}
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		panic(err)
	}
	return &faultConnector{Connector: c, disk: d, writing: writing}
}

type faultConnector struct {
	driver.Connector
	disk    *disk
	writing bool
}

func (c *faultConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil || !c.writing {
		return conn, err
	}
	return &faultConn{conn.(realConn), c.disk}, nil
}

type realConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
}

type faultConn struct {
	realConn
	disk *disk
}

func (c *faultConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.realConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &faultTx{tx, c.disk}, nil
}

type faultTx struct {
	driver.Tx
	disk *disk
}

func (t *faultTx) Commit() error {
	t.disk.mu.Lock()
	fault := t.disk.fault
	t.disk.mu.Unlock()
	if fault == nil {
		return t.Tx.Commit()
	}
	written, err := fault()
	if written {
		if e := t.Tx.Commit(); e != nil {
			return e
		}
		return err
	}
	_ = t.Tx.Rollback()
	return err
}
