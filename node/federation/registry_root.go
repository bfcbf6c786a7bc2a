package federation

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"comity/protocol"
)

// Create drafts the first root of a federation, and makes the online key. Made
// again it returns the same draft.
func (r *Registry) Create(stewards []Steward, threshold int, unlock Unlock, now time.Time) (*Drafted, error) {
	if _, err := r.repo.root(); err == nil {
		return nil, protocol.Refuse(protocol.Policy, "there is a federation in %s already", r.dir)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	council := &Council{Stewards: stewards, Threshold: threshold}
	if err := council.checkPersons(); err != nil {
		return nil, err
	}
	online, err := newestOf(r.dir, onlineKey, once(unlock))
	if err != nil {
		return nil, err
	}
	council.Online = online.Public()
	return r.draftRoot(council, now)
}

// checkPersons refuses a council before any key is made for it.
func (c *Council) checkPersons() error {
	if len(c.Stewards) < MinThreshold {
		return protocol.Refuse(protocol.Policy, "a federation has at least %d stewards, because one alone is nobody's steward; here would be %d", MinThreshold, len(c.Stewards))
	}
	ch := c.charter()
	if ch.Online == (PublicKey{}) {
		ch.Online[0] = 1 // stands for the key that is to be made
	}
	if err := checkNames(c.Stewards); err != nil {
		return err
	}
	if err := ch.validate(); err != nil {
		return protocol.Refuse(protocol.Policy, "%v", err)
	}
	return nil
}

// draftRoot drafts a root with this content, unless that is the open draft.
func (r *Registry) draftRoot(council *Council, now time.Time) (*Drafted, error) {
	open, err := r.Draft()
	if err != nil {
		return nil, err
	}
	if open != nil {
		if open.root != nil && open.council.sameAs(council) {
			return open, nil
		}
		return nil, &OpenError{open.Name()}
	}
	draft, err := r.repo.DraftRoot(council.charter(), now)
	if err != nil {
		return nil, err
	}
	return r.hand(draft)
}

// Change is what the next root has other than the one in force. Empty: it is only
// renewed, before it ends.
type Change struct {
	Cards     []Steward     // of new stewards, and of those who have renewed a key
	Leaving   []StewardName // who are stewards no more
	Threshold int           // 0: as it is
	NewOnline bool          // another online key, which is made here
	Unlock    Unlock        // of the online keys, if there is to be another
}

// Council returns the stewards in force.
func (r *Registry) Council() (*Council, error) {
	root, err := r.repo.root()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, protocol.Refuse(protocol.Policy, "the first root is not published yet")
	}
	if err != nil {
		return nil, err
	}
	return councilOf(&root.Signed)
}

// CardError says that a card, or a change, would renew nothing, or bring an older key
// back.
type CardError struct{ text string }

func (e *CardError) Error() string { return e.text }

// Change drafts the next root. Made again with the same change it returns the same
// draft. It refuses a change that changes nothing (CardError), and one that contradicts
// itself.
func (r *Registry) Change(c Change, now time.Time) (*Drafted, error) {
	inForce, err := r.Council()
	if err != nil {
		return nil, err
	}
	if err := r.checkCards(c.Cards); err != nil {
		return nil, err
	}
	council := &Council{slices.Clone(inForce.Stewards), inForce.Threshold, inForce.Online}
	for _, name := range c.Leaving {
		if _, there := council.Steward(name); !there {
			return nil, protocol.Refuse(protocol.Policy, "%s is no steward of this federation", name)
		}
		if slices.ContainsFunc(c.Cards, func(s Steward) bool { return s.Name == name }) {
			return nil, protocol.Refuse(protocol.Policy, "%s is to leave, and a card of %s was handed in: leave one of the two away", name, name)
		}
		council.Stewards = slices.DeleteFunc(council.Stewards, func(s Steward) bool { return s.Name == name })
	}
	for _, s := range c.Cards {
		if i := slices.IndexFunc(council.Stewards, func(o Steward) bool { return o.Name == s.Name }); i >= 0 {
			council.Stewards[i] = s
		} else {
			council.Stewards = append(council.Stewards, s)
		}
	}
	if c.Threshold > 0 {
		council.Threshold = c.Threshold
	}
	if err := council.checkPersons(); err != nil {
		return nil, err
	}
	if c.NewOnline {
		unlock := once(c.Unlock)
		online, err := newestOf(r.dir, onlineKey, unlock)
		if err == nil && online.Public() == council.Online { // none is unfinished
			online, err = nextOf(r.dir, onlineKey, unlock)
		}
		if err != nil {
			return nil, err
		}
		council.Online = online.Public()
	}
	if council.sameAs(inForce) && (len(c.Cards) > 0 || c.Threshold > 0) {
		return nil, &CardError{"the root in force says the same already, so nothing would change"}
	}
	return r.draftRoot(council, now)
}

// checkCards refuses two cards of one steward, and a card with a key that a later one
// has taken the place of: the old one may have been stolen.
func (r *Registry) checkCards(cards []Steward) error {
	for i, card := range cards {
		if slices.ContainsFunc(cards[:i], func(s Steward) bool { return s.Name == card.Name }) {
			return &CardError{fmt.Sprintf("two cards of %s were given: hand in the newest one alone", card.Name)}
		}
	}
	former, _, err := r.roots()
	if err != nil {
		return err
	}
	for _, card := range cards {
		for _, what := range []Kind{RootKind, EditionKind} {
			if n := replaced(former, what, card.key(what)); n > 0 {
				return &CardError{fmt.Sprintf("the card of %s is an older one: its %s key is that of root %d, and another one has taken its place since", card.Name, what, n)}
			}
		}
	}
	return nil
}

// replaced returns the number of the last root that has a key which its holder has
// replaced since: it may have been stolen, so it never comes back, under whatever name.
// 0: it was not replaced. Who left with a key that counted may come back with it.
func replaced(roots []*Council, what Kind, key PublicKey) int {
	for n, c := range slices.Backward(roots) {
		for _, s := range c.Stewards {
			if s.key(what) != key {
				continue
			}
			for _, later := range roots[n+1:] {
				if now, there := later.Steward(s.Name); there && now.key(what) != key {
					return n + 1
				}
			}
			return 0
		}
	}
	return 0
}
