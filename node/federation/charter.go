package federation

import (
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
)

// Charter says who may sign what: the content of a root.
type Charter struct {
	Root    Stewards  // say which keys count
	Edition Stewards  // say which records there are
	Online  PublicKey // says which edition is the newest
	// Persons says which keys are whose, for people; empty: nobody is named.
	Persons []Steward
}

// Stewards are keys of which a number must sign together.
type Stewards struct {
	Keys      []PublicKey
	Threshold int
}

// validate carries out R-FED-1 for our own stewards; clients check what they are given.
func (c *Charter) validate() error {
	seen := map[PublicKey]string{}
	claim := func(k PublicKey, role string) error {
		if k == (PublicKey{}) {
			return fmt.Errorf("the %s key is missing", role)
		}
		if other, taken := seen[k]; taken {
			return fmt.Errorf("the key %.12s… has the roles %s and %s: one theft would count twice; make another key", k, other, role)
		}
		seen[k] = role
		return nil
	}
	for _, s := range []struct {
		role string
		Stewards
	}{{"root", c.Root}, {"edition", c.Edition}} {
		if len(s.Keys) > protocol.MaxStewards {
			return fmt.Errorf("%d %s keys, at most %d", len(s.Keys), s.role, protocol.MaxStewards)
		}
		if s.Threshold < MinThreshold || s.Threshold > len(s.Keys) {
			return fmt.Errorf("%d of %d %s keys are to sign: want at least %d, and no more than there are", s.Threshold, len(s.Keys), s.role, MinThreshold)
		}
		for _, k := range s.Keys {
			if err := claim(k, s.role); err != nil {
				return err
			}
		}
	}
	return claim(c.Online, "online")
}

// root writes a root without signatures.
func (c *Charter) root(version int64, now time.Time) (*metadata.Metadata[metadata.RootType], error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("root %d: %w", version, err)
	}
	m := metadata.Root(ends(now, RootLifetime))
	m.Signed.Version = version
	if len(c.Persons) > 0 {
		if err := checkNames(c.Persons); err != nil {
			return nil, fmt.Errorf("root %d: %w", version, err)
		}
		m.Signed.UnrecognizedFields = map[string]any{stewardsMember: c.Persons}
	}
	online := Stewards{[]PublicKey{c.Online}, 1}
	for role, s := range map[string]Stewards{metadata.ROOT: c.Root, metadata.TARGETS: c.Edition, metadata.SNAPSHOT: online, metadata.TIMESTAMP: online} {
		for _, k := range s.Keys {
			key, err := k.tuf()
			if err == nil {
				err = m.Signed.AddKey(key, role)
			}
			if err != nil {
				return nil, fmt.Errorf("root %d: %w", version, err)
			}
		}
		m.Signed.Roles[role].Threshold = s.Threshold
	}
	return m, nil
}

// ends is when something signed now ends, in the whole seconds of TUF.
func ends(now time.Time, lifetime time.Duration) time.Time {
	return now.UTC().Truncate(time.Second).Add(lifetime)
}

// checkRoot carries out R-FED-1 for a root that somebody else wrote: Ed25519 keys
// only, a threshold of at least MinThreshold for what stewards sign, no key in
// two of the three hands, and files that keep their number.
func checkRoot(r *metadata.RootType) error {
	if !r.ConsistentSnapshot {
		return protocol.Refuse(protocol.Malformed, "root %d: its files have no numbers (consistent_snapshot is false)", r.Version)
	}
	hands := map[string]string{metadata.ROOT: "root", metadata.TARGETS: "edition", metadata.SNAPSHOT: "online", metadata.TIMESTAMP: "online"}
	holder := map[PublicKey]string{} // by the key itself: an id is only what the root calls it
	for role, hand := range hands {
		s := r.Roles[role]
		if s == nil || len(s.KeyIDs) == 0 || len(s.KeyIDs) > protocol.MaxStewards {
			return protocol.Refuse(protocol.Malformed, "root %d: the role %s wants 1 to %d keys", r.Version, role, protocol.MaxStewards)
		}
		if hand != "online" && s.Threshold < MinThreshold {
			return protocol.Refuse(protocol.Policy, "root %d: %d may sign alone for %s, want at least %d", r.Version, s.Threshold, role, MinThreshold)
		}
		for _, id := range s.KeyIDs {
			// One spelling: the library takes capital digits as well, and keys that people are
			// not shown would sign.
			k, key := r.Keys[id], PublicKey{}
			if k == nil || k.Type != metadata.KeyTypeEd25519 || key.UnmarshalText([]byte(k.Value.PublicKey)) != nil {
				return protocol.Refuse(protocol.Malformed, "root %d: key %s of the role %s is no Ed25519 key", r.Version, protocol.Quote([]byte(id)), role)
			}
			if other, taken := holder[key]; taken && other != hand {
				return protocol.Refuse(protocol.WrongRole, "root %d: key %.12s is the %s key and a %s key", r.Version, key, other, hand)
			}
			holder[key] = hand
		}
	}
	return nil
}
