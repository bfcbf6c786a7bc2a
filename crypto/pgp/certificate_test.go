package pgp

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/google/go-cmp/cmp"
)

func TestCertificateIsReadBackAsItWasMade(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, g *Generated) {
		raw := g.Certificate.Bytes()
		c, err := ParseCertificate(raw, len(raw))
		if err != nil {
			t.Fatalf("ParseCertificate(%x): %v", raw, err)
		}
		if !bytes.Equal(c.Bytes(), raw) {
			t.Errorf("Bytes() = %x, want %x", c.Bytes(), raw)
		}
		if got, want := c.Name(), "Central Authority of XA"; got != want {
			t.Errorf("Name() = %q, want %q", got, want)
		}
		keys := c.Keys()
		if len(keys) != 3 {
			t.Fatalf("Keys() = %d keys, want 3", len(keys))
		}
		for i, s := range append([]*Secret{g.Primary}, g.Subkeys...) {
			h := sha256.New()
			if err := s.key.public.SerializeForHash(h); err != nil {
				t.Fatal(err)
			}
			if got, want := keys[i].Digest, Digest(h.Sum(nil)); got != want {
				t.Errorf("key %d: digest %x, want %x", i, got, want)
			}
			if keys[i].Digest != s.Digest() {
				t.Errorf("key %d: digest %x, but its secret says %x", i, keys[i].Digest, s.Digest())
			}
			keys[i].Digest, keys[i].Fingerprint = Digest{}, ""
		}
		alg := g.Primary.key.info.Algorithm
		want := []KeyInfo{
			{Algorithm: alg, Created: born, Primary: true},
			{Algorithm: alg, Created: born, Expires: born.Add(year)},
			{Algorithm: alg, Created: born, Expires: born.Add(year)},
		}
		if diff := cmp.Diff(want, keys); diff != "" {
			t.Errorf("Keys() (-want +got):\n%s", diff)
		}
		if c.Primary() != g.Primary.Digest() {
			t.Errorf("Primary() = %x, want %x", c.Primary(), g.Primary.Digest())
		}
	})
}

func TestCertificateDoesNotShareItsBytes(t *testing.T) {
	g := newAuthority(t, Ed25519)
	raw := g.Certificate.Bytes()
	c, err := ParseCertificate(raw, len(raw))
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		raw[i] = 0
	}
	c.Bytes()[0] = 0
	c.Keys()[0] = KeyInfo{}
	if diff := cmp.Diff(g.Certificate.Keys(), c.Keys()); diff != "" {
		t.Errorf("Keys() after writing into the input (-want +got):\n%s", diff)
	}
	if !bytes.Equal(c.Bytes(), g.Certificate.Bytes()) {
		t.Error("Bytes() changed with the caller's slice")
	}
	if _, err := c.Verify(request, mustSign(t, g.Subkeys[0], request, noon), g.Subkeys[0].Digest(), noon); err != nil {
		t.Errorf("Verify after writing into the input: %v", err)
	}
}

// R-SIG-5: whatever is not exactly a certificate of the dialect is refused.
func TestCertificateLayoutsRefused(t *testing.T) {
	g, other := newAuthority(t, Ed25519), newAuthority(t, P256)
	raw := g.Certificate.Bytes()
	p, q := packets(t, raw), packets(t, other.Certificate.Bytes())
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

	oldHeader := slices.Clone(raw)
	oldHeader[0] = 0x80 | tagPublicKey<<2
	version6 := slices.Clone(raw)
	version6[2] = 6
	longBits := slices.Clone(p[0]) // 264 bits in place of 263: same point, another spelling
	longBits[2+5+12] = 0x08
	encryption := join([]byte{0xC0 | tagPublicSubkey, 56, 4}, p[3][3:7],
		[]byte("\x12\x0A\x2B\x06\x01\x04\x01\x97\x55\x01\x05\x01\x01\x07\x40"), p[3][21:53], []byte{3, 1, 8, 7})
	rsa := makeFrame(tagPublicKey, mustHex("04000000010100088001080103"))
	direct := slices.Clone(p[2])
	direct[3] = byte(packet.SigTypeDirectSignature)
	revocation := slices.Clone(p[2])
	revocation[3] = byte(packet.SigTypeKeyRevocation)
	flipped := func(i int) []byte {
		c := slices.Clone(raw)
		c[i] ^= 1
		return c
	}

	for _, tt := range []struct {
		name string
		in   []byte
		want string
	}{
		{"nothing", nil, "0 packets"},
		{"not OpenPGP", []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n"), "no packet header"},
		{"a key alone", p[0], "1 packets"},
		{"cut short", raw[:len(raw)-1], "cut short"},
		{"an octet more", join(raw, []byte{0}), "no packet header"},
		{"old packet header", oldHeader, "no packet header"},
		{"length in five octets", join([]byte{p[0][0], 255, 0, 0, 0, p[0][1]}, p[0][2:], join(p[1:]...)), "one or two octets"},
		{"partial length", join([]byte{p[0][0], 224}, join(p...)), "one or two octets"},
		{"two certificates", join(raw, other.Certificate.Bytes()), "subkey 3: packet type 6"},
		{"version 6", version6, "version 4"},
		{"RSA key", join(rsa, join(p[1:]...)), "algorithm 1"},
		{"another spelling of the point", join(longBits, join(p[1:]...)), "algorithm 22"},
		{"octet after the key", join(makeFrame(tagPublicKey, append(slices.Clone(p[0][2:]), 0)), join(p[1:]...)), "after the key"},
		{"encryption subkey", join(raw, encryption, p[4]), "algorithm 18"},
		{"secret key in place of the public", join(makeFrame(tagSecretKey, p[0][2:]), join(p[1:]...)), "packet type 5"},
		{"subkey as primary", join(makeFrame(tagPublicSubkey, p[0][2:]), join(p[1:]...)), "packet type 14"},
		{"second user ID", join(p[0], p[1], p[2], p[1], p[2]), "packet type 13"},
		{"user attribute", join(p[0], makeFrame(17, []byte{2, 1, 0}), p[2]), "packet type 17"},
		{"direct signature", join(p[0], direct, p[1], p[2]), "packet type 2"},
		{"direct signature in place of the other", join(p[0], p[1], direct), "signature type 0x1f"},
		{"revocation", join(p[0], p[1], revocation), "signature type 0x20"},
		{"signature of another", join(p[0], p[1], p[2], q[2], q[2]), "packet type 2"},
		{"no binding", join(p[0], p[1], p[2], p[3]), "without its binding"},
		{"second binding", join(raw, p[4]), "without its binding"},
		{"bindings exchanged", join(p[0], p[1], p[2], p[3], p[6], p[5], p[4]), "subpacket"},
		{"subkey of another", join(p[0], p[1], p[2], q[3], q[4]), "subkey 1"},
		{"self-signature of another", join(p[0], p[1], q[2]), "algorithm 19"},
		{"same subkey twice", join(raw, p[3], p[4]), "repeats"},
		{"marker packet", join(raw, makeFrame(10, []byte("PGP"))), "without its binding"},
		{"trust packets", join(raw, makeFrame(12, nil), makeFrame(12, nil)), "packet type 12"},
		{"another name", flipped(len(p[0]) + 3), "hash tag"},
		{"other creation time", flipped(3 + 3), "subpacket"},
		{"broken self-signature", flipped(len(p[0]) + len(p[1]) + len(p[2]) - 1), "self-signature"},
		{"broken binding", flipped(len(raw) - 1), "subkey binding"},
		{"broken hash octets of the binding", flipped(len(raw) - 2*34 - 1), "subkey binding"},
		{"name with brackets", join(p[0], makeFrame(tagUserID, []byte("XA <office@xa.example>")), p[2]), "name holds '<'"},
		{"empty name", join(p[0], makeFrame(tagUserID, nil), p[2]), "name of 0 octets"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := ParseCertificate(tt.in, 1<<20)
			if !errors.Is(err, ErrCertificate) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ParseCertificate(%x)\n got %v, %v\nwant ErrCertificate with %q", tt.in, c, err, tt.want)
			}
		})
	}
}

// No bit of a certificate can change unnoticed.
func TestCertificateIsNotMalleable(t *testing.T) {
	g, err := Generate("Prosecution Service of XB", Ed25519, 1, born, year)
	if err != nil {
		t.Fatal(err)
	}
	raw := g.Certificate.Bytes()
	for i := range raw {
		for bit := range 8 {
			changed := slices.Clone(raw)
			changed[i] ^= 1 << bit
			if _, err := ParseCertificate(changed, len(changed)); !errors.Is(err, ErrCertificate) {
				t.Errorf("ParseCertificate with bit %d of octet %d changed = %v, want ErrCertificate", bit, i, err)
			}
		}
	}
}

func TestCertificateSelfSignaturesRefused(t *testing.T) {
	week := uint32(7 * 24 * 3600)
	later := born.Add(-time.Second)
	for _, tt := range []struct {
		name   string
		change func(*packet.Signature)
		want   string
	}{
		{"SHA-384", func(s *packet.Signature) { s.Hash = sha384 }, "hash algorithm 9"},
		{"signature that expires", func(s *packet.Signature) { s.SigLifetimeSecs = &week }, "subpacket 3"},
		{"primary only certifies", only(packet.SigTypePositiveCert, func(s *packet.Signature) { s.FlagSign = false }), "subpacket 27"},
		{"primary also encrypts", only(packet.SigTypePositiveCert, func(s *packet.Signature) { s.FlagEncryptStorage = true }), "subpacket 27"},
		{"subkey certifies", only(packet.SigTypeSubkeyBinding, func(s *packet.Signature) { s.FlagCertify = true }), "subpacket 27"},
		{"subkey does not sign", only(packet.SigTypeSubkeyBinding, func(s *packet.Signature) { s.FlagsValid = false }), "subpacket 27 is missing"},
		{"subkey does not consent", only(packet.SigTypeSubkeyBinding, func(s *packet.Signature) { s.EmbeddedSignature = nil }), "subpacket 32 is missing"},
		{"consent older than the subkey", only(packet.SigTypePrimaryKeyBinding, func(s *packet.Signature) { s.CreationTime = later }), "primary key binding: older"},
		{"older than the key", func(s *packet.Signature) { s.CreationTime = later }, "dated before the key"},
		{"generic certification", only(packet.SigTypePositiveCert, func(s *packet.Signature) { s.SigType = packet.SigTypeGenericCert }), "signature type 0x10"},
		{"policy", func(s *packet.Signature) { s.PolicyURI = "https://xa.example/policy" }, "subpacket 26"},
		{"critical notation", func(s *packet.Signature) {
			s.Notations = append(s.Notations, &packet.Notation{Name: "n@xa.example", IsCritical: true})
		}, "critical notation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachAlgorithm(t, func(t *testing.T, g *Generated) {
				raw := resign(t, g, tt.change)
				c, err := ParseCertificate(raw, 1<<20)
				if !errors.Is(err, ErrCertificate) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("ParseCertificate(%x)\n got %v, %v\nwant ErrCertificate with %q", raw, c, err, tt.want)
				}
			})
		})
	}
}

// only applies change to one type of signature.
func only(kind packet.SignatureType, change func(*packet.Signature)) func(*packet.Signature) {
	return func(s *packet.Signature) {
		if s.SigType == kind {
			change(s)
		}
	}
}

// Somebody else's subkey, bound by our primary with a consent that is not theirs.
func TestCertificateConsentMustBeTheSubkeys(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, g *Generated) {
		forged := *g.Subkeys[1].held().signer
		forged.PrivateKey = g.Subkeys[0].held().signer.PrivateKey
		bound, err := bind(g.Primary.held(), &held{signer: &forged}, uint32(born.Unix()), 0)
		if err != nil {
			t.Fatal(err)
		}
		p := packets(t, g.Certificate.Bytes())
		raw := append(bytes.Join(p[:3], nil), bound...)
		if _, err := ParseCertificate(raw, 1<<20); !errors.Is(err, ErrCertificate) || !strings.Contains(err.Error(), "cross-signature") {
			t.Errorf("ParseCertificate(%x) = %v, want a refused cross-signature", raw, err)
		}
	})
}

func TestSubkeyEndsWithItsPrimary(t *testing.T) {
	g := newAuthority(t, Ed25519)
	month, longer := uint32(30*24*3600), uint32(400*24*3600)
	raw := resign(t, g, func(s *packet.Signature) {
		switch s.SigType {
		case packet.SigTypePositiveCert:
			s.KeyLifetimeSecs = &month
		case packet.SigTypeSubkeyBinding:
			s.KeyLifetimeSecs = &longer
		}
	})
	c, err := ParseCertificate(raw, len(raw))
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range c.Keys() {
		if want := born.Add(30 * 24 * time.Hour); !k.Expires.Equal(want) {
			t.Errorf("key %d expires %s, want %s", i, k.Expires, want)
		}
	}
}

func TestCertificateSizeIsBounded(t *testing.T) {
	g := newAuthority(t, Ed25519)
	raw := g.Certificate.Bytes()
	if _, err := ParseCertificate(raw, len(raw)-1); !errors.Is(err, ErrCertificate) {
		t.Errorf("ParseCertificate(%d octets, max %d) = %v, want ErrCertificate", len(raw), len(raw)-1, err)
	}
	p := packets(t, raw)
	for range maxSubkeys {
		raw = append(append(raw, p[3]...), p[4]...)
	}
	if _, err := ParseCertificate(raw, 1<<20); err == nil || !strings.Contains(err.Error(), "more than 32 subkeys") {
		t.Errorf("ParseCertificate with 34 subkeys = %v, want more than 32 subkeys", err)
	}
}

// A signature with s = 0 and R = 0 (the neutral element) stands under each of
// these keys for about one document in eight or more. Were a value in the table
// wrong, no document would be found.
func TestSmallOrderKeysRefused(t *testing.T) {
	neutral := append([]byte{1}, make([]byte, 63)...)
	for _, weak := range smallOrder {
		found := false
		for n := uint64(0); n < 500 && !found; n++ {
			doc := binary.BigEndian.AppendUint64(nil, n)
			found = ed25519.Verify(ed25519.PublicKey(weak), doc, neutral)
		}
		if !found {
			t.Errorf("%x is not of small order", weak)
		}
		for _, sign := range []byte{0, 0x80} {
			point := []byte(weak)
			point[31] |= sign
			if !weakPoint(point) {
				t.Errorf("weakPoint(%x) = false, want true", point)
			}
		}
	}
	for _, point := range []string{
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	} {
		if !weakPoint(mustHex(point)) {
			t.Errorf("weakPoint(%s) = false, want true", point)
		}
	}
	for n := range 200 {
		seed := sha512.Sum512_256([]byte{byte(n)})
		point := ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)
		if weakPoint(point) {
			t.Errorf("weakPoint(%x) = true, want false", point)
		}
	}
}

func TestGenerateRefusesWhatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		name     string
		uid      string
		alg      Algorithm
		subkeys  int
		at       time.Time
		lifetime time.Duration
	}{
		{"no name", "", Ed25519, 1, born, year},
		{"long name", strings.Repeat("x", 256), Ed25519, 1, born, year},
		{"brackets", "XA (test)", Ed25519, 1, born, year},
		{"control", "XA\nstate", Ed25519, 1, born, year},
		{"direction mark", "XA\u202estate", Ed25519, 1, born, year},
		{"not UTF-8", "XA\xff", Ed25519, 1, born, year},
		{"space around", " XA", Ed25519, 1, born, year},
		{"unknown algorithm", "XA", "rsa", 1, born, year},
		{"fewer than none", "XA", Ed25519, -1, born, year},
		{"too many", "XA", Ed25519, 33, born, year},
		{"before 1970", "XA", Ed25519, 1, time.Unix(-1, 0), year},
		{"after 2106", "XA", Ed25519, 1, time.Unix(1<<32, 0), year},
		{"half a second", "XA", Ed25519, 1, born, time.Second / 2},
		{"negative life", "XA", Ed25519, 1, born, -time.Second},
		{"life of 150 years", "XA", Ed25519, 1, born, 150 * year},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if g, err := Generate(tt.uid, tt.alg, tt.subkeys, tt.at, tt.lifetime); err == nil {
				t.Errorf("Generate(%q, %s, %d, %s, %s) = %v, want an error", tt.uid, tt.alg, tt.subkeys, tt.at, tt.lifetime, g)
			}
		})
	}
}

func TestGenerateBounds(t *testing.T) {
	for _, name := range []string{"X", "هيئة التعاون القضائي", "Ministère de la Justice", "می‌خواهم", strings.Repeat("x", 255)} {
		g, err := Generate(name, Ed25519, 0, born, 0)
		if err != nil {
			t.Errorf("Generate(%q): %v", name, err)
			continue
		}
		if g.Certificate.Name() != name || len(g.Certificate.Keys()) != 1 || !g.Certificate.Keys()[0].Expires.IsZero() {
			t.Errorf("Generate(%q) = %q with keys %v, want the primary alone, without end", name, g.Certificate.Name(), g.Certificate.Keys())
		}
	}
	g, err := Generate("XA", P256, maxSubkeys, born, 0)
	if err != nil {
		t.Fatal(err)
	}
	// A record must be able to hold it: protocol.MaxCertificate is 16 KiB.
	if size := len(g.Certificate.Bytes()); size > 16<<10 {
		t.Errorf("certificate with %d subkeys has %d octets, more than 16 KiB", maxSubkeys, size)
	}
}
