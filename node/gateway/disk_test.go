package gateway_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"

	"modernc.org/sqlite"
)

var errDisk = errors.New("the disk does not answer")

// newConnector opens real SQLite connections; those that write obey the disk.
func newConnector(d *disk, dsn string) driver.Connector {
	c := must(sqlite.NewConnector(dsn))
	if strings.Contains(dsn, "query_only%281%29") {
		return c
	}
	return &connector{c, d}
}

type connector struct {
	driver.Connector
	disk *disk
}

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &faultyConn{conn.(realConn), c.disk}, nil
}

type realConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
}

type faultyConn struct {
	realConn
	disk *disk
}

func (c *faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.realConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &faultyTx{tx, c.disk}, nil
}

type faultyTx struct {
	driver.Tx
	disk *disk
}

func (t *faultyTx) Commit() error {
	t.disk.mu.Lock()
	fault := t.disk.fault
	t.disk.mu.Unlock()
	if fault == nil {
		return t.Tx.Commit()
	}
	written, err := fault()
	if err == nil || written {
		if e := t.Tx.Commit(); e != nil {
			return e
		}
		return err
	}
	_ = t.Tx.Rollback()
	return err
}
