package record

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"comity/protocol/statement"
)

var update = flag.Bool("update", false, "write testdata/*.json with new keys")

// stored reads an introduction that an earlier build of this package wrote.
func stored(t testing.TB, name string) statement.Signed {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	s, err := DecodeIntroduction(file)
	if err != nil {
		t.Fatalf("decode %s: %v", name, err)
	}
	return s
}

// Records live for years: what an earlier build signed must verify for ever,
// with the same words.
func TestStoredRecords(t *testing.T) {
	if *update {
		first := verified(t, newDraft())
		second := must(next(first).sign())
		for name, s := range map[string]statement.Signed{"first.json": first.Signed(), "second.json": second} {
			if err := os.WriteFile(filepath.Join("testdata", name), must(EncodeIntroduction(s)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("words of first.json: %s", strings.Join(first.Words(), " "))
	}
	first, err := Verify(stored(t, "first.json"), nil)
	if err != nil {
		t.Fatalf("verify first.json: %v", err)
	}
	const want = "borrow strong universe hidden slim butter pipe alter reunion pride extra reveal"
	if got := strings.Join(first.Words(), " "); got != want {
		t.Errorf("words of first.json\ngot  %s\nwant %s", got, want)
	}
	second, err := Verify(stored(t, "second.json"), first)
	if err != nil {
		t.Fatalf("verify second.json as the one after first.json: %v", err)
	}
	if got, want := second.Ref().Sequence, first.Ref().Sequence+1; got != want {
		t.Errorf("sequence %d, want %d", got, want)
	}
}
