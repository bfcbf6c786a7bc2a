package federation

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
)

// Knows reports whether the federation of a draft is one that this steward knows: by a
// root that was signed here, or seen at a signature. Where it is not, a registrar may
// have made the federation up, in which a signature would be true all the same in the
// real one: so another steward has to read the words of the root in force (InForce).
// Check comes first; it refuses what contradicts.
func (s *Safe) Knows(d *Draft) (bool, error) {
	known, err := s.seenRoot()
	if err != nil || known != nil {
		return known != nil, err
	}
	for i := range d.roots {
		if has, err := s.dir.has(signedRoot(i + 1)); err != nil || has {
			return has, err
		}
	}
	return false, nil
}

// Unvouched are the first records of the states, as those nodes adopt them that join
// next, which have no signatures of present stewards and were never signed or seen here: the
// edition in force bears those of keys only that a root has taken back since. Whoever
// has stolen such keys may have listed them, so the words of each are compared.
func (s *Safe) Unvouched(d *Draft) ([]Addition, error) {
	if len(d.firsts) == 0 {
		return nil, nil
	}
	seen, err := s.editions()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(d.firsts), func(a Addition) bool {
		i := Item{a.State.Ref().State, a.State.Ref().Sequence}
		return slices.ContainsFunc(seen, func(l *Edition) bool { return l.files[i] == d.before.files[i] })
	}), nil
}

// editions are those that were signed here, and the newest that was seen at a signature.
func (s *Safe) editions() (all []*Edition, err error) {
	names, err := s.dir.names(signedFolder, draftName)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, string(EditionKind)) {
			continue
		}
		data, err := s.dir.read(signedFolder+name, protocol.MaxEdition)
		if err != nil {
			return nil, err
		}
		m, err := parseEdition(data)
		if err != nil {
			return nil, fmt.Errorf("%s%s: %w", signedFolder, name, err)
		}
		l, err := newEdition(m)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	seen, err := s.seenEdition()
	if err == nil && seen != nil {
		all = append(all, seen)
	}
	return all, err
}

// remember keeps what was signed, and what was shown as published. A root that took
// the place of one that was signed here, and given up, is remembered in its place.
func (s *Safe) remember(d *Draft) error {
	for i := range d.roots {
		has, err := s.dir.has(signedRoot(i + 1))
		if err == nil && has {
			err = s.dir.put(signedRoot(i+1), d.paper.Roots[i].Text)
		}
		if err != nil {
			return err
		}
	}
	if held := d.inForce(); held != nil {
		if err := s.dir.put(seenFolder+rootFile, d.paper.Roots[len(d.roots)-1].Text); err != nil {
			return err
		}
	}
	if d.paper.Before != nil {
		if err := s.dir.put(seenFolder+editionFile, d.paper.Before); err != nil {
			return err
		}
	}
	return s.dir.put(signedFolder+d.Name()+".json", d.paper.Draft)
}

func (s *Safe) seenRoot() (*metadata.Metadata[metadata.RootType], error) {
	data, err := s.dir.read(seenFolder+rootFile, protocol.MaxRoot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseRoot(data)
}

func (s *Safe) seenEdition() (*Edition, error) {
	data, err := s.dir.read(seenFolder+editionFile, protocol.MaxEdition)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := parseEdition(data)
	if err != nil {
		return nil, err
	}
	return newEdition(m)
}
