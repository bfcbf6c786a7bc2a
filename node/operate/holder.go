package operate

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"comity/protocol"
)

// Holder is who has a passphrase: the key files of one holder are protected by
// one passphrase, each file on its own. It is "node", "offline", or "office-" or
// "act-" and the name of an authority.
type Holder string

// The kinds of holders.
const (
	NodeHolder    Holder = "node"
	OfflineHolder Holder = "offline" // the keys that no machine should keep
	// StewardHolder has the keys of a steward of a federation, OnlineHolder the key
	// with which its registrar stamps. Neither is a matter of a node.
	StewardHolder Holder = "steward"
	OnlineHolder  Holder = "online"
	officePrefix         = "office-" // what an office needs unattended
	actPrefix            = "act-"    // the key with which a person acts for an authority
)

// OfficeHolder is the holder of the keys that an office uses unattended.
func OfficeHolder(a protocol.AuthorityID) Holder { return Holder(officePrefix + a.Name()) }

// ActHolder is the holder of the key with which people act for an authority. It
// may be nobody but a person: the office takes in and attests without it.
func ActHolder(a protocol.AuthorityID) Holder { return Holder(actPrefix + a.Name()) }

// Of names the keys of a holder in a sentence.
func (h Holder) Of() string {
	if name, ok := strings.CutPrefix(string(h), officePrefix); ok {
		return "the keys of the office of " + name
	}
	if name, ok := strings.CutPrefix(string(h), actPrefix); ok {
		return "the act key of " + name
	}
	switch h {
	case OfflineHolder:
		return "the offline keys"
	case StewardHolder:
		return "the steward's keys"
	case OnlineHolder:
		return "the online key"
	case NodeHolder:
	}
	return "the keys of the node"
}

// authority is whose office a holder belongs to; ok is false for the others.
func (h Holder) authority() (name string, act, ok bool) {
	if name, ok = strings.CutPrefix(string(h), officePrefix); ok {
		return name, false, true
	}
	name, ok = strings.CutPrefix(string(h), actPrefix)
	return name, ok, ok
}

// Holders returns the holders of a node's directory in order: the node, its
// offices, and the offline keys while they are there.
func (l Layout) Holders(c Config) []Holder {
	all := c.holders()
	if names, err := l.Secrets(OfflineHolder); err == nil && len(names) > 0 {
		all = append(all, OfflineHolder)
	}
	return all
}

// Secrets returns the paths of the key files that a holder's passphrase protects, those
// too that wait for their place.
func (l Layout) Secrets(h Holder) ([]string, error) {
	folder := l.Node()
	name, act, office := h.authority()
	if office {
		folder = l.Office(protocol.AuthorityID("/" + name))
	} else if h == OfflineHolder {
		folder = l.Offline()
	}
	paths, err := secretsIn(folder, ".key", ".pem", ".key"+next, ".pem"+next)
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", h.Of(), err)
	}
	if !office {
		return paths, nil
	}
	identities, err := secretsIn(filepath.Join(folder, ageFolder), identitySuffix, identitySuffix+next)
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", h.Of(), err)
	}
	isAct := func(path string) bool { return strings.TrimSuffix(filepath.Base(path), next) == actKeyFile }
	return slices.DeleteFunc(append(paths, identities...), func(path string) bool { return isAct(path) != act }), nil
}

// SecretsOn returns those of a medium that the offline keys were moved to.
func SecretsOn(medium string) ([]string, error) { return secretsIn(medium, ".key", ".key"+next) }

// secretsIn lists the files of a folder that end as key files do, by name.
func secretsIn(folder string, endings ...string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		for _, ending := range endings {
			if strings.HasSuffix(e.Name(), ending) && !strings.HasPrefix(e.Name(), ".") {
				paths = append(paths, filepath.Join(folder, e.Name()))
			}
		}
	}
	return paths, nil
}
