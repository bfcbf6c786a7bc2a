package federation

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"comity/crypto/keys"
	"comity/crypto/seal"
)

// Unlock returns the passphrase that protects key files, or is to protect new
// ones; nil: they lie open. It is called when a file needs it, at most once, and
// may ask a person.
type Unlock func() (*seal.Passphrase, error)

// once asks at most once.
func once(unlock Unlock) Unlock {
	return sync.OnceValues(unlock)
}

var keyName = regexp.MustCompile(`^[a-z]+-[0-9]+\.key$`)

// Protected reports whether any key file in a folder of a steward or of a registrar is
// protected by a passphrase. The next one is made under the same then; where all lie
// open, or there is none, a passphrase would be a new one.
func Protected(dir string) bool {
	found, err := folder(dir).names("", keyName)
	return err == nil && slices.ContainsFunc(found, func(name string) bool {
		file, err := keys.Read(filepath.Join(dir, name), seal.MaxProtected)
		return err == nil && seal.Protected(file)
	})
}

// ErrLocked says that a key file is protected by a passphrase, and none was given.
var ErrLocked = errors.New("it is protected by a passphrase, and none was given")

// keyFile is one of several keys of one purpose in a folder: "root-2.key". A key
// is never replaced: the next one has the next number, so that old and new one are
// there together while the stewards change over.
type keyFile struct {
	dir    string
	what   string // "root", "edition" or "online"
	number int
}

func (k keyFile) path() string {
	return filepath.Join(k.dir, fmt.Sprintf("%s-%d.key", k.what, k.number))
}

// keyFiles are those of one purpose, by number. Some may have been moved away.
func keyFiles(dir, what string) (all []keyFile, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		digits, ok := strings.CutPrefix(strings.TrimSuffix(e.Name(), ".key"), what+"-")
		n, err := strconv.Atoi(digits)
		if k := (keyFile{dir, what, n}); ok && err == nil && n > 0 && k.path() == filepath.Join(dir, e.Name()) {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b keyFile) int { return a.number - b.number })
	return all, nil
}

// make writes a new key; without a passphrase the file lies open.
func (k keyFile) make(unlock Unlock) (*Key, error) {
	pass, err := unlock()
	if err != nil {
		return nil, err
	}
	key, err := GenerateKey()
	if err != nil {
		return nil, err
	}
	text, err := key.Marshal()
	if err == nil && pass != nil {
		text, err = pass.Protect(text)
	}
	if err == nil {
		err = keys.WriteNew(k.path(), text)
	}
	if err != nil {
		return nil, err
	}
	return key, nil
}

// read opens a key file. Errors tell nothing of the key.
func (k keyFile) read(unlock Unlock) (*Key, error) {
	file, err := keys.Read(k.path(), seal.MaxProtected)
	if err != nil {
		return nil, err
	}
	if seal.Protected(file) {
		pass, err := unlock()
		if err != nil {
			return nil, fmt.Errorf("key file %s is locked: %w", k.path(), err)
		}
		if pass == nil {
			return nil, fmt.Errorf("key file %s is locked: %w", k.path(), ErrLocked)
		}
		if file, err = pass.Unprotect(file); err != nil {
			return nil, fmt.Errorf("key file %s: %w", k.path(), err)
		}
	}
	key, err := ParseKey(file)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", k.path(), err)
	}
	return key, nil
}

// newestOf returns the newest key of a purpose, which is made if there is none.
func newestOf(dir, what string, unlock Unlock) (*Key, error) {
	files, err := keyFiles(dir, what)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return keyFile{dir, what, 1}.make(unlock)
	}
	return files[len(files)-1].read(unlock)
}

// nextOf makes the next key of a purpose, under the passphrase of the one before.
func nextOf(dir, what string, unlock Unlock) (*Key, error) {
	files, err := keyFiles(dir, what)
	if err != nil {
		return nil, err
	}
	last := files[len(files)-1]
	if _, err := last.read(unlock); err != nil {
		return nil, err
	}
	return keyFile{dir, what, last.number + 1}.make(unlock)
}
