package federation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"comity/protocol"
)

// Check refuses what this steward must not sign: what has ended, contradicts what was
// signed or seen here, or is not this steward's to sign. Instead is described at Sign. No key
// is read.
func (s *Safe) Check(d *Draft, instead bool, now time.Time) error {
	if err := d.CheckTimes(now); err != nil {
		return err
	}
	if err := s.checkSeen(d); err != nil {
		return err
	}
	if err := s.checkRoots(d, instead); err != nil {
		return err
	}
	if err := s.checkSigned(d, instead); err != nil {
		return err
	}
	if err := s.checkOwn(d); err != nil {
		return err
	}
	return s.checkCounts(d)
}

// Sign adds this steward's signature to a draft, and says who that is. Instead says
// that another draft with this number, which was signed here, has been given up
// since. What was signed is remembered before anybody gets the signature.
func (s *Safe) Sign(d *Draft, instead bool, unlock Unlock, now time.Time) (StewardName, error) {
	if err := s.Check(d, instead, now); err != nil {
		return "", err
	}
	own, err := s.open(d.Kind(), once(unlock))
	if err != nil {
		return "", err
	}
	// A person may have taken minutes for the passphrase, and signed elsewhere meanwhile:
	// what is looked up and what is remembered are one step.
	unlockSafe, err := s.lock()
	if err != nil {
		return "", err
	}
	defer unlockSafe()
	if err := s.Check(d, instead, now); err != nil {
		return "", err
	}
	n, err := d.Sign(own...)
	if err != nil {
		return "", err
	}
	if n == 0 {
		return "", protocol.Refuse(protocol.WrongRole, "no %s key in %s counts for %s %d", d.Kind(), s.dir, d.Kind(), d.Number())
	}
	return d.nameOf(own), s.remember(d)
}

// lock keeps other processes from signing with this safe until it is given back.
func (s *Safe) lock() (unlock func(), err error) {
	f, err := os.Open(string(s.dir))
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", s.dir, err)
	}
	return func() { _ = f.Close() }, nil // which unlocks it
}

// nameOf is whose keys these are, by the stewards that the draft knows.
func (d *Draft) nameOf(own []*Key) (name StewardName) {
	for _, r := range d.roles() {
		for _, k := range own {
			if holder, ok := r.who.Holder(k.Public()); ok {
				name = holder
			}
		}
	}
	return name
}

// open reads all keys of a kind: beside a root that changes keys, the old one and
// the new one both sign.
func (s *Safe) open(what Kind, unlock Unlock) (own []*Key, err error) {
	files, err := keyFiles(string(s.dir), string(what))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("a %s is signed by a %s key: %w", what, what, &fs.PathError{Op: "open", Path: filepath.Join(string(s.dir), string(what)+"-1.key"), Err: fs.ErrNotExist})
	}
	for _, f := range files {
		k, err := f.read(unlock)
		if err != nil {
			return nil, err
		}
		own = append(own, k)
	}
	return own, nil
}

// checkSeen refuses a draft that contradicts what was published when this steward
// signed before: a registrar must not show one steward another federation.
func (s *Safe) checkSeen(d *Draft) error {
	known, err := s.seenRoot()
	if err != nil {
		return err
	}
	if known != nil {
		v := known.Signed.Version
		if len(d.roots) == 0 {
			return protocol.Refuse(protocol.Expired, "the draft is of the first root, and root %d was seen here already: ask the registrar for a draft of today", v)
		}
		if v > int64(len(d.roots)) {
			return protocol.Refuse(protocol.Expired, "the draft comes after root %d, and root %d was seen here already: ask the registrar for a draft of today", len(d.roots), v)
		}
		if err := same(&known.Signed, &d.roots[v-1].Signed, "root", v); err != nil {
			return err
		}
	}
	before, err := s.seenEdition()
	if err != nil || before == nil || d.edition == nil {
		return err
	}
	if d.before == nil {
		return protocol.Refuse(protocol.Expired, "the draft comes before all editions, and edition %d was seen here already", before.version)
	}
	return d.before.follows(before)
}

// checkRoots refuses a draft whose published roots are not those that were signed
// here under their numbers: a steward who signed only a root so far knows by it which
// federation that is.
func (s *Safe) checkRoots(d *Draft, instead bool) error {
	for i, root := range d.roots {
		data, err := s.dir.read(signedRoot(i+1), protocol.MaxRoot)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		signed, err := parseRoot(data)
		if err != nil {
			return err
		}
		if err := same(&signed.Signed, &root.Signed, "root", root.Signed.Version); err != nil && !instead {
			return err
		}
	}
	return nil
}

func signedRoot(number int) string {
	return fmt.Sprintf("%s%s-%d.json", signedFolder, RootKind, number)
}

// same refuses two contents under one number.
func same(a, b any, what string, number int64) error {
	x, err := contentDigest(a)
	if err != nil {
		return err
	}
	y, err := contentDigest(b)
	if err == nil && x != y {
		err = protocol.Refuse(protocol.Equivocation, "there are two of %s %d, %s and %s: sign nothing, and call the other stewards", what, number, x.Short(), y.Short())
	}
	return err
}

// checkSigned refuses a second draft under a number that this steward signed.
func (s *Safe) checkSigned(d *Draft, instead bool) error {
	data, err := s.dir.read(signedFolder+d.Name()+".json", protocol.MaxEdition)
	if errors.Is(err, fs.ErrNotExist) || instead {
		return nil
	}
	if err != nil {
		return err
	}
	var signed any
	if d.root != nil {
		m, err := parseRoot(data)
		if err != nil {
			return err
		}
		signed = &m.Signed
	} else {
		m, err := parseEdition(data)
		if err != nil {
			return err
		}
		signed = &m.Signed
	}
	was, err := contentDigest(signed)
	if err != nil {
		return err
	}
	is, err := d.Content()
	if err == nil && was != is {
		err = protocol.Refuse(protocol.Equivocation, "another draft of %s %d was signed here: two of one number must never be published", d.Kind(), d.Number())
	}
	return err
}
