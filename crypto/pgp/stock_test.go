package pgp

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stockTool returns the path of a tool, or skips the test; in CI it fails.
func stockTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed, and CI must not skip this test", name)
	}
	t.Skipf("SKIPPED: %s is not installed; nothing here shows that it verifies our signatures (Debian: apt-get install %s)", name, name)
	return ""
}

// What this package signs, a person verifies with gpgv or sqv and nothing of ours.
func TestStockToolsVerify(t *testing.T) {
	for _, tool := range []string{"gpgv", "sqv"} {
		t.Run(tool, func(t *testing.T) {
			path := stockTool(t, tool)
			eachAlgorithm(t, func(t *testing.T, g *Generated) {
				dir := t.TempDir()
				write := func(name string, b []byte) string {
					file := filepath.Join(dir, name)
					if err := os.WriteFile(file, b, 0o600); err != nil {
						t.Fatal(err)
					}
					return file
				}
				ring := write("certificate.pgp", g.Certificate.Bytes())
				doc, altered := write("document.json", request), write("altered.json", append([]byte(" "), request...))
				for i, s := range append([]*Secret{g.Primary}, g.Subkeys...) {
					asc := write("document.json.asc", mustSign(t, s, request, noon))
					out, err := runStock(t, dir, path, ring, asc, doc)
					if err != nil {
						t.Errorf("key %d: %s refuses the signature: %v\n%s", i, tool, err, out)
					}
					// gpgv names the signing key, sqv its certificate.
					want := g.Certificate.Keys()[0].Fingerprint
					if tool == "gpgv" {
						want = "VALIDSIG " + g.Certificate.Keys()[i].Fingerprint
					}
					if !strings.Contains(out, want) {
						t.Errorf("key %d: %s does not say %q but\n%s", i, tool, want, out)
					}
					if out, err := runStock(t, dir, path, ring, asc, altered); err == nil {
						t.Errorf("key %d: %s accepts the signature for another document:\n%s", i, tool, out)
					}
				}
			})
		})
	}
}

// GnuPG shows every key of a certificate, also of one that grew.
func TestStockToolsShow(t *testing.T) {
	path := stockTool(t, "gpg")
	eachAlgorithm(t, func(t *testing.T, g *Generated) {
		grown, err := Grow(g.Primary, noon, year)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*Certificate{g.Certificate, grown.Certificate} {
			home := t.TempDir()
			file := filepath.Join(home, "certificate.gpg")
			if err := os.WriteFile(file, c.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, path, "--batch", "--with-colons", "--show-keys", file)
			cmd.Env = append(os.Environ(), "GNUPGHOME="+home)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("gpg does not read a certificate of %d keys: %v\n%s", len(c.Keys()), err, out)
			}
			for i, k := range c.Keys() {
				if !strings.Contains(string(out), "\nfpr:::::::::"+k.Fingerprint+":") {
					t.Errorf("gpg does not show key %d, %s:\n%s", i, k.Fingerprint, out)
				}
			}
		}
	})
}

func runStock(t *testing.T, home, tool, ring, asc, doc string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args := []string{"--keyring", ring, asc, doc}
	if filepath.Base(tool) == "gpgv" {
		args = append([]string{"--status-fd", "1"}, args...)
	}
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+home)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// GnuPG cannot read armor that has neither padding nor a checksum: so no signature of
// a length that wants no padding is made, where its date can be another one. (A
// signature by the stored key, which is the same each time, would have such a length.)
func TestStockToolsReadEverySignature(t *testing.T) {
	v, s, read := stored(t, Ed25519)
	c, certificate := s.Certificate(), read("certificate.pgp")
	doc, dir := []byte("request 12346\n"), t.TempDir()
	refused := func(tool string, armored []byte) error {
		t.Helper()
		for name, b := range map[string][]byte{"ring": certificate, "doc": doc, "doc.asc": armored} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := runStock(t, dir, stockTool(t, tool), filepath.Join(dir, "ring"), filepath.Join(dir, "doc.asc"), filepath.Join(dir, "doc"))
		return err
	}
	made, err := stamp(v.Made)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := s.packet(doc, made)
	if err != nil {
		t.Fatal(err)
	}
	illegible := mustEnarmor(t, raw)
	if isLegible(raw) || refused("gpgv", illegible) == nil {
		t.Fatalf("gpgv reads a signature of %d octets: nothing is shown here", len(raw))
	}
	if _, err := c.Verify(doc, illegible, s.Digest(), v.Made); err != nil {
		t.Errorf("one that was made before: %v", err)
	}

	signed := mustSign(t, s, doc, v.Made)
	for _, tool := range []string{"gpgv", "sqv"} {
		if err := refused(tool, signed); err != nil {
			t.Errorf("%s: %v", tool, err)
		}
	}
	if at, err := c.Verify(doc, signed, s.Digest(), v.Made); err != nil || !at.Equal(v.Made.Add(-time.Second)) {
		t.Errorf("dated %s, %v; want a second before %s", at, err, v.Made)
	}
	if !bytes.Equal(signed, mustSign(t, s, doc, v.Made)) {
		t.Error("signed again, it is another one")
	}
}
