package merkle_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"comity/crypto/merkle"
)

// names of the signature lines, in their order.
func names(note []byte) (all []string) {
	_, lines, _ := strings.Cut(string(note), "\n\n")
	for line := range strings.Lines(lines) {
		all = append(all, strings.Split(line, " ")[1])
	}
	return all
}

// Cosignatures gather below a note in one order, whoever answers first, and a newer one takes the place of the older.
func TestCosignaturesGather(t *testing.T) {
	s := newLog(t, origin)
	signed := mustSign(t, s, 7, newTree(t, 7))
	b, c := newCosigner(t, "witness.xb"), newCosigner(t, "witness.xc")
	linesB, linesC := mustCosign(t, b, signed, cosignedAt), mustCosign(t, c, signed, cosignedAt)

	whole := with(t, signed, linesC, linesB)
	if again := with(t, signed, linesB, linesC); !bytes.Equal(whole, again) {
		t.Errorf("the order of answers shows:\n%s\n%s", whole, again)
	}
	want := []string{origin, origin, "witness.xb", "witness.xb", "witness.xc", "witness.xc"}
	if diff := cmp.Diff(want, names(whole)); diff != "" {
		t.Errorf("order of the lines (-want +got):\n%s", diff)
	}
	if !bytes.HasPrefix(whole, signed) {
		t.Error("the log's own bytes changed")
	}
	for _, w := range []*merkle.Cosigner{b, c} {
		got, lines, err := w.Witness().Lines(whole)
		if want := (merkle.Cosignature{Witness: w.Name(), Time: cosignedAt.Truncate(1e9).UTC()}); err != nil || got != want {
			t.Errorf("Lines of %s = %v, %v, want %v", w.Name(), got, err, want)
		}
		if w == b && !bytes.Equal(lines, linesB) {
			t.Errorf("Lines of %s = %q, want %q", w.Name(), lines, linesB)
		}
	}

	later := cosignedAt.AddDate(0, 0, 7)
	whole = with(t, whole, mustCosign(t, b, signed, later))
	if got, err := b.Witness().Cosignature(whole); err != nil || got.Time.Unix() != later.Unix() {
		t.Errorf("the newer cosignature did not take the place of the older: %v, %v", got, err)
	}
	if diff := cmp.Diff(want, names(whole)); diff != "" {
		t.Errorf("order after a newer one (-want +got):\n%s", diff)
	}
	if _, err := newVerifier(t, s).Checkpoint(whole); err != nil {
		t.Errorf("the log's verifier on the whole: %v", err)
	}
	if got, bare, err := newVerifier(t, s).Bare(whole); err != nil || got.Size != 7 || !bytes.Equal(bare, signed) {
		t.Errorf("Bare(%q) = %+v, %q, %v, want the log's own note", whole, got, bare, err)
	}
	if _, _, err := newVerifier(t, newLog(t, origin)).Bare(whole); !errors.Is(err, merkle.ErrCheckpoint) {
		t.Errorf("Bare of another log: %v", err)
	}
}

// R-WIT-2: both lines, right, of one time; missing is told apart from wrong.
func TestCosignatureRefusals(t *testing.T) {
	p := newParts(t)
	signed := []byte(p.note(p.classic, p.quantum))
	c, namesake := newCosigner(t, witnessName), newCosigner(t, witnessName)
	other := newParts(t) // another log of the same name: the same text, but for the root of the same tree
	elsewhere := []byte(strings.Replace(other.note(other.classic, other.quantum), "\n7\n", "\n8\n", 1))
	cut := func(lines []byte) []string { return strings.SplitAfter(string(lines), "\n")[:2] }
	now, later := cut(mustCosign(t, c, signed, cosignedAt)), cut(mustCosign(t, c, signed, cosignedAt.AddDate(0, 1, 0)))
	foreign := cut(mustCosign(t, c, elsewhere, cosignedAt))
	for _, test := range []struct {
		name    string
		lines   []string
		missing bool
	}{
		{"none", nil, true},
		{"only Ed25519", now[:1], true},
		{"only ML-DSA-44", now[1:], true},
		{"both of another key of the name", cut(mustCosign(t, namesake, signed, cosignedAt)), true},
		{"one of another key", []string{now[0], cut(mustCosign(t, namesake, signed, cosignedAt))[1]}, true},
		{"two times", []string{now[0], later[1]}, false},
		{"of another checkpoint", foreign, false},
		{"Ed25519 of another checkpoint", []string{foreign[0], now[1]}, false},
		{"ML-DSA-44 of another checkpoint", []string{now[0], foreign[1]}, false},
		{"wrong and missing", foreign[:1], false},
		{"Ed25519 altered", []string{flip(now[0], 70), now[1]}, false},
		{"Ed25519 time altered", []string{flip(now[0], len("— "+witnessName+" ")+14), now[1]}, false},
		{"ML-DSA-44 altered", []string{now[0], flip(now[1], 200)}, false},
		{"cut short", []string{line(witnessName, idOf(now[0]), make([]byte, 8)), now[1]}, false},
	} {
		_, err := c.Witness().Cosignature([]byte(p.note(append([]string{p.classic, p.quantum}, test.lines...)...)))
		refused(t, test.name, err, merkle.ErrCosignature)
		if got := errors.Is(err, merkle.ErrNotCosigned); got != test.missing {
			t.Errorf("%s: %v is ErrNotCosigned: %v, want %v", test.name, err, got, test.missing)
		}
	}
	_, err := c.Witness().Cosignature([]byte(p.text))
	refused(t, "no note", err, merkle.ErrCheckpoint)
}

func TestNewWitnessRefusals(t *testing.T) {
	c, other := newCosigner(t, "w-a"), newCosigner(t, "w-b")
	ed, ml := c.VerifierKeys()
	otherEd, otherML := other.VerifierKeys()
	logEd, logML := newLog(t, "w-a").VerifierKeys()
	oneEd, oneML := oneID("w-a", 0x04)
	for _, test := range []struct{ name, ed, ml string }{
		{"nothing", "", ""},
		{"one key twice", ed, ed},
		{"the other order", ml, ed},
		{"two names", ed, otherML},
		{"two names, the other way", otherEd, ml},
		{"the keys of a log", logEd, logML},
		{"the Ed25519 key of a log", logEd, ml},
		{"keys of one id", oneEd, oneML},
		{"spare bits", ed, loosen(ml)},
		{"newline after", ed + "\n", ml},
	} {
		if _, err := merkle.NewWitness(test.ed, test.ml); err == nil {
			t.Errorf("%s: NewWitness(%q, %.60q…) accepted it", test.name, test.ed, test.ml)
		}
	}
	if w, err := merkle.NewWitness(ed, ml); err != nil || w.Name() != "w-a" {
		t.Errorf("NewWitness of good keys = %v, %v", w, err)
	}
}

func TestWithCosignaturesRefusals(t *testing.T) {
	p := newParts(t)
	signed := p.note(p.classic, p.quantum)
	many := slices.Concat([]string{p.classic, p.quantum}, foreigners(merkle.MaxCosignatures))
	for _, test := range []struct{ name, note, lines string }{
		{"no lines", signed, ""},
		{"no note", p.text, foreign(1)},
		{"text before", signed, "hello\n" + foreign(1)},
		{"another note", signed, signed},
		{"no final newline", signed, strings.TrimSuffix(foreign(1), "\n")},
		{"a line twice", signed, foreign(1) + foreign(1)},
		{"spare bits", signed, loosen(line("w", 1, make([]byte, 73)))},
		{"a line too long", signed, line("w", 1, make([]byte, merkle.MaxCheckpoint))},
		{"one too many", p.note(many...), foreign(99)},
	} {
		_, err := merkle.WithCosignatures([]byte(test.note), []byte(test.lines))
		refused(t, test.name, err, merkle.ErrCheckpoint)
	}
	if _, err := merkle.WithCosignatures([]byte(p.note(many...)), []byte(foreign(0))); err != nil {
		t.Errorf("a line in place of another in a full note: %v", err)
	}
}

func FuzzCosignature(f *testing.F) {
	p := newParts(f)
	signed := []byte(p.note(p.classic, p.quantum))
	c := newCosigner(f, witnessName)
	lines := mustCosign(f, c, signed, cosignedAt)
	f.Add(lines)
	f.Add([]byte(foreign(1)))
	f.Add(bytes.SplitAfter(lines, []byte("\n"))[0])
	f.Add([]byte(flip(string(lines), 70)))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, err := merkle.WithCosignatures(signed, b)
		if err != nil {
			refused(t, fmt.Sprintf("WithCosignatures(%q)", b), err, merkle.ErrCheckpoint)
			return
		}
		if _, err := p.verifier.Checkpoint(whole); err != nil && bytes.Contains(whole, signed[len(p.text):]) {
			t.Errorf("with %q added the log's own lines no longer count: %v", b, err)
		}
		_, got, err := c.Witness().Lines(whole)
		if err != nil {
			refused(t, fmt.Sprintf("Lines(%q)", b), err, merkle.ErrCosignature)
		} else if !bytes.Equal(got, lines) { // nobody can cosign here
			t.Errorf("Lines(%q) = %q, want %q", b, got, lines)
		}
	})
}
