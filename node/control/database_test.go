package control

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"comity/crypto/pgp"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/record"
	"comity/store"
	"comity/store/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(withPostgres{m}) }

// withPostgres ends the server before goroutines are counted.
type withPostgres struct{ m *testing.M }

func (w withPostgres) Run() int { return pgtest.Main(w.m.Run) }

// A database that does not answer is no broken log, and the doctor goes on to the
// end of its list.
func TestDoctorWithoutTheDatabase(t *testing.T) {
	pgtest.Need(t)
	server, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	base := t.TempDir()
	plan := operate.Plan{
		Dir: filepath.Join(base, "xa"), Node: "xa", StateName: []record.Name{{Language: "en", Text: "State xa"}},
		Listen: "127.0.0.1:7443", Endpoints: []string{"127.0.0.1:7443"}, Algorithm: pgp.Ed25519, Now: time.Now(),
		Authorities: []operate.PlannedAuthority{{ID: "xa/central-authority", Name: []record.Name{{Language: "en", Text: "The central authority"}}}},
		Store:       operate.Database{Engine: operate.Postgres, URLFile: filepath.Join(base, "url")},
	}
	if err := os.WriteFile(plan.Store.URLFile, []byte(server.Database(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := operate.Create(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	c, err := Dial(t.Context(), plan.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	examine := func() map[string]Check {
		t.Helper()
		found := map[string]Check{}
		if err := c.Doctor(t.Context(), "", nil, func(f Check) error { found[f.Name] = f; return nil }); err != nil {
			t.Errorf("the doctor gave up: %v", err)
		}
		return found
	}
	if f := examine(); f["database"].Verdict != OK || f["log"].Verdict != OK {
		t.Errorf("all is well: %+v", f)
	}
	server.Crash()
	f := examine()
	if d := f["database"]; d.Verdict != Fail || !strings.Contains(d.Do, "start PostgreSQL") {
		t.Errorf("database: %+v", d)
	}
	if l := f["log"]; l.Verdict != Warn || strings.Contains(l.Do, "last signature") {
		t.Errorf("log: %+v", l)
	}
	if f["peers"].Verdict != Warn {
		t.Errorf("peers: %+v", f["peers"])
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
}

// On PostgreSQL the office of an added authority has a schema of its own, as those
// that init made. One that is there already and belongs to another folder is left
// alone, and nothing is published.
func TestAnAuthorityIsAddedOnPostgres(t *testing.T) {
	base := t.TempDir()
	plan := operate.Plan{
		Dir: filepath.Join(base, "xa"), Node: "xa", StateName: []record.Name{{Language: "en", Text: "State xa"}},
		Listen: "127.0.0.1:7443", Endpoints: []string{"127.0.0.1:7443"}, Algorithm: pgp.Ed25519, Now: time.Now(),
		Authorities: []operate.PlannedAuthority{{ID: "xa/central-authority", Name: []record.Name{{Language: "en", Text: "The central authority"}}}},
		Store:       operate.Database{Engine: operate.Postgres, URLFile: filepath.Join(base, "url")},
	}
	url := pgtest.Need(t).Database(t)
	if err := os.WriteFile(plan.Store.URLFile, []byte(url), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := operate.Create(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	left := store.Config{Dir: filepath.Join(base, "left"), Postgres: &store.Postgres{URL: store.Secret(url), Schema: operate.OfficeSchema("xa", "xa/court")}}
	if err := os.Mkdir(left.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := store.CreateOffice(t.Context(), left, "xa/court"); err != nil {
		t.Fatal(err)
	}
	add := func(id protocol.AuthorityID) error {
		_, err := operate.AddAuthority(t.Context(), operate.AdditionPlan{
			Amendment: operate.Amendment{Dir: plan.Dir, Offline: filepath.Join(plan.Dir, "offline")},
			Authority: operate.PlannedAuthority{ID: id, Name: []record.Name{{Language: "en", Text: "The " + id.Name()}}}, Algorithm: pgp.Ed25519,
		})
		return err
	}
	if err := explain(add("xa/court")); err.Code != Failed || !strings.Contains(err.Hint, "DROP SCHEMA") {
		t.Errorf("beside another office's schema: %v (%s)", err, err.Hint)
	}
	if err := add("xa/police"); err != nil {
		t.Fatal(err)
	}
	list, err := dial(t, plan.Dir).Hosted(t.Context(), "")
	if err != nil || len(list.Authorities) != 2 || !list.Authorities[1].Here || list.Authorities[1].Entry != 1 {
		t.Errorf("the node hosts %+v, %v", list, err)
	}
}
