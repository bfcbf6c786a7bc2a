package merkle_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"comity/crypto/merkle"
)

func newSubmission(tb testing.TB) (merkle.Submission, merkle.Checkpoint) {
	tb.Helper()
	s, tree := newLog(tb, origin), newTree(tb, 7)
	proof, err := merkle.ProveConsistency(7, 3, tree)
	if err != nil {
		tb.Fatal(err)
	}
	return merkle.Submission{Old: 3, Proof: proof, Checkpoint: mustSign(tb, s, 7, tree)},
		merkle.Checkpoint{Origin: origin, Size: 7, Root: mustRoot(tb, 7, tree)}
}

func TestSubmissionRoundTrip(t *testing.T) {
	s, claims := newSubmission(t)
	for _, want := range []merkle.Submission{
		s,
		{Checkpoint: s.Checkpoint},         // the first
		{Old: 7, Checkpoint: s.Checkpoint}, // once more
		{Old: 7, Checkpoint: s.Checkpoint, Proof: slices.Repeat(s.Proof[:1], merkle.MaxHashes)},
	} {
		got, c, err := merkle.ParseSubmission(want.Marshal())
		if err != nil {
			t.Errorf("ParseSubmission(%q): %v", want.Marshal(), err)
			continue
		}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("submission (-want +got):\n%s", diff)
		}
		if c != claims {
			t.Errorf("it claims %+v, want %+v", c, claims)
		}
	}
	// What stands in tlog-witness, with hashes from the log's own proof.
	var b strings.Builder
	b.WriteString("old 3\n")
	for _, h := range s.Proof {
		b.WriteString(h.String() + "\n")
	}
	if want := b.String() + "\n" + string(s.Checkpoint); string(s.Marshal()) != want {
		t.Errorf("Marshal = %q, want %q", s.Marshal(), want)
	}
}

func badSubmissions(tb testing.TB) map[string]string {
	s, _ := newSubmission(tb)
	good := string(s.Marshal())
	hash := s.Proof[0].String()
	many := merkle.Submission{Old: 3, Proof: slices.Repeat(s.Proof[:1], merkle.MaxHashes+1), Checkpoint: s.Checkpoint}
	return map[string]string{
		"nothing":             "",
		"no old line":         strings.TrimPrefix(good, "old 3\n"),
		"only the note":       string(s.Checkpoint),
		"no note":             good[:strings.Index(good, "\n\n")+2],
		"no empty line":       strings.Replace(good, "\n\n", "\n", 1),
		"empty line first":    "\n" + good,
		"leading zero":        strings.Replace(good, "old 3", "old 03", 1),
		"plus sign":           strings.Replace(good, "old 3", "old +3", 1),
		"minus zero":          strings.Replace(good, "old 3", "old -0", 1),
		"negative":            strings.Replace(good, "old 3", "old -3", 1),
		"two spaces":          strings.Replace(good, "old 3", "old  3", 1),
		"in words":            strings.Replace(good, "old 3", "old three", 1),
		"capital":             strings.Replace(good, "old 3", "Old 3", 1),
		"size of 2^53":        strings.Replace(good, "old 3", "old 9007199254740992", 1),
		"far too large":       strings.Replace(good, "old 3", "old 99999999999999999999", 1),
		"larger than the log": strings.Replace(good, "old 3", "old 8", 1),
		"carriage returns":    strings.ReplaceAll(good, "\n", "\r\n"),
		"a hash cut short":    strings.Replace(good, hash, hash[:40], 1),
		"a hash with a space": strings.Replace(good, hash, hash+" ", 1),
		"spare bits":          strings.Replace(good, hash, loosen(hash), 1),
		"too many hashes":     string(many.Marshal()),
		"bytes after":         good + "\n",
		"extension line":      strings.Replace(good, "\n\n—", "\nextra\n\n—", 1),
		"too many bytes":      good + strings.Repeat(foreign(1), merkle.MaxSubmission/100),
	}
}

func TestSubmissionRefusals(t *testing.T) {
	for name, text := range badSubmissions(t) {
		s, _, err := merkle.ParseSubmission([]byte(text))
		refused(t, name, err, merkle.ErrSubmission)
		if s != nil {
			t.Errorf("%s: %+v beside an error", name, s)
		}
	}
}

func FuzzSubmission(f *testing.F) {
	s, _ := newSubmission(f)
	f.Add(s.Marshal())
	for _, text := range badSubmissions(f) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, c, err := merkle.ParseSubmission(b)
		if err != nil {
			refused(t, fmt.Sprintf("ParseSubmission(%q)", b), err, merkle.ErrSubmission)
			return
		}
		if !bytes.Equal(s.Marshal(), b) || s.Old > c.Size || len(s.Proof) > merkle.MaxHashes {
			t.Errorf("ParseSubmission(%q) = %+v of %+v", b, s, c)
		}
	})
}
