package operate

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"

	"comity/crypto/keys"
	"comity/crypto/seal"
)

// LockedError says that keys are protected and could not be opened for want of
// the right passphrase. Nothing is wrong with them.
type LockedError struct {
	Holder Holder
	// Wrong says that a passphrase was given that does not open them.
	Wrong bool
	// Mixed says that the passphrase opens some of the files: a change of it was
	// interrupted.
	Mixed bool
	// Source is where a wrong passphrase came from, as [Passphrases.Find] says it.
	Source string
	why    error
}

func (e *LockedError) Error() string {
	verb := "are"
	if _, act, _ := e.Holder.authority(); act {
		verb = "is" // one key
	}
	return fmt.Sprintf("%s %s locked: %v", e.Holder.Of(), verb, e.why)
}

func (e *LockedError) Unwrap() error { return e.why }

// keyring reads the key files of one holder, protected or not. The passphrase is
// looked for only when a file needs it. Use it from one goroutine: opening a
// file takes 64 MiB (seal.WorkFactor), so they are opened one after the other.
type keyring struct {
	holder Holder
	from   *Passphrases
	config Config

	pass   *seal.Passphrase
	source string
	opened int
}

// read returns the secret in a key file. A LockedError says that the passphrase
// is missing or wrong.
func (k *keyring) read(path string) ([]byte, error) {
	file, err := keys.Read(path, seal.MaxProtected)
	if err != nil || !seal.Protected(file) {
		return file, err
	}
	if k.pass == nil {
		if k.pass, k.source, err = k.from.Find(k.holder, k.config); err != nil {
			return nil, &LockedError{Holder: k.holder, why: withoutFile(err)}
		}
	}
	secret, err := unprotect(k.pass, file)
	switch {
	case errors.Is(err, seal.ErrPassphrase):
		return nil, &LockedError{
			Holder: k.holder, Wrong: true, Mixed: k.opened > 0, Source: k.source,
			why: fmt.Errorf("the passphrase from %s does not open %s", k.source, path),
		}
	case err != nil:
		return nil, fmt.Errorf("reading key file %s: %w", path, err)
	}
	k.opened++
	return secret, nil
}

// withoutFile makes a missing passphrase file no missing file of the node.
func withoutFile(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %v", ErrNoPassphrase, err)
	}
	return err
}

// unprotect opens one file and gives the memory that it took back to the system
// at once, so that opening many takes no more than opening one.
func unprotect(p *seal.Passphrase, file []byte) ([]byte, error) {
	defer debug.FreeOSMemory()
	return p.Unprotect(file)
}

// protect closes one file, likewise.
func protect(p *seal.Passphrase, secret []byte) ([]byte, error) {
	defer debug.FreeOSMemory()
	return p.Protect(secret)
}
