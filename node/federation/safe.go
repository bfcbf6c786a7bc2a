package federation

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/crypto/keys"
	"comity/protocol"
)

// Safe is a steward's own folder, on a medium that is locked away:
//
//	root-1.key, edition-1.key   the secret keys; renewed ones have the next number
//	assembly-1.json                 cards: the public parts, to be handed over
//	signed/                     every draft that was signed here
//	seen/                       the newest root and edition that a draft showed
//
// It remembers what it signed and saw, so that nobody can have the same steward
// sign two editions of one number, or what takes back an earlier one. A safe is
// used by one process at a time.
type Safe struct{ dir folder }

// Names of the folders in a safe.
const (
	signedFolder = "signed/"
	seenFolder   = "seen/"
)

// OpenSafe uses the safe in a folder, which must be there.
func OpenSafe(dir string) (*Safe, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	return &Safe{folder(dir)}, keys.MkdirPrivate(dir)
}

// MakeSafe makes a steward's keys and card, those of them that are not there yet:
// it can be made again when it was interrupted. It returns the newest card and its path.
func MakeSafe(dir string, name StewardName, unlock Unlock) (Steward, string, error) {
	if err := keys.MkdirPrivate(dir); err != nil {
		return Steward{}, "", err
	}
	s, unlock := &Safe{folder(dir)}, once(unlock)
	cards, _, err := s.cards()
	if err != nil {
		return Steward{}, "", err
	}
	if len(cards) > 0 {
		if last := cards[len(cards)-1]; last.Name != name {
			return Steward{}, "", protocol.Refuse(protocol.Policy, "the keys in %s are those of %s: each steward has a folder of their own", dir, last.Name)
		}
		return s.writeCard(cards[len(cards)-1])
	}
	me := Steward{Name: name}
	for _, k := range []struct {
		what   Kind
		public *PublicKey
	}{{RootKind, &me.Root}, {EditionKind, &me.Edition}} {
		key, err := newestOf(dir, string(k.what), unlock)
		if err != nil {
			return Steward{}, "", err
		}
		*k.public = key.Public()
	}
	return s.writeCard(me)
}

// Renew makes a steward's next root key or edition key, and a card with it. The
// key before stays: it still counts until a root names the new one. A renewal that
// was interrupted is ended, and one that waits for its root is not begun again.
func (s *Safe) Renew(what Kind, unlock Unlock) (Steward, string, error) {
	cards, number, err := s.cards()
	if err != nil {
		return Steward{}, "", err
	}
	if len(cards) == 0 {
		return Steward{}, "", protocol.Refuse(protocol.Policy, "there is no card in %s: nothing was made here yet that could be renewed", s.dir)
	}
	me := cards[len(cards)-1]
	unlock = once(unlock)
	held := &me.Root
	if what == EditionKind {
		held = &me.Edition
	}
	newest, err := newestOf(string(s.dir), string(what), unlock)
	if err != nil {
		return Steward{}, "", err
	}
	if newest.Public() == *held { // none is unfinished
		if !s.named(*held) {
			return me, s.cardPath(me, number), protocol.Refuse(protocol.Policy, "the newest %s key of %s waits for a root that names it: hand over its card", what, me.Name)
		}
		if newest, err = nextOf(string(s.dir), string(what), unlock); err != nil {
			return Steward{}, "", err
		}
	}
	*held = newest.Public()
	return s.writeCard(me)
}

// named reports whether a root names a key that this steward has signed, or has
// been shown as published.
func (s *Safe) named(k PublicKey) bool {
	roots, _ := s.dir.names(signedFolder, draftName) // else what was seen has to tell
	for i := range roots {
		roots[i] = signedFolder + roots[i]
	}
	for _, name := range append(roots, seenFolder+rootFile) {
		data, err := s.dir.read(name, protocol.MaxEdition)
		if err != nil {
			continue
		}
		if m, err := parseRoot(data); err == nil && (slices.Contains(keysOf(&m.Signed, metadata.ROOT), k) || slices.Contains(keysOf(&m.Signed, metadata.TARGETS), k)) {
			return true
		}
	}
	return false
}

var cardName = regexp.MustCompile(`^.+-[0-9]+\.json$`)

// cards are those in the safe, by number, and the number of the last. Older ones may
// have been taken away. A card of somebody else is refused: by the cards a steward sees
// that a root gives them no keys but their own.
func (s *Safe) cards() (all []Steward, last int, err error) {
	names, err := s.dir.names("", cardName)
	if err != nil {
		return nil, 0, err
	}
	numbered := map[int]Steward{}
	for _, name := range names {
		data, err := s.dir.read(name, MaxCard)
		if protocol.CodeOf(err) == protocol.TooLarge {
			continue // some other file: a draft that lies here, say
		}
		if err != nil {
			return nil, 0, err
		}
		c, err := DecodeCard(data)
		if err != nil {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(name, string(c.Name)+"-"), ".json"))
		if err != nil {
			continue
		}
		for _, other := range numbered {
			if other.Name != c.Name {
				return nil, 0, protocol.Refuse(protocol.Policy, "there are cards of %s and of %s in %s: leave those of others elsewhere, or nobody can tell which keys are whose", other.Name, c.Name, s.dir)
			}
		}
		numbered[n] = c
	}
	for _, n := range slices.Sorted(maps.Keys(numbered)) {
		all, last = append(all, numbered[n]), n
	}
	return all, last, nil
}

func (s *Safe) cardPath(me Steward, number int) string {
	return filepath.Join(string(s.dir), fmt.Sprintf("%s-%d.json", me.Name, number))
}

// writeCard writes the next card, unless the newest says the same.
func (s *Safe) writeCard(me Steward) (Steward, string, error) {
	cards, last, err := s.cards()
	if err != nil {
		return Steward{}, "", err
	}
	if n := len(cards); n > 0 && cards[n-1] == me {
		return me, s.cardPath(me, last), nil
	}
	path := s.cardPath(me, last+1)
	data, err := EncodeCard(me)
	if err == nil {
		err = s.dir.keep(filepath.Base(path), data)
	}
	return me, path, err
}
