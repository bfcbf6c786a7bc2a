package federation

import (
	"slices"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// collude publishes a record under the name of an item, as stewards do who use other
// programs.
func (b *table) collude(i Item, s statement.Signed) {
	b.t.Helper()
	w := &world{t: b.t, dir: b.registry.Directory(), now: b.now, online: must(newestOf(b.dir, onlineKey, noPassphrase))}
	w.repository = must(NewRepository(w.dir))
	for _, name := range stewardNames[:2] {
		w.edition = append(w.edition, must(b.safes[name].open(EditionKind, noPassphrase))...)
	}
	w.collude(i.name(), s)
}

// Stewards collude, and list a record of xa that xa has not signed. It stays listed for
// ever (R-FED-4), and shuts xa out of the directory for no longer than until its next
// record: stewards list that, and see what it passes over.
func TestAStateIsNotShutOut(t *testing.T) {
	b := founded(t)
	xa := stateOf("xa")
	b.list(xa.records[0])
	b.collude(Item{"xa", 2}, xa.impostor("spy.example:1"))
	b.collude(Item{"xa", 4}, stateOf("xb").records[0]) // nor is this one xa's at all
	b.collude(Item{"xa", 5}, stateOf("xb").records[0]) // twice

	_, err := b.registry.Add([]statement.Signed{xa.next("two.xa.example:1")}, b.now)
	wantRefusal(t, err, protocol.Equivocation, "records/xa/2 is listed, and is another record; ask the state for its next one")
	for range 4 {
		xa.next("next.xa.example:1")
	}
	d := must(b.registry.Add(xa.records[5:6], b.now))
	added := d.Added()
	if len(added) != 1 || added[0].Before == nil || added[0].Before.Ref().Sequence != 1 || !slices.Equal(added[0].Passed, []Item{{"xa", 5}, {"xa", 4}, {"xa", 2}}) {
		t.Fatalf("added %+v, want record 6 after record 1, past records 5, 4 and 2", added)
	}
	b.publish(d, "assembly", "board")
	if next := must(b.registry.Add([]statement.Signed{xa.next("seven.xa.example:1")}, b.now)).Added(); next[0].Before.Ref().Sequence != 6 || len(next[0].Passed) > 0 {
		t.Errorf("added %+v, want record 7 after record 6", next)
	}
}

// R-FED-5. What stands under a name that is not its own is no record for a node, so it
// is none for stewards: it neither bars the state's first record nor its next one.
func TestRecordUnderAnotherName(t *testing.T) {
	b := founded(t)
	xa, xb := stateOf("xa"), stateOf("xb")
	second := xa.next("two.xa.example:1")
	xb.next("two.xb.example:1")
	b.list(xb.records[0])
	b.collude(Item{"xa", 1}, xb.records[0])
	b.collude(Item{"xb", 2}, second)
	d := must(b.registry.Add([]statement.Signed{second}, b.now))
	if added := d.Added(); len(added) != 1 || added[0].Before != nil || !slices.Equal(added[0].Passed, []Item{{"xa", 1}}) {
		t.Fatalf("added %+v, want record 2 of xa as one of a new state, past what is listed as its first", added)
	}
	b.publish(d, "assembly", "board")
	b.collude(Item{"xa", 3}, xa.next("three.xa.example:1"))
	fourth := xa.next("four.xa.example:1")
	b.collude(Item{"xa", 5}, fourth) // true, under a number that is not its own
	b.list(fourth, xb.next("three.xb.example:1"))
	r := b.node()
	r.refresh(b.mirror())
	r.trusts("xa", fourth)
	r.trusts("xb", xb.records[2])
}

// R-REC-3, R-FED-5. A record that is followed is followed by no second one: neither the
// registrar nor a steward takes one of whoever has a key that counted once.
func TestNoSecondRecordFollows(t *testing.T) {
	b := founded(t)
	xa := stateOf("xa")
	b.list(xa.records[0])
	fork := stateOf("xa")
	fork.next("fork.xa.example:1")
	second := fork.next("fork.xa.example:2")
	b.list(xa.next("two.xa.example:1"))
	b.list(xa.next("three.xa.example:1"))
	third := fork.next("fork.xa.example:3")
	if fork.document.Sequence != 4 {
		t.Fatal(fork.document.Sequence)
	}
	_, err := b.registry.Add([]statement.Signed{third}, b.now)
	wantRefusal(t, err, protocol.Equivocation, "compare both with the state by telephone")
	_, err = b.registry.Add([]statement.Signed{second}, b.now)
	wantRefusal(t, err, protocol.Equivocation, "a second record has the number 3")

	// A registrar who hides the newest record from the stewards gets nowhere either.
	honest := b.paper(must(b.registry.Add([]statement.Signed{xa.next("four.xa.example:1")}, b.now)))
	file := must(record.EncodeIntroduction(third))
	first := must(record.EncodeIntroduction(xa.records[0]))
	paper := forged(t, honest, func(p *paper) {
		p.Draft = listed(p, Item{"xa", 4}, file)
		p.Records = []sheet{{file}, {first}}
	})
	_, err = b.sign(paper, "assembly")
	wantRefusal(t, err, protocol.Malformed, "the file of records/xa/3 is not in the paper")
}

// A number may have been left out between two listed records. What a thief of a former
// key makes under it is not listed either: a node that joins later would follow it, and
// refuse the true one that comes after.
func TestNoSecondRecordBetween(t *testing.T) {
	b := founded(t)
	xa, fork := stateOf("xa"), stateOf("xa")
	xa.next("two.xa.example:1")
	b.list(xa.records[0], xa.next("three.xa.example:1"))
	between := fork.next("fork.xa.example:1")
	_, err := b.registry.Add([]statement.Signed{between}, b.now)
	wantRefusal(t, err, protocol.Expired, "record 2 of state xa is older than record 3")

	honest := b.paper(must(b.registry.Add([]statement.Signed{xa.next("four.xa.example:1")}, b.now)))
	file := must(record.EncodeIntroduction(between))
	for _, with := range [][]statement.Signed{xa.records[:1], {xa.records[0], xa.records[2]}} {
		paper := forged(t, honest, func(p *paper) {
			m := must(parseEdition(p.Draft))
			m.Signed.Targets[Item{"xa", 2}.name()] = m.Signed.Targets[Item{"xa", 4}.name()]
			delete(m.Signed.Targets, Item{"xa", 4}.name())
			p.Draft = must(m.ToBytes(false))
			p.Draft = listed(p, Item{"xa", 2}, file)
			p.Records = []sheet{{file}}
			for _, s := range with {
				p.Records = append(p.Records, sheet{must(record.EncodeIntroduction(s))})
			}
		})
		if _, err := b.sign(paper, "assembly"); protocol.CodeOf(err) == "" {
			t.Errorf("with %d listed records in the paper: %v, want a refusal", len(with), err)
		}
	}

	must(b.registry.GiveUp())
	b.collude(Item{"xa", 2}, between)
	r := b.node()
	if report := r.refresh(b.mirror()); len(report.Refusals) != 1 || report.Refusals[0].Item != (Item{"xa", 3}) {
		t.Errorf("had it been listed, a node that joins refuses %+v, want record 3", report.Refusals)
	}
	r.trusts("xa", between)
}

// A state that lists another's TLS key would shut that one out of the nodes that see
// the false record first.
func TestTLSKeyOfAnotherState(t *testing.T) {
	w := newWorld(t)
	xa, xb := stateOf("xa"), stateOf("xb")
	theirs := xb.document.Node.TLS[0]
	xa.document.Node.TLS = append(slices.Clone(xa.document.Node.TLS), theirs)
	false2 := xa.next("xa.example:1")
	draft := func(s ...statement.Signed) error {
		_, err := w.repository.DraftEdition(s, w.now.Add(time.Hour))
		return err
	}
	wantRefusal(t, draft(xa.records[0], xb.records[0], false2), protocol.Policy, "record 2 of xa has the TLS key "+theirs.SPKI.Short()+", which record 1 of xb has as its own")
	w.publish(xb.records[0], xa.records[0])
	wantRefusal(t, draft(false2), protocol.Policy, "which record 1 of xb has as its own; ask both states")
	if err := draft(stateOf("xa").next("two.xa.example:1"), xb.next("two.xb.example:1")); err != nil {
		t.Errorf("keys of their own: %v", err)
	}
}

// What colluding stewards listed as a state's takes no TLS key from the state that has
// it, neither under the name of another state that is listed nor of one that nobody knows.
func TestTLSKeyInAFalseListing(t *testing.T) {
	b := founded(t)
	xa, xb, thief, xc := stateOf("xa"), stateOf("xb"), stateOf("xa"), stateOf("xc")
	b.list(xa.records[0], xb.records[0])
	thief.document.Node.TLS = xb.document.Node.TLS
	b.collude(Item{"xa", 2}, thief.impostor("spy.example:1"))
	b.list(xb.next("two.xb.example:1"))
	xc.document.Node.TLS = xb.document.Node.TLS
	b.collude(Item{"xc", 2}, xc.next("spy.example:1"))
	b.list(xb.next("three.xb.example:1"))

	xb.document.Node.TLS = append(slices.Clone(xb.document.Node.TLS), xa.document.Node.TLS...)
	_, err := b.registry.Add([]statement.Signed{xb.next("four.xb.example:1")}, b.now)
	wantRefusal(t, err, protocol.Policy, "which record 1 of xa has as its own") // although 2 is listed
}
