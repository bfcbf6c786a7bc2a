package newfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// what stands in a folder, hidden files too.
func listed(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// begun is a file whose content is written and which has no name yet.
func begun(t *testing.T, place string) *File {
	t.Helper()
	f, err := Create(place)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("evidence"); err != nil {
		t.Fatal(err)
	}
	return f
}

// links is how a file gets its name: as the system does it, and where it cannot.
var links = map[string]func(string, string) error{
	"with links":    os.Link,
	"without links": func(string, string) error { return &os.LinkError{Op: "link", Err: syscall.EPERM} }, // as FAT answers
}

func TestAFileAppearsWhole(t *testing.T) {
	t.Parallel()
	for how, link := range links {
		folder := t.TempDir()
		place := filepath.Join(folder, "evidence.tar")
		f := begun(t, place)
		if _, err := os.Lstat(place); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: while it is written, its place says %v; want nothing there", how, err)
		}
		if err := f.keep(link); err != nil {
			t.Errorf("%s: %v", how, err)
			continue
		}
		f.Discard()
		content, err := os.ReadFile(place)
		info, statErr := os.Lstat(place)
		if err := errors.Join(err, statErr); err != nil || string(content) != "evidence" || info.Mode() != 0o600 {
			t.Errorf("%s: it holds %q with mode %v, %v", how, content, info.Mode(), err)
		}
		if names := listed(t, folder); len(names) != 1 {
			t.Errorf("%s: the folder holds %q, want the file alone", how, names)
		}
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	for how, link := range links {
		folder := t.TempDir()
		place := filepath.Join(folder, "evidence.tar")
		f := begun(t, place)
		if err := os.WriteFile(place, []byte("of somebody else"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := f.keep(link); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: what appeared meanwhile: %v, want fs.ErrExist", how, err)
		}
		if _, err := Create(place); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: what is there from the start: %v, want fs.ErrExist", how, err)
		}
		if content, err := os.ReadFile(place); err != nil || string(content) != "of somebody else" {
			t.Errorf("%s: it holds %q now, %v", how, content, err)
		}
		if names := listed(t, folder); len(names) != 1 {
			t.Errorf("%s: the folder holds %q, want that file alone", how, names)
		}
	}
	dangling := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("nowhere", dangling); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dangling); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a link that leads nowhere: %v, want fs.ErrExist", err)
	}
}

func TestWhatIsGivenUpLeavesNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	begun(t, filepath.Join(folder, "evidence.tar")).Discard()
	if names := listed(t, folder); len(names) != 0 {
		t.Errorf("the folder holds %q, want nothing", names)
	}
}

// The name that is told is the one that was asked for.
func TestErrorsTellThePlace(t *testing.T) {
	t.Parallel()
	place := filepath.Join(t.TempDir(), "no", "evidence.tar")
	var wrong *fs.PathError
	if _, err := Create(place); !errors.As(err, &wrong) || !errors.Is(err, fs.ErrNotExist) || wrong.Path != place {
		t.Errorf("without a folder: %v, want fs.ErrNotExist of %s", err, place)
	}
}
