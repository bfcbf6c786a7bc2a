package store

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// A sync that does not go through Config.Sync is one that no power cut of a
// test can check.
func TestEverySyncIsSeen(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if name == "sync_test.go" {
			continue
		}
		n := bytes.Count(text, []byte(".Sync()"))
		if found += n; n > 0 && name != "store.go" {
			t.Errorf("%s calls Sync itself; want Config.sync", name)
		}
	}
	if found != 1 {
		t.Errorf("Sync is called in %d places, want one", found)
	}
}
