package federation

import (
	"os"
	"path/filepath"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// What hostile stewards and thieves do, who do not use our checks.

// force puts an edition into the folder, whoever signed it.
func (w *world) force(signed []byte) {
	w.t.Helper()
	m := must(parseEdition(signed))
	w.check(os.WriteFile(filepath.Join(w.dir, numbered(m.Signed.Version, editionFile)), signed, 0o600))
	w.check(os.WriteFile(filepath.Join(w.dir, editionFile), signed, 0o600))
}

// rewrite signs an edition of this version, which begins with what is listed, by
// two stewards unless others are named.
func (w *world) rewrite(version int64, change func(map[string]*metadata.TargetFiles), by ...*Key) {
	w.t.Helper()
	m := must(w.repository.edition())
	m.Signed.Version, m.Signatures = version, nil
	change(m.Signed.Targets)
	if by == nil {
		by = w.edition[:2]
	}
	w.force(signedBy(must(m.ToBytes(true)), by...))
}

// stored puts a record under a name, fitting or not, and returns how it is listed.
func (w *world) stored(id protocol.StateID, sequence int64, s statement.Signed) *metadata.TargetFiles {
	w.t.Helper()
	data := must(record.EncodeIntroduction(s))
	w.check(w.repository.folder.keep(file{protocol.Sum(data), int64(len(data))}.path(Item{id, sequence}), data))
	return must(metadata.TargetFile().FromBytes("", data, "sha256"))
}

// collude publishes a record under a name with the signatures of two stewards.
func (w *world) collude(name string, s statement.Signed) {
	w.t.Helper()
	item := must(parseItem(name))
	entry := w.stored(item.State, item.Sequence, s)
	w.rewrite(must(w.repository.edition()).Signed.Version+1, func(m map[string]*metadata.TargetFiles) { m[name] = entry })
	w.stamp()
}

// copiedFrom is what whoever has the online key makes of a folder.
func (w *world) copiedFrom(dir string) *world {
	from := *w
	from.dir = dir
	return from.copied()
}

// jump stamps with a number far ahead, for as long as the thief likes.
func (w *world) jump(version int64) {
	w.t.Helper()
	snapshot := must(parseSnapshot(must(os.ReadFile(filepath.Join(w.dir, snapshotFile)))))
	snapshot.Signed.Version, snapshot.Signed.Expires = version, ends(w.now, 100*TimestampLifetime)
	data := must(sign(snapshot, w.online))
	w.check(w.repository.folder.put(numbered(version, snapshotFile), data))
	w.check(w.repository.folder.put(snapshotFile, data))
	w.timestamp(version, map[string]*metadata.MetaFiles{snapshotFile: pinned(version, data)})
}

// timestamp signs a timestamp that names what the thief likes.
func (w *world) timestamp(version int64, meta map[string]*metadata.MetaFiles) {
	w.t.Helper()
	m := metadata.Timestamp(ends(w.now, 100*TimestampLifetime))
	m.Signed.Version, m.Signed.Meta = version, meta
	w.check(w.repository.folder.put(timestampFile, must(sign(m, w.online))))
}
