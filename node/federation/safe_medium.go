package federation

import (
	"errors"
	"slices"

	"comity/protocol"
)

// Why the keys on a steward's medium do not count. Nothing is wrong with the draft then.
var (
	// ErrOldCopy says that the medium is a copy from before its keys were renewed.
	ErrOldCopy = errors.New("an old copy of the medium")
	// ErrLeft says that its steward has left.
	ErrLeft = errors.New("a steward who has left")
	// ErrNoSteward says that no root ever named its keys.
	ErrNoSteward = errors.New("no steward of this federation")
)

// mediumError is a refusal for one of these reasons.
type mediumError struct{ refusal, why error }

func (e *mediumError) Error() string { return e.refusal.Error() }

func (e *mediumError) Unwrap() []error { return []error{e.refusal, e.why} }

func refuseMedium(why error, format string, args ...any) error {
	return &mediumError{protocol.Refuse(protocol.WrongRole, format, args...), why}
}

// Behind says whether the safe is a copy of the medium from before a renewal: it returns
// the first of the published roots since which they name keys for its steward that are on
// none of its cards; 0: it is none. A key that was not renewed may count all the same,
// but what was signed and seen since is not known here.
func (s *Safe) Behind(d *Draft) (root int64, err error) {
	cards, _, err := s.cards()
	if err != nil || len(cards) == 0 {
		return 0, err
	}
	for n, m := range slices.Backward(d.roots) {
		council, err := councilOf(&m.Signed)
		if err != nil {
			return 0, err
		}
		named, there := council.Steward(cards[len(cards)-1].Name)
		if !there || slices.Contains(cards, named) {
			break
		}
		root = int64(n + 1)
	}
	return root, nil
}

// checkOwn refuses a root that gives this steward keys which are not theirs.
func (s *Safe) checkOwn(d *Draft) error {
	cards, _, err := s.cards()
	if err != nil || d.root == nil || len(cards) == 0 {
		return err
	}
	named, there := d.council.Steward(cards[0].Name)
	if !there || slices.Contains(cards, named) {
		return nil
	}
	behind, err := s.Behind(d)
	if err != nil {
		return err
	}
	if behind > 0 {
		return refuseMedium(ErrOldCopy, "root %d, which is in force, names keys for %s that are on none of the cards in %s: sign with the copy of the medium on which they were made; if there is none, somebody has put others in their place",
			d.Number()-1, named.Name, s.dir)
	}
	return protocol.Refuse(protocol.WrongRole, "the draft names keys for %s that are on none of the cards in %s: somebody has changed a card on its way", named.Name, s.dir)
}

// checkCounts refuses a draft for which none of this steward's keys counts, and says why.
// Without a card the keys themselves tell, when they are opened.
func (s *Safe) checkCounts(d *Draft) error {
	cards, _, err := s.cards()
	if err != nil || len(cards) == 0 {
		return err
	}
	me := cards[len(cards)-1]
	if slices.ContainsFunc(cards, func(c Steward) bool { return d.counts(c.Root) || d.counts(c.Edition) }) {
		return nil // only keys of the draft's kind do
	}
	for n, root := range slices.Backward(d.roots) {
		council, err := councilOf(&root.Signed)
		if err != nil {
			return err
		}
		if _, there := council.Steward(me.Name); !there {
			continue
		}
		if n == len(d.roots)-1 {
			return refuseMedium(ErrOldCopy, "root %d names another %s key for %s than those in %s: sign with the copy of the medium on which it was made", n+1, d.Kind(), me.Name, s.dir)
		}
		return refuseMedium(ErrLeft, "%s is no steward any more since root %d: nothing that these keys sign counts", me.Name, n+2)
	}
	return refuseMedium(ErrNoSteward, "%s is no steward of this federation: no root names the keys in %s", me.Name, s.dir)
}
