package pgp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

func TestSecretIsReadBackAndSigns(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, g *Generated) {
		for i, s := range append([]*Secret{g.Primary}, g.Subkeys...) {
			b, err := s.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if len(b) > 121 {
				t.Errorf("key %d: secret key packet has %d octets", i, len(b))
			}
			again, err := ParseSecret(b, g.Certificate)
			if err != nil {
				t.Fatalf("key %d: ParseSecret: %v", i, err)
			}
			if again.Digest() != s.Digest() || again.Certificate() != g.Certificate {
				t.Errorf("key %d: read back as key %x, want %x", i, again.Digest(), s.Digest())
			}
			if b2, err := again.Marshal(); err != nil || !bytes.Equal(b, b2) {
				t.Errorf("key %d: Marshal after ParseSecret gives other bytes (%v)", i, err)
			}
			armored := mustSign(t, again, request, noon)
			if _, err := g.Certificate.Verify(request, armored, s.Digest(), noon); err != nil {
				t.Errorf("key %d: Verify: %v", i, err)
			}
			// The library reads the packet as it stands, so other tools can.
			p, err := packet.Read(bytes.NewReader(b))
			if k, ok := p.(*packet.PrivateKey); err != nil || !ok || k.IsSubkey != (i > 0) {
				t.Errorf("key %d: read by the library as %T, %v", i, p, err)
			}
		}
	})
}

// Short secrets have fewer octets in the packet.
func TestSecretWithLeadingZeros(t *testing.T) {
	for _, alg := range []Algorithm{Ed25519, P256} {
		t.Run(string(alg), func(t *testing.T) {
			k, seed := kindOf(alg), append(make([]byte, 2), bytes.Repeat([]byte{7}, 30)...)
			var point []byte
			if alg == Ed25519 {
				point = ed25519Point(seed)
			} else {
				private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed)
				if err != nil {
					t.Fatal(err)
				}
				uncompressed, err := private.PublicKey.Bytes()
				if err != nil {
					t.Fatal(err)
				}
				point = uncompressed[1:]
			}
			f, _, err := nextFrame(pack(tagSecretKey, k.appendKey(nil, uint32(born.Unix()), point), seed))
			if err != nil {
				t.Fatal(err)
			}
			h, err := unpack(f)
			if err != nil {
				t.Fatalf("unpack(%x): %v", f.whole, err)
			}
			raw, err := certify(h, "State of XA", uint32(born.Unix()))
			if err != nil {
				t.Fatal(err)
			}
			c, err := ParseCertificate(raw, len(raw))
			if err != nil {
				t.Fatal(err)
			}
			s, err := ParseSecret(f.whole, c)
			if err != nil {
				t.Fatal(err)
			}
			mustSign(t, s, request, noon)
		})
	}
}

func TestSecretsRefused(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, g *Generated) {
		other := newAuthority(t, g.Primary.key.kind.name)
		b, err := g.Subkeys[0].Marshal()
		if err != nil {
			t.Fatal(err)
		}
		f, _, err := nextFrame(b)
		if err != nil {
			t.Fatal(err)
		}
		k, public, rest, err := splitKey(f.body)
		if err != nil {
			t.Fatal(err)
		}
		foreign, _ := other.Subkeys[0].Marshal()
		primary, _ := g.Primary.Marshal()
		ff, _, _ := nextFrame(foreign)
		_, _, foreignRest, _ := splitKey(ff.body)
		scalar := rest[3 : len(rest)-2]
		join := func(tag int, parts ...[]byte) []byte { return makeFrame(tag, slices.Concat(parts...)) }
		flip := func(i int) []byte {
			c := slices.Clone(b)
			c[(len(c)+i)%len(c)] ^= 1
			return c
		}
		zeros := append([]byte{1, byte(len(scalar)*8 - 256 + 8)}, append([]byte{0}, scalar...)...)

		for _, tt := range []struct {
			name string
			in   []byte
			want string
		}{
			{"nothing", nil, "no packet header"},
			{"text", []byte("-----BEGIN PGP PRIVATE KEY BLOCK-----\n"), "no packet header"},
			{"cut short", b[:len(b)-1], "cut short"},
			{"octet more", append(slices.Clone(b), 0), "after the one packet"},
			{"public key", packets(t, g.Certificate.Bytes())[3], "packet type 14"},
			{"subkey as primary", join(tagSecretKey, f.body), "packet type 5"},
			{"primary as subkey", join(tagSecretSubkey, mustFrame(t, primary).body), "packet type 7"},
			{"of another authority", foreign, "not a key of this certificate"},
			{"with the secret of another", join(f.tag, public, foreignRest), "does not fit"},
			{"protected", join(f.tag, public, []byte{254, 9, 3, 8}, make([]byte, 60)), "passphrase"},
			{"GnuPG's placeholder", join(f.tag, public, []byte("\xff\x00\x65\x00GNU\x01")), "passphrase"},
			{"no secret", join(f.tag, public, []byte{0}), "cut short"},
			{"empty secret", pack(f.tag, public, nil), "secret"},
			{"wrong checksum", flip(-1), "checksum"},
			{"other secret, same checksum length", flip(-3), "checksum"},
			{"octet inside", join(f.tag, public, rest, []byte{0}), "checksum"},
			{"leading zero", join(f.tag, public, []byte{0}, zeros, checksum(zeros)), "number"},
			{"far too large", append(slices.Clone(b), make([]byte, 300)...), "at most 256"},
			{"secret plus the order", orderAdded(k, f.tag, public, scalar), "number"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				s, err := ParseSecret(tt.in, g.Certificate)
				if s != nil || !errors.Is(err, ErrSecret) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("ParseSecret = %v, %v, want ErrSecret with %q", s, err, tt.want)
				}
			})
		}
	})
}

// orderAdded makes a secret of 33 octets.
func orderAdded(k *kind, tag int, public, scalar []byte) []byte {
	return pack(tag, public, append([]byte{1}, bytes.Repeat([]byte{0xFF}, 32)...))
}

func mustFrame(t *testing.T, b []byte) frame {
	t.Helper()
	f, _, err := nextFrame(b)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSignRefusesTimesOutsideTheKeysLife(t *testing.T) {
	g := newAuthority(t, Ed25519)
	for _, at := range []time.Time{{}, time.Unix(0, 0), born.Add(-time.Nanosecond), born.Add(year), born.Add(200 * year)} {
		if armored, err := g.Subkeys[0].Sign(request, at); err == nil {
			t.Errorf("Sign at %s = %q, want an error", at, armored)
		}
	}
	for _, at := range []time.Time{born, born.Add(999 * time.Millisecond), born.Add(year - time.Nanosecond)} {
		mustSign(t, g.Subkeys[0], request, at)
	}
}

func TestEd25519SignaturesRepeat(t *testing.T) {
	g := newAuthority(t, Ed25519)
	first, second := mustSign(t, g.Subkeys[0], request, noon), mustSign(t, g.Subkeys[0], request, noon)
	if !bytes.Equal(first, second) {
		t.Errorf("Sign twice = %q, then %q", first, second)
	}
}

// A P-256 key may live in hardware that only offers crypto.Signer.
func TestForeignSigner(t *testing.T) {
	g := newAuthority(t, P256)
	s := g.Subkeys[0]
	private := s.held().signer.PrivateKey.(lowSigner).Signer
	sign := func(signer crypto.Signer) ([]byte, error) {
		outside := *s.held().signer
		outside.PrivateKey = lowSigner{signer}
		return (&Secret{s.certificate, s.key, func() *held { return &held{signer: &outside} }}).Sign(request, noon)
	}
	for range 20 { // about half of them have the higher s
		if _, err := sign(token{private, 0}); err != nil {
			t.Fatalf("Sign with a token: %v", err)
		}
	}
	// A computation that went wrong must not leave.
	if armored, err := sign(token{private, 1}); err == nil {
		t.Errorf("Sign with a broken token = %q, want an error", armored)
	}
}

// token is a crypto.Signer that shows nothing of its key. It signs another
// digest if fault is not 0.
type token struct {
	crypto.Signer
	fault byte
}

func (k token) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	digest = slices.Clone(digest)
	digest[0] ^= k.fault
	return k.Signer.Sign(rand, digest, opts)
}

func TestSecretIsRedacted(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, g *Generated) {
		s := g.Subkeys[0]
		around := struct {
			Named   *Secret
			hidden  *Secret
			byValue Secret
			list    []*Secret
		}{s, s, *s, g.Subkeys}
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		logger.Info("keys", "secret", s, "value", *s, "around", around, "generated", g)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("keys", "secret", s, "generated", g)
		asJSON, err := json.Marshal(map[string]any{"secret": s, "generated": g})
		if err != nil {
			t.Fatal(err)
		}
		out := []string{s.String(), s.GoString(), log.String(), string(asJSON)}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
			out = append(out, fmt.Sprintf(verb, s), fmt.Sprintf(verb, *s), fmt.Sprintf(verb, around), fmt.Sprintf(verb, g))
			if got := fmt.Sprintf(verb, s); got != redacted {
				t.Errorf("Sprintf(%q) = %q, want %q", verb, got, redacted)
			}
		}
		text := strings.ToLower(strings.Join(out, "\n"))
		b, err := s.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		scalar := b[len(b)-12 : len(b)-4]
		for _, leak := range []string{
			fmt.Sprintf("%x", scalar), strings.Trim(fmt.Sprint(scalar), "[]"),
			strings.ToLower(strings.Trim(fmt.Sprintf("%#v", scalar), "[]byte{}")),
		} {
			if i := strings.Index(text, leak); i >= 0 {
				t.Errorf("%q, a part of the secret, is printed after %q", leak, text[max(0, i-200):i])
			}
		}
	})
}
