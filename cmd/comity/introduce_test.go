package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"comity/node/control"
)

// A command that is killed while it writes leaves nothing at the place, so that it can be
// typed again; one that cannot read to the end leaves nothing either.
func TestWhatIsWrittenAppearsWhole(t *testing.T) {
	folder := t.TempDir()
	place := filepath.Join(folder, "request.pdf")
	f, err := createNew(place)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("half of it"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(place); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("while it is written, its place says %v; want nothing there", err)
	}
	broke := errors.New("the content broke off")
	if err := finish(f, place, broke); !errors.Is(err, broke) {
		t.Errorf("finish = %v, want %v", err, broke)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("the folder holds %v, %v; want nothing", left, err)
	}
	if err := writeNew(place, []byte("all of it")); err != nil {
		t.Fatal(err)
	}
	if err := writeNew(place, []byte("another one")); control.CodeOf(err) != control.Failed {
		t.Errorf("written over what is there: %v", err)
	}
	if got, err := os.ReadFile(place); err != nil || string(got) != "all of it" {
		t.Errorf("it holds %q, %v", got, err)
	}
}
