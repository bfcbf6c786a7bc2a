// Package sickdisk stands between a store and its real database, SQLite or
// PostgreSQL, and makes writes and commits fail on demand, before or after the
// data reached the disk, and disks full. It is for tests of whoever keeps
// promises on a store; the product never links it.
package sickdisk

import (
	"database/sql/driver"
	"sync"
)

// Disk is a disk under databases. The zero value is healthy. It is safe for
// concurrent use.
type Disk struct {
	// Spoil is a statement that each new connection runs, such as one that
	// weakens a setting; "" is none.
	Spoil string

	mu     sync.Mutex
	commit func(Commit) error // guarded by mu
	write  func(Write) error  // guarded by mu
	read   func(string) error // guarded by mu
	full   bool               // guarded by mu
}

// Commit is a commit of a writing connection that is about to happen.
type Commit struct {
	// Do carries it out; after it the data is on the disk.
	Do func() error
	// Undo rolls it back. Exactly one of the two must be called.
	Undo func()
	// File is the path of the database; "" with PostgreSQL.
	File func() string
}

// OnCommit has f carry out every commit of a writing connection, or not, and say
// what the connection is told. nil ends it.
func (d *Disk) OnCommit(f func(Commit) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.commit = f
}

// Set makes every commit of a writing connection ask f: it says whether the
// data reaches the disk, and which error the commit returns.
func (d *Disk) Set(f func() (written bool, err error)) {
	d.OnCommit(func(c Commit) error {
		written, err := f()
		if !written && err != nil {
			c.Undo()
			return err
		}
		if e := c.Do(); e != nil {
			return e
		}
		return err
	})
}

// Write is an INSERT, UPDATE or DELETE of a writing connection that is about to
// happen.
type Write struct {
	// Do carries it out. It need not be called.
	Do func() error
}

// OnWrite has f carry out every write of a writing connection, or not, and say
// what the connection is told. nil ends it.
func (d *Disk) OnWrite(f func(Write) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write = f
}

// OnRead has f say of every query of a reading connection which error it returns, as
// where a sector of the disk cannot be read; nil: none. A nil f ends it.
func (d *Disk) OnRead(f func(query string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.read = f
}

// Fill makes the disk full, or gives room again: from the next transaction on, no
// SQLite database grows, and the engine itself says so. What fits in its free
// pages still does. With PostgreSQL no row is written, in the server's words.
func (d *Disk) Fill(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
}

// Heal ends all faults.
func (d *Disk) Heal() {
	d.OnCommit(nil)
	d.OnWrite(nil)
	d.OnRead(nil)
	d.Fill(false)
}

// Wrap is what store.Config wants.
func (d *Disk) Wrap(c driver.Connector, writing bool) driver.Connector {
	return &connector{c, d, writing}
}
