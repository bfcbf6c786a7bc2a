package operate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol/record"
)

func plan(dir string) Plan {
	return Plan{
		Dir: dir, Node: "xa", StateName: []record.Name{{Language: "en", Text: "State A"}},
		Authorities: []PlannedAuthority{{ID: "xa/central-authority", Name: []record.Name{{Language: "en", Text: "Central Authority"}}}},
		Listen:      "127.0.0.1:7443", Endpoints: []string{"127.0.0.1:7443"}, Algorithm: pgp.Ed25519, Now: time.Now(),
	}
}

// A node is created in a new directory or in an existing empty one, whole, and
// opens; what holds anything is left alone.
func TestCreate(t *testing.T) {
	base := t.TempDir()
	empty := filepath.Join(base, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(base, "new", "below"), empty} {
		state, err := Create(t.Context(), plan(dir))
		if err != nil {
			t.Fatalf("create %s: %v", dir, err)
		}
		n, err := Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatalf("open %s: %v", dir, err)
		}
		if n.Gateway.OwnState().Ref() != state.Ref() || len(n.Offices) != 1 {
			t.Errorf("%s: opened another node than was created", dir)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if strings.Contains(e.Name(), ".new") || strings.Contains(e.Name(), "init-") {
				t.Errorf("left behind: %s", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if _, err := Create(t.Context(), plan(dir)); err == nil || !strings.Contains(err.Error(), "not empty") {
			t.Errorf("create over a node: %v", err)
		}
	}
	left, err := os.ReadDir(base)
	if err != nil || len(left) != 2 {
		t.Errorf("beside the two nodes: %v, %v", left, err)
	}
}

// A directory that others can enter is not opened: the keys in it are not ours alone.
func TestOpenWantsAPrivateDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node")
	if _, err := Create(t.Context(), plan(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if n, err := Open(t.Context(), dir, Options{}); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("open: %v", err)
		if n != nil {
			n.Close()
		}
	}
}

// Another node's database is refused: over it this node would sign a second
// history of that log.
func TestOpenRefusesAnotherNodesDatabase(t *testing.T) {
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	other := plan(b)
	other.Node, other.Authorities[0].ID = "xb", "xb/central-authority"
	for _, p := range []Plan{plan(a), other} {
		if _, err := Create(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	db, err := os.ReadFile(Layout{a}.NodeFile("gateway.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(Layout{b}.NodeFile("gateway.db"), db, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := Open(t.Context(), b, Options{}); err == nil || !strings.Contains(err.Error(), "belongs to another node") {
		t.Errorf("open: %v", err)
		if n != nil {
			n.Close()
		}
	}
}
