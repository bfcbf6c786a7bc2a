package operate

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"comity/crypto/keys"
	"comity/crypto/seal"
)

// credentialPrefix is how the names of systemd credentials begin; the holder follows.
const credentialPrefix = "comity-"

// Terminal is the source of a passphrase that a person typed.
const Terminal = "the terminal"

// ErrNoPassphrase says that no source has a passphrase of a holder.
var ErrNoPassphrase = errors.New("no passphrase was given")

// Passphrases are the sources of passphrases, asked in this order: a file that
// the command names, a systemd credential, the configuration, a person. The
// first that has one counts: a wrong one is not made good by the next.
type Passphrases struct {
	// Files are those that the command names, by holder; "" stands for all
	// holders without their own but the offline keys, which must not share one.
	Files map[Holder]string
	// Credentials is the folder of systemd credentials, $CREDENTIALS_DIRECTORY;
	// "" without one.
	Credentials string
	// Ask asks a person; nil: nobody is there. It returns ErrNoPassphrase when
	// the person gives none.
	Ask func(Holder) (string, error)
}

// Find returns the passphrase of a holder and where it came from. c is the
// configuration of the node, the zero value while there is none.
func (p *Passphrases) Find(h Holder, c Config) (pass *seal.Passphrase, source string, err error) {
	text, source, err := p.Text(h, c)
	if err != nil {
		return nil, source, err
	}
	pass, err = judge(text, source)
	return pass, source, err
}

// judge makes a passphrase of a text, if it is good enough to be one.
func judge(text, source string) (*seal.Passphrase, error) {
	pass, err := seal.NewPassphrase(text)
	if err != nil {
		return nil, fmt.Errorf("the passphrase from %s: %w", source, err)
	}
	return pass, nil
}

// Text is Find for a passphrase that the node itself has to judge.
func (p *Passphrases) Text(h Holder, c Config) (text, source string, err error) {
	if p == nil {
		return "", "", ErrNoPassphrase
	}
	if path, ok := p.file(h); ok {
		text, err = keys.ReadPassphrase(path)
		return text, path, err
	}
	if p.Credentials != "" {
		path := filepath.Join(p.Credentials, credentialPrefix+string(h))
		if text, err = keys.ReadCredential(path); !errors.Is(err, fs.ErrNotExist) {
			return text, path, err
		}
	}
	if path, ok := c.PassphraseFiles[h]; ok {
		text, err = keys.ReadPassphrase(path)
		return text, path, err
	}
	if p.Ask != nil {
		text, err = p.Ask(h)
		return text, Terminal, err
	}
	return "", "", ErrNoPassphrase
}

// unattended are the sources without a person.
func (p *Passphrases) unattended() *Passphrases {
	if p == nil {
		return nil
	}
	return &Passphrases{Files: p.Files, Credentials: p.Credentials}
}

func (p *Passphrases) file(h Holder) (string, bool) {
	if path, ok := p.Files[h]; ok {
		return path, true
	}
	path, ok := p.Files[""]
	return path, ok && h != OfflineHolder
}
