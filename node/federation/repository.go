package federation

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/crypto/keys"
	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// Repository is the stewards' side: the folder in which a federation is published.
// Drafts leave it without signatures and come back with them; each step verifies
// what it writes as a client would. Not safe for concurrent use.
type Repository struct{ folder folder }

// NewRepository uses a folder, which it makes if there is none.
func NewRepository(dir string) (*Repository, error) {
	if err := keys.MkdirPrivate(dir); err != nil {
		return nil, err
	}
	return &Repository{folder(dir)}, nil
}

// DraftRoot writes the next root, the first one where there is none. The root
// before and the new one must both be signed by their thresholds, so a change of
// stewards is signed by old and new ones (R-FED-2).
func (r *Repository) DraftRoot(c Charter, now time.Time) ([]byte, error) {
	version := int64(1)
	if held, err := r.root(); err == nil {
		version = held.Signed.Version + 1
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	m, err := c.root(version, now)
	if err != nil {
		return nil, err
	}
	return m.ToBytes(false)
}

// PublishRoot takes a root that enough stewards have signed.
func (r *Repository) PublishRoot(signed []byte, now time.Time) error {
	next, err := parseRoot(signed)
	if err != nil {
		return fmt.Errorf("publish a root: %w", err)
	}
	version := next.Signed.Version
	held, err := r.root()
	switch {
	case err == nil:
		if version != held.Signed.Version+1 {
			return fmt.Errorf("publish root %d: it does not follow root %d", version, held.Signed.Version)
		}
		err = verify(held, metadata.ROOT, next)
	case errors.Is(err, fs.ErrNotExist) && version == 1:
		err = nil
	}
	if err == nil {
		err = verify(next, metadata.ROOT, next)
	}
	if err == nil && next.Signed.IsExpired(now) {
		err = protocol.Refuse(protocol.Expired, "it has ended on %s", protocol.At(next.Signed.Expires))
	}
	if err != nil {
		return fmt.Errorf("publish root %d: %w", version, err)
	}
	if err := r.folder.keep(numbered(version, rootFile), signed); err != nil {
		return err
	}
	return r.folder.put(rootFile, signed)
}

// DraftEdition writes the next edition: all that is listed, and these records
// more. It refuses a record that does not follow from a listed one of its state, as
// clients would (R-FED-5), and one with a TLS key of another state. The records' files
// are stored at once; nobody asks for them before the edition is published.
func (r *Repository) DraftEdition(records []statement.Signed, now time.Time) ([]byte, error) {
	return r.draftEdition(records, 1, now)
}

// draftEdition is DraftEdition with a number that is least or larger.
func (r *Repository) draftEdition(records []statement.Signed, least int64, now time.Time) ([]byte, error) {
	m := metadata.Targets(ends(now, EditionLifetime))
	held, err := r.edition()
	if err != nil {
		return nil, err
	}
	if held != nil {
		m.Signed.Version, m.Signed.Targets = held.Signed.Version+1, held.Signed.Targets
	}
	m.Signed.Version = max(m.Signed.Version, least)
	var in tlsKeys
	if len(records) > 0 {
		if in, err = r.tlsKeys(m); err != nil {
			return nil, err
		}
	}
	for _, s := range records {
		if err := r.add(m, s, in); err != nil {
			return nil, fmt.Errorf("draft edition %d: %w", m.Signed.Version, err)
		}
	}
	if _, err := newEdition(m); err != nil {
		return nil, err
	}
	data, err := m.ToBytes(false)
	if err == nil && len(data) > protocol.MaxEdition {
		err = protocol.Refuse(protocol.TooLarge, "draft edition %d: %d bytes, at most %d allowed", m.Signed.Version, len(data), protocol.MaxEdition)
	}
	return data, err
}

// add lists one record in a draft.
func (r *Repository) add(m *metadata.Metadata[metadata.TargetsType], s statement.Signed, in tlsKeys) error {
	parsed, err := record.Parse(s.Document)
	if err != nil {
		return err
	}
	listed, err := newEdition(m)
	if err != nil {
		return err
	}
	item := Item{parsed.State, parsed.Sequence}
	get := func(i Item) ([]byte, error) { return r.folder.listed(i, listed.files[i]) }
	all := listed.of(parsed.State)
	l, err := linked(s, all, get)
	if protocol.CodeOf(err) == protocol.Expired && all[len(all)-1].Sequence > parsed.Sequence {
		return olderThan(all[len(all)-1], item, s, get)
	}
	if err != nil || l.state == l.before {
		return err // listed already
	}
	if _, taken := listed.files[item]; taken {
		return protocol.Refuse(protocol.Equivocation, "%s is listed, and is another record; ask the state for its next one, with a larger number", item.name())
	}
	if err := in.take(l.state); err != nil {
		return err
	}
	data, err := record.EncodeIntroduction(s)
	if err != nil {
		return err
	}
	entry, err := metadata.TargetFile().FromBytes(item.name(), data, "sha256")
	if err != nil {
		return err
	}
	m.Signed.Targets[item.name()] = entry
	return r.folder.keep(file{protocol.Sum(data), int64(len(data))}.path(item), data)
}

// olderThan says of a record that cannot be listed what is newer.
func olderThan(newest, i Item, s statement.Signed, get func(Item) ([]byte, error)) error {
	own, err := record.EncodeIntroduction(s)
	if err != nil {
		return err
	}
	if data, err := get(i); err == nil && bytes.Equal(data, own) {
		return protocol.Refuse(protocol.Expired, "record %d of state %s is listed already, and so is record %d, which is newer", i.Sequence, i.State, newest.Sequence)
	}
	return protocol.Refuse(protocol.Expired, "record %d of state %s is older than record %d, which is listed", i.Sequence, i.State, newest.Sequence)
}

// PublishEdition takes an edition that enough stewards have signed. Clients see it
// after Stamp.
func (r *Repository) PublishEdition(signed []byte, now time.Time) error {
	m, err := parseEdition(signed)
	if err != nil {
		return fmt.Errorf("publish an edition: %w", err)
	}
	if err := r.checkEdition(m, now); err != nil {
		return fmt.Errorf("publish edition %d: %w", m.Signed.Version, err)
	}
	if err := r.folder.keep(numbered(m.Signed.Version, editionFile), signed); err != nil {
		return err
	}
	return r.folder.put(editionFile, signed)
}

func (r *Repository) checkEdition(m *metadata.Metadata[metadata.TargetsType], now time.Time) error {
	root, err := r.root()
	if err != nil {
		return err
	}
	if err := verify(root, metadata.TARGETS, m); err != nil {
		return err
	}
	if m.Signed.IsExpired(now) {
		return protocol.Refuse(protocol.Expired, "it has ended on %s", protocol.At(m.Signed.Expires))
	}
	l, err := newEdition(m)
	if err != nil {
		return err
	}
	held, err := r.edition()
	if err != nil {
		return err
	}
	if held != nil {
		before, err := newEdition(held)
		if err == nil {
			err = l.follows(before)
		}
		if err != nil {
			return err
		}
	}
	for _, i := range l.Items() {
		if _, err := r.folder.record(i, l.files[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *Repository) root() (*metadata.Metadata[metadata.RootType], error) {
	data, err := r.folder.read(rootFile, protocol.MaxRoot)
	if err != nil {
		return nil, err
	}
	return parseRoot(data)
}

// edition returns the newest edition; nil: there is none yet.
func (r *Repository) edition() (*metadata.Metadata[metadata.TargetsType], error) {
	data, err := r.folder.read(editionFile, protocol.MaxEdition)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseEdition(data)
}

// numbered is the name of one version of a file: "12.targets.json".
func numbered(version int64, name string) string { return fmt.Sprintf("%d.%s", version, name) }

// verify checks signatures of a role up to its threshold.
func verify(root *metadata.Metadata[metadata.RootType], role string, m any) error {
	return guarded(func() error { return explain(root.VerifyDelegate(role, m)) })
}

// record reads the file of a listed record. It does not verify the record.
func (f folder) record(i Item, want file) (statement.Signed, error) {
	data, err := f.listed(i, want)
	if err != nil {
		return statement.Signed{}, err
	}
	s, err := record.DecodeIntroduction(data)
	if err != nil {
		return statement.Signed{}, fmt.Errorf("%s: %w", i.name(), err)
	}
	return s, nil
}

// listed reads the file of what is listed, with the digest that is listed.
func (f folder) listed(i Item, want file) ([]byte, error) {
	data, err := f.read(want.path(i), protocol.MaxIntroduction)
	if err != nil {
		return nil, err
	}
	if d := protocol.Sum(data); d != want.digest {
		return nil, protocol.Refuse(protocol.DigestMismatch, "%s has the digest %s, listed as %s", i.name(), d.Short(), want.digest.Short())
	}
	return data, nil
}
