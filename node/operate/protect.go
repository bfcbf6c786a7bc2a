package operate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"comity/crypto/keys"
	"comity/crypto/seal"
)

// Protection says how the key files of a holder stand.
type Protection struct {
	Holder Holder
	// Files is how many there are, Protected how many of them a passphrase protects.
	Files, Protected int
}

// ProtectionOf looks at the beginning of each key file of a holder. It needs no
// passphrase, and judges neither modes nor content.
func (l Layout) ProtectionOf(h Holder) (Protection, error) {
	p := Protection{Holder: h}
	paths, err := l.Secrets(h)
	if err != nil {
		return p, err
	}
	for _, path := range paths {
		protected, err := beginsProtected(path)
		if err != nil {
			return p, err
		}
		p.Files++
		if protected {
			p.Protected++
		}
	}
	return p, nil
}

func beginsProtected(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close() // only read from
	start, err := io.ReadAll(io.LimitReader(f, seal.MaxProtected))
	return seal.Protected(start), err
}

// Change gives key files another passphrase, or their first, or none. It is made
// again with the same two passphrases when it was interrupted: every file is
// then either as it was or as it should be.
type Change struct {
	Holder Holder
	Paths  []string // of the key files
	// New is the passphrase afterwards; nil: none, the files lie open.
	New *seal.Passphrase
	// Old returns the one before. It is asked at most once, and only when a file
	// is protected by another passphrase than New.
	Old func() (*seal.Passphrase, error)

	old    *seal.Passphrase
	turned bool // the old one is tried first
}

// Run changes file after file and returns how many it wrote. It opens all of
// them before it writes the first, so a wrong passphrase changes nothing: then
// the error is a LockedError. The caller holds the lock of the data directory.
func (c *Change) Run() (changed int, err error) {
	if len(c.Paths) == 0 {
		return 0, fmt.Errorf("protect %s: there are no key files", c.Holder.Of())
	}
	secrets := map[string][]byte{}
	for _, path := range c.Paths {
		secret, done, err := c.open(path)
		if err != nil {
			return 0, err
		}
		if !done {
			secrets[path] = secret
		}
	}
	for _, path := range c.Paths {
		secret, todo := secrets[path]
		if !todo {
			continue
		}
		if err := c.write(path, secret); err != nil {
			return changed, err
		}
		changed++
	}
	return changed, c.clear()
}

// open returns the secret in a file; done says that the file is as it should be.
func (c *Change) open(path string) (secret []byte, done bool, err error) {
	file, err := keys.Read(path, seal.MaxProtected)
	if err != nil {
		return nil, false, err
	}
	if !seal.Protected(file) {
		return file, c.New == nil, nil
	}
	for range 2 {
		pass, err := c.next()
		if err != nil {
			return nil, false, err
		}
		secret, err = unprotect(pass, file)
		if err == nil {
			return secret, pass == c.New, nil
		} else if !errors.Is(err, seal.ErrPassphrase) {
			return nil, false, fmt.Errorf("reading key file %s: %w", path, err)
		}
		c.turned = !c.turned
	}
	return nil, false, &LockedError{Holder: c.Holder, Wrong: true, why: fmt.Errorf("the passphrase does not open %s; nothing was changed", path)}
}

// next is the passphrase to try: that which opened the file before, because most
// of the time all files have the same, and each trial takes time.
func (c *Change) next() (*seal.Passphrase, error) {
	if c.New != nil && !c.turned {
		return c.New, nil
	}
	if c.old == nil {
		var err error
		if c.old, err = c.Old(); err != nil {
			return nil, &LockedError{Holder: c.Holder, why: withoutFile(err)}
		}
	}
	return c.old, nil
}

// write puts the new file in the place of the old one, once it was seen to open.
func (c *Change) write(path string, secret []byte) error {
	file := secret
	if c.New != nil {
		var err error
		if file, err = protect(c.New, secret); err != nil {
			return err
		}
		again, err := unprotect(c.New, file)
		if err != nil || !bytes.Equal(again, secret) {
			return fmt.Errorf("protect %s: what was made does not open again: %w", path, err)
		}
	}
	return keys.Replace(path, file, seal.MaxProtected)
}

// clear removes what interrupted writes left beside the files: it may be a
// secret that lies open.
func (c *Change) clear() error {
	var errs []error
	for _, path := range c.Paths {
		dir, name := filepath.Split(path)
		entries, err := os.ReadDir(dir)
		errs = append(errs, err)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "."+name+".") && strings.HasSuffix(e.Name(), ".new") {
				errs = append(errs, os.Remove(filepath.Join(dir, e.Name())))
			}
		}
	}
	return errors.Join(errs...)
}
