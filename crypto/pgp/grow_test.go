package pgp

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// R-SIG-5: a certificate grows at its end: what was in it stays, what its keys
// signed verifies under it, and under the new key's own time.
func TestGrow(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, g *Generated) {
		before := mustSign(t, g.Subkeys[0], request, noon)
		later := born.Add(300 * 24 * time.Hour)
		grown, err := Grow(g.Primary, later.Add(time.Millisecond), year)
		if err != nil {
			t.Fatal(err)
		}
		larger, next := grown.Certificate, grown.Subkeys[0]
		if !bytes.HasPrefix(larger.Bytes(), g.Certificate.Bytes()) || larger.Primary() != g.Certificate.Primary() {
			t.Error("what was in the certificate did not stay")
		}
		info := larger.Keys()[3]
		if len(larger.Keys()) != 4 || info.Digest != next.Digest() || info.Created != later || info.Expires != later.Add(year) || info.Algorithm != larger.Keys()[0].Algorithm {
			t.Errorf("the new key is %+v", info)
		}
		if _, err := larger.Verify(request, before, g.Subkeys[0].Digest(), later); err != nil {
			t.Errorf("what an older key signed: %v", err)
		}
		after := mustSign(t, next, request, later)
		if _, err := larger.Verify(request, after, next.Digest(), later); err != nil {
			t.Errorf("what the new key signed: %v", err)
		}
		if _, err := next.Sign(request, noon); err == nil {
			t.Error("the new key signs for a time before it was made")
		}
		if again, err := Grow(grown.Primary, later, year); err != nil || len(again.Certificate.Keys()) != 5 {
			t.Errorf("a second one: %v", err)
		}
		marshalled, err := g.Subkeys[1].Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseSecret(marshalled, larger); err != nil {
			t.Errorf("an older key does not fit the new certificate: %v", err)
		}
	})
}

func TestGrowRefused(t *testing.T) {
	g := newAuthority(t, Ed25519)
	if _, err := Grow(g.Subkeys[0], noon, year); err == nil {
		t.Error("a subkey bound another")
	}
	if _, err := Grow(g.Primary, noon, -time.Second); err == nil {
		t.Error("a key that ends before it begins")
	}
	if _, err := Grow(g.Primary, born.Add(-time.Hour), year); err == nil {
		t.Error("a subkey older than its primary key")
	}
	full, err := Generate("full", Ed25519, maxSubkeys, born, year)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Grow(full.Primary, noon, year); !errors.Is(err, ErrFull) {
		t.Errorf("subkey %d: %v", maxSubkeys+1, err)
	}
}
