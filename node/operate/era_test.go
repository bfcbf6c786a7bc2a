package operate

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"comity/crypto/keys"
)

// A new era that broke off before its commit leaves nothing behind, whichever of
// its files were there: above all the log key stays.
func TestANewEraThatBrokeOff(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node")
	if _, err := Create(t.Context(), plan(dir)); err != nil {
		t.Fatal(err)
	}
	files := eraFiles(Layout{Dir: dir})
	var before [][]byte
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, b)
	}
	for which := 1; which < 1<<len(files); which++ {
		for i, path := range files {
			if which&(1<<i) != 0 {
				if err := keys.WriteNew(path+next, []byte("of an era that was not begun")); err != nil {
					t.Fatal(err)
				}
			}
		}
		n, err := Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatalf("files %03b: %v", which, err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		for i, path := range files {
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before[i]) {
				t.Errorf("files %03b: %s was changed (%v)", which, path, err)
			}
			if _, err := os.Lstat(path + next); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("files %03b: %s%s is still there (%v)", which, path, next, err)
			}
		}
	}
}
