package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"comity/node/control"
	"comity/node/operate"
)

// stage prepares the directory and the files to be sent.
func (d *demo) stage(files []string) (done func(), err error) {
	if d.files, err = present(files); err != nil {
		return nil, err
	}
	if done, err = d.place.prepare(d.p.dir); err != nil {
		return nil, err
	}
	if len(files) == 0 {
		if d.files, err = writeDocuments(filepath.Join(d.dir, "documents")); err != nil {
			done()
			return nil, err
		}
	}
	return done, nil
}

// place is the directory in which a demo plays.
type place struct {
	dir  string
	kept bool
}

// prepare makes it: the one that is named, or a temporary one that done removes.
func (at *place) prepare(named string) (done func(), err error) {
	if named == "" {
		at.dir, err = os.MkdirTemp("", "comity-demo-*")
		return func() { _ = os.RemoveAll(at.dir) }, err // the system empties its temporary folder as well
	}
	if at.dir, err = filepath.Abs(named); err != nil {
		return nil, err
	}
	at.kept = true
	if err := vacant(at.dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(at.dir, 0o700); err != nil {
		return nil, problem("choose another directory with --dir", "%v", err)
	}
	return func() {}, nil
}

// vacant refuses a directory with anything in it: a demo must not mix its nodes
// with what a person keeps, and least of all with a node.
func vacant(dir string) error {
	const choose = "choose a new or empty directory with --dir"
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, syscall.ENOTDIR):
		return problem(choose, "%s is not a directory: nothing was changed", dir)
	case err != nil:
		return problem(choose, "%v", err)
	case len(entries) == 0:
		return nil
	}
	if _, err := os.Lstat(operate.Layout{Dir: dir}.Config()); err == nil {
		return problem(choose, "there is a node in %s: nothing was changed", dir)
	}
	return problem(choose, "%s exists already: nothing was changed", filepath.Join(dir, entries[0].Name()))
}

// present makes the paths absolute and sees that files are there, before
// anything is created for them.
func present(files []string) ([]string, error) {
	var all []string
	for _, f := range files {
		path, err := filepath.Abs(f)
		if err != nil {
			return nil, err
		}
		switch info, err := os.Stat(path); {
		case err != nil:
			return nil, control.Explain(err)
		case info.IsDir():
			return nil, problem("name the files in it one by one", "%s is a folder", path)
		}
		all = append(all, path)
	}
	return all, nil
}
