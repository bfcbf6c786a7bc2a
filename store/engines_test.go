package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"comity/store/pgtest"
)

// Every test of this package runs on both engines: TestMain runs them all on
// SQLite, then all again on PostgreSQL. What is about one engine only returns at
// once on the other. COMITY_TEST_ENGINE=sqlite or =postgres runs one half.

// testEngine is the engine of the run under way.
var testEngine string

const (
	onSQLite   = "sqlite"
	onPostgres = "postgres"
)

func TestMain(m *testing.M) {
	os.Exit(pgtest.Main(func() (code int) {
		chosen := os.Getenv("COMITY_TEST_ENGINE")
		for _, testEngine = range []string{onSQLite, onPostgres} {
			if chosen != "" && chosen != testEngine {
				continue
			}
			if testEngine == onPostgres {
				if _, err := pgtest.Shared(); errors.Is(err, pgtest.ErrAbsent) && os.Getenv("CI") == "" {
					fmt.Printf("\n*** THE STORE IS NOT TESTED ON POSTGRESQL: %v\n\n", err)
					continue
				}
			}
			fmt.Printf("store on %s\n", testEngine)
			code = max(code, m.Run())
		}
		return code
	}))
}

// at completes a configuration with a fresh place for one database on the engine
// of this run.
func at(t testing.TB, c Config) Config {
	t.Helper()
	if testEngine == onPostgres {
		url, schema := pgtest.Need(t).Place(t)
		c.Postgres = &Postgres{URL: Secret(url), Schema: schema}
	}
	return c
}

// execute runs a statement behind the store's back.
func execute(t testing.TB, d *database, query string) {
	t.Helper()
	if err := tryExecute(d, query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func tryExecute(d *database, query string) error {
	d.discard() // the one writing connection, for the statement
	_, err := d.writer.Exec(query)
	return err
}

// Both engines have the same tables, columns, keys and indexes, so that one SQL
// text serves both.
func TestBothEnginesHaveOneSchema(t *testing.T) {
	if testEngine != onPostgres {
		return
	}
	for _, k := range []kind{gatewayKind, officeKind} {
		postgres := shape(t, k, at(t, Config{Dir: t.TempDir()}), `
SELECT c.relname || '.' || a.attname || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END || ' ' || replace(replace(format_type(a.atttypid, NULL), 'bytea', 'BLOB'), 'bigint', 'INTEGER')
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND c.relname <> 'goose_db_version'
UNION ALL SELECT 'index ' || indexname FROM pg_indexes WHERE schemaname = current_schema() AND indexdef LIKE '% WHERE %'`)
		sqlite := shape(t, k, Config{Dir: t.TempDir()}, `
SELECT m.name || '.' || c.name || CASE WHEN c."notnull" = 1 OR c.pk > 0 THEN ' not null' ELSE '' END || ' ' || c.type
FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name <> 'goose_db_version' AND m.name NOT LIKE 'sqlite_%'
UNION ALL SELECT 'index ' || name FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'`)
		for line := range sqlite {
			if !postgres[strings.ReplaceAll(line, "TEXT", "text")] {
				t.Errorf("%s: only SQLite has %s", k.name, line)
			}
		}
		for line := range postgres {
			if !sqlite[strings.ReplaceAll(line, "text", "TEXT")] {
				t.Errorf("%s: only PostgreSQL has %s", k.name, line)
			}
		}
		if len(sqlite) < 30 {
			t.Errorf("%s: only %d columns were compared", k.name, len(sqlite))
		}
	}
}

func shape(t *testing.T, k kind, c Config, query string) map[string]bool {
	t.Helper()
	if err := create(t.Context(), c, k, nil); err != nil {
		t.Fatal(err)
	}
	d, err := open(t.Context(), c, k)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	rows, err := d.reader.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]bool{}
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		all[line] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// The numbered files of both engines go together.
func TestBothEnginesHaveTheSameMigrations(t *testing.T) {
	for _, database := range []string{"gateway", "office"} {
		var names [2][]string
		for i, engine := range []string{"sqlite", "postgres"} {
			files, err := filepath.Glob(filepath.Join("schema", database, engine, "*.sql"))
			if err != nil || len(files) == 0 {
				t.Fatalf("migrations of %s on %s: %v, %v", database, engine, files, err)
			}
			for _, f := range files {
				names[i] = append(names[i], filepath.Base(f))
			}
		}
		if fmt.Sprint(names[0]) != fmt.Sprint(names[1]) {
			t.Errorf("%s: SQLite has %v, PostgreSQL has %v", database, names[0], names[1])
		}
	}
}
