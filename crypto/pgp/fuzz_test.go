package pgp

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// vectorFiles are seeds: the files of one name in testdata.
func vectorFiles(f *testing.F, name string) (all [][]byte) {
	f.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "*", name))
	if err != nil || len(paths) < 2 {
		f.Fatalf("vectors %s: %v, %v", name, paths, err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// vectorCertificates returns the two certificates in testdata.
func vectorCertificates(f *testing.F) (all []*Certificate) {
	f.Helper()
	for _, b := range vectorFiles(f, "certificate.pgp") {
		c, err := ParseCertificate(b, len(b))
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

func FuzzParseCertificate(f *testing.F) {
	for _, b := range vectorFiles(f, "certificate.pgp") {
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCertificate(b, 16<<10)
		if err != nil {
			if c != nil || !errors.Is(err, ErrCertificate) {
				t.Errorf("ParseCertificate(%x) = %v, %v, want nil and ErrCertificate", b, c, err)
			}
			return
		}
		if !bytes.Equal(c.Bytes(), b) {
			t.Errorf("ParseCertificate(%x).Bytes() = %x", b, c.Bytes())
		}
	})
}

// No key signs here, so whatever Verify accepts must be one of the vectors.
func FuzzVerify(f *testing.F) {
	certificates, documents := vectorCertificates(f), vectorFiles(f, "document.json")
	genuine := append(vectorFiles(f, "act.asc"), vectorFiles(f, "primary.asc")...)
	for _, b := range genuine {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, armored []byte) {
		for i, c := range certificates {
			for _, k := range c.Keys() {
				_, err := c.Verify(documents[i], armored, k.Digest, noon)
				if err == nil {
					known := false
					for _, g := range genuine {
						known = known || bytes.Equal(g, armored)
					}
					if !known {
						t.Errorf("Verify(%q) accepts a signature that nobody made", armored)
					}
				} else if !errors.Is(err, ErrSignature) {
					t.Errorf("Verify(%q) = %v, want ErrSignature", armored, err)
				}
			}
		}
	})
}

// FuzzSignaturePacket gets past the armor, and goes on to the library's
// verification even with packets that are no signature of anything.
func FuzzSignaturePacket(f *testing.F) {
	certificates := vectorCertificates(f)
	for _, b := range append(vectorFiles(f, "act.asc"), vectorFiles(f, "primary.asc")...) {
		raw, err := dearmor(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, c := range certificates {
			for i := range c.keys {
				sig, err := parseSignature(raw, &c.keys[i])
				if err != nil {
					continue
				}
				var again bytes.Buffer
				if err := sig.Serialize(&again); err != nil || !bytes.Equal(again.Bytes(), raw) {
					t.Errorf("parseSignature(%x) writes %x, %v", raw, again.Bytes(), err)
				}
				armored, err := enarmor(raw)
				if err != nil {
					t.Fatal(err)
				}
				if back, err := dearmor(armored); len(armored) <= maxArmored && (err != nil || !bytes.Equal(back, raw)) {
					t.Errorf("dearmor(%q) = %x, %v, want %x", armored, back, err, raw)
				}
				if _, err := c.Verify([]byte("another document"), armored, c.keys[i].info.Digest, noon); !errors.Is(err, ErrSignature) {
					t.Errorf("Verify(%q) = %v, want ErrSignature", armored, err)
				}
			}
		}
	})
}

func FuzzParseSecret(f *testing.F) {
	certificates := vectorCertificates(f)
	for _, b := range vectorFiles(f, "act.secret") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range certificates {
			s, err := ParseSecret(b, c)
			if err != nil {
				if s != nil || !errors.Is(err, ErrSecret) {
					t.Errorf("ParseSecret(%x) = %v, %v, want nil and ErrSecret", b, s, err)
				}
				continue
			}
			if again, err := s.Marshal(); err != nil || !bytes.Equal(again, b) {
				t.Errorf("ParseSecret(%x).Marshal() = %x, %v", b, again, err)
			}
		}
	})
}
