package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"comity/protocol"
	"comity/store/pgtest"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// One process at a time has a database: the second one is told so, and gets it
// as soon as the first one ends.
func TestOneProcessHasADatabase(t *testing.T) {
	if testEngine != onPostgres {
		return
	}
	n := newNode(t)
	n.commit(n.accept(1))
	if _, err := OpenGateway(t.Context(), n.config()); !errors.Is(err, ErrTaken) {
		t.Fatalf("opening a database that is open: %v, want ErrTaken", err)
	}
	n.commit(n.accept(2)) // unharmed
	ended, first := make(chan error), n.Gateway
	go func() {
		time.Sleep(50 * time.Millisecond)
		ended <- first.Close()
	}()
	n.Gateway = nil
	if _, err := n.again(); err != nil { // waits
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// A node whose session was ended, and whose database another process took
// meanwhile, writes nothing more.
func TestLockIsLost(t *testing.T) {
	if testEngine != onPostgres {
		return
	}
	n := newNode(t)
	n.commit(n.accept(1))
	e := n.v.engine.(*postgresSchema)
	err := e.ask(t.Context(), func(conn *pgx.Conn) error {
		_, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND ((classid::bigint << 32) | objid::bigint) = $1`, e.lock())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	other, err := OpenGateway(t.Context(), n.config())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Commit(t.Context(), []Fact{n.accept(2)}, n.sign); !errors.Is(err, ErrTaken) {
		t.Errorf("commit of who lost its database: %v, want ErrTaken", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Inbound(t.Context(), key(2, prosecution)); !errors.Is(err, ErrNotFound) {
		t.Errorf("what was refused is stored: %v", err)
	}
}

// A server that would lose what was committed is not used.
func TestForgetfulServerIsRefused(t *testing.T) {
	if testEngine != onPostgres {
		return
	}
	pgtest.Need(t)
	server, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	url := Secret(server.Database(t))
	c := Config{Dir: t.TempDir(), Postgres: &Postgres{URL: url, Schema: "whole"}}
	if err := CreateGateway(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fsync", "full_page_writes"} {
		server.Crash()
		if err := server.Restart(name + "=off"); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenGateway(t.Context(), c); !errors.Is(err, ErrSetting) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is off: %v, want ErrSetting", name, err)
		}
		fresh := Config{Dir: t.TempDir(), Postgres: &Postgres{URL: url, Schema: "fresh"}}
		if err := CreateGateway(t.Context(), fresh); !errors.Is(err, ErrSetting) {
			t.Errorf("%s is off: created all the same: %v", name, err)
		}
	}
}

// The server ends the session inside COMMIT: nobody knows the outcome, the
// facts are asked again, and stand once.
func TestSessionEndsInsideCommit(t *testing.T) {
	if testEngine != onPostgres {
		return
	}
	n := newNode(t)
	n.commit(n.accept(1))
	execute(t, n.v.database, `CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END$$`)
	execute(t, n.v.database, `CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON checkpoint DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION cut()`)
	facts := []Fact{n.accept(2), n.submit(3, prosecution)}
	if _, err := n.Commit(t.Context(), facts, n.sign); !errors.Is(err, ErrUnknownOutcome) {
		t.Fatalf("commit whose session ended: %v, want ErrUnknownOutcome", err)
	}
	execute(t, n.v.database, `DROP TRIGGER cut ON checkpoint`)
	n.commit(facts...)
	if size, _ := n.Size(t.Context()); size != 5 {
		t.Errorf("log has %d leaves, want 5", size)
	}
}

// A server that refuses the commit itself has written nothing and says so: that
// is not an unknown outcome.
func TestCommitRefusedByTheServer(t *testing.T) {
	if testEngine != onPostgres {
		return
	}
	n := newNode(t)
	n.commit(n.accept(1))
	execute(t, n.v.database, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = 'serialization_failure'; END$$`)
	execute(t, n.v.database, `CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON checkpoint DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION refuse()`)
	facts := []Fact{n.accept(2)}
	if _, err := n.Commit(t.Context(), facts, n.sign); err == nil || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("refused commit: %v, want an error that is no unknown outcome", err)
	}
	execute(t, n.v.database, `DROP TRIGGER refuse ON checkpoint`)
	if out := n.commit(facts...); out[0].Repeat {
		t.Errorf("the refused commit was written")
	}
}

// The server is killed and comes back. What Commit answered is there, and the
// store goes on with new connections by itself.
func TestServerCrash(t *testing.T) {
	if testEngine != onPostgres {
		return
	}
	pgtest.Need(t)
	server, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	n := newNodeAt(t, Config{Postgres: &Postgres{URL: Secret(server.Database(t)), Schema: "comity"}})
	var want []Outcome
	for i := range 5 {
		want = append(want, n.commit(n.accept(10+i))...)
	}
	if _, err := n.Evidence(t.Context(), key(10, prosecution)); err != nil { // a reading connection, too
		t.Fatal(err)
	}
	server.Crash()
	if _, err := n.Commit(t.Context(), []Fact{n.accept(20)}, n.sign); err == nil || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("commit without a server: %v, want an error that is no unknown outcome", err)
	}
	if _, err := n.Size(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("reading without a server: %v, want ErrUnreachable", err)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		all, err := n.Evidence(t.Context(), key(10+i, prosecution))
		if err != nil || len(all) != 2 || !cmp.Equal(all[1].Packet, want[i].Packets[0]) {
			t.Errorf("evidence %d after the crash: %v, %v", i, all, err)
		}
	}
	n.commit(n.accept(20))
}

// A folder of sealed bytes opened with another schema would be emptied as a
// folder of orphans: it is refused.
func TestFolderAndSchemaGoTogether(t *testing.T) {
	if testEngine != onPostgres {
		return
	}
	n, other := newNode(t), newNode(t)
	large := body(1, 2*protocol.MaxInline)
	n.commit(n.acceptBody(1, large))
	c := other.config()
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	other.Gateway = nil
	c.Dir = n.dir
	if _, err := OpenGateway(t.Context(), c); !errors.Is(err, ErrForeign) {
		t.Errorf("another node's folder: %v, want ErrForeign", err)
	}
	c.Dir = filepath.Join(t.TempDir(), "empty")
	if _, err := OpenGateway(t.Context(), c); !errors.Is(err, ErrForeign) {
		t.Errorf("a new folder: %v, want ErrForeign", err)
	}
	if files := n.sealedFiles(); len(files) != 1 {
		t.Errorf("%d files are left, want 1", len(files))
	}
	other.reopen()
}

// A connection string shows nowhere, however it is printed, and a wrong one is
// not repeated in the error.
func TestConnectionStringIsSecret(t *testing.T) {
	const password = "correct-horse"
	p := &Postgres{URL: Secret("postgres://comity:" + password + "@127.0.0.1:1/comity?connect_timeout=1"), Schema: "comity"}
	c := Config{Dir: t.TempDir(), Postgres: p}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("opening", "at", p.URL, "all", p)
	shown := []string{fmt.Sprintf("%v %+v %#v %s %q", *p, *p, *p, p.URL, p.URL), string(text), log.String()}
	for _, url := range []Secret{
		p.URL, "postgres://comity:" + password + "@[::1", "postgres://comity:" + password + "@h:port/x", "host=127.0.0.1 port=1 password=" + password,
		Secret(password), "",
	} {
		c.Postgres = &Postgres{URL: url, Schema: "comity"}
		_, err := OpenGateway(t.Context(), c)
		if err == nil {
			t.Fatalf("opened %q", string(url))
		}
		shown = append(shown, err.Error(), fmt.Sprintf("%+v", err))
	}
	for _, s := range shown {
		if strings.Contains(s, password) {
			t.Errorf("the password shows in %s", s)
		}
	}
}

// What the database holds does not cross a network in the open.
func TestConnectionIsVerified(t *testing.T) {
	for url, want := range map[string]bool{
		"postgres://c@/comity?host=/run/postgresql":                                true,
		"postgres://c@localhost/comity":                                            true,
		"postgres://c@127.0.0.1/comity":                                            true,
		"postgres://c@[::1]/comity":                                                true,
		"host=/run/postgresql dbname=comity":                                       true,
		"postgres://c@db.example.org/comity?sslmode=verify-full":                   true,
		"postgres://c@db.example.org/comity?sslmode=require":                       false,
		"postgres://c@db.example.org/comity?sslmode=disable":                       false,
		"postgres://c@db.example.org/comity":                                       false,
		"postgres://c@192.0.2.1/comity":                                            false,
		"postgres://c@localhost,db.example.org/comity?sslmode=prefer":              false,
		"postgres://c@a.example.org:5432,b.example.org/comity?sslmode=verify-full": true,
	} {
		_, err := readConnection(Secret(url))
		if (err == nil) != want || err != nil && !errors.Is(err, errPlain) {
			t.Errorf("%s: %v, want accepted: %v", url, err, want)
		}
	}
}

// A server that is not there is no missing database: nobody should restore one.
func TestServerIsNotThere(t *testing.T) {
	c := Config{Dir: t.TempDir(), Postgres: &Postgres{URL: Secret("postgres://comity@/comity?host=" + t.TempDir()), Schema: "comity"}}
	_, err := OpenGateway(context.Background(), c)
	if !errors.Is(err, ErrUnreachable) || errors.Is(err, ErrMissing) {
		t.Errorf("no server: %v, want ErrUnreachable", err)
	}
	if err := CreateGateway(t.Context(), c); !errors.Is(err, ErrUnreachable) {
		t.Errorf("no server: %v, want ErrUnreachable", err)
	}
}
