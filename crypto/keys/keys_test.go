package keys

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestWriteNewThenRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "identity.txt")
	want := []byte("AGE-SECRET-KEY-PQ-1…\n")
	if err := WriteNew(path, want); err != nil {
		t.Fatalf("WriteNew: %v", err)
	}
	if got, err := Read(path, int64(len(want))); err != nil || !bytes.Equal(got, want) {
		t.Errorf("Read = %q, %v; want %q", got, err, want)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	if names := list(t, dir); len(names) != 1 {
		t.Errorf("the directory holds %q, want the key file alone", names)
	}
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWriteNewInTheWorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := WriteNew("node.pem", []byte("x")); err != nil {
		t.Fatalf("WriteNew: %v", err)
	}
	if err := WriteNew("-rf *", []byte("x")); err != nil {
		t.Fatalf("WriteNew: %v", err)
	}
	if got, err := Read("node.pem", 1); err != nil || string(got) != "x" {
		t.Errorf("Read = %q, %v", got, err)
	}
}

func TestWriteNewNeverOverwrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.WriteFile(in("file"), []byte("old"), 0o600), os.Mkdir(in("directory"), 0o700),
		os.Symlink("file", in("link")), os.Symlink("nowhere", in("dangling")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	before := list(t, dir)
	for _, name := range before {
		if err := WriteNew(in(name), []byte("new")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("WriteNew over a %s says %v, want fs.ErrExist", name, err)
		}
	}
	if after := list(t, dir); len(after) != len(before) {
		t.Errorf("the directory holds %q, want %q", after, before)
	}
	if got, err := os.ReadFile(in("file")); err != nil || string(got) != "old" {
		t.Errorf("the file now holds %q, %v", got, err)
	}
}

func TestWriteNewRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct {
		path string
		data []byte
	}{
		"empty data": {filepath.Join(dir, "a"), nil}, "empty path": {"", []byte("x")}, "directory": {dir + "/", []byte("x")},
		"dot": {dir + "/.", []byte("x")}, "no such directory": {filepath.Join(dir, "no", "a"), []byte("x")},
		"zero in name": {filepath.Join(dir, "a\x00b"), []byte("x")}, "name too long": {filepath.Join(dir, strings.Repeat("a", 256)), []byte("x")},
	} {
		if err := WriteNew(c.path, c.data); err == nil {
			t.Errorf("%s: WriteNew(%q) succeeds", name, c.path)
		}
	}
	if names := list(t, dir); len(names) != 0 {
		t.Errorf("the directory holds %q, want nothing", names)
	}
}

// Many programs start at once: one key wins and is complete.
func TestWriteNewRaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "node.pem")
	var won sync.Map
	var writers sync.WaitGroup
	for n := range 16 {
		writers.Go(func() {
			err := WriteNew(path, bytes.Repeat([]byte{byte('a' + n)}, 10000))
			if err == nil {
				won.Store(byte('a'+n), true)
			} else if !errors.Is(err, fs.ErrExist) {
				t.Errorf("WriteNew: %v", err)
			}
		})
	}
	writers.Wait()
	got, err := Read(path, 10000)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	won.Range(func(k, _ any) bool {
		count++
		if !bytes.Equal(got, bytes.Repeat([]byte{k.(byte)}, 10000)) {
			t.Errorf("writer %c was told yes, but the file is another's", k)
		}
		return true
	})
	if count != 1 {
		t.Errorf("%d writers were told yes, want 1", count)
	}
	if names := list(t, dir); len(names) != 1 {
		t.Errorf("the directory holds %q, want the key file alone", names)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	const secret = "AGE-SECRET-KEY-PQ-1"
	if err := WriteNew(in("good"), []byte(secret)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink("good", in("link")), os.Mkdir(in("directory"), 0o700),
		syscall.Mkfifo(in("pipe"), 0o600), os.WriteFile(in("empty"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		limit int64
		says  string
	}{
		"link": {100, "symbolic link"}, "directory": {100, "not a regular file"}, "pipe": {100, "not a regular file"},
		"empty": {100, "empty"}, "good": {int64(len(secret)) - 1, "at most 18"}, "missing": {100, "no such file"},
	} {
		got, err := Read(in(name), c.limit)
		if err == nil || got != nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), in(name)) {
			t.Errorf("Read(%s, %d) = %q, %v; want an error with path and %q", name, c.limit, got, err, c.says)
		}
	}
	for _, limit := range []int64{0, -1, math.MinInt64} {
		if got, err := Read(in("good"), limit); err == nil {
			t.Errorf("Read with limit %d = %q", limit, got)
		}
	}
	if _, err := Read(in("missing"), 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of a missing file says %v, want fs.ErrNotExist", err)
	}
	if got, err := Read(in("good"), math.MaxInt64); err != nil || string(got) != secret {
		t.Errorf("Read without limit = %q, %v", got, err)
	}
}

func TestReadAsksForNarrowModes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "the key.pem")
	if err := WriteNew(path, []byte("secret")); err != nil {
		t.Fatal(err)
	}
	for mode := fs.FileMode(0o400); mode <= 0o777; mode++ {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := Read(path, 100)
		if mode == 0o600 || mode == 0o400 {
			if err != nil {
				t.Errorf("mode %04o: %v", mode, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "chmod 600 '"+path+"'") {
			t.Errorf("mode %04o: error %v, want one that says chmod 600", mode, err)
		}
	}
}

func TestMkdirPrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "xa", "node", "keys")
	for range 2 {
		if err := MkdirPrivate(path); err != nil {
			t.Fatalf("MkdirPrivate: %v", err)
		}
	}
	for p := path; p != dir; p = filepath.Dir(p) {
		if info, err := os.Lstat(p); err != nil || info.Mode() != fs.ModeDir|0o700 {
			t.Errorf("%s: %v, %v; want drwx------", p, info.Mode(), err)
		}
	}
	if err := MkdirPrivate(path + "/"); err != nil {
		t.Errorf("with a slash behind: %v", err)
	}
	if err := os.Chmod(path, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := MkdirPrivate(path); err == nil || !strings.Contains(err.Error(), "chmod 700 "+path) {
		t.Errorf("open to a group: error %v, want one that says chmod 700", err)
	}
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink("xa", link)); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{file, link, link + "/", filepath.Join(file, "below"), "", filepath.Join(dir, "a\x00b")} {
		if err := MkdirPrivate(p); err == nil {
			t.Errorf("MkdirPrivate(%q) succeeds", p)
		}
	}
}

func TestShellWord(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/var/lib/comity/keys/node.pem", "a b", "it's", "$(touch x)", "-rf", "", "*", "ключ", "a\nb", "~", "x;y", `\`} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+shellWord(path)).Output()
		want := path
		if strings.HasPrefix(path, "-") {
			want = "./" + path
		}
		if err != nil || string(out) != want {
			t.Errorf("shell reads %q as %q, %v; want %q", shellWord(path), out, err, want)
		}
	}
}

// FuzzRead: a file is read exactly when its mode, size and limit allow it.
func FuzzRead(f *testing.F) {
	f.Add([]byte("AGE-SECRET-KEY-PQ-1"), uint16(0o600), int64(100))
	f.Add([]byte("AGE-SECRET-KEY-PQ-1"), uint16(0o644), int64(100))
	f.Add([]byte("x"), uint16(0o400), int64(0))
	f.Add([]byte{}, uint16(0o600), int64(-1))
	path := filepath.Join(f.TempDir(), "key")
	f.Fuzz(func(t *testing.T, data []byte, bits uint16, limit int64) {
		mode := fs.FileMode(bits) & 0o777
		os.Remove(path)
		if err := errors.Join(os.WriteFile(path, data, 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		got, err := Read(path, limit)
		allowed := mode&^0o600 == 0 && len(data) > 0 && int64(len(data)) <= limit
		if mode&0o400 == 0 && os.Geteuid() != 0 {
			allowed = false
		}
		if (err == nil) != allowed || err == nil && !bytes.Equal(got, data) {
			t.Fatalf("Read of %d bytes with mode %04o and limit %d = %d bytes, %v", len(data), mode, limit, len(got), err)
		}
	})
}
