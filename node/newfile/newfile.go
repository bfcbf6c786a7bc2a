// Package newfile writes a file that a person asked for: it appears whole or not at
// all, is open to its owner alone, and takes the place of nothing.
//
// If the power goes, or the program is killed, nothing stands at the place, and the same
// command can be typed again. What was written by then may stay beside it, under a name
// that begins with ".comity-".
package newfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"comity/crypto/keys"
)

// File is one that is being written, under a hidden name. It is ended by Keep or by
// Discard, and belongs to one goroutine.
type File struct {
	*os.File
	place string
}

// Create begins a file for a place. The error wraps [fs.ErrExist] when anything is there,
// even a link that leads nowhere, and [fs.ErrNotExist] when there is no folder for it.
func Create(place string) (*File, error) {
	if _, err := os.Lstat(place); err == nil {
		return nil, &fs.PathError{Op: "create", Path: place, Err: fs.ErrExist}
	}
	f, err := os.CreateTemp(filepath.Dir(place), ".comity-*.new") // mode 0600
	if wrong := (*fs.PathError)(nil); errors.As(err, &wrong) {
		wrong.Path = place // the hidden name tells nobody anything
	}
	if err != nil {
		return nil, err
	}
	return &File{f, place}, nil
}

// Keep gives a file that is whole its name, and makes it durable. What appeared at the
// place meanwhile stays, and the error wraps [fs.ErrExist].
func (f *File) Keep() error { return f.keep(os.Link) }

func (f *File) keep(link func(hidden, place string) error) error {
	defer f.Discard() // the hidden name
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	err := link(f.Name(), f.place) // unlike a rename it fails when something is there
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = f.rename()
	}
	if err != nil {
		return err
	}
	_ = keys.SyncDir(filepath.Dir(f.place)) // not every file system has that; the file is whole in any case
	return nil
}

// rename is for file systems without links, such as that of most sticks: the name is taken
// first, and then filled. If the power goes in between, an empty file stands there.
func (f *File) rename() error {
	taken, err := os.OpenFile(f.place, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = taken.Close()
	}
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), f.place); err != nil {
		return errors.Join(err, os.Remove(f.place))
	}
	return nil
}

// Discard gives up a file that was not kept. After Keep it does nothing.
func (f *File) Discard() {
	_ = f.Close()           // it may be closed
	_ = os.Remove(f.Name()) // it may have its name
}
