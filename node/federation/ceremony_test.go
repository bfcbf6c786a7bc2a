package federation

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// table is a federation in the hands of people: three stewards with a safe each,
// and a registrar. Two must sign. Papers go between them as bytes.
type table struct {
	t        *testing.T
	registry *Registry
	dir      string
	safes    map[StewardName]*Safe
	cards    []Steward
	now      time.Time
}

var stewardNames = []StewardName{"assembly", "board", "council"}

// noPassphrase is for keys that lie open.
func noPassphrase() (*seal.Passphrase, error) { return nil, nil }

// newTable gathers the stewards; nothing is drafted yet.
func newTable(t *testing.T) *table {
	b := &table{t: t, dir: filepath.Join(t.TempDir(), "registry"), safes: map[StewardName]*Safe{}, now: start.Add(day)}
	for _, name := range stewardNames {
		dir := filepath.Join(t.TempDir(), string(name))
		card, path, err := MakeSafe(dir, name, noPassphrase)
		b.check(err)
		b.cards = append(b.cards, must(DecodeCard(must(os.ReadFile(path)))))
		if card != b.cards[len(b.cards)-1] {
			t.Errorf("the card of %s says something else than its file", name)
		}
		b.safes[name] = must(OpenSafe(dir))
	}
	b.registry = must(NewRegistry(b.dir))
	t.Cleanup(func() { b.check(b.registry.Close()) })
	return b
}

// founded is a table whose first root is published.
func founded(t *testing.T) *table {
	b := newTable(t)
	b.publish(must(b.registry.Create(b.cards, 2, noPassphrase, b.now)), "assembly", "board")
	return b
}

func (b *table) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// paper is what the registrar hands out.
func (b *table) paper(d *Drafted) []byte { return must(os.ReadFile(d.Path)) }

// sign has a steward sign a copy of a paper.
func (b *table) sign(p []byte, name StewardName) ([]byte, error) {
	d, err := ReadDraft(p)
	if err == nil {
		_, err = b.safes[name].Sign(d, false, noPassphrase, b.now)
	}
	if err != nil {
		return nil, err
	}
	return d.Bytes()
}

// publish has stewards sign a copy each and hand it in.
func (b *table) publish(d *Drafted, by ...StewardName) {
	b.t.Helper()
	p := b.paper(d)
	var papers [][]byte
	for _, name := range by {
		papers = append(papers, must(b.sign(p, name)))
	}
	done, err := b.registry.Collect(papers, b.now)
	b.check(err)
	if !done.Published {
		b.t.Fatalf("%s is not published: %v", d.Name(), done.Missing())
	}
}

// list publishes records, and stamps.
func (b *table) list(records ...statement.Signed) {
	b.t.Helper()
	b.publish(must(b.registry.Add(records, b.now)), "assembly", "council")
	b.check(b.registry.Stamp(noPassphrase, b.now))
}

// node is one that joins now, with the root in force.
func (b *table) node() *reader {
	b.t.Helper()
	r := &reader{t: b.t, now: b.now}
	r.open(filepath.Join(b.t.TempDir(), "node"), must(os.ReadFile(filepath.Join(b.registry.Directory(), "root.json"))))
	return r
}

func (b *table) mirror() string { return serve(b.t, b.registry.Directory()) }

// From nothing to a federation whose records a node trusts, and on to the next record.
func TestFoundFederation(t *testing.T) {
	b := newTable(t)
	draft := must(b.registry.Create(b.cards, 2, noPassphrase, b.now))
	words := draft.Root().Words()
	if len(words) != 12 {
		t.Fatalf("the root has the words %v, want twelve", words)
	}
	b.publish(draft, "board", "council")
	published := must(ReadRoot(must(os.ReadFile(filepath.Join(b.registry.Directory(), "root.json")))))
	if diff := cmp.Diff(words, published.Words); diff != "" {
		t.Errorf("the words of a root change when it is signed:\n%s", diff)
	}
	if diff := cmp.Diff(words, must(b.registry.Status()).Root.Words()); diff != "" {
		t.Errorf("the registrar reads other words:\n%s", diff)
	}

	xa, xb := stateOf("xa"), stateOf("xb")
	b.list(xa.records[0], xb.records[0])
	r := b.node()
	quiet(t, r.refresh(b.mirror()))
	r.trusts("xa", xa.records[0])
	b.list(xa.next("two.xa.example:1"))
	quiet(t, r.refresh(b.mirror()))
	r.trusts("xa", xa.records[1])
	r.trusts("xb", xb.records[0])

	acts := must(b.registry.Acts())
	want := []Act{
		{Kind: RootKind, Number: 1, Signed: []StewardName{"board", "council"}},
		{Kind: EditionKind, Number: 1, Signed: []StewardName{"assembly", "council"}, Added: []Item{{"xa", 1}, {"xb", 1}}},
		{Kind: EditionKind, Number: 2, Signed: []StewardName{"assembly", "council"}, Added: []Item{{"xa", 2}}},
	}
	for i := range acts {
		if acts[i].Kind == RootKind && !slices.Equal(acts[i].Words, words) {
			t.Errorf("root %d is published with the words %v, want %v", acts[i].Number, acts[i].Words, words)
		}
		acts[i].Ends, acts[i].Words = time.Time{}, nil
	}
	if diff := cmp.Diff(want, acts); diff != "" {
		t.Errorf("what the files say was done:\n%s", diff)
	}
}

// R-FED-2. The words of a root can be computed by anybody: they are over the member
// "signed" as it stands in the file, where it is in TUF's canonical form.
func TestWordsOfRoot(t *testing.T) {
	b := founded(t)
	file := must(os.ReadFile(filepath.Join(b.registry.Directory(), "root.json")))
	var root struct {
		Signed json.RawMessage `json:"signed"`
	}
	b.check(json.Unmarshal(file, &root))
	if diff := cmp.Diff(record.Words(protocol.Sum(root.Signed)), must(ReadRoot(file)).Words); diff != "" {
		t.Errorf("the words are over something else:\n%s", diff)
	}
}

// R-FED-1. One person alone publishes nothing: not by signing twice, not with both
// keys of theirs, and there is no federation in which one would be enough.
func TestTwoPersons(t *testing.T) {
	b := newTable(t)
	_, err := b.registry.Create(b.cards, 1, noPassphrase, b.now)
	wantRefusal(t, err, protocol.Policy, "want at least 2")
	_, err = b.registry.Create(b.cards[:1], 2, noPassphrase, b.now)
	wantRefusal(t, err, protocol.Policy, "one alone is nobody's steward")
	_, err = b.registry.Create([]Steward{b.cards[0], {"board", b.cards[0].Root, b.cards[1].Edition}}, 2, noPassphrase, b.now)
	wantRefusal(t, err, protocol.Policy, "one theft would count twice")
	_, err = b.registry.Create([]Steward{b.cards[0], {"assembly", b.cards[1].Root, b.cards[1].Edition}}, 2, noPassphrase, b.now)
	wantRefusal(t, err, protocol.Malformed, "two stewards are called assembly")

	draft := must(b.registry.Create(b.cards, 2, noPassphrase, b.now))
	once := must(b.sign(b.paper(draft), "assembly"))
	twice := must(b.sign(once, "assembly"))
	for range 2 {
		done := must(b.registry.Collect([][]byte{once, twice}, b.now))
		if done.Published || !slices.Equal(done.Signers(), []StewardName{"assembly"}) {
			t.Fatalf("published %v, signed by %v; want assembly's signature to be one", done.Published, done.Signers())
		}
		if missing := done.Missing(); len(missing) != 1 || missing[0] != "1 more of the stewards: board, council" {
			t.Errorf("missing: %q", missing)
		}
	}
	both := must(b.sign(twice, "board")) // the papers may go round as well
	if done := must(b.registry.Collect([][]byte{both}, b.now)); !done.Published {
		t.Error("two signatures are not enough")
	}
}

// The power goes after each step, and everybody begins again where they stood.
func TestResume(t *testing.T) {
	b := newTable(t)
	again := func() {
		t.Helper()
		b.check(b.registry.Close())
		b.registry = must(OpenRegistry(b.dir))
	}
	_, err := NewRegistry(b.dir)
	if err == nil || !strings.Contains(err.Error(), "another command") {
		t.Errorf("a second process: %v", err)
	}
	first := must(b.registry.Create(b.cards, 2, noPassphrase, b.now))
	again()
	later := must(b.registry.Create(b.cards, 2, noPassphrase, b.now.Add(time.Hour)))
	if !later.Already || must(later.Content()) != must(first.Content()) {
		t.Error("creating again has drafted another root")
	}
	_, err = b.registry.Create(b.cards[:2], 2, noPassphrase, b.now)
	if err == nil || !strings.Contains(err.Error(), "root-1 is with the stewards") {
		t.Errorf("another draft beside the open one: %v", err)
	}
	p := b.paper(first)
	if done := must(b.registry.Collect([][]byte{must(b.sign(p, "assembly"))}, b.now)); done.Published {
		t.Fatal("one signature was enough")
	}
	again()

	// The power goes in the middle of publishing: the numbered file is there, and
	// root.json is not. A third signature comes afterwards.
	open := must(b.registry.Draft())
	b.check(open.Merge(must(ReadDraft(must(b.sign(p, "board"))))))
	must(b.registry.store(open.Draft))
	b.check(b.registry.repo.folder.keep("1.root.json", open.paper.Draft))
	again()
	if done := must(b.registry.Collect([][]byte{must(b.sign(p, "council"))}, b.now)); !done.Published {
		t.Error("what was begun is not ended")
	}

	// It goes before the paper was cleared away.
	b.check(folder(b.dir).put("draft/root-1.json", p))
	again()
	if open := must(b.registry.Draft()); open != nil {
		t.Errorf("the published draft %s is open again", open.Name())
	}
	if done := must(b.registry.Collect([][]byte{must(b.sign(p, "assembly"))}, b.now)); !done.Again || !done.Papers[0].Past {
		t.Errorf("a paper of a published draft, handed in again: %+v", done)
	}

	xa := stateOf("xa")
	edition := must(b.registry.Add(xa.records[:1], b.now))
	again()
	if later := must(b.registry.Add(xa.records[:1], b.now.Add(time.Hour))); must(later.Content()) != must(edition.Content()) {
		t.Error("adding again has drafted another edition")
	}
	b.publish(must(b.registry.Draft()), "assembly", "board")
	b.check(b.registry.Stamp(noPassphrase, b.now))
	b.check(b.registry.Stamp(noPassphrase, b.now))
	quiet(t, b.node().refresh(b.mirror()))

	// A steward's keys: made again they are the same, also after half of it.
	dir := filepath.Join(t.TempDir(), "department")
	before, path, err := MakeSafe(dir, "department", noPassphrase)
	b.check(err)
	b.check(os.Remove(path))
	if after, _, err := MakeSafe(dir, "department", noPassphrase); err != nil || after != before {
		t.Errorf("made again: %v, %v; want the same keys", after, err)
	}
}

// Each key of the stewards is renewed, and the online key. A node follows without
// ever a complaint, because old and new stewards sign the root between them.
func TestRenewStewardsKeys(t *testing.T) {
	b := founded(t)
	xa := stateOf("xa")
	b.list(xa.records[0])
	r := b.node()
	quiet(t, r.refresh(b.mirror()))

	for _, what := range []Kind{RootKind, EditionKind} {
		t.Run(string(what), func(t *testing.T) {
			card, _, err := b.safes["board"].Renew(what, noPassphrase)
			b.check(err)
			_, _, err = b.safes["board"].Renew(what, noPassphrase)
			wantRefusal(t, err, protocol.Policy, "waits for a root that names it")
			draft := must(b.registry.Change(Change{Cards: []Steward{card}}, b.now))
			if counts := must(b.registry.CountsUnder(draft.Draft)); !counts {
				t.Error("the edition that assembly and council have signed would count no more")
			}
			b.publish(draft, "board", "assembly")
			b.check(b.registry.Stamp(noPassphrase, b.now))
			quiet(t, r.refresh(b.mirror()))
		})
	}
	t.Run("online", func(t *testing.T) {
		draft := must(b.registry.Change(Change{NewOnline: true, Unlock: noPassphrase}, b.now))
		if again := must(b.registry.Change(Change{NewOnline: true, Unlock: noPassphrase}, b.now)); again.Council().Online != draft.Council().Online {
			t.Error("drafted again it has a third online key")
		}
		b.check(b.registry.Stamp(noPassphrase, b.now)) // the old key counts until then
		quiet(t, r.refresh(b.mirror()))
		b.publish(draft, "assembly", "council")
		b.check(b.registry.Stamp(noPassphrase, b.now))
		quiet(t, r.refresh(b.mirror()))
	})
	t.Run("another steward", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "department")
		card, _, err := MakeSafe(dir, "department", noPassphrase)
		b.check(err)
		b.safes["department"] = must(OpenSafe(dir))
		draft := must(b.registry.Change(Change{Cards: []Steward{card}, Leaving: []StewardName{"assembly"}}, b.now))
		if counts := must(b.registry.CountsUnder(draft.Draft)); counts {
			t.Error("the edition that assembly and council have signed would count without assembly")
		}
		must(b.registry.GiveUp())
		b.publish(must(b.registry.Add(nil, b.now)), "board", "council") // so it is renewed by those who stay
		b.check(b.registry.Stamp(noPassphrase, b.now))
		b.publish(must(b.registry.Change(Change{Cards: []Steward{card}, Leaving: []StewardName{"assembly"}}, b.now)), "board", "council")
		b.check(b.registry.Stamp(noPassphrase, b.now))
		quiet(t, r.refresh(b.mirror()))
		b.publish(must(b.registry.Add([]statement.Signed{xa.next("two.xa.example:1")}, b.now)), "department", "board")
		b.check(b.registry.Stamp(noPassphrase, b.now))
		quiet(t, r.refresh(b.mirror()))
		r.trusts("xa", xa.records[1])
	})
}

// A card that says what the root says renews nothing, and an older one would bring back
// a key that was replaced. A steward who left may come back with the keys of before.
func TestOlderCards(t *testing.T) {
	b := founded(t)
	older := func(c Change, words string) {
		t.Helper()
		var refused *CardError
		if _, err := b.registry.Change(c, b.now); !errors.As(err, &refused) || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want an error with %q", err, words)
		}
		if open := must(b.registry.Draft()); open != nil {
			t.Errorf("the draft %s is open", open.Name())
		}
	}
	first := b.cards[1]
	older(Change{Cards: []Steward{first}}, "says the same already")
	older(Change{Threshold: 2}, "says the same already")
	_, err := b.registry.Change(Change{Cards: []Steward{first}, Leaving: []StewardName{"board"}}, b.now)
	wantRefusal(t, err, protocol.Policy, "board is to leave, and a card of board was handed in")
	for _, what := range []Kind{RootKind, EditionKind} {
		card, _, err := b.safes["board"].Renew(what, noPassphrase)
		b.check(err)
		older(Change{Cards: []Steward{first, card}}, "two cards of board were given")
		b.publish(must(b.registry.Change(Change{Cards: []Steward{card, b.cards[0]}}, b.now)), "assembly", "board")
		older(Change{Cards: []Steward{card}}, "says the same already")
		older(Change{Cards: []Steward{first}}, "the card of board is an older one: its root key is that of root 1")
		b.cards[1] = card
	}
	older(Change{Cards: []Steward{{"board", b.cards[1].Root, first.Edition}}}, "its edition key is that of root 2")
	must(b.registry.Change(Change{}, b.now))
	must(b.registry.GiveUp())
	b.publish(must(b.registry.Change(Change{Leaving: []StewardName{"council"}}, b.now)), "assembly", "board")
	b.publish(must(b.registry.Change(Change{Cards: b.cards[2:]}, b.now)), "assembly", "board", "council")
}

// R-FED-5. What stewards must not list is refused when it is drafted, and when a
// registrar drafts it all the same, by each steward's own program.
func TestBadRecords(t *testing.T) {
	b := founded(t)
	xa, xb := stateOf("xa"), stateOf("xb")
	b.list(xa.records[0], xa.next("two.xa.example:1"))
	foreign := stateOf("xa")
	foreign.records = slices.Clone(xa.records)
	foreign.document = xa.document
	usurped := foreign.next("evil.example:1").Document
	expired := xb.document
	expired.Valid.Until = protocol.At(start.Add(time.Hour))
	for _, test := range []struct {
		name   string
		record statement.Signed
		code   protocol.Code
		words  string
	}{
		{"a state signs another's record", statement.Signed{Document: usurped, Signature: must(xb.top.Primary.Sign(usurped, start))}, protocol.BadSignature, "state xa"},
		{"a thief signs the next record", xa.impostor("evil.example:1"), protocol.WrongRole, "the primary key of state xa has changed"},
		{"one that was rolled back", stateOf("xa").next("other.example:1"), protocol.Equivocation, "a second record has the number 2"},
		{"one that has ended", must(record.SignRecord(&expired, xb.top.Primary, start)), protocol.Expired, "counted until"},
		{"the first one again, with another content", stateOf("xa").again(), protocol.Expired, "record 1 of state xa is older than record 2, which is listed"},
		{"one that is listed", xa.records[1], protocol.Policy, "record 2 of state xa is listed already"},
		{"an older one that is listed", xa.records[0], protocol.Expired, "record 1 of state xa is listed already, and so is record 2, which is newer"},
		{"a changed byte", statement.Signed{Document: []byte(strings.Replace(string(xb.records[0].Document), "State xb", "State xc", 1)), Signature: xb.records[0].Signature}, protocol.BadSignature, ""},
		{"a name that looks like another", homoglyph(xb), protocol.Malformed, "name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := b.registry.Add([]statement.Signed{test.record}, b.now)
			wantRefusal(t, err, test.code, test.words)
			if open := must(b.registry.Draft()); open != nil {
				t.Errorf("the draft %s is open", open.Name())
			}
		})
	}
}

// A refused draft is named by the number that it would have had, after drafts that were
// given up; and an edition tells records from states.
func TestNumberOfRefusedDraft(t *testing.T) {
	b := founded(t)
	xa := stateOf("xa")
	b.list(xa.records[0], xa.next("two.xa.example:1"), stateOf("xb").records[0])
	if e := must(b.registry.Status()).Edition; len(e.Items()) != 3 || e.States() != 2 {
		t.Errorf("%d records of %d states, want 3 of 2", len(e.Items()), e.States())
	}
	for range 2 {
		must(b.registry.Add(nil, b.now))
		must(b.registry.GiveUp())
	}
	_, err := b.registry.Add([]statement.Signed{xa.impostor("evil.example:1")}, b.now)
	wantRefusal(t, err, protocol.WrongRole, "draft edition 4: ")
	if d := must(b.registry.Add(nil, b.now)); d.Number() != 4 {
		t.Errorf("the next draft is edition %d, want 4", d.Number())
	}
}

// again is another first record of a state, truly signed.
func (s *state) again() statement.Signed {
	r := s.document
	r.Node.Endpoints = []string{"old.example:1"}
	return must(record.SignRecord(&r, s.top.Primary, start))
}

// homoglyph is a state's record under a name that has a Cyrillic letter in it.
func homoglyph(s *state) statement.Signed {
	text := strings.Replace(string(s.records[0].Document), "State xb", "St\u0430te xb", 1)
	return statement.Signed{Document: []byte(text), Signature: must(s.top.Primary.Sign([]byte(text), start))}
}
