package office

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"comity/protocol/bundle"
)

// A bundle that no verifier would take is never written: here the proofs are
// none. Real ones are bundled by the script tests of cmd/comity.
func TestBundleThatDoesNotHoldIsNotWritten(t *testing.T) {
	w, sent := exchanged(t, request(t))
	dir := t.TempDir()
	path := filepath.Join(dir, "evidence.tar")
	with := BundleOptions{Language: bundle.English, Offset: bundle.UTC}
	before := len(w.acts(central))
	if _, err := w.office(central).Bundle(t.Context(), sent.Name, prosecution, path, with); err == nil {
		t.Error("a bundle with proofs that are none was written")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.office(central).Bundle(t.Context(), sent.Name, prosecution, path, with); err == nil {
		t.Error("a file that was there was overwritten")
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, []byte("mine")) {
		t.Errorf("the file that was there holds %q, %v", got, err)
	}
	if after := len(w.acts(central)); after != before {
		t.Errorf("%d acts in the journal for bundles that were not written", after-before)
	}
}
