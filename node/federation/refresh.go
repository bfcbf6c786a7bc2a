package federation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"

	"comity/protocol"
)

// maxRoots is how many roots one refresh follows; more take the next one.
const maxRoots = 64

// fetch takes from one mirror what is newer than what is held, whole or not at
// all. Only new roots stay whatever else fails: a key that stewards have taken
// back must not count again because a mirror withholds the rest.
//
// The library's own cache is off: it is neither durable nor kept for ever, and it
// begins each time with the root that it is given, which must be the newest (from
// an older one, keys that were taken back would count again, and what they signed
// would be the memory against which a rollback is seen).
func (c *Client) fetch(ctx context.Context, base string) error {
	ctx, cancel := context.WithTimeout(ctx, mirrorTime)
	defer cancel()
	root, err := c.folder.read(rootFile, protocol.MaxRoot)
	if err != nil {
		return own(err)
	}
	f := &fetcher{ctx: ctx, http: c.http, base: base, got: map[string][]byte{}}
	cfg, err := config.New(base, root)
	if err != nil {
		return own(err)
	}
	cfg.Fetcher, cfg.DisableLocalCache, cfg.LocalMetadataDir = f, true, string(c.folder)
	cfg.MaxRootRotations, cfg.MaxDelegations = maxRoots, 1
	cfg.RootMaxLength, cfg.TimestampMaxLength = protocol.MaxRoot, protocol.MaxTimestamp
	cfg.SnapshotMaxLength, cfg.TargetsMaxLength = protocol.MaxTimestamp, protocol.MaxEdition
	var u *updater.Updater
	err = guarded(func() error {
		if u, err = updater.New(cfg); err != nil {
			return err
		}
		u.UnsafeSetRefTime(c.cfg.Now()) // the node's clock, as everywhere; the library would ask the machine
		return u.Refresh()
	})
	if u != nil {
		if err := c.keepRoots(u, f); err != nil {
			return err
		}
	}
	if err != nil {
		return explain(err)
	}
	err = c.accept(u, f)
	if protocol.CodeOf(err) == protocol.Equivocation {
		if trouble := c.keepRefused(f); trouble != nil {
			return own(trouble)
		}
	}
	return err
}

// refusedFolder has what contradicts the rest, or gave way to it.
const refusedFolder = "refused"

// maxRefused is how many files are kept that contradict what is held, of editions and
// of all else: a thief of the online key must not fill the place for what stewards have
// signed. A few prove it.
const maxRefused = 32

// keepRefused keeps what a mirror showed and its signers contradict themselves by:
// it is evidence against them, beside what is held.
func (c *Client) keepRefused(f *fetcher) error {
	had, err := os.ReadDir(filepath.Join(string(c.folder), refusedFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	isEdition := func(name string) bool { return strings.HasSuffix(name, editionFile) }
	room := map[bool]int{true: maxRefused, false: maxRefused} // by isEdition
	for _, e := range had {
		room[isEdition(e.Name())]--
	}
	for _, name := range slices.Sorted(maps.Keys(f.got)) {
		if strings.HasSuffix(name, "."+rootFile) {
			continue
		}
		if room[isEdition(name)]--; room[isEdition(name)] < 0 {
			continue
		}
		if err := c.folder.keep(fmt.Sprintf("%s/%s.%s", refusedFolder, protocol.Sum(f.got[name]), name), f.got[name]); err != nil {
			return err
		}
	}
	return nil
}

// keepRoots keeps the roots that the library has verified on its walk.
func (c *Client) keepRoots(u *updater.Updater, f *fetcher) error {
	newest := u.GetTrustedMetadataSet().Root.Signed.Version
	first := newest + 1
	for f.got[numbered(first-1, rootFile)] != nil {
		first--
	}
	for v := first; v <= newest; v++ {
		if err := c.keepRoot(v, f.got[numbered(v, rootFile)]); protocol.CodeOf(err) != "" {
			return err
		} else if err != nil {
			return own(err)
		}
	}
	return own(c.load()) // what a key has signed that is taken back ends now
}

// keepRoot keeps a root under its number, and as the newest. One that is kept in
// another spelling stays: what it says is what was signed.
//
// If the power goes between the two, the next mirror's spelling may be another one.
func (c *Client) keepRoot(number int64, data []byte) error {
	name := numbered(number, rootFile)
	err := c.folder.keep(name, data)
	if protocol.CodeOf(err) == protocol.Equivocation {
		kept, trouble := c.folder.read(name, protocol.MaxRoot)
		if trouble != nil {
			return trouble
		}
		if sameRoot(kept, data) {
			data, err = kept, nil
		}
	}
	if err != nil {
		return err
	}
	return c.folder.put(rootFile, data)
}

// sameRoot reports whether two files are one root, with the same signatures on it or others.
func sameRoot(a, b []byte) bool {
	var said [2]protocol.Digest
	for i, data := range [][]byte{a, b} {
		m, err := parseRoot(data)
		if err == nil {
			said[i], err = contentDigest(&m.Signed)
		}
		if err != nil {
			return false
		}
	}
	return said[0] == said[1]
}

// accept takes in what the library has verified, after our own rules.
func (c *Client) accept(u *updater.Updater, f *fetcher) error {
	trusted := u.GetTrustedMetadataSet()
	if err := checkPinned(trusted.Timestamp.Signed.Meta, snapshotFile); err != nil {
		return err
	}
	if err := checkPinned(trusted.Snapshot.Signed.Meta, editionFile); err != nil {
		return err
	}
	if err := c.checkOnline(trusted, f); err != nil {
		return err
	}
	targets := trusted.Targets[metadata.TARGETS]
	l, err := newEdition(targets)
	if err != nil {
		return err
	}
	if err := l.follows(c.edition); err != nil {
		return err
	}
	for _, i := range l.Items() {
		if err := c.fetchRecord(u, targets.Signed.Targets[i.name()], i, l.files[i]); err != nil {
			return err
		}
	}
	return c.commit(trusted, f)
}

// checkOnline carries out R-FED-7 for the online key: it must not say two things
// under one number. The library would take neither note of a second timestamp nor of
// a second snapshot with the number of one that it has in its folder.
func (c *Client) checkOnline(trusted trustedmetadata.TrustedMetadata, f *fetcher) error {
	held, err := c.timestamp(trusted.Root)
	if err != nil {
		return own(err)
	}
	shown, err := parseTimestamp(f.got[timestampFile])
	if err != nil {
		return err
	}
	named := shown.Signed.Meta[snapshotFile]
	if held != nil && shown.Signed.Version == held.Signed.Version {
		if was := held.Signed.Meta[snapshotFile]; named.Version != was.Version || !named.Hashes.Equal(was.Hashes) {
			return twice("timestamp", shown.Signed.Version)
		}
	}
	snapshot := f.got[numbered(named.Version, snapshotFile)]
	if snapshot == nil { // the library took the one in the folder, by its number alone
		if snapshot, err = c.folder.read(snapshotFile, protocol.MaxTimestamp); err != nil {
			return own(err)
		}
	}
	if named.VerifyLengthHashes(snapshot) != nil {
		return twice("snapshot", named.Version)
	}
	return nil
}

func twice(what string, number int64) error {
	return protocol.Refuse(protocol.Equivocation, "the online key has signed two %ss with the number %d: compare them with a steward by telephone, for it may be stolen", what, number)
}

// fetchRecord fetches the file of a listed record unless it is there, with the digest
// that is listed. A damaged one, or one that cannot be read, is replaced.
func (c *Client) fetchRecord(u *updater.Updater, t *metadata.TargetFiles, i Item, want file) error {
	path := want.path(i)
	if c.whole[path] {
		return nil
	}
	if _, err := c.folder.listed(i, want); err == nil {
		c.whole[path] = true
		return nil
	}
	var data []byte
	err := guarded(func() (err error) {
		_, data, err = u.DownloadTarget(t, "", "")
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", i.name(), explain(err))
	}
	return own(c.folder.put(path, data))
}

// commit writes the metadata, the timestamp last: until it is written, the old one
// names the old edition, which is kept.
func (c *Client) commit(trusted trustedmetadata.TrustedMetadata, f *fetcher) error {
	for _, m := range []struct {
		version int64
		name    string
	}{{trusted.Targets[metadata.TARGETS].Signed.Version, editionFile}, {trusted.Snapshot.Signed.Version, snapshotFile}} {
		data := f.got[numbered(m.version, m.name)]
		if data == nil {
			continue // the one that is held is the newest
		}
		if err := c.keepPinned(numbered(m.version, m.name), data); err != nil {
			return own(err)
		}
		if err := c.folder.put(m.name, data); err != nil {
			return own(err)
		}
	}
	// The library leaves a second timestamp of one version aside; so do we.
	held, err := c.timestamp(trusted.Root)
	if err != nil {
		return own(err)
	}
	if held == nil || trusted.Timestamp.Signed.Version > held.Signed.Version {
		if err := c.folder.put(timestampFile, f.got[timestampFile]); err != nil {
			return own(err)
		}
	}
	return own(c.load())
}

// keepPinned keeps what the newest timestamp leads to, under its number. What was kept
// there before, in another spelling or by an online key that was taken back, is put
// aside: whoever uses this folder as a mirror needs these very bytes.
func (c *Client) keepPinned(name string, data []byte) error {
	err := c.folder.keep(name, data)
	if protocol.CodeOf(err) != protocol.Equivocation {
		return err
	}
	before, err := c.folder.read(name, protocol.MaxEdition)
	if err != nil {
		return err
	}
	if err := c.folder.keep(fmt.Sprintf("%s/%s.%s", refusedFolder, protocol.Sum(before), name), before); err != nil {
		return err
	}
	return c.folder.put(name, data)
}
