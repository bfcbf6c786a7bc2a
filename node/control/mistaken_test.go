package control

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"comity/node/operate"
)

// Every key that a node has is told to be one where another file is wanted, and nothing
// else below its directory is.
func TestKeysAreToldAsKeys(t *testing.T) {
	dir, _ := newNode(t, "xa", "xa/central-authority")
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		file, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := filepath.Base(path)
		isKey := strings.HasSuffix(name, ".key") || strings.HasSuffix(name, ".pem") || filepath.Base(filepath.Dir(path)) == "age"
		found[name] = isKey
		if got := mistaken(file); (got == aKey) != isKey {
			t.Errorf("%s is %q", path, got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"node.key", "state.key", "log.key", "witness.key", "act.key", "attest.key", "tls.pem"} {
		if !found[name] {
			t.Errorf("%s was not looked at", name)
		}
	}
	for _, wrong := range []string{"node.key", "log.key"} {
		key, err := os.ReadFile(operate.Layout{Dir: dir}.NodeFile(wrong))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ReadRoot(key); err == nil || !strings.Contains(err.Error(), "not the root of a federation but a file with a key") {
			t.Errorf("%s as a root: %v", wrong, err)
		}
		if _, err := ReadIntroduction(key); err == nil || !strings.Contains(err.Error(), "not an introduction but a file with a key") {
			t.Errorf("%s as an introduction: %v", wrong, err)
		}
	}
}
