package record

import (
	"bytes"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/statement"
)

// marked returns a mark on keys from an hour after the start, announced an hour later.
func marked(keys Keypair) Mark {
	return Mark{Keys: keys, Compromised: Compromised{protocol.At(start.Add(time.Hour)), protocol.At(start.Add(2 * time.Hour))}}
}

// R-REC-11: keys of logs and witnesses are marked by the state whose they are, each
// once, with times that can be.
func TestMarks(t *testing.T) {
	k := keys()
	old, foreign := witnessOf("xa"), witnessOf("xb")
	log, lost := logOf(k.log).Keys, logOf(must(newLog("xa", 1))).Keys
	tests := []struct {
		name  string
		marks []Mark
		want  protocol.Code
	}{
		{"a witness of before", []Mark{marked(old)}, ""},
		{"the witness that it has", []Mark{marked(k.witness)}, ""},
		{"the log that it has", []Mark{marked(log)}, ""},
		{"a log that was lost, and the witness", []Mark{marked(lost), marked(k.witness)}, ""},
		{"the most", many(old, protocol.MaxKeys), ""},
		{"too many", many(old, protocol.MaxKeys+1), protocol.Malformed},
		{"none, in a list", []Mark{}, protocol.Malformed},
		{"the witness of another", []Mark{marked(foreign)}, protocol.Malformed},
		{"the log of another", []Mark{marked(logOf(must(newLog("xb", 1))).Keys)}, protocol.Malformed},
		{"a log to come", []Mark{marked(logOf(must(newLog("xa", 2))).Keys)}, protocol.Malformed},
		{"keys of nobody", []Mark{marked(Keypair{"a", "b"})}, protocol.Malformed},
		{"one key of two", []Mark{marked(Keypair{Ed25519: old.Ed25519})}, protocol.Malformed},
		{"a witness's key beside a log's", []Mark{marked(Keypair{old.Ed25519, log.MLDSA44})}, protocol.Malformed},
		{"swapped", []Mark{marked(Keypair{old.MLDSA44, old.Ed25519})}, protocol.Malformed},
		{"twice", []Mark{marked(old), marked(old)}, protocol.Malformed},
		{"a key in two pairs", []Mark{marked(old), marked(Keypair{old.Ed25519, k.witness.MLDSA44})}, protocol.Malformed},
		{"announced before it was", []Mark{{old, Compromised{protocol.At(start.Add(2 * time.Hour)), protocol.At(start.Add(time.Hour))}}}, protocol.Malformed},
		{"announced after the record", []Mark{{old, Compromised{protocol.At(start), protocol.At(start.Add(25 * time.Hour))}}}, protocol.Malformed},
	}
	first := verified(t, newDraft())
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := next(first)
			d.record.Node.Compromised = test.marks
			s, err := d.verify(first)
			if test.name == "none, in a list" { // not even our own writer makes one
				if err == nil {
					t.Error("an empty list was written")
				}
				return
			}
			wantCode(t, err, test.want)
			if err == nil {
				sameMarks(t, s, test.marks)
			}
		})
	}
}

func many(keys Keypair, n int) []Mark {
	all := []Mark{marked(keys)}
	for len(all) < n {
		all = append(all, marked(witnessOf("xa")))
	}
	return all
}

// sameMarks: the verified record has these marks, and finds each by either key.
func sameMarks(t *testing.T, s *State, marks []Mark) {
	t.Helper()
	n := &s.Record().Node
	for _, m := range marks {
		for _, keys := range []Keypair{m.Keys, {Ed25519: m.Keys.Ed25519}, {MLDSA44: m.Keys.MLDSA44}} {
			if got := n.Marked(keys); got == nil || *got != m.Compromised {
				t.Errorf("Marked(%.40s) = %v, want %v", keys.Ed25519, got, m.Compromised)
			}
		}
	}
	if got := n.Marked(witnessOf("xa")); got != nil {
		t.Errorf("keys that nobody marked are marked: %v", got)
	}
}

// R-REC-11: what was once marked stays so; that its times are found to be others is
// no other thing.
func TestMarksStay(t *testing.T) {
	first := verified(t, newDraft())
	d := next(first)
	d.record.Node.Compromised = []Mark{marked(keys().witness), marked(witnessOf("xa"))}
	second := must(d.verify(first))
	for _, test := range []struct {
		name   string
		change func(*draft)
		want   protocol.Code
	}{
		{"as they were", func(*draft) {}, ""},
		{"in another order", func(d *draft) {
			m := d.record.Node.Compromised
			m[0], m[1] = m[1], m[0]
		}, ""},
		{"stolen earlier than was thought", func(d *draft) { d.record.Node.Compromised[0].Since = protocol.At(start) }, ""},
		{"one more", func(d *draft) { d.record.Node.Compromised = append(d.record.Node.Compromised, marked(witnessOf("xa"))) }, ""},
		{"new keys", func(d *draft) { d.record.Node.Witness = witnessOf("xa") }, ""},
		{"one taken back", func(d *draft) { d.record.Node.Compromised = d.record.Node.Compromised[1:] }, protocol.Policy},
		{"all taken back", func(d *draft) { d.record.Node.Compromised = nil }, protocol.Policy},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := next(second)
			d.record.Node.Compromised = append([]Mark(nil), second.record.Node.Compromised...)
			test.change(d)
			_, err := d.verify(second)
			wantCode(t, err, test.want)
		})
	}
}

// R-DOC-4: a record without marks is the same, byte for byte, as before there could
// be any.
func TestRecordsWithoutMarksAreAsTheyWere(t *testing.T) {
	for _, name := range []string{"first.json", "second.json"} {
		sg := stored(t, name)
		r := must(Parse(sg.Document))
		if again := must(statement.Encode(r)); !bytes.Equal(again, sg.Document) || r.Node.Compromised != nil {
			t.Errorf("%s, written again, is another", name)
		}
	}
}

// R-WIT-8: a log signs nothing that counts from the moment on at which its keys
// were in other hands; a witness has a mark or has none.
func TestLogCounts(t *testing.T) {
	first := verified(t, newDraft())
	if err := first.LogCounts(logOf(keys().log), protocol.At(start.Add(year))); err != nil || first.WitnessMark() != nil {
		t.Errorf("without a mark: %v, %v", err, first.WitnessMark())
	}
	d := next(first)
	d.record.Node.Compromised = []Mark{marked(logOf(keys().log).Keys), marked(keys().witness)}
	s := must(d.verify(first))
	wantCode(t, s.LogCounts(s.record.Node.Log, protocol.At(start.Add(time.Hour-time.Millisecond))), "")
	wantCode(t, s.LogCounts(s.record.Node.Log, protocol.At(start.Add(time.Hour))), protocol.KeyCompromised)
	if s.WitnessMark() == nil {
		t.Error("the witness has no mark")
	}
	d = next(s)
	d.record.Node.Compromised = s.record.Node.Compromised
	d.record.Node.Log, d.record.Node.Witness = logOf(must(newLog("xa", 2))), witnessOf("xa")
	s = must(d.verify(s))
	if err := s.LogCounts(s.record.Node.Log, protocol.At(start.Add(48*time.Hour))); err != nil || s.WitnessMark() != nil {
		t.Errorf("with new keys: %v, %v", err, s.WitnessMark())
	}
	wantCode(t, s.LogCounts(logOf(keys().log), protocol.At(start.Add(time.Hour))), protocol.KeyCompromised)
}

// R-BND-11: of the keys with which a node cosigned, none that a record marks is
// left; new ones of the same node are.
func TestMarkedKeysAreNoWitness(t *testing.T) {
	first := verified(t, newDraft())
	d := next(first)
	d.record.Node.Compromised = []Mark{marked(keys().witness)}
	second := must(d.verify(first))
	d = next(second)
	d.record.Node.Compromised, d.record.Node.Witness = second.record.Node.Compromised, witnessOf("xa")
	third := must(d.verify(second))
	for n, want := range map[int]int{1: 1, 2: 0, 3: 1} {
		h := &History{}
		for _, s := range []*State{first, second, third}[:n] {
			h.Add(s)
		}
		if all := h.Witnesses(); len(all) != want {
			t.Errorf("by %d records: %d witnesses, want %d", n, len(all), want)
		}
	}
}

// R-WIT-8: whoever has adopted a mark goes by it, whichever record a document names:
// what the log signed before counts, and so does a log of a later era.
func TestHistoryKnowsOfMarkedLogs(t *testing.T) {
	first := verified(t, newDraft())
	d := next(first)
	later := must(newLog("xa", 2))
	d.record.Node.Compromised, d.record.Node.Log = []Mark{marked(logOf(keys().log).Keys)}, logOf(later)
	second := must(d.verify(first))
	h := &History{}
	h.Add(first)
	stolen := start.Add(time.Hour)
	if err := h.LogCounts(merkle.Checkpoint{Origin: "comity/log/xa/1", Time: stolen}); err != nil {
		t.Errorf("before anybody knows: %v", err)
	}
	h.Add(second)
	for _, test := range []struct {
		origin string
		at     time.Time
		want   protocol.Code
	}{
		{"comity/log/xa/1", stolen.Add(-time.Second), ""},
		{"comity/log/xa/1", stolen, protocol.KeyCompromised},
		{"comity/log/xa/2", stolen, ""},
		{"comity/log/xb/1", stolen, ""},
	} {
		wantCode(t, h.LogCounts(merkle.Checkpoint{Origin: test.origin, Time: test.at}), test.want)
	}
}
