package control

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"comity/crypto/pgp"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/directory"
	"comity/protocol/record"
	"comity/store/pgtest"
)

// large is a file of 250 states with eight authorities each.
func large(t testing.TB) []byte {
	t.Helper()
	var all []directory.Listing
	for i := range 250 {
		state := string([]byte{'a' + byte(i/26), 'a' + byte(i%26)})
		for j := range 8 {
			all = append(all, directory.Listing{
				Authority: protocol.AuthorityID(fmt.Sprintf("%s/authority-%d", state, j)),
				StateName: []record.Name{{Language: "es", Text: "República de " + strings.ToUpper(state)}},
				Name:      []record.Name{{Language: "es", Text: fmt.Sprintf("Fiscalía %d", j)}, {Language: "ar", Text: fmt.Sprintf("السُّلْطَة %d", j)}},
				Confirmed: protocol.At(time.Date(2026, 1, j+1, 0, 0, 0, 0, time.UTC)),
				Particulars: &record.Particulars{
					Competences: []record.Competence{{Instrument: "UNTOC", Articles: []string{"16", "18"}, Functions: []record.Term{"extradition"}}},
					Languages:   []record.Language{{Language: "es"}, {Language: "fr", UrgentOnly: j%2 == 0}},
					Channels:    []record.Channel{{Channel: "diplomatic"}},
				},
			})
		}
	}
	file, err := directory.WriteJSON(all)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// directoryOn is a client of a new node on an engine that has imported them.
func directoryOn(t testing.TB, engine, url string) *Client {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "zz")
	plan := operate.Plan{
		Dir: dir, Node: "zz", StateName: []record.Name{{Language: "en", Text: "State zz"}},
		Listen: "127.0.0.1:7443", Endpoints: []string{"127.0.0.1:7443"}, Algorithm: pgp.Ed25519, Now: time.Now(),
		Authorities: []operate.PlannedAuthority{{ID: "zz/central-authority", Name: []record.Name{{Language: "en", Text: "Central Authority"}}}},
		Store:       operate.Database{Engine: engine, URLFile: url},
	}
	if _, err := operate.Create(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	c, err := Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if done, err := c.ImportListings(t.Context(), JSON, large(t), true); err != nil || done.New != 2000 {
		t.Fatalf("import: %+v, %v", done, err)
	}
	return c
}

var questions = []directory.Question{
	{},
	{Text: []string{"fiscalia", "7"}, Language: "fr", For: "extraditon", Article: "16"},
	{Text: []string{"السلطة"}, State: "bd"},
	{State: "República"},
	{For: "extradition", Language: "es", Untold: true},
	{Text: []string{"central"}},
}

// Both engines give the same hits in the same order.
func TestBothEnginesFindTheSame(t *testing.T) {
	pgtest.Need(t)
	server, err := pgtest.Shared()
	if err != nil {
		t.Fatal(err)
	}
	url := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(url, []byte(server.Database(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	files, postgres := directoryOn(t, operate.SQLite, ""), directoryOn(t, operate.Postgres, url)
	for _, q := range questions {
		one, err := files.Find(t.Context(), FindRequest{Question: q})
		if err != nil {
			t.Fatal(err)
		}
		two, err := postgres.Find(t.Context(), FindRequest{Question: q})
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range []*Found{one, two} {
			for i := range found.Hits {
				if n := found.Hits[i].Network; n != nil {
					n.Until = protocol.Time{} // each node has a record of its own
				}
			}
		}
		if diff := cmp.Diff(one, two); diff != "" || len(one.Hits) == 0 {
			t.Errorf("%+v: %d hits (-SQLite +PostgreSQL):\n%s", q, len(one.Hits), diff)
		}
		if all := len(one.Hits) + one.More; len(q.Text) == 2 && all != 250 {
			t.Errorf("%+v: %d hits, want one in each of 250 states", q, all)
		}
	}
}

// 250 states with 2,000 authorities, asked as a command asks.
func BenchmarkDirectoryFind(b *testing.B) {
	c := directoryOn(b, operate.SQLite, "")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Find(b.Context(), FindRequest{Question: questions[1], Limit: 20}); err != nil {
			b.Fatal(err)
		}
	}
}
