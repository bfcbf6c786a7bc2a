// Package store keeps what a node and an office promise to remember: queues,
// evidence, the log with its checkpoints, messages, the journal, and the sealed
// bytes. It has two databases, the gateway's and the office's, because they may be
// on separate machines under separate hands (README.md in this folder).
//
// It is a set of concrete types, not an interface: delivery needs real
// transactions. It decides nothing about a transmission: states follow from
// evidence by the functions of protocol/exchange, called inside the
// transaction. It verifies no signature: callers store only what they verified.
//
// One exported method is one transaction with one "now". SQL is one text with
// $1 placeholders for both engines, SQLite and PostgreSQL; what only one of them
// knows stands in sqlite.go, in postgres.go and in the migrations. SQL drivers
// live only here.
package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"comity/protocol"
	"comity/protocol/exchange"
)

// Config says where a database is. The zero value of every field but Dir works.
type Config struct {
	// Dir is the folder of the database and of its sealed bytes. It belongs to
	// one process at a time; the caller holds the lock.
	Dir string
	// Now is the wall clock that stamps rows; nil means time.Now.
	Now func() time.Time
	// Confirmed reports whether others say that the clock is right now. Then it may
	// stand before the time last stored: that was stored while it was wrong. nil
	// means nobody, and is answered at open; else the question is asked whenever
	// something is signed or journalled.
	Confirmed func() bool
	// Postgres keeps the rows in a PostgreSQL server; nil means in a SQLite file
	// in Dir. The sealed bytes are files in Dir with both.
	Postgres *Postgres
	// Wrap stands between the store and the real driver; nil means nothing does.
	// Tests make commits fail there.
	Wrap func(c driver.Connector, writing bool) driver.Connector
	// Readers is how many connections read at once; 0 means 4.
	Readers int
	// Sync makes a file or a folder durable; nil means (*os.File).Sync. Every
	// sync of the package outside the database goes through it, so that tests
	// know what a power cut would take, and can make it fail.
	Sync func(*os.File) error
	// Space says how much room the disk of a folder has; nil asks the file system.
	Space func(dir string) (Space, error)
}

func (c Config) sync(f *os.File) error {
	if c.Sync == nil {
		return f.Sync()
	}
	return c.Sync(f)
}

// syncFolder makes names in a folder durable.
func (c Config) syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return c.sync(f)
}

func (c Config) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// Errors that callers tell apart. All but ErrUnknownOutcome, ErrUnreachable,
// ErrGone and ErrNotFound are integrity failures: the process must not go on.
var (
	// ErrMissing says that the database is not there. A node never makes a log
	// over a missing one: only Create does that.
	ErrMissing = errors.New("database is missing")
	// ErrExists says that Create would have overwritten a database.
	ErrExists = errors.New("database exists already")
	// ErrNewer says that a newer program wrote the database.
	ErrNewer = errors.New("database is newer than this program")
	// ErrForeign says that the file is another kind of database.
	ErrForeign = errors.New("not the expected kind of database")
	// ErrSetting says that the engine, or its server, does not have a setting on
	// which durability rests.
	ErrSetting = errors.New("database setting refused")
	// ErrClock says that the clock stands before the time last stored.
	ErrClock = errors.New("clock is behind the time last stored")
	// ErrIntegrity says that stored rows contradict each other.
	ErrIntegrity = errors.New("stored data is inconsistent")

	// ErrTaken says that another process has the database open. It may have
	// written since, so the node stops.
	ErrTaken = errors.New("another comity process has this database open")
	// ErrUnreachable says that the database's server does not answer.
	ErrUnreachable = errors.New("the database server cannot be reached")

	// ErrUnknownOutcome says that the commit itself failed: the facts may be
	// durable or not. Call Commit again with the same facts; what was written
	// is then answered as a repeat, byte for byte.
	ErrUnknownOutcome = errors.New("outcome of the commit is unknown")
	// ErrNotFound says that there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrGone says that the sealed bytes were released and are no longer kept.
	ErrGone = errors.New("sealed bytes are no longer kept")
)

// IsBroken reports whether err says that a database in use must not be used any
// more: it is not the one that was opened, or not as this process left it.
func IsBroken(err error) bool {
	for _, one := range []error{ErrIntegrity, ErrClock, ErrTaken, ErrForeign, ErrSetting, ErrMissing} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// StateError says that a row was not in a state that its fact expects.
type StateError struct {
	Key  protocol.Key
	Have exchange.State
	Want []exchange.State
}

func (e *StateError) Error() string {
	return fmt.Sprintf("transmission %s is %s, expected one of %v", e.Key, e.Have, e.Want)
}

// expect returns a StateError unless want is empty or holds have.
func expect(k protocol.Key, have exchange.State, want []exchange.State) error {
	if len(want) == 0 || slices.Contains(want, have) {
		return nil
	}
	return &StateError{Key: k, Have: have, Want: want}
}

// Times are integer Unix microseconds in every column; the zero time is null.

func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func instant(us *int64) time.Time {
	if us == nil {
		return time.Time{}
	}
	return time.UnixMicro(*us).UTC()
}

// digest reads a column of 32 raw bytes.
type digest protocol.Digest

// Scan refuses anything but 32 bytes.
func (d *digest) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(d) {
		return fmt.Errorf("%w: a digest column holds %T of another size", ErrIntegrity, src)
	}
	copy(d[:], b)
	return nil
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func missing() error {
	return fmt.Errorf("%w: restore it from a backup; an empty one in its place would contradict what this node has signed", ErrMissing)
}
