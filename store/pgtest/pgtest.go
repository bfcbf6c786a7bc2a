// Package pgtest gives tests a real PostgreSQL server: one per test binary, in a
// folder of its own, reachable through a Unix socket by its owner alone, and
// ended with the test. It is for tests of whoever stands on a store; the product
// never links it.
//
// The server keeps every promise that the store asks of one (fsync is on). It is
// quick all the same where its folder can be in memory.
//
// COMITY_TEST_POSTGRES may name a running server instead, by a connection string
// with the right to create databases.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// external names a running server to use instead of an own one.
const external = "COMITY_TEST_POSTGRES"

// ErrAbsent says that PostgreSQL is not installed here.
var ErrAbsent = errors.New("there is no PostgreSQL server on this machine (Debian: apt-get install postgresql)")

// shared is the server of this test binary.
var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Main runs the tests of a package that uses the shared server, and ends it. Call
// it from TestMain: os.Exit(pgtest.Main(m.Run)).
func Main(run func() int) int {
	code := run()
	if shared.server != nil {
		if err := shared.server.Close(); err != nil {
			fmt.Fprintf(os.Stderr, "pgtest: %v\n", err)
			code = max(code, 1)
		}
	}
	return code
}

// Shared returns the server of this test binary, started on first use.
func Shared() (*Server, error) {
	shared.once.Do(func() {
		if at := os.Getenv(external); at != "" {
			shared.server = &Server{url: at}
			return
		}
		shared.server, shared.err = Start()
	})
	return shared.server, shared.err
}

// Need returns the server of this test binary. Where PostgreSQL is not installed
// the test is skipped, and fails where CI is set.
func Need(tb testing.TB) *Server {
	tb.Helper()
	s, err := Shared()
	switch {
	case err == nil:
		return s
	case errors.Is(err, ErrAbsent) && os.Getenv("CI") == "":
		tb.Skipf("SKIPPED, NOTHING WAS TESTED ON POSTGRESQL: %v", err)
	default:
		tb.Fatalf("a PostgreSQL server for the tests: %v", err)
	}
	return nil
}

// Server is a running PostgreSQL server.
type Server struct {
	url     string
	dir     string // "" for one that is not ours
	process *process

	once   sync.Once
	common string // the database of Place
	err    error  // of making it
}

var serial atomic.Int64

// Database makes an empty database for one test and returns its connection
// string. It is dropped after the test.
func (s *Server) Database(tb testing.TB) string {
	tb.Helper()
	name, err := s.create()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.drop(name); err != nil {
			tb.Errorf("after the test: %v", err)
		}
	})
	return s.at(name)
}

// Place names a schema for one test, not made yet, in a database that the tests
// of this binary share: much quicker than a database of one's own.
func (s *Server) Place(tb testing.TB) (url, schema string) {
	tb.Helper()
	s.once.Do(func() { s.common, s.err = s.create() })
	if s.err != nil {
		tb.Fatal(s.err)
	}
	return s.at(s.common), fmt.Sprintf("test_%d", serial.Add(1))
}

func (s *Server) create() (name string, err error) {
	name = fmt.Sprintf("comity_test_%d_%d", os.Getpid(), serial.Add(1))
	return name, s.exec("CREATE DATABASE " + name)
}

func (s *Server) drop(name string) error {
	return s.exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)")
}

// at is the connection string of one database.
func (s *Server) at(name string) string {
	u, err := url.Parse(s.url)
	if err != nil {
		panic(err) // it has answered before
	}
	u.Path = "/" + name
	return u.String()
}

func (s *Server) exec(query string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, query)
	return errors.Join(err, conn.Close(ctx))
}

// Start starts a server of its own; Close ends it. Options are settings such as
// "fsync=off".
func Start(options ...string) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	owner, err := owner()
	if err != nil {
		return nil, err
	}
	dir, err := folder(owner)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir}
	s.url = (&url.URL{Scheme: "postgres", User: url.User("comity"), Path: "/postgres", RawQuery: url.Values{"host": {dir}}.Encode()}).String()
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--pgdata", s.data(), "--username", "comity", "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions")
	initdb.Dir, initdb.SysProcAttr = dir, attributes(owner)
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w\n%s", err, out), os.RemoveAll(dir))
	}
	if err := s.Restart(options...); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// binaries finds the newest server that the store takes. Debian keeps each
// version apart and out of the PATH.
func binaries() (string, error) {
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/postgres", "/usr/pgsql-*/bin/postgres"} {
		hits, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		found = append(found, hits...)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		return "", ErrAbsent
	}
	return filepath.Dir(slices.Max(found)), nil
}

// folder makes the server's folder: in memory where that is possible, for fsync
// is on and tests commit a lot.
func folder(o *account) (string, error) {
	parents := []string{os.TempDir()}
	if roomy("/dev/shm") {
		parents = []string{"/dev/shm", os.TempDir()}
	}
	for _, parent := range parents {
		dir, err := os.MkdirTemp(parent, fmt.Sprintf("comity-pg-%d-*", os.Getpid()))
		if err != nil {
			continue
		}
		sweep(parent)
		if o != nil {
			if err := os.Chown(dir, o.uid, o.gid); err != nil {
				return "", errors.Join(err, os.RemoveAll(dir))
			}
		}
		return dir, nil
	}
	return "", errors.New("there is no folder for a PostgreSQL server")
}

// sweep removes what test runs left that were killed: their servers ended with
// them.
func sweep(parent string) {
	left, _ := filepath.Glob(filepath.Join(parent, "comity-pg-*"))
	for _, dir := range left {
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(dir), "comity-pg-%d-", &pid); err != nil || pid == os.Getpid() {
			continue
		}
		if p, err := os.FindProcess(pid); err == nil && errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone) {
			_ = os.RemoveAll(dir) // of another user: his next run does it
		}
	}
}

// Restart starts the server after Crash, on the same data, with these settings.
func (s *Server) Restart(options ...string) error {
	bin, err := binaries()
	if err != nil {
		return err
	}
	owner, err := owner()
	if err != nil {
		return err
	}
	args := []string{"-D", s.data()}
	for _, o := range append([]string{
		"listen_addresses=", "unix_socket_directories=" + s.dir, "max_connections=200", "shared_buffers=32MB", "max_wal_size=256MB",
		"autovacuum=off", "fsync=on", "logging_collector=off",
	}, options...) {
		args = append(args, "-c", o)
	}
	s.process, err = start(filepath.Join(bin, "postgres"), args, s.dir, owner)
	if err != nil {
		return err
	}
	return s.process.until(func() bool { return s.exec("SELECT 1") == nil })
}

// Crash ends the server at once, as kill -9 does, with all its sessions.
func (s *Server) Crash() { s.process.crash() }

// Close ends the server and removes its data. A server that is not ours stays.
func (s *Server) Close() error {
	if s.dir == "" {
		if s.common != "" {
			return s.drop(s.common)
		}
		return nil
	}
	s.process.stop()
	return os.RemoveAll(s.dir)
}

// lastWords is the end of what a server logged.
func lastWords(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
