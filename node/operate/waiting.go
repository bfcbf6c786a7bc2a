package operate

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"comity/crypto/keys"
	"comity/protocol"
	"comity/protocol/statement"
	"comity/store"
)

// next marks files that take their place when the database has the record that
// they belong to.
const next = ".next"

// writeNext writes a record, and files of new keys by their places, beside those
// that they will replace. The record is the first to be written and the last to get
// its place or to be removed, so whenever one of them waits, the record waits too,
// and with it the answer to whether the database has it. Without it nothing may take
// a place: a log key that replaced the true one would end the node.
func writeNext(l Layout, signed statement.Signed, files map[string][]byte) error {
	if err := dropNext(l); err != nil {
		return err
	}
	if err := keys.WriteNew(l.Record()+next, signed.Document); err != nil {
		return err
	}
	if err := keys.WriteNew(l.Record()+".asc"+next, signed.Signature); err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := keys.WriteNew(path+next, files[path]); err != nil {
			return err
		}
	}
	return nil
}

// waiting lists the places for which files wait, that of the record last.
func waiting(l Layout) (places []string, err error) {
	folders := []string{l.Node()}
	offices, err := os.ReadDir(filepath.Join(l.Dir, officeFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, o := range offices {
		folder := filepath.Join(l.Dir, officeFolder, o.Name())
		folders = append(folders, folder, filepath.Join(folder, ageFolder))
	}
	for _, folder := range folders {
		found, err := secretsIn(folder, next)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, path := range found {
			places = append(places, strings.TrimSuffix(path, next))
		}
	}
	return append(places, l.Record()+".asc", l.Record()), nil
}

// settleNext gives what waits its place when the database has the record, and
// removes it when it has not.
func settleNext(ctx context.Context, l Layout, db *store.Gateway, state protocol.StateID) error {
	document, err := os.ReadFile(l.Record() + next)
	if errors.Is(err, fs.ErrNotExist) {
		return dropNext(l) // nothing waits
	} else if err != nil {
		return err
	}
	records, err := db.Records(ctx)
	if err != nil {
		return err
	}
	committed := false
	for _, r := range records {
		committed = committed || r.State == state && r.Signed.Digest() == protocol.Sum(document)
	}
	if !committed {
		return dropNext(l)
	}
	return eachWaiting(l, func(path string) error { return os.Rename(path+next, path) })
}

// dropNext removes what waits for a record that was not committed.
func dropNext(l Layout) error {
	return eachWaiting(l, func(path string) error { return os.Remove(path + next) })
}

// eachWaiting makes each step durable before the one after it.
func eachWaiting(l Layout, do func(path string) error) error {
	places, err := waiting(l)
	if err != nil {
		return err
	}
	for _, path := range places {
		err := do(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = keys.SyncDir(filepath.Dir(path))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
