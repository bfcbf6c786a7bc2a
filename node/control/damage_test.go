package control

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"comity/store"
)

// What was in order when it was stored, and is not any more, must not be taken
// for an ordinary failure.
func TestDamagedSealedBytesAreAnIntegrityError(t *testing.T) {
	dir, _ := newNode(t, "xa", "xa/central-authority")
	_, other := newNode(t, "xb", "xb/prosecution-service")
	c := dial(t, dir)
	pin(t, c, other)
	large := strings.Repeat("We request the records of an account.\n", 100_000)
	sent := send(t, c, draft(write(t, "request.txt", large)))
	var sealed []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(path, "sealed") {
			sealed = append(sealed, path)
		}
		return err
	})
	if err != nil || len(sealed) != 1 {
		t.Fatalf("sealed files %q, %v; want one", sealed, err)
	}
	read := func() error {
		file, content, err := c.Open(t.Context(), "", string(sent.Parcel), 1)
		if err != nil {
			return err
		}
		defer content.Close()
		n, err := io.Copy(io.Discard, content)
		if err == nil && n != file.Size {
			t.Errorf("read %d bytes of %d without an error", n, file.Size)
		}
		return err
	}
	if err := read(); err != nil {
		t.Fatalf("before the damage: %v", err)
	}
	for _, at := range []int64{2_000_000, 100} { // in the content, in the header
		flip(t, sealed[0], at)
		wantCode(t, "damaged sealed bytes", read(), Integrity)
	}
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 1)
	_, readErr := f.ReadAt(one, at)
	one[0] ^= 1
	_, writeErr := f.WriteAt(one, at)
	if err := errors.Join(readErr, writeErr, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestNobodyIsToldToServeAnOlderCopy(t *testing.T) {
	for _, err := range []error{store.ErrClock, store.ErrIntegrity, store.ErrMissing} {
		e := explain(err)
		if e.Code != Integrity || strings.Contains(e.Hint, "restore a good copy") || !strings.Contains(e.Hint, "copy") {
			t.Errorf("%v: code %q, hint %q", err, e.Code, e.Hint)
		}
	}
	if e := explain(store.ErrClock); !strings.Contains(e.Message, "the clock of this machine is behind what was signed here") {
		t.Errorf("clock: %q", e.Message)
	}
}
