package federation

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// forged is a paper that a registrar has altered.
func forged(t *testing.T, p []byte, alter func(*paper)) []byte {
	t.Helper()
	var own paper
	if err := statement.Decode(p, PaperType, MaxPaper, &own); err != nil {
		t.Fatal(err)
	}
	alter(&own)
	return must(statement.EncodeCarrier(own, len(p)))
}

// evilTable is another federation, all of which a registrar has made up.
func evilTable(t *testing.T) *table {
	b := founded(t)
	b.list(stateOf("xa").records[0])
	return b
}

// R-FED-2, R-FED-4, R-FED-5. A registrar is trusted with nothing: a steward's own
// program sees what a paper would do, and refuses what must not be.
func TestForgedPapers(t *testing.T) {
	b := founded(t)
	xa, xb := stateOf("xa"), stateOf("xb")
	b.list(xa.records[0])
	honest := b.paper(must(b.registry.Add([]statement.Signed{xa.next("two.xa.example:1"), xb.records[0]}, b.now)))
	evil := evilTable(t)
	evilPaper := evil.paper(must(evil.registry.Add(xb.records[:1], b.now)))
	impostor := must(record.EncodeIntroduction(xa.impostor("evil.example:1")))

	for _, test := range []struct {
		name  string
		paper []byte
		code  protocol.Code
		words string
	}{
		{"another federation", evilPaper, protocol.Equivocation, "two of root 1"},
		{"an edition that takes a state back", forged(t, honest, func(p *paper) { p.Draft, p.Records = without(t, p, xa), nil }), protocol.Equivocation, "takes back records/xa/1"},
		{"a record that does not follow", forged(t, honest, func(p *paper) {
			p.Draft = listed(p, Item{"xa", 2}, impostor)
			p.Records[1] = sheet{impostor}
			p.Records = slices.DeleteFunc(p.Records, func(s sheet) bool {
				return protocol.Sum(s.Text) == protocol.Sum(must(record.EncodeIntroduction(xa.records[1])))
			})
			p.Records = append(p.Records, sheet{must(record.EncodeIntroduction(xa.records[0]))})
		}), protocol.WrongRole, "the primary key of state xa has changed"},
		{"a record under another's name", forged(t, honest, func(p *paper) {
			p.Draft = listed(p, Item{"xc", 1}, must(record.EncodeIntroduction(xb.records[0])))
		}), protocol.WrongRole, "record 1 of xb"},
		{"a record that is withheld", forged(t, honest, func(p *paper) { p.Records = p.Records[:1] }), protocol.Malformed, "is not in the paper"},
		{"a record that is smuggled along", forged(t, honest, func(p *paper) { p.Records = append(p.Records, sheet{[]byte("{}\n")}) }), protocol.Malformed, "does not add"},
		{"the roots left out", forged(t, honest, func(p *paper) { p.Roots = []sheet{} }), protocol.Malformed, "no root yet"},
		{"the edition before unsigned", forged(t, honest, func(p *paper) { p.Before = unsigned(p.Before) }), protocol.BadSignature, "the edition in force"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := b.sign(test.paper, "assembly")
			wantRefusal(t, err, test.code, test.words)
		})
	}
	if _, err := b.sign(honest, "assembly"); err != nil {
		t.Errorf("the honest paper: %v", err)
	}
	_, err := b.sign(forged(t, honest, func(p *paper) { p.Before = nil }), "assembly")
	wantRefusal(t, err, protocol.Expired, "edition 1 was seen here already")
}

// A founder who has signed nothing but the first root knows by it which federation it
// is: a registrar cannot make up another one around the founder's keys.
func TestFounderKnowsTheFederation(t *testing.T) {
	b := founded(t)
	evil := newTable(t)
	evil.publish(must(evil.registry.Create([]Steward{b.cards[0], evil.cards[1], evil.cards[2]}, 2, noPassphrase, b.now)), "board", "council")
	_, err := b.sign(evil.paper(must(evil.registry.Add(stateOf("xa").records[:1], b.now))), "assembly")
	wantRefusal(t, err, protocol.Equivocation, "two of root 1")
	if _, err := b.sign(b.paper(must(b.registry.Add(stateOf("xa").records[:1], b.now))), "assembly"); err != nil {
		t.Errorf("the honest paper: %v", err)
	}
}

// A steward has signed a root that was given up; the others publish another one of its
// number. The steward says so once, and signs on as before.
func TestRootGivenUp(t *testing.T) {
	b := founded(t)
	if _, err := b.sign(b.paper(must(b.registry.Change(Change{Threshold: 3}, b.now))), "assembly"); err != nil {
		t.Fatal(err)
	}
	must(b.registry.GiveUp())
	b.publish(must(b.registry.Change(Change{}, b.now)), "board", "council")
	p := b.paper(must(b.registry.Add(stateOf("xa").records[:1], b.now)))
	_, err := b.sign(p, "assembly")
	wantRefusal(t, err, protocol.Equivocation, "two of root 2")
	if _, err := b.safes["assembly"].Sign(must(ReadDraft(p)), true, noPassphrase, b.now); err != nil {
		t.Fatal(err)
	}
	if _, err := b.sign(p, "assembly"); err != nil {
		t.Errorf("once said it is not enough: %v", err)
	}
}

// Who signs with keys that do not count is told why, before anybody is called or asked
// for a passphrase.
func TestKeysThatDoNotCount(t *testing.T) {
	b := founded(t)
	old := filepath.Join(t.TempDir(), "copy")
	b.check(os.CopyFS(old, os.DirFS(string(b.safes["board"].dir))))
	b.check(os.Chmod(old, 0o700)) // #nosec G302 -- a folder, which has to be entered
	card, _, err := b.safes["board"].Renew(EditionKind, noPassphrase)
	b.check(err)
	b.publish(must(b.registry.Change(Change{Cards: []Steward{card}}, b.now)), "assembly", "board")
	b.publish(must(b.registry.Change(Change{Leaving: []StewardName{"council"}}, b.now)), "assembly", "board")
	renewal := must(ReadDraft(b.paper(must(b.registry.Change(Change{}, b.now)))))
	wantRefusal(t, must(OpenSafe(old)).Check(renewal, false, b.now), protocol.WrongRole, "root 3, which is in force, names keys for board that are on none of the cards")
	must(b.registry.GiveUp())
	outside := filepath.Join(t.TempDir(), "outside")
	_, _, err = MakeSafe(outside, "department", noPassphrase)
	b.check(err)
	p := must(ReadDraft(b.paper(must(b.registry.Add(stateOf("xa").records[:1], b.now)))))
	b.check(b.safes["board"].Check(p, false, b.now))
	for _, test := range []struct {
		dir, words string
		why        error
	}{
		{string(b.safes["council"].dir), "council is no steward any more since root 3", ErrLeft},
		{old, "root 3 names another edition key for board than those in", ErrOldCopy},
		{outside, "department is no steward of this federation", ErrNoSteward},
	} {
		err := must(OpenSafe(test.dir)).Check(p, false, b.now)
		wantRefusal(t, err, protocol.WrongRole, test.words)
		if !errors.Is(err, test.why) {
			t.Errorf("%v is not told as %v", err, test.why)
		}
	}
}

// A copy of the medium from before the root key was renewed has the edition key that
// counts, and is told from the medium all the same: at an edition, and at a root.
func TestOldCopyOfTheMedium(t *testing.T) {
	b := founded(t)
	b.publish(must(b.registry.Change(Change{}, b.now)), "assembly", "board")
	dir := filepath.Join(t.TempDir(), "copy")
	b.check(os.CopyFS(dir, os.DirFS(string(b.safes["board"].dir))))
	b.check(os.Chmod(dir, 0o700)) // #nosec G302 -- a folder, which has to be entered
	old := must(OpenSafe(dir))
	card, _, err := b.safes["board"].Renew(RootKind, noPassphrase)
	b.check(err)
	b.publish(must(b.registry.Change(Change{Cards: []Steward{card}}, b.now)), "assembly", "board")
	b.publish(must(b.registry.Change(Change{}, b.now)), "assembly", "board")
	wantBehind := func(s *Safe, p *Draft, root int64) {
		t.Helper()
		if got := must(s.Behind(p)); got != root {
			t.Errorf("%s at %s: behind root %d, want %d", s.dir, p.Name(), got, root)
		}
	}
	edition := must(ReadDraft(b.paper(must(b.registry.Add(stateOf("xa").records[:1], b.now)))))
	b.check(old.Check(edition, false, b.now))
	wantBehind(old, edition, 3)
	wantBehind(b.safes["board"], edition, 0)
	wantBehind(b.safes["council"], edition, 0)
	must(b.registry.GiveUp())
	renewed, _, err := b.safes["board"].Renew(EditionKind, noPassphrase)
	b.check(err)
	for _, c := range []Change{{}, {Cards: []Steward{renewed}}} {
		root := must(ReadDraft(b.paper(must(b.registry.Change(c, b.now)))))
		wantBehind(b.safes["board"], root, 0)
		if err := old.Check(root, false, b.now); !errors.Is(err, ErrOldCopy) {
			t.Errorf("an old copy at %s: %v", root.Name(), err)
		}
		must(b.registry.GiveUp())
	}
}

// A draft that ended before it was published is taken off the table.
func TestDraftThatEnded(t *testing.T) {
	b := founded(t)
	p := b.paper(must(b.registry.Add(stateOf("xa").records[:1], b.now)))
	papers := [][]byte{must(b.sign(p, "assembly")), must(b.sign(p, "council"))}
	_, err := b.registry.Collect(papers, b.now.Add(EditionLifetime+time.Hour))
	wantRefusal(t, err, protocol.Expired, "it has ended on")
	must(b.registry.GiveUp())
	if d := must(b.registry.Add(stateOf("xa").records[:1], b.now)); d.Number() != 2 {
		t.Errorf("the next draft is edition %d, want 2", d.Number())
	}
}

// listed is the draft in a paper with one item more, or another one.
func listed(p *paper, i Item, text []byte) []byte {
	m := must(parseEdition(p.Draft))
	for name, t := range m.Signed.Targets {
		if own := must(parseItem(name)); own.Sequence == 1 && own.State == "xb" && i.State == "xc" {
			delete(m.Signed.Targets, name)
			m.Signed.Targets[i.name()] = t
			return must(m.ToBytes(false))
		}
	}
	t := m.Signed.Targets[i.name()]
	digest := protocol.Sum(text)
	t.Length, t.Hashes["sha256"] = int64(len(text)), digest[:]
	return must(m.ToBytes(false))
}

// without is the draft without the state's first record.
func without(t *testing.T, p *paper, s *state) []byte {
	t.Helper()
	m := must(parseEdition(p.Draft))
	delete(m.Signed.Targets, Item{s.id, 1}.name())
	return must(m.ToBytes(false))
}

// unsigned is an edition without its signatures.
func unsigned(edition []byte) []byte {
	m := must(parseEdition(edition))
	m.Signatures = nil
	return must(m.ToBytes(false))
}

// A steward never signs two drafts under one number, unless the steward says that
// the other was given up; and an edition that was given up leaves its number unused.
func TestOneDraftForEachNumber(t *testing.T) {
	b := newTable(t)
	first := b.paper(must(b.registry.Create(b.cards, 2, noPassphrase, b.now)))
	if _, err := b.sign(first, "assembly"); err != nil {
		t.Fatal(err)
	}
	must(b.registry.GiveUp())
	second := must(b.registry.Create(b.cards[:2], 2, noPassphrase, b.now))
	_, err := b.sign(b.paper(second), "assembly")
	wantRefusal(t, err, protocol.Equivocation, "another draft of root 1 was signed here")
	d := must(ReadDraft(b.paper(second)))
	for _, name := range stewardNames[:2] {
		if who, err := b.safes[name].Sign(d, name == "assembly", noPassphrase, b.now); err != nil || who != name {
			t.Fatalf("%s signs as %q: %v", name, who, err)
		}
	}
	if done := must(b.registry.Collect([][]byte{must(d.Bytes())}, b.now)); !done.Published {
		t.Fatal("it is not published")
	}

	must(b.registry.Add(stateOf("xa").records[:1], b.now))
	must(b.registry.GiveUp())
	if d := must(b.registry.Add(stateOf("xb").records[:1], b.now)); d.Number() != 2 {
		t.Errorf("the next edition has the number %d, and edition 1 was given up", d.Number())
	}
	b.publish(must(b.registry.Draft()), "assembly", "board")
	b.check(b.registry.Stamp(noPassphrase, b.now))
	r := b.node()
	quiet(t, r.refresh(b.mirror()))
	r.trusts("xb", stateOf("xb").records[0])
}

// What is handed in must be a copy of the draft that was handed out, with
// signatures that count.
func TestHandedIn(t *testing.T) {
	b := founded(t)
	xa := stateOf("xa")
	b.list(xa.records[0])
	draft := must(b.registry.Add(stateOf("xb").records[:1], b.now))
	honest := b.paper(draft)
	other := forged(t, honest, func(p *paper) {
		m := must(parseEdition(p.Draft))
		m.Signed.Expires = m.Signed.Expires.AddDate(1, 0, 0)
		p.Draft = must(m.ToBytes(false))
	})
	outsider := must(GenerateKey())
	for _, test := range []struct {
		name  string
		paper []byte
		code  protocol.Code
		words string
	}{
		{"another draft of the same number", must(b.sign(other, "board")), protocol.Equivocation, "another content"},
		{"a signature of nobody's", forged(t, honest, func(p *paper) { p.Draft = must(Sign(p.Draft, outsider)) }), protocol.BadSignature, "nobody who may sign"},
		{"a signature over something else", forged(t, honest, func(p *paper) {
			m := must(parseEdition(must(b.signAlone(other, "council"))))
			own := must(parseEdition(p.Draft))
			own.Signatures = m.Signatures
			p.Draft = must(own.ToBytes(false))
		}), protocol.BadSignature, "is wrong"},
		{"no paper", []byte("hello"), protocol.Malformed, ""},
		{"a card", must(EncodeCard(b.cards[0])), protocol.Malformed, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := b.registry.Collect([][]byte{test.paper}, b.now)
			wantRefusal(t, err, test.code, test.words)
			if open := must(b.registry.Draft()); open == nil || len(open.Signers()) > 0 {
				t.Error("something was taken")
			}
		})
	}

	// A draft that was left lying is refused by whoever is to sign it.
	b.now = b.now.Add(EditionLifetime)
	_, err := b.sign(honest, "assembly")
	wantRefusal(t, err, protocol.Expired, "left lying too long")
}

// A paper that comes too late harms nobody: its draft was published, or given up. Another
// draft under a number that was published is told as what it is.
func TestHandedInLate(t *testing.T) {
	b := founded(t)
	if _, err := b.registry.Collect(nil, b.now); !errors.Is(err, ErrNoDraft) {
		t.Errorf("no papers, and no draft: %v", err)
	}
	first := b.paper(must(b.registry.Add(stateOf("xa").records[:1], b.now)))
	late := must(b.sign(first, "council"))
	other := must(ReadDraft(forged(t, first, func(p *paper) {
		m := must(parseEdition(p.Draft))
		m.Signed.Expires = m.Signed.Expires.Add(-time.Hour)
		p.Draft = must(m.ToBytes(false))
	})))
	b.publish(must(b.registry.Draft()), "assembly", "board")
	if done := must(b.registry.Collect([][]byte{late, late}, b.now)); !done.Again || !done.Published || done.Name() != "edition-1" {
		t.Errorf("a third signature after the publication: %+v", done)
	}
	_, err := b.registry.Collect([][]byte{must(other.Bytes())}, b.now)
	wantRefusal(t, err, protocol.Equivocation, "another edition-1")

	gone := must(b.sign(b.paper(must(b.registry.Add(nil, b.now))), "council"))
	if _, err := b.registry.Collect([][]byte{gone, first}, b.now); err != nil {
		t.Errorf("an old copy beside a new one: %v", err)
	}
	must(b.registry.GiveUp())
	for _, drafted := range []bool{false, true} {
		if drafted {
			must(b.registry.Add(stateOf("xb").records[:1], b.now))
		}
		var givenUp *GivenUpError
		if _, err := b.registry.Collect([][]byte{first, gone}, b.now); !errors.As(err, &givenUp) || givenUp.Name != "edition-2" {
			t.Errorf("a paper of a draft that was given up, another one drafted %v: %v", drafted, err)
		}
	}
	honest := b.paper(must(b.registry.Draft()))
	one := must(b.sign(honest, "board"))
	done := must(b.registry.Collect([][]byte{first, honest, one, one}, b.now))
	var brought []int
	for _, h := range done.Papers {
		brought = append(brought, h.New)
	}
	if done.Published || !done.Papers[0].Past || !slices.Equal(brought, []int{0, 0, 1, 0}) {
		t.Errorf("published %v, past %v, signatures brought %v; want false, true and one by the third paper", done.Published, done.Papers[0].Past, brought)
	}
	unknown := founded(t)
	_, err = unknown.registry.Collect([][]byte{one}, b.now)
	if !errors.Is(err, ErrNoDraft) || !strings.Contains(err.Error(), "edition-3 was never handed out") {
		t.Errorf("a draft of another federation: %v", err)
	}
}

// signAlone returns the draft without its paper, as a steward has signed it.
func (b *table) signAlone(p []byte, name StewardName) ([]byte, error) {
	d := must(ReadDraft(p))
	_, err := b.safes[name].Sign(d, true, noPassphrase, b.now)
	return d.paper.Draft, err
}

// A steward's card was changed on its way: the steward sees it before signing.
func TestChangedCard(t *testing.T) {
	b := newTable(t)
	cards := slices.Clone(b.cards)
	cards[0].Root = must(GenerateKey()).Public()
	p := b.paper(must(b.registry.Create(cards, 2, noPassphrase, b.now)))
	_, err := b.sign(p, "assembly")
	wantRefusal(t, err, protocol.WrongRole, "somebody has changed a card")
	honest := must(EncodeCard(b.cards[0]))
	for _, text := range []string{"", "{}", string(honest[:len(honest)-5]), "{\"type\":\"comity/steward/v1\",\"name\":\"Assembly\"}\n"} {
		if _, err := DecodeCard([]byte(text)); protocol.CodeOf(err) != protocol.Malformed {
			t.Errorf("the card %q: %v, want malformed", text, err)
		}
	}
}

// A draft may lie on the steward's own medium, and what a renewal has replaced may be
// taken off it: the newest keys sign, and the next card has the next number.
func TestMediumTidiedUp(t *testing.T) {
	b := founded(t)
	safe := b.safes["board"]
	dir := string(safe.dir)
	for n, what := range []Kind{RootKind, EditionKind} {
		card, path, err := safe.Renew(what, noPassphrase)
		b.check(err)
		if want := fmt.Sprintf("board-%d.json", n+2); filepath.Base(path) != want {
			t.Fatalf("the card is %s, want %s", path, want)
		}
		b.publish(must(b.registry.Change(Change{Cards: []Steward{card}}, b.now)), "assembly", "board")
		b.check(os.Remove(filepath.Join(dir, fmt.Sprintf("board-%d.json", n+1))))
		b.check(os.Remove(filepath.Join(dir, string(what)+"-1.key")))
	}
	p := b.paper(must(b.registry.Add(stateOf("xa").records[:1], b.now)))
	b.check(os.WriteFile(filepath.Join(dir, "edition-1.json"), p, 0o600))
	b.publish(must(b.registry.Draft()), "assembly", "board")
	if _, path, err := MakeSafe(dir, "board", noPassphrase); err != nil || filepath.Base(path) != "board-3.json" {
		t.Errorf("the newest card is %s, %v; want board-3.json", path, err)
	}
}

// Key files are the owner's alone.
func TestKeyFilesArePrivate(t *testing.T) {
	b := newTable(t)
	must(b.registry.Create(b.cards, 2, noPassphrase, b.now))
	for _, path := range []string{filepath.Join(string(b.safes["assembly"].dir), "root-1.key"), filepath.Join(string(b.safes["assembly"].dir), "edition-1.key"), filepath.Join(b.dir, "online-1.key")} {
		if info := must(os.Stat(path)); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
}

// FuzzPaper: whatever a paper says is read or refused, and never panics.
func FuzzPaper(f *testing.F) {
	dir := f.TempDir()
	var cards []Steward
	for _, name := range stewardNames {
		c, _, err := MakeSafe(filepath.Join(dir, string(name)), name, noPassphrase)
		if err != nil {
			f.Fatal(err)
		}
		cards = append(cards, c)
		f.Add(must(EncodeCard(c)))
	}
	r := must(NewRegistry(filepath.Join(dir, "registry")))
	papers := func(d *Drafted) (signed [][]byte) {
		for _, name := range stewardNames[:2] {
			own := must(ReadDraft(must(d.Bytes())))
			must(must(OpenSafe(filepath.Join(dir, string(name)))).Sign(own, false, noPassphrase, start))
			signed = append(signed, must(own.Bytes()))
		}
		f.Add(signed[0])
		return signed
	}
	must(r.Collect(papers(must(r.Create(cards, 2, noPassphrase, start))), start))
	must(r.Collect(papers(must(r.Add(stateOf("xa").records, start))), start))
	papers(must(r.Add(stateOf("xb").records, start)))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = DecodeCard(data)
		if d, err := ReadDraft(data); err == nil {
			_, _, _ = d.Signers(), d.Missing(), d.CheckTimes(start)
		}
	})
}
