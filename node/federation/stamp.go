package federation

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
)

// Stamp signs with the online key which edition is the newest, and that it is so
// now. It is to be run after each change and, without one, well within
// TimestampLifetime; a node that hears nothing newer raises an alarm then.
func (r *Repository) Stamp(online *Key, now time.Time) error {
	root, err := r.root()
	if err != nil {
		return fmt.Errorf("stamp: %w", err)
	}
	snapshot, err := r.snapshot(root, online, now)
	if err != nil {
		return fmt.Errorf("stamp: %w", err)
	}
	m := metadata.Timestamp(ends(now, TimestampLifetime))
	data, err := r.folder.read(timestampFile, protocol.MaxTimestamp)
	if err == nil {
		before, err := parseTimestamp(data)
		if err != nil {
			return fmt.Errorf("stamp: %w", err)
		}
		m.Signed.Version = before.Signed.Version + 1
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("stamp: %w", err)
	}
	named, err := parseSnapshot(snapshot)
	if err != nil {
		return fmt.Errorf("stamp: %w", err)
	}
	m.Signed.Meta = map[string]*metadata.MetaFiles{snapshotFile: pinned(named.Signed.Version, snapshot)}
	if data, err = sign(m, online); err == nil {
		err = verify(root, metadata.TIMESTAMP, m)
	}
	if err != nil {
		return fmt.Errorf("stamp %d: %w", m.Signed.Version, err)
	}
	return r.folder.put(timestampFile, data)
}

// snapshot returns one that names the newest edition and counts for half its life
// at least: the one there is, or a new one.
func (r *Repository) snapshot(root *metadata.Metadata[metadata.RootType], online *Key, now time.Time) ([]byte, error) {
	edition, err := r.folder.read(editionFile, protocol.MaxEdition)
	if err != nil {
		return nil, err
	}
	l, err := parseEdition(edition)
	if err != nil {
		return nil, err
	}
	m := metadata.Snapshot(ends(now, SnapshotLifetime))
	held, err := r.folder.read(snapshotFile, protocol.MaxTimestamp)
	if err == nil {
		before, err := parseSnapshot(held)
		if err != nil {
			return nil, err
		}
		counts := verify(root, metadata.SNAPSHOT, before) == nil // the online key may have changed
		if counts && before.Signed.Meta[editionFile].Version == l.Signed.Version && before.Signed.Meta[editionFile].VerifyLengthHashes(edition) == nil && before.Signed.Expires.Sub(now) > SnapshotLifetime/2 {
			return held, nil
		}
		m.Signed.Version = before.Signed.Version + 1
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// A crash can leave a snapshot that no timestamp names. Its number is used up.
	for {
		used, err := r.folder.has(numbered(m.Signed.Version, snapshotFile))
		if err != nil {
			return nil, err
		}
		if !used {
			break
		}
		m.Signed.Version++
	}
	m.Signed.Meta = map[string]*metadata.MetaFiles{editionFile: pinned(l.Signed.Version, edition)}
	data, err := sign(m, online)
	if err == nil {
		err = verify(root, metadata.SNAPSHOT, m)
	}
	if err != nil {
		return nil, fmt.Errorf("snapshot %d: %w", m.Signed.Version, err)
	}
	if err := r.folder.keep(numbered(m.Signed.Version, snapshotFile), data); err != nil {
		return nil, err
	}
	return data, r.folder.put(snapshotFile, data)
}

// checkPinned refuses metadata that does not name one file with length and digest.
// TUF lets both be left out; then parts of two states could be put together
// (R-FED-3).
func checkPinned(meta map[string]*metadata.MetaFiles, name string) error {
	m := meta[name]
	if len(meta) != 1 || m == nil || m.Length < 1 || len(m.Hashes) != 1 || len(m.Hashes["sha256"]) != sha256.Size {
		return protocol.Refuse(protocol.Malformed, "want %s named alone, with its length and one SHA-256", name)
	}
	return nil
}

// pinned names a version of a file so.
func pinned(version int64, data []byte) *metadata.MetaFiles {
	f := metadata.MetaFile(version)
	digest := sha256.Sum256(data)
	f.Length, f.Hashes = int64(len(data)), metadata.Hashes{"sha256": digest[:]}
	return f
}
