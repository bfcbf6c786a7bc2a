package federation

import (
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
	"comity/protocol/record"
)

// Status says where a federation stands, by the files of its directory.
type Status struct {
	Root    *Root // in force; nil: none is published yet
	Edition *Edition
	Ends    time.Time // of the edition
	// Counts says whether the root's stewards have signed the edition. After a change
	// of stewards it may count no more: then it is to be renewed.
	Counts bool
	// Stamped is until when the newest stamp counts; zero: there is none that does.
	Stamped time.Time
	// Unstamped says that no stamp names the newest edition.
	Unstamped bool
	Open      *Drafted // the draft that is with the stewards; nil: none
}

// Status reads it.
func (r *Registry) Status() (*Status, error) {
	st := &Status{}
	var err error
	if st.Open, err = r.Draft(); err != nil {
		return nil, err
	}
	root, err := r.repo.root()
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err == nil {
		st.Root, err = rootOf(root)
	}
	if err != nil {
		return nil, err
	}
	m, err := r.repo.edition()
	if err != nil || m == nil {
		return st, err
	}
	if st.Edition, err = newEdition(m); err != nil {
		return nil, err
	}
	st.Ends, st.Counts = m.Signed.Expires, verify(root, metadata.TARGETS, m) == nil
	return st, r.statusOfStamp(st, root, m.Signed.Version)
}

func (r *Registry) statusOfStamp(st *Status, root *metadata.Metadata[metadata.RootType], edition int64) error {
	data, err := r.repo.folder.read(timestampFile, protocol.MaxTimestamp)
	if errors.Is(err, fs.ErrNotExist) {
		st.Unstamped = true
		return nil
	}
	if err != nil {
		return err
	}
	stamp, err := parseTimestamp(data)
	if err != nil {
		return err
	}
	if data, err = r.repo.folder.read(snapshotFile, protocol.MaxTimestamp); err != nil {
		return err
	}
	snapshot, err := parseSnapshot(data)
	if err != nil {
		return err
	}
	if verify(root, metadata.TIMESTAMP, stamp) == nil && verify(root, metadata.SNAPSHOT, snapshot) == nil {
		st.Stamped = stamp.Signed.Expires
		if snapshot.Signed.Expires.Before(st.Stamped) {
			st.Stamped = snapshot.Signed.Expires
		}
	}
	st.Unstamped = snapshot.Signed.Meta[editionFile].Version != edition
	return nil
}

// CountsUnder reports whether the edition in force would still count once a draft
// of a root is published, which changes those who sign it. True without an edition.
func (r *Registry) CountsUnder(d *Draft) (bool, error) {
	m, err := r.repo.edition()
	if err != nil || m == nil || d.root == nil {
		return true, err
	}
	return verify(d.root, metadata.TARGETS, m) == nil, nil
}

// Act is one root or edition that was published, as its file says it.
type Act struct {
	Kind   Kind
	Number int64
	Ends   time.Time
	Signed []StewardName // whose signature is on it
	Added  []Item        // what the edition had more than the one before
	Words  []string      // of the root, as stewards and operators compare them
}

// Acts are all that was published, in the order of numbers, roots first. Files do
// not say when they were signed: only when they end.
func (r *Registry) Acts() (all []Act, err error) {
	councils, roots, err := r.roots()
	if err != nil {
		return nil, err
	}
	for i, m := range roots {
		digest, err := contentDigest(&m.Signed)
		if err != nil {
			return nil, err
		}
		a := Act{Kind: RootKind, Number: m.Signed.Version, Ends: m.Signed.Expires, Words: record.Words(digest)}
		for _, by := range []int{i - 1, i} {
			if by >= 0 {
				a.sign(councils[by], signers(roots[by], metadata.ROOT, m))
			}
		}
		all = append(all, a)
	}
	numbers, err := r.editions()
	if err != nil {
		return nil, err
	}
	var before *Edition
	for _, n := range numbers {
		data, err := r.repo.folder.read(numbered(n, editionFile), protocol.MaxEdition)
		if err != nil {
			return nil, err
		}
		m, err := parseEdition(data)
		if err != nil {
			return nil, err
		}
		l, err := newEdition(m)
		if err != nil {
			return nil, err
		}
		a := Act{Kind: EditionKind, Number: n, Ends: m.Signed.Expires}
		for i, root := range roots {
			a.sign(councils[i], signers(root, metadata.TARGETS, m))
		}
		for _, item := range l.Items() {
			if before == nil || before.files[item] != l.files[item] {
				a.Added = append(a.Added, item)
			}
		}
		before, all = l, append(all, a)
	}
	return all, nil
}

// sign notes who has signed.
func (a *Act) sign(c *Council, by []PublicKey) {
	for _, k := range by {
		if name, ok := c.Holder(k); ok && !slices.Contains(a.Signed, name) {
			a.Signed = append(a.Signed, name)
		}
	}
	slices.Sort(a.Signed)
}

// roots are all that were published.
func (r *Registry) roots() (councils []*Council, all []*metadata.Metadata[metadata.RootType], err error) {
	for v := int64(1); ; v++ {
		data, err := r.repo.folder.read(numbered(v, rootFile), protocol.MaxRoot)
		if errors.Is(err, fs.ErrNotExist) {
			return councils, all, nil
		}
		if err != nil {
			return nil, nil, err
		}
		m, err := parseRoot(data)
		if err != nil {
			return nil, nil, err
		}
		c, err := councilOf(&m.Signed)
		if err != nil {
			return nil, nil, err
		}
		councils, all = append(councils, c), append(all, m)
	}
}

var editionName = regexp.MustCompile(`^[0-9]+\.targets\.json$`)

// editions are the numbers of all editions, in order. Some may be missing between:
// those of drafts that were given up.
func (r *Registry) editions() (all []int64, err error) {
	names, err := r.repo.folder.names("", editionName)
	for _, name := range names {
		if n, err := strconv.ParseInt(strings.TrimSuffix(name, "."+editionFile), 10, 64); err == nil {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, err
}
