package pgp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "make new vectors in testdata; the old ones can then no longer be checked")

// vector is what testdata/<algorithm>/vector.json says about the files beside
// it. The keys are for tests and have never been anybody's.
type vector struct {
	Primary string    `json:"primary"` // digests of the keys, in hex
	Act     string    `json:"act"`
	Attest  string    `json:"attest"`
	Made    time.Time `json:"made"` // of both signatures
}

// stored reads the files of a vector, and the act key in them.
func stored(t *testing.T, alg Algorithm) (v vector, act *Secret, read func(name string) []byte) {
	t.Helper()
	read = func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata", string(alg), name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if err := json.Unmarshal(read("vector.json"), &v); err != nil {
		t.Fatal(err)
	}
	raw := read("certificate.pgp")
	c, err := ParseCertificate(raw, len(raw))
	if err != nil {
		t.Fatalf("ParseCertificate(%x): %v", raw, err)
	}
	if act, err = ParseSecret(read("act.secret"), c); err != nil {
		t.Fatalf("ParseSecret(act.secret): %v", err)
	}
	return v, act, read
}

// Signatures are evidence for decades: the ones in testdata must verify for
// ever, whatever becomes of this package and its libraries.
func TestVectors(t *testing.T) {
	for _, alg := range []Algorithm{Ed25519, P256} {
		t.Run(string(alg), func(t *testing.T) {
			if *update {
				writeVector(t, alg)
			}
			v, s, read := stored(t, alg)
			c, doc := s.Certificate(), read("document.json")
			keys := c.Keys()
			for i, want := range []string{v.Primary, v.Act, v.Attest} {
				if got := hex.EncodeToString(keys[i].Digest[:]); got != want {
					t.Errorf("key %d: digest %s, want %s", i, got, want)
				}
			}
			for i, name := range []string{"primary.asc", "act.asc"} {
				made, err := c.Verify(doc, read(name), keys[i].Digest, v.Made)
				if err != nil || !made.Equal(v.Made) {
					t.Errorf("Verify(%s) = %s, %v, want %s", name, made, err, v.Made)
				}
			}
			if s.Digest() != keys[1].Digest {
				t.Errorf("act.secret is key %x, want %x", s.Digest(), keys[1].Digest)
			}
			if alg == Ed25519 {
				if got := mustSign(t, s, doc, v.Made); !bytes.Equal(got, read("act.asc")) {
					t.Errorf("Sign = %q, want act.asc: %q", got, read("act.asc"))
				}
			}
		})
	}
}

func writeVector(t *testing.T, alg Algorithm) {
	g := newAuthority(t, alg)
	name := func(s *Secret) string { d := s.Digest(); return hex.EncodeToString(d[:]) }
	about, err := json.MarshalIndent(vector{name(g.Primary), name(g.Subkeys[0]), name(g.Subkeys[1]), noon}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	secret, err := g.Subkeys[0].Marshal()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join("testdata", string(alg))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, b := range map[string][]byte{
		"vector.json":     append(about, '\n'),
		"certificate.pgp": g.Certificate.Bytes(),
		"document.json":   request,
		"primary.asc":     mustSign(t, g.Primary, request, noon),
		"act.asc":         mustSign(t, g.Subkeys[0], request, noon),
		"act.secret":      secret,
	} {
		if err := os.WriteFile(filepath.Join(dir, file), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
