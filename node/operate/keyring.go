package operate

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"comity/crypto/keys"
	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
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

func readTLS(k *keyring, path string) (tls.Certificate, error) {
	pem, err := k.read(path)
	if err != nil {
		return tls.Certificate{}, err
	}
	cert, err := keys.ParseTLS(pem)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read %s: %w", path, err)
	}
	return cert, nil
}

func readSecret(k *keyring, path, certificate string) (*pgp.Secret, error) {
	public, err := os.ReadFile(certificate)
	if err != nil {
		return nil, err
	}
	cert, err := pgp.ParseCertificate(public, protocol.MaxCertificate)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", certificate, err)
	}
	b, err := k.read(path)
	if err != nil {
		return nil, err
	}
	s, err := pgp.ParseSecret(b, cert)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}

// readIdentities reads every age identity file of an office, newest name first.
func readIdentities(k *keyring, dir string) (seal.Identities, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all seal.Identities
	for i := len(entries) - 1; i >= 0; i-- {
		if !strings.HasSuffix(entries[i].Name(), identitySuffix) {
			continue
		}
		path := filepath.Join(dir, entries[i].Name())
		text, err := k.read(path)
		if err != nil {
			return nil, err
		}
		id, err := seal.ParseIdentity(string(text))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		all = append(all, id)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("read %s: no age identity (a file that ends in .txt) is there", dir)
	}
	return all, nil
}
