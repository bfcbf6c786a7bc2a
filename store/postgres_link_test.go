package store

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"comity/protocol"
	"comity/store/pgtest"

	"github.com/jackc/pgx/v5"
)

// link is the network between a node and its server. When it dies the node
// learns so at once and the server not at all.
type link struct {
	net.Listener
	server string // its socket

	mu    sync.Mutex
	node  []net.Conn // guarded by mu; the node's ends
	other []net.Conn // guarded by mu; the server's
}

// newLink leads to the shared server, and place to a database behind it.
func newLink(t *testing.T) (l *link, place Config) {
	t.Helper()
	config, err := pgx.ParseConfig(pgtest.Need(t).Database(t))
	if err != nil {
		t.Fatal(err)
	}
	network, at := pgxAddress(config)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = &link{Listener: listener, server: at}
	go l.serve(network)
	t.Cleanup(func() {
		l.Close()
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, c := range append(l.node, l.other...) {
			c.Close()
		}
	})
	u := url.URL{Scheme: "postgres", User: url.UserPassword(config.User, config.Password), Host: l.Addr().String(), Path: "/" + config.Database, RawQuery: "sslmode=disable"}
	return l, Config{Postgres: &Postgres{URL: Secret(u.String()), Schema: "comity"}}
}

func pgxAddress(c *pgx.ConnConfig) (network, address string) {
	if filepath.IsAbs(c.Host) {
		return "unix", filepath.Join(c.Host, fmt.Sprintf(".s.PGSQL.%d", c.Port))
	}
	return "tcp", fmt.Sprintf("%s:%d", c.Host, c.Port)
}

func (l *link) serve(network string) {
	for {
		node, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(network, l.server)
		if err != nil {
			node.Close()
			continue
		}
		l.mu.Lock()
		l.node, l.other = append(l.node, node), append(l.other, server)
		l.mu.Unlock()
		go func() { _, _ = io.Copy(server, node) }() // the server never hears that the node is gone
		go func() { _, _ = io.Copy(node, server) }()
	}
}

// die ends all connections at the node's side.
func (l *link) die() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.node {
		c.Close()
	}
}

// A session of our own of which the server does not know yet that it is dead is
// not another process: it is ended, and the node goes on.
func TestLinkToTheServerDies(t *testing.T) {
	if testEngine != onPostgres {
		return
	}
	l, place := newLink(t)
	n := newNodeAt(t, place)
	n.commit(n.accept(1))
	l.die()
	n.commit(n.accept(2))
	if size, _ := n.Size(t.Context()); size != 4 {
		t.Errorf("log has %d leaves, want 4", size)
	}
}

// While a commit of unknown outcome still hangs in the server, its row cannot be
// seen. The file for which it will stand is no orphan yet.
func TestSweepWaitsForAHangingCommit(t *testing.T) {
	if testEngine != onPostgres {
		return
	}
	l, place := newLink(t)
	n := newNodeAt(t, place)
	// The driver asks the server to cancel what it gives up, which may come too late.
	execute(t, n.v.database, `CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN PERFORM pg_sleep(2); RETURN NULL; EXCEPTION WHEN query_canceled THEN PERFORM pg_sleep(1); RETURN NULL; END$$`)
	execute(t, n.v.database, `CREATE CONSTRAINT TRIGGER hang AFTER INSERT ON checkpoint DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION hang()`)
	// A slow server may be told to end the session before it commits; then there is
	// nothing to show, and it is tried again.
	for number := range 5 {
		if n.commitThatHangs(l, number) {
			return
		}
	}
	t.Fatal("no commit whose link died came about")
}

// commitThatHangs cuts the link in a commit, sweeps, and reports whether the commit
// came about all the same. If so, its file must be there.
func (n *node) commitThatHangs(l *link, number int) bool {
	n.t.Helper()
	large := body(number, 2*protocol.MaxInline)
	f := n.acceptBody(number, large)
	done := make(chan error)
	go func() {
		_, err := n.Commit(n.t.Context(), []Fact{f}, n.sign)
		done <- err
	}()
	n.untilItHangs()
	l.die()
	if err := <-done; !errors.Is(err, ErrUnknownOutcome) {
		n.t.Fatalf("commit whose link died: %v, want ErrUnknownOutcome", err)
	}
	f.Spool.Discard() // its owner gave up
	if _, err := n.Sweep(n.t.Context(), 0); err != nil {
		n.t.Fatal(err)
	}
	if _, err := n.Inbound(n.t.Context(), f.Key); errors.Is(err, ErrNotFound) {
		return false
	}
	s, err := n.Sealed(n.t.Context(), sealedOf(large).Digest)
	if err != nil {
		n.t.Fatalf("the file of a commit that came about: %v", err)
	}
	s.Close()
	return true
}

// untilItHangs waits until a commit sleeps in the server.
func (n *node) untilItHangs() {
	n.t.Helper()
	for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(5 * time.Millisecond) {
		var sleeping bool
		if err := n.v.reader.QueryRow(`SELECT EXISTS (SELECT 1 FROM pg_stat_activity
WHERE datname = current_database() AND wait_event = 'PgSleep')`).Scan(&sleeping); err != nil {
			n.t.Fatal(err)
		}
		if sleeping {
			return
		}
	}
	n.t.Fatal("no commit hangs in the server")
}

// The server ends a connection that waits in the pool, right after open: the
// first write does not fail of it.
func TestSessionEndsBeforeTheFirstWrite(t *testing.T) {
	if testEngine != onPostgres {
		return
	}
	n := newNode(t)
	e := n.v.engine.(*postgresSchema)
	if err := e.ask(t.Context(), func(conn *pgx.Conn) error {
		_, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND ((classid::bigint << 32) | objid::bigint) = $1`, e.lock())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	n.commit(n.accept(1))
}
