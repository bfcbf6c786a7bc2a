package operate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"comity/crypto/keys"
	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/record"
)

// How long what Create makes is valid. A record with new keys must be
// published before the shortest of them ends.
const (
	keyLifetime       = 365 * 24 * time.Hour
	recordLifetime    = 365 * 24 * time.Hour
	recipientLifetime = 365 * 24 * time.Hour
	// DefaultSealedLimit is the largest sealed parcel that a new node takes.
	DefaultSealedLimit = 64 << 30
)

// Plan says what Create makes.
type Plan struct {
	Dir         string
	Node        protocol.NodeID
	StateName   []record.Name
	Authorities []PlannedAuthority
	Listen      string   // address to serve on, UDP and TCP
	Endpoints   []string // host:port that peers dial
	Algorithm   pgp.Algorithm
	Store       Database // where the rows are kept; its paths are absolute
	Now         time.Time
	// Passphrases protect the keys from the start: one for each holder, the offline
	// keys among them, or none at all.
	Passphrases map[Holder]*seal.Passphrase
	// PassphraseFiles go into the configuration, so that "serve" finds them.
	PassphraseFiles map[Holder]string
}

// Holders are those for whom a protected node needs a passphrase.
func (p *Plan) Holders() []Holder {
	var c Config
	for _, a := range p.Authorities {
		c.Authorities = append(c.Authorities, a.ID)
	}
	return append(c.holders(), OfflineHolder)
}

// PlannedAuthority is one authority that the new node hosts.
type PlannedAuthority struct {
	ID   protocol.AuthorityID
	Name []record.Name
}

// Create makes a new data directory with fresh keys and the state's first
// record. It refuses a directory that holds anything, and leaves either a
// whole one or none.
func Create(ctx context.Context, p Plan) (*record.State, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	p.Now = p.Now.Truncate(time.Second) // OpenPGP has whole seconds, and the record's windows lie inside the keys' own
	work, err := workplace(p.Dir)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	c := ceremony{plan: p, layout: Layout{work}}
	state, err := c.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", p.Dir, err)
	}
	if err := install(work, p.Dir); err != nil {
		return nil, fmt.Errorf("create %s: %w", p.Dir, err)
	}
	return state, nil
}

// workplace makes a temporary directory: inside the wanted one when that exists
// and is empty, because its owner may have no right to the one above; otherwise
// beside it.
func workplace(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	switch {
	case err == nil && len(entries) > 0:
		return "", fmt.Errorf("create %s: the directory is not empty", dir)
	case err == nil:
		if err := keys.MkdirPrivate(dir); err != nil {
			return "", err
		}
		return os.MkdirTemp(dir, ".init-*")
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("create %s: %w", dir, err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", fmt.Errorf("create %s: %w", dir, err)
	}
	return os.MkdirTemp(filepath.Dir(dir), ".comity-init-*")
}

// install gives the finished work its place. The configuration moves last:
// without it nobody takes the directory for a node.
func install(work, dir string) error {
	if filepath.Dir(work) != filepath.Clean(dir) {
		if err := os.Rename(work, dir); err != nil {
			return err
		}
		return keys.SyncDir(filepath.Dir(dir))
	}
	entries, err := os.ReadDir(work)
	if err != nil {
		return err
	}
	config := filepath.Base(Layout{work}.Config())
	for _, e := range entries {
		if e.Name() != config {
			if err := os.Rename(filepath.Join(work, e.Name()), filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := keys.SyncDir(dir); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(work, config), filepath.Join(dir, config)); err != nil {
		return err
	}
	return keys.SyncDir(dir)
}

func (p Plan) validate() error {
	if p.Dir == "" || p.Node == "" || len(p.Authorities) == 0 || len(p.Endpoints) == 0 {
		return errors.New("a new node needs a directory, a name, an authority and an endpoint")
	}
	for _, e := range append([]string{p.Listen}, p.Endpoints...) {
		if _, _, err := net.SplitHostPort(e); err != nil {
			return fmt.Errorf("address %q: want host:port", e)
		}
	}
	for _, h := range p.Holders() {
		if _, given := p.Passphrases[h]; len(p.Passphrases) > 0 && !given {
			return fmt.Errorf("there is no passphrase for %s: protect all keys or none", h.Of())
		}
	}
	for _, file := range []string{p.Store.URLFile, p.Store.OfficeURLFile} {
		if file != "" && !filepath.IsAbs(file) && !strings.HasPrefix(file, urlCredential) {
			return fmt.Errorf("connection string in %s: want an absolute path", file)
		}
	}
	return p.Store.validate()
}
