package federation

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/statement"
)

// What a registrar, a thief of old keys, or a folder with somebody else's files must not
// have a steward sign.

// A registrar makes up a federation in which stewards of the real one have a place, to
// have them sign an edition there: the signature would be true in the real one as well.
// A steward who has signed nothing yet does not know the federation, so another one has
// to read the words of its root; who knows the real one refuses.
func TestAFederationThatWasMadeUp(t *testing.T) {
	b := founded(t)
	b.list(stateOf("xa").records[0]) // by assembly and council
	fake := newTable(t)
	fake.safes["board"], fake.safes["council"] = b.safes["board"], b.safes["council"]
	fake.cards[1], fake.cards[2] = b.cards[1], b.cards[2]
	dir := filepath.Join(t.TempDir(), "fresh")
	b.check(os.Mkdir(dir, 0o700))
	fresh := must(OpenSafe(dir))
	knows := func(s *Safe, p []byte, want bool) {
		t.Helper()
		if known := must(s.Knows(must(ReadDraft(p)))); known != want {
			t.Errorf("knows the federation: %v, want %v", known, want)
		}
	}
	made := must(fake.registry.Create(fake.cards, 2, noPassphrase, fake.now))
	_, err := fake.sign(fake.paper(made), "board") // who signed the true root 1
	wantRefusal(t, err, protocol.Equivocation, "another draft of root 1 was signed here")

	honest := b.paper(must(b.registry.Add([]statement.Signed{stateOf("xb").records[0]}, b.now)))
	for _, name := range stewardNames {
		knows(b.safes[name], honest, true) // a root was signed here, or seen
	}
	knows(fresh, honest, false)
	third := newTable(t)
	third.publish(must(third.registry.Create(third.cards, 2, noPassphrase, third.now)), "assembly", "board")
	first := third.paper(must(third.registry.Add(stateOf("xa").records[:1], third.now)))
	knows(third.safes["council"], first, false)
	if r := must(ReadDraft(first)).InForce(); r == nil || r.Number != 1 || len(r.Words()) != 12 {
		t.Errorf("the root in force: %+v", r)
	}
	must(third.sign(first, "council"))
	knows(third.safes["council"], first, true)
}

// Edition keys were stolen, and a root has taken them back. Whoever has them makes an
// edition in force that lists a false state, and drafts another one after it. Stewards
// see the first record of each state that only the old keys have signed.
func TestListedByKeysThatWereTakenBack(t *testing.T) {
	b := founded(t)
	b.list(stateOf("xa").records[0], stateOf("xa").next("two.xa.example:1")) // assembly has signed it,
	b.publish(must(b.registry.Add(nil, b.now)), "board", "council")          // and board has seen it
	var stolen []*Key
	var cards []Steward
	for _, name := range stewardNames[:2] {
		stolen = append(stolen, must(keyFile{string(b.safes[name].dir), "edition", 1}.read(noPassphrase)))
		card, _, err := b.safes[name].Renew(EditionKind, noPassphrase)
		b.check(err)
		cards = append(cards, card)
	}
	b.publish(must(b.registry.Change(Change{Cards: cards}, b.now)), "assembly", "board", "council")
	unvouched := func(p []byte, name StewardName) (all []protocol.StateID) {
		for _, a := range must(b.safes[name].Unvouched(must(ReadDraft(p)))) {
			if a.Before != nil {
				t.Errorf("the first record of %s follows another one", a.State.Ref().State)
			}
			all = append(all, a.State.Ref().State)
		}
		return all
	}
	honest := b.paper(must(b.registry.Add(nil, b.now)))
	for _, name := range stewardNames[:2] {
		if got := unvouched(honest, name); got != nil {
			t.Errorf("%s has not seen %v", name, got)
		}
	}
	must(b.registry.GiveUp())

	forged := signedBy(must(b.registry.repo.DraftEdition(newState("xb").records, b.now)), stolen...)
	b.check(os.WriteFile(filepath.Join(b.registry.Directory(), "targets.json"), forged, 0o600))
	d := must(b.registry.Add(stateOf("xc").records[:1], b.now))
	for _, name := range stewardNames[:2] {
		if got := unvouched(b.paper(d), name); !slices.Equal(got, []protocol.StateID{"xb"}) {
			t.Errorf("%s is shown %v, want xb, which only taken keys have listed", name, got)
		}
	}
	// A registrar who leaves the false record out of the paper gets nowhere.
	_, err := ReadDraft(withoutRecord(t, b.paper(d), "xb"))
	wantRefusal(t, err, protocol.Malformed, "the file of records/xb/1 is not in the paper")

	// Once present stewards have signed an edition, it vouches for what it lists.
	b.publish(d, "assembly", "board")
	if got := unvouched(b.paper(must(b.registry.Add(nil, b.now))), "council"); got != nil {
		t.Errorf("council is shown %v after present stewards have signed", got)
	}
}

// withoutRecord takes the records of a state out of a paper.
func withoutRecord(t *testing.T, p []byte, id protocol.StateID) []byte {
	return forged(t, p, func(p *paper) {
		p.Records = slices.DeleteFunc(p.Records, func(s sheet) bool {
			r, err := readRecord(Item{id, 1}, s.Text)
			return err == nil && r.Ref().State == id
		})
	})
}

// By the cards in the safe a steward sees that a root gives them no other keys than their
// own: so nobody else's card lies there, and the folder may be called as one likes.
func TestCardsInTheSafe(t *testing.T) {
	for _, name := range []string{"safe", "st[1]", "a*b?"} {
		b := newTable(t)
		dir := filepath.Join(t.TempDir(), name)
		card, _, err := MakeSafe(dir, "assembly", noPassphrase)
		b.check(err)
		b.cards[0], b.safes["assembly"] = card, must(OpenSafe(dir))
		changed := slices.Clone(b.cards)
		changed[0].Edition = must(GenerateKey()).Public()
		p := b.paper(must(b.registry.Create(changed, 2, noPassphrase, b.now)))
		_, err = b.sign(p, "assembly")
		wantRefusal(t, err, protocol.WrongRole, "somebody has changed a card on its way")
		if _, _, err := MakeSafe(dir, "evil", noPassphrase); protocol.CodeOf(err) != protocol.Policy {
			t.Errorf("keys for another person in %s: %v", name, err)
		}

		b.check(os.WriteFile(filepath.Join(dir, "board-1.json"), must(EncodeCard(b.cards[1])), 0o600))
		_, err = b.sign(p, "assembly")
		wantRefusal(t, err, protocol.Policy, "there are cards of assembly and of board in "+dir)
		_, _, err = b.safes["assembly"].Renew(EditionKind, noPassphrase)
		wantRefusal(t, err, protocol.Policy, "leave those of others elsewhere")
	}
}

// A registry may lie in a folder of any name: its open draft is seen.
func TestRegistryInAnyFolder(t *testing.T) {
	b := newTable(t)
	r := must(NewRegistry(filepath.Join(t.TempDir(), "rg[1]*")))
	defer func() { b.check(r.Close()) }()
	must(r.Create(b.cards, 2, noPassphrase, b.now))
	if d := must(r.Draft()); d == nil || d.Name() != "root-1" {
		t.Errorf("the open draft is %v", d)
	}
	var open *OpenError
	if _, err := r.Create(b.cards, 3, noPassphrase, b.now); !errors.As(err, &open) {
		t.Errorf("a second first root: %v", err)
	}
}

// While one command waits for a passphrase, another one signs a draft of the same number
// with the same safe: the first one looks again.
func TestTwoSignaturesAtOnce(t *testing.T) {
	b := newTable(t)
	words := must(seal.NewPassphrase("correct horse battery staple long"))
	passphrase := func() (*seal.Passphrase, error) { return words, nil }
	dir := filepath.Join(t.TempDir(), "safe")
	card, _, err := MakeSafe(dir, "assembly", passphrase)
	b.check(err)
	b.cards[0] = card
	s := must(OpenSafe(dir))
	b.publish(must(b.registry.Create(b.cards, 2, noPassphrase, b.now)), "board", "council")
	one := must(ReadDraft(b.paper(must(b.registry.Add(stateOf("xa").records[:1], b.now)))))
	must(b.registry.GiveUp())
	b.check(os.RemoveAll(filepath.Join(b.dir, givenUpFolder))) // by a registrar who hides it
	two := must(ReadDraft(b.paper(must(b.registry.Add(stateOf("xb").records[:1], b.now)))))
	_, err = s.Sign(one, false, func() (*seal.Passphrase, error) {
		must(s.Sign(two, false, passphrase, b.now))
		return words, nil
	}, b.now)
	wantRefusal(t, err, protocol.Equivocation, "another draft of edition 1 was signed here")
}

// A key that was replaced, because it may have been stolen, never comes back: neither
// with a steward who leaves and returns, nor under another name.
func TestAReplacedKeyStaysAway(t *testing.T) {
	b := founded(t)
	b.list(stateOf("xa").records[0]) // by council, too
	old := b.cards[2]
	card, _, err := b.safes["council"].Renew(RootKind, noPassphrase)
	b.check(err)
	b.publish(must(b.registry.Change(Change{Cards: []Steward{card}}, b.now)), "assembly", "board", "council")
	b.publish(must(b.registry.Change(Change{Leaving: []StewardName{"council"}}, b.now)), "assembly", "board")
	for _, back := range []Steward{old, {"other", old.Root, must(GenerateKey()).Public()}} {
		var refused *CardError
		if _, err := b.registry.Change(Change{Cards: []Steward{back}}, b.now); !errors.As(err, &refused) {
			t.Errorf("the replaced key comes back as one of %s: %v", back.Name, err)
		}
	}
	must(b.registry.Change(Change{Cards: []Steward{card}}, b.now)) // with the keys that counted
}
