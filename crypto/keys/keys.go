// Package keys keeps key files: it writes one so that neither a crash nor a
// second program can leave half a key or replace a key that exists, and reads
// one only while nobody but its owner could. It also makes the TLS key of a
// node and its self-signed certificate.
//
// A key file is trusted for being complete and private, not for what is in it:
// the packages seal, pgp and merkle parse their own secrets, and seal protects
// them by a passphrase where there is one. Files that hold a passphrase are read
// here too, more strictly: nobody but the reader may own them.
//
// Private here means the permission bits of the file: directories above it,
// access control lists and backups are the operator's care ([MkdirPrivate]
// makes a good start).
package keys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	fileMode      fs.FileMode = 0o600
	directoryMode fs.FileMode = 0o700
)

// ErrOpen says that others than its owner have permissions on a file or a directory.
var ErrOpen = errors.New("is open to others than its owner")

// WriteNew stores data in a new file at path that only its owner can read and
// write, whatever the umask. It never overwrites: when anything is at path,
// even a dangling symbolic link, the error wraps [fs.ErrExist] and nothing
// changed.
//
// The file appears complete or not at all, and survives a power cut once
// WriteNew returned nil. If the last step fails, the making durable of the
// directory entry, the error says so and the complete file stays: it is then
// for the caller to use it or to remove it. A crash can leave a file
// ".<name>.<random>.new" beside it, with mode 0600, which nothing reads.
//
// The file system must know hard links; all that Linux servers keep keys on do.
func WriteNew(path string, data []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing key file %s: %w", path, err)
		}
	}()
	if len(data) == 0 {
		return errors.New("it would be empty")
	}
	dir, name := filepath.Split(path)
	if name == "" || name == "." || name == ".." {
		return errors.New("the path names no file")
	}
	if dir == "" {
		dir = "."
	}
	// Tell the usual mistake before a secret touches the disk. Link decides.
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	}
	temp, err := prepare(dir, name, data)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	// A link, unlike a rename, fails when something is at path already.
	if err := os.Link(temp, path); err != nil {
		return err
	}
	if err := os.Remove(temp); err != nil {
		return fmt.Errorf("it is complete, but its second name remains: %w", err)
	}
	if err := SyncDir(dir); err != nil {
		return fmt.Errorf("it is complete, but a power cut may still lose it: %w", err)
	}
	return nil
}

// prepare writes a complete temporary file beside its later place.
func prepare(dir, name string, data []byte) (path string, err error) {
	temp, err := os.CreateTemp(dir, "."+name+".*.new")
	if err != nil {
		return "", err
	}
	if err := fill(temp, data); err != nil {
		return "", errors.Join(err, os.Remove(temp.Name()))
	}
	return temp.Name(), nil
}

// Replace puts data in the place of the key file at path, which [Read] must
// accept. Whenever the power goes, either the old file is there or the new one,
// complete. What the old one held may stay readable on the medium: no file
// system promises to overwrite.
func Replace(path string, data []byte, limit int64) (err error) {
	if _, err := Read(path, limit); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("replacing key file %s: %w", path, err)
		}
	}()
	if len(data) == 0 || int64(len(data)) > limit {
		return fmt.Errorf("it would have %d bytes, want 1 to %d", len(data), limit)
	}
	return Put(path, data)
}

// Put stores data in a private file at path, in the place of what is there. Whenever
// the power goes, one of the two is there, complete; it survives once Put returned nil.
func Put(path string, data []byte) error {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	temp, err := prepare(dir, name, data)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return SyncDir(dir)
}

// fill writes all data through to the disk and closes f in any case.
func fill(f *os.File, data []byte) error {
	err := f.Chmod(fileMode)
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// SyncDir makes the names in a directory durable: what was created, renamed or
// removed in it stays so when the power goes.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Read returns the content of a key file of at most limit bytes. It refuses,
// with a sentence that says what to do, anything but a regular file, a symbolic
// link, a file with more permissions than 0600 ([ErrOpen]), an empty one and a larger one.
// A missing file wraps [fs.ErrNotExist]. Errors never tell what is in the file.
func Read(path string, limit int64) ([]byte, error) {
	data, err := read(path, limit, checkFor("make a new key"))
	if err != nil {
		return nil, fmt.Errorf("reading key file %s: %w", path, err)
	}
	return data, nil
}

// ReadPassword is [Read] for a file that holds a password and no key, which its
// sentences would otherwise speak of.
func ReadPassword(path string, limit int64) ([]byte, error) {
	data, err := read(path, limit, checkFor("change the password"))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data, nil
}

// read reads a file that check accepts, before and after it was opened.
func read(path string, limit int64, check func(string, fs.FileInfo, int64) error) ([]byte, error) {
	// Look before opening: opening a pipe would wait for its writer.
	before, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if err := check(path, before, limit); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// Look again at what was opened: path may lead elsewhere by now.
	opened, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(before, opened) {
		return nil, errors.New("another file took its place while it was opened; try again")
	}
	if err := check(path, opened, limit); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != opened.Size() {
		return nil, errors.New("it changed while it was read; try again")
	}
	return data, nil
}

// checkFor checks a file with a secret. remedy is what to do with a secret that
// others may know.
func checkFor(remedy string) func(path string, info fs.FileInfo, limit int64) error {
	return func(path string, info fs.FileInfo, limit int64) error {
		mode := info.Mode()
		switch {
		case mode.Type() == fs.ModeSymlink:
			return errors.New("it is a symbolic link; name the file itself")
		case !mode.IsRegular():
			return errors.New("it is not a regular file")
		case mode.Perm()&^fileMode != 0:
			return fmt.Errorf("it %w (mode %04o); run \"chmod 600 %s\", and %s if anyone else could have read it",
				ErrOpen, mode.Perm(), shellWord(path), remedy)
		case info.Size() == 0:
			return errors.New("it is empty")
		case info.Size() > limit:
			return fmt.Errorf("it has %d bytes, at most %d are read; is it the right file?", info.Size(), limit)
		}
		return nil
	}
}

// MkdirPrivate makes sure that path is a directory which only its owner can
// enter. Missing directories on the way are made with mode 0700, durably. One
// that exists is not changed: when others can enter path ([ErrOpen]), or it is a
// symbolic link, the error says what to do.
func MkdirPrivate(path string) error {
	if path != "" {
		path = filepath.Clean(path) // a slash behind a symbolic link would hide it
	}
	if err := mkdirAll(path); err != nil {
		return fmt.Errorf("making private directory %s: %w", path, err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("making private directory %s: %w", path, err)
	}
	switch {
	case info.Mode().Type() == fs.ModeSymlink:
		return fmt.Errorf("private directory %s is a symbolic link; name the directory itself", path)
	case !info.IsDir():
		return fmt.Errorf("private directory %s is not a directory", path)
	case info.Mode().Perm()&^directoryMode != 0:
		return fmt.Errorf("private directory %s %w (mode %04o); run \"chmod 700 %s\"", path, ErrOpen, info.Mode().Perm(), shellWord(path))
	}
	return nil
}

// mkdirAll makes path and the missing directories above it, each synced into the one above.
func mkdirAll(path string) error {
	err := os.Mkdir(path, directoryMode)
	parent := filepath.Dir(path)
	if errors.Is(err, fs.ErrNotExist) && parent != path {
		if err := mkdirAll(parent); err != nil {
			return err
		}
		err = os.Mkdir(path, directoryMode)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return SyncDir(parent)
}

// shellWord writes path so that it can be pasted into a shell.
func shellWord(path string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("/._-+,:@%", c)
	}
	if path != "" && path[0] != '-' && strings.IndexFunc(path, func(c rune) bool { return !plain(c) }) < 0 {
		return path
	}
	if path != "" && path[0] == '-' {
		path = "./" + path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
