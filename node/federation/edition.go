package federation

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
	"comity/protocol/envelope"
)

// Item names one version of a state's record.
type Item struct {
	State    protocol.StateID
	Sequence int64
}

// maxSequence is the largest number of a record: one that every reader of JSON keeps.
const maxSequence = 1<<53 - 1

// name is the name under which the item is listed: "records/xa/12".
func (i Item) name() string { return fmt.Sprintf("records/%s/%d", i.State, i.Sequence) }

// parseItem reads such a name, in its one spelling.
func parseItem(name string) (i Item, err error) {
	state, number, ok := strings.Cut(strings.TrimPrefix(name, "records/"), "/")
	if ok {
		err = i.State.UnmarshalText([]byte(state))
	}
	if i.Sequence, _ = strconv.ParseInt(number, 10, 64); !ok || err != nil || i.Sequence < 1 || i.Sequence > maxSequence || i.name() != name {
		return Item{}, protocol.Refuse(protocol.Malformed, "edition: %s is not the name of a record, like records/xa/12", protocol.Quote([]byte(name)))
	}
	return i, nil
}

func compareItems(a, b Item) int {
	return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(a.Sequence, b.Sequence))
}

// file says which bytes a listed record has.
type file struct {
	digest protocol.Digest
	size   int64
}

// path is where the file of an item stands in a folder and on a mirror.
func (f file) path(i Item) string {
	return fmt.Sprintf("targets/records/%s/%s.%d", i.State, f.digest, i.Sequence)
}

// Edition is one version of the directory: which records there are, and the
// digest of each one's file. It is immutable.
type Edition struct {
	version int64
	files   map[Item]file
}

// newEdition reads what an edition says (R-FED-3). It verifies no signature.
func newEdition(m *metadata.Metadata[metadata.TargetsType]) (*Edition, error) {
	l := &Edition{version: m.Signed.Version, files: make(map[Item]file, len(m.Signed.Targets))}
	if l.version < 1 || l.version >= 1<<53 {
		return nil, protocol.Refuse(protocol.Malformed, "edition: its version is %d", l.version)
	}
	if m.Signed.Delegations != nil {
		return nil, protocol.Refuse(protocol.Malformed, "edition %d: it hands its power on; only stewards list records", l.version)
	}
	total := int64(0)
	for name, t := range m.Signed.Targets {
		item, err := parseItem(name)
		if err != nil {
			return nil, err
		}
		if t == nil || len(t.Hashes) != 1 || len(t.Hashes["sha256"]) != len(protocol.Digest{}) {
			return nil, protocol.Refuse(protocol.Malformed, "edition %d: %s has no single SHA-256", l.version, name)
		}
		if t.Length < 1 || t.Length > protocol.MaxIntroduction {
			return nil, protocol.Refuse(protocol.TooLarge, "edition %d: %s has %d bytes, want 1 to %d", l.version, name, t.Length, protocol.MaxIntroduction)
		}
		if total += t.Length; total > protocol.MaxDirectory {
			return nil, protocol.Refuse(protocol.TooLarge, "edition %d: its records have more than %d bytes together", l.version, int64(protocol.MaxDirectory))
		}
		l.files[item] = file{protocol.Digest(t.Hashes["sha256"]), t.Length}
	}
	return l, nil
}

// Items returns what is listed, by state and number.
func (l *Edition) Items() []Item {
	return slices.SortedFunc(maps.Keys(l.files), compareItems)
}

// States is of how many states it lists records.
func (l *Edition) States() int {
	states := map[protocol.StateID]bool{}
	for i := range l.files {
		states[i.State] = true
	}
	return len(states)
}

// Ref names this version of the directory as envelopes do. The digest is over one
// line for each record, in the order of Items (R-FED-7); so it does not depend on
// who signed the edition, or on how its file is written.
func (l *Edition) Ref() envelope.Directory {
	var text bytes.Buffer
	for _, i := range l.Items() {
		fmt.Fprintf(&text, "%s %s\n", i.name(), l.files[i].digest)
	}
	return envelope.Directory{Version: l.version, Digest: protocol.Sum(text.Bytes())}
}

// CheckRef carries out R-FED-7: it refuses another directory under this very
// version (Equivocation). Somebody has been shown another one than we, and both
// were signed by stewards. Older and newer versions pass: nothing is known of them.
func (l *Edition) CheckRef(ref envelope.Directory) error {
	if own := l.Ref(); ref.Version == own.Version && ref.Digest != own.Digest {
		return protocol.Refuse(protocol.Equivocation, "names version %d of the directory as %s, which is known here as %s: stewards have signed two; compare them by telephone",
			ref.Version, ref.Digest.Short(), own.Digest.Short())
	}
	return nil
}

// follows carries out R-FED-4: versions do not go back, and what was listed stays
// listed with the same bytes. TUF knows only half of the first rule: after a
// change of the online key it forgets which edition it had.
func (l *Edition) follows(before *Edition) error {
	if before == nil {
		return nil
	}
	if l.version < before.version {
		return protocol.Refuse(protocol.Expired, "edition %d is older than edition %d, which is known already", l.version, before.version)
	}
	if err := l.CheckRef(before.Ref()); err != nil {
		return err
	}
	for _, i := range before.Items() {
		switch now, listed := l.files[i]; {
		case !listed:
			return protocol.Refuse(protocol.Equivocation, "edition %d takes back %s, which edition %d had", l.version, i.name(), before.version)
		case now != before.files[i]:
			return protocol.Refuse(protocol.Equivocation, "edition %d has another %s than edition %d: %s in place of %s", l.version, i.name(), before.version,
				now.digest.Short(), before.files[i].digest.Short())
		}
	}
	return nil
}
