package federation

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"comity/crypto/keys"
	"comity/protocol"
)

// folder holds a directory: the newest metadata under its name, every version of
// it and every record beside it. One process at a time writes to it. What a
// function reports as written survives a power cut.
type folder string

// read returns a file of at most limit bytes; a missing one wraps fs.ErrNotExist.
func (f folder) read(name string, limit int64) ([]byte, error) {
	in, err := os.Open(filepath.Join(string(f), filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = protocol.Refuse(protocol.TooLarge, "%s has more than %d bytes", name, limit)
	}
	return data, err
}

// names are those of the files in a folder below this one that fit, in their order; none
// where there is no such folder. A folder's own name may have anything in it, so it is
// never a part of a pattern.
func (f folder) names(below string, fit *regexp.Regexp) (all []string, err error) {
	entries, err := os.ReadDir(filepath.Join(string(f), filepath.FromSlash(below)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if fit.MatchString(e.Name()) {
			all = append(all, e.Name())
		}
	}
	return all, err
}

// has reports whether a file is there.
func (f folder) has(name string) (bool, error) {
	_, err := os.Lstat(filepath.Join(string(f), filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// keep writes a file that stays for ever. The same bytes once more change nothing;
// other bytes under a used name are refused.
func (f folder) keep(name string, data []byte) error {
	had, err := f.read(name, int64(len(data)))
	switch {
	case err == nil && bytes.Equal(had, data):
		return nil
	case err == nil || protocol.CodeOf(err) == protocol.TooLarge:
		return protocol.Refuse(protocol.Equivocation, "%s is kept with other bytes already", name)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return f.put(name, data)
}

// put writes a file, in the place of the one before: whenever the power goes,
// one of the two is there, whole.
func (f folder) put(name string, data []byte) error {
	path := filepath.Join(string(f), filepath.FromSlash(name))
	err := keys.MkdirPrivate(filepath.Dir(path))
	if err == nil {
		err = keys.Put(path, data)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
