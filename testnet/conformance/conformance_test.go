package conformance

import (
	"os"
	"os/exec"
	"testing"
)

// TestTorchwood runs the tests of the module with the other implementation. Where its modules cannot be had, without a network say,
// it is left out and says so; not where CI is set.
func TestTorchwood(t *testing.T) {
	const module = "testdata/torchwood"
	fetch := exec.CommandContext(t.Context(), "go", "mod", "download", "filippo.io/torchwood")
	fetch.Dir = module
	if out, err := fetch.CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("torchwood cannot be had: %v\n%s", err, out)
		}
		t.Skipf("*** NOT COMPARED WITH TORCHWOOD, which cannot be had: %v\n%s", err, out)
	}
	for _, args := range [][]string{{"vet", "./..."}, {"test", "-count=1", "-v", "./..."}} {
		run := exec.CommandContext(t.Context(), "go", args...)
		run.Dir = module
		out, err := run.CombinedOutput()
		t.Logf("go %v:\n%s", args, out)
		if err != nil {
			t.Errorf("go %v: %v", args, err)
		}
	}
}
