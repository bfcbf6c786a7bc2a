package federation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"comity/crypto/keys"
	"comity/protocol"
)

// Registry is the registrar's folder: where a federation is drafted, published and
// stamped.
//
//	directory/      what is published, as mirrors serve it; every version is kept
//	draft/          the paper of the one draft that is with the stewards
//	given-up/       papers of drafts that were given up
//	online-1.key    the online key
//
// What was done stands in the numbered files of directory/ with the signatures of
// those who did it; there is no other journal, since whoever has the folder could
// write one. One process at a time has it open.
type Registry struct {
	dir  string
	repo *Repository
	lock *os.File
}

// Names in a registry.
const (
	directoryFolder = "directory"
	draftFolder     = "draft"
	givenUpFolder   = "given-up"
	onlineKey       = "online"
)

var (
	// ErrBusy says that another process has the registry open.
	ErrBusy = errors.New("another command has this folder open")
	// ErrNoFederation says that there is no federation in the folder.
	ErrNoFederation = errors.New("there is no federation in it")
)

// OpenRegistry opens the folder of a federation that was created.
func OpenRegistry(dir string) (*Registry, error) {
	if _, err := os.Stat(filepath.Join(dir, directoryFolder)); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: %w", dir, ErrNoFederation)
	} else if err != nil {
		return nil, err
	}
	return openRegistry(dir)
}

// NewRegistry makes a folder for a federation, or opens it again. It refuses a
// folder that has anything else in it.
func NewRegistry(dir string) (*Registry, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, directoryFolder)); err != nil && len(entries) > 0 {
		return nil, protocol.Refuse(protocol.Policy, "%s has other files in it: choose a new folder", dir)
	}
	return openRegistry(dir)
}

func openRegistry(dir string) (*Registry, error) {
	repo, err := NewRepository(filepath.Join(dir, directoryFolder))
	if err == nil {
		err = keys.MkdirPrivate(dir)
	}
	if err != nil {
		return nil, err
	}
	lock, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", dir, ErrBusy), lock.Close())
	}
	return &Registry{dir, repo, lock}, nil
}

// Close gives the folder back.
func (r *Registry) Close() error { return r.lock.Close() }

// Directory is the folder that mirrors serve.
func (r *Registry) Directory() string { return filepath.Join(r.dir, directoryFolder) }

// Drafted is a draft that is with the stewards now.
type Drafted struct {
	*Draft
	Path string // of its paper, which they get
	// Already says that this very draft was there before.
	Already bool
}

// OpenError says that another draft is with the stewards, which must be published
// or given up first.
type OpenError struct{ Name string }

func (e *OpenError) Error() string {
	return fmt.Sprintf("the draft %s is with the stewards", e.Name)
}

var draftName = regexp.MustCompile(`^(root|edition)-[0-9]+\.json$`)

// Draft returns the open draft; nil: there is none. One that was published just
// before the power went is cleared away.
func (r *Registry) Draft() (*Drafted, error) {
	names, err := folder(r.dir).names(draftFolder, draftName)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	path := filepath.Join(r.dir, draftFolder, names[0])
	data, err := folder(r.dir).read(draftFolder+"/"+names[0], MaxPaper)
	if err != nil {
		return nil, err
	}
	d, err := ReadDraft(data)
	if err != nil {
		return nil, fmt.Errorf("the draft %s: %w", path, err)
	}
	published, err := r.published(d)
	if err != nil {
		return nil, err
	}
	if published {
		return nil, r.clear(path)
	}
	return &Drafted{Draft: d, Path: path, Already: true}, nil
}

// published reports whether a draft is in force, or was.
func (r *Registry) published(d *Draft) (bool, error) {
	if d.root != nil {
		held, err := r.repo.root()
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil && held.Signed.Version >= d.Number(), err
	}
	held, err := r.repo.edition()
	return err == nil && held != nil && held.Signed.Version >= d.Number(), err
}

// clear removes the paper of a draft, durably.
func (r *Registry) clear(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return keys.SyncDir(filepath.Dir(path))
}

// GiveUp takes the open draft off the table; its paper is kept. It returns the
// draft's name, "" if there was none.
func (r *Registry) GiveUp() (string, error) {
	open, err := r.Draft()
	if err != nil || open == nil {
		return "", err
	}
	content, err := open.Content()
	if err != nil {
		return "", err
	}
	kept := filepath.Join(r.dir, givenUpFolder)
	if err := keys.MkdirPrivate(kept); err != nil {
		return "", err
	}
	if err := os.Rename(open.Path, filepath.Join(kept, givenUpFile(open.Draft, content))); err != nil {
		return "", err
	}
	return open.Name(), errors.Join(keys.SyncDir(kept), keys.SyncDir(filepath.Dir(open.Path)))
}

// givenUpFile is the name under which the paper of a draft that was given up is kept.
func givenUpFile(d *Draft, content protocol.Digest) string {
	return d.Name() + "." + content.Short() + ".json"
}
