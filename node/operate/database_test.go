package operate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"comity/protocol"
	"comity/store"
	"comity/store/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m.Run)) }

// Every node and office has a schema of its own, and PostgreSQL cuts none of
// their names.
func TestSchemaNames(t *testing.T) {
	long := strings.Repeat("a", 60)
	names := map[string]string{}
	for _, node := range []protocol.NodeID{"xa", "xa-office", "xa-office-b", "xa-" + "0123456789abcdef" + "-0123456789abcdef" + "-0123456789abcdef"} {
		all := []string{GatewaySchema(node)}
		for _, office := range []protocol.AuthorityID{"xa/b", "xa/b-gateway", "xa/gateway", protocol.AuthorityID("xa/" + long), protocol.AuthorityID("xa/" + long + "b")} {
			all = append(all, OfficeSchema(node, office))
		}
		for _, name := range all {
			if before, taken := names[name]; taken || len(name) > longestSchemaName {
				t.Errorf("schema %q of %s: %d bytes, used by %q", name, node, len(name), before)
			}
			names[name] = string(node)
		}
	}
	if name := OfficeSchema("xa", "xa/central-authority"); name != "comity_xa_office_central-authority" {
		t.Errorf("schema %q", name)
	}
}

func TestDatabaseIsChecked(t *testing.T) {
	for d, want := range map[Database]string{
		{}:                  "",
		{Engine: SQLite}:    "",
		{Engine: "mysql"}:   `want "sqlite" or "postgres"`,
		{Engine: Postgres}:  "url_file is missing",
		{URLFile: "db.url"}: `engine = "postgres"`,
		{Engine: Postgres, URLFile: "credential:comity-db"}: "",
	} {
		err := d.validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", d, err, want)
		}
	}
	p := plan(t.TempDir())
	p.Store = Database{Engine: Postgres, URLFile: "db.url"}
	if _, err := Create(t.Context(), p); err == nil || !strings.Contains(err.Error(), "absolute") {
		t.Errorf("a relative path: %v", err)
	}
}

// The connection string comes from a file that only its owner reads, or from a
// credential of the service, and from nowhere else.
func TestConnectionStringIsRead(t *testing.T) {
	l := Layout{Dir: t.TempDir()}
	write := func(name string, mode os.FileMode) string {
		path := filepath.Join(l.Dir, name)
		if err := os.WriteFile(path, []byte("postgres://"+name+"\n"), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("below.url", 0o600)
	open := write("open.url", 0o644)
	t.Setenv(credentialFolder, l.Dir)
	for file, want := range map[string]store.Secret{
		"below.url":            "postgres://below.url",
		"credential:open.url":  "postgres://open.url", // its folder is closed
		open:                   "",
		"credential:../passwd": "",
		"missing.url":          "",
	} {
		got, err := readURL(l, file)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %v, want it read: %v", file, err, want != "")
		}
	}
	if _, err := readURL(l, open); err == nil || strings.Contains(err.Error(), "key") || !strings.Contains(err.Error(), "change the password if anyone else") {
		t.Errorf("open to others: %v", err)
	}
	t.Setenv(credentialFolder, "")
	if _, err := readURL(l, "credential:comity-db"); err == nil || !strings.Contains(err.Error(), "LoadCredential=comity-db:PATH") {
		t.Errorf("without a service: %v", err)
	}
}

// A node is made in PostgreSQL and opens again; its offices may have another
// database; a second process does not get in.
func TestCreateInPostgres(t *testing.T) {
	server := pgtest.Need(t)
	base := t.TempDir()
	p := plan(filepath.Join(base, "node"))
	p.Store = Database{Engine: Postgres, URLFile: filepath.Join(base, "gateway.url"), OfficeURLFile: filepath.Join(base, "office.url")}
	for _, file := range []string{p.Store.URLFile, p.Store.OfficeURLFile} {
		if err := os.WriteFile(file, []byte(server.Database(t)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	state, err := Create(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	n, err := Open(t.Context(), p.Dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if n.Gateway.OwnState().Ref() != state.Ref() || len(n.Offices) != 1 {
		t.Errorf("opened another node than was created")
	}
	if databases, err := filepath.Glob(filepath.Join(p.Dir, "*", "*.db")); err != nil || len(databases) > 0 {
		t.Errorf("SQLite files beside PostgreSQL: %v, %v", databases, err)
	}
}
