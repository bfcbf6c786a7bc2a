package keys

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadPassphrase(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		want    string // the passphrase
		wrong   string // in the error
	}{
		"a line":           {"correct horse\n", 0o600, "correct horse", ""},
		"no line end":      {"correct horse", 0o400, "correct horse", ""},
		"a foreign end":    {"correct horse\r\n", 0o600, "correct horse", ""},
		"spaces count":     {" correct horse \n", 0o600, " correct horse ", ""},
		"only one is cut":  {"correct horse\n\n", 0o600, "correct horse\n", ""}, // and refused as no line of text by seal
		"empty":            {"", 0o600, "", "it is empty"},
		"only a line end":  {"\n", 0o600, "", "it is empty"},
		"open to a group":  {"correct horse\n", 0o640, "", "chmod 600"},
		"open to everyone": {"correct horse\n", 0o604, "", "chmod 600"},
		"a whole book":     {strings.Repeat("x", maxPassphraseFile+1), 0o600, "", "is it the right file"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.content), c.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		got, err := ReadPassphrase(path)
		switch {
		case got != c.want || (err == nil) != (c.wrong == ""):
			t.Errorf("%s: got %q, %v", name, got, err)
		case err != nil && (!strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "horse")):
			t.Errorf("%s: %v", name, err)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("a line", link); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPassphrase(link); err == nil {
		t.Error("read through a symbolic link")
	}
}

// A file of another user is refused, even one that nobody else can read: its
// owner could, and can replace it.
func TestReadPassphraseOfAnotherUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(path, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, read := range map[string]func(string, int) (string, error){"passphrase": readPassphrase, "credential": readCredential} {
		if owner := os.Getuid(); owner == 0 && what == "credential" {
			continue // root's own is everybody's
		}
		if got, err := read(path, os.Getuid()+1); err == nil || !strings.Contains(err.Error(), "belongs to user") {
			t.Errorf("%s: got %q, %v", what, got, err)
		}
	}
}

// systemd provides a credential as the user's own file, mode 0400, or as root's
// with the group let in.
func TestReadCredential(t *testing.T) {
	path := filepath.Join(t.TempDir(), "comity-node")
	if err := os.WriteFile(path, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, fine := range map[os.FileMode]bool{0o400: true, 0o440: true, 0o600: true, 0o644: false, 0o660: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadCredential(path); (err == nil) != fine || fine && got != "correct horse" {
			t.Errorf("mode %04o: got %q, %v", mode, got, err)
		}
	}
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node.key")
	if err := Replace(path, []byte("new"), 10); err == nil {
		t.Error("replaced a file that is not there")
	}
	if err := WriteNew(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, []byte("new"), 10); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range [][]byte{nil, make([]byte, 11)} {
		if err := Replace(path, wrong, 10); err == nil {
			t.Errorf("replaced by %d bytes", len(wrong))
		}
	}
	if got, err := Read(path, 10); err != nil || string(got) != "new" {
		t.Errorf("got %q, %v", got, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
