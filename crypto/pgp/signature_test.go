package pgp

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

func TestEveryKeySigns(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, g *Generated) {
		for i, s := range append([]*Secret{g.Primary}, g.Subkeys...) {
			at := noon.Add(987 * time.Millisecond)
			armored := mustSign(t, s, request, at)
			made, err := g.Certificate.Verify(request, armored, s.Digest(), at)
			if err != nil || !made.Equal(noon) {
				t.Errorf("key %d: Verify = %s, %v, want %s", i, made, err, noon)
			}
			if !bytes.HasSuffix(armored, []byte("-----END PGP SIGNATURE-----\n")) {
				t.Errorf("key %d: signature file ends %q", i, armored[len(armored)-10:])
			}
			if len(armored) > 300 {
				t.Errorf("key %d: signature file has %d octets", i, len(armored))
			}
			for _, name := range []Digest{g.Primary.Digest(), g.Subkeys[0].Digest(), g.Subkeys[1].Digest(), {}} {
				_, err := g.Certificate.Verify(request, armored, name, at)
				if want := name == s.Digest(); (err == nil) != want {
					t.Errorf("key %d: Verify with key %x = %v, want success %t", i, name, err, want)
				}
			}
			if _, err := g.Certificate.Verify(append(slices.Clone(request), '\n'), armored, s.Digest(), at); !errors.Is(err, ErrSignature) {
				t.Errorf("key %d: Verify of other bytes = %v, want ErrSignature", i, err)
			}
		}
	})
}

func TestSignatureOfAnotherAuthorityRefused(t *testing.T) {
	g, other := newAuthority(t, Ed25519), newAuthority(t, Ed25519)
	armored := mustSign(t, other.Subkeys[0], request, noon)
	for _, name := range []Digest{g.Subkeys[0].Digest(), other.Subkeys[0].Digest()} {
		if _, err := g.Certificate.Verify(request, armored, name, noon); !errors.Is(err, ErrSignature) {
			t.Errorf("Verify with key %x = %v, want ErrSignature", name, err)
		}
	}
}

// R-SIG-2: the file has one layout.
func TestSignatureFilesRefused(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, g *Generated) {
		s := g.Subkeys[0]
		good := string(mustSign(t, s, request, noon))
		raw := mustDearmor(t, []byte(good))
		lines := strings.Split(good, "\n")
		bodyText := base64.StdEncoding.EncodeToString(raw)
		for _, tt := range []struct{ name, in string }{
			{"nothing", ""},
			{"binary", string(raw)},
			{"text before", "Hello\n" + good},
			{"text after", good + "Hello\n"},
			{"empty line before", "\n" + good},
			{"empty line after", good + "\n"},
			{"no final newline", strings.TrimSuffix(good, "\n")},
			{"carriage returns", strings.ReplaceAll(good, "\n", "\r\n")},
			{"comment header", strings.Replace(good, "\n\n", "\nComment: x\n\n", 1)},
			{"version header", strings.Replace(good, "\n\n", "\nVersion: 1\n\n", 1)},
			{"no empty line", strings.Replace(good, "\n\n", "\n", 1)},
			{"two empty lines", strings.Replace(good, "\n\n", "\n\n\n", 1)},
			{"space at line end", strings.Replace(good, lines[2], lines[2]+" ", 1)},
			{"checksum line", strings.Replace(good, "\n-----END", "\n=AAAA\n-----END", 1)},
			{"long line", strings.Replace(good, lines[2]+"\n", lines[2], 1)},
			{"short lines", armorBegin + bodyText[:32] + "\n" + bodyText[32:64] + "\n" + bodyText[64:] + armorEnd},
			{"message type", strings.ReplaceAll(good, "SIGNATURE", "MESSAGE")},
			{"lower case", strings.ReplaceAll(good, "BEGIN", "begin")},
			{"two blocks", good + good},
			{"empty block", armorBegin + armorEnd},
			{"only the lines", armorBegin + strings.TrimPrefix(armorEnd, "\n")},
			{"padding changed", loosePadding(good)},
			{"two packets", string(mustEnarmor(t, slices.Concat(raw, raw)))},
			{"marker and packet", string(mustEnarmor(t, slices.Concat(makeFrame(10, []byte("PGP")), raw)))},
			{"octet after the packet", string(mustEnarmor(t, append(slices.Clone(raw), 0)))},
			{"cut short", string(mustEnarmor(t, raw[:len(raw)-1]))},
			{"old header", string(mustEnarmor(t, slices.Concat([]byte{0x88, raw[1]}, raw[2:])))},
			{"key packet", string(mustEnarmor(t, packets(t, g.Certificate.Bytes())[0]))},
			{"far too large", strings.Replace(good, "\n\n", "\n\n"+strings.Repeat("A", maxArmored), 1)},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if tt.in == good {
					t.Fatal("the case is the good signature")
				}
				if _, err := g.Certificate.Verify(request, []byte(tt.in), s.Digest(), noon); !errors.Is(err, ErrSignature) {
					t.Errorf("Verify(%q) = %v, want ErrSignature", tt.in, err)
				}
			})
		}
	})
}

// loosePadding sets bits that base64 ignores before its padding, or removes
// the padding where there are no such bits.
func loosePadding(armored string) string {
	inner := strings.TrimSuffix(armored, armorEnd)
	text := strings.TrimRight(inner, "=")
	if text == inner {
		return text + "====" + armorEnd
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	last := strings.IndexByte(alphabet, text[len(text)-1])
	return text[:len(text)-1] + alphabet[last+1:last+2] + inner[len(text):] + armorEnd
}

// R-SIG-1, R-SIG-3: valid signatures over the right bytes, but not of the dialect.
func TestSignaturePacketsRefused(t *testing.T) {
	hour := uint32(3600)
	wrongID := uint64(1)
	user := "Central Authority of XA"
	for _, tt := range []struct {
		name   string
		change func(*packet.Signature)
		want   string
	}{
		{"text mode", func(s *packet.Signature) { s.SigType = packet.SigTypeText }, "signature type 0x01"},
		{"SHA-384", func(s *packet.Signature) { s.Hash = crypto.SHA384 }, "hash algorithm 9"},
		{"SHA3-256", func(s *packet.Signature) { s.Hash = crypto.SHA3_256 }, "hash algorithm 12"},
		{"SHA-224", func(s *packet.Signature) { s.Hash = crypto.SHA224 }, "hash algorithm 11"},
		{"critical notation", func(s *packet.Signature) {
			s.Notations = []*packet.Notation{{Name: "n@xa.example", Value: []byte("v"), IsCritical: true}}
		}, "critical notation"},
		{"signature that expires", func(s *packet.Signature) { s.SigLifetimeSecs = &hour }, "subpacket 3 has no place"},
		{"key expiry", func(s *packet.Signature) { s.KeyLifetimeSecs = &hour }, "subpacket 9 has no place"},
		{"key flags", func(s *packet.Signature) { s.FlagsValid, s.FlagSign = true, true }, "subpacket 27 has no place"},
		{"user ID of the signer", func(s *packet.Signature) { s.SignerUserId = &user }, "subpacket 28 has no place"},
		{"intended recipient", func(s *packet.Signature) {
			s.IntendedRecipients = []*packet.Recipient{{KeyVersion: 4, Fingerprint: make([]byte, 20)}}
		}, "subpacket 35 has no place"},
		{"another key ID", func(s *packet.Signature) { s.IssuerKeyId = &wrongID }, "subpacket 16 does not hold"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachAlgorithm(t, func(t *testing.T, g *Generated) {
				s := g.Subkeys[0]
				armored := mustEnarmor(t, forge(t, s, request, tt.change))
				_, err := g.Certificate.Verify(request, armored, s.Digest(), noon)
				if !errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Verify(%q)\n got %v\nwant ErrSignature with %q", armored, err, tt.want)
				}
			})
		})
	}
}

// R-SIG-1: what the library would not write: subpackets twice, and packets that end
// where a length or a subpacket should stand.
func TestHandMadeSignaturesRefused(t *testing.T) {
	g := newAuthority(t, Ed25519)
	s := g.Subkeys[0]
	created, err := stamp(noon)
	if err != nil {
		t.Fatal(err)
	}
	date := binary.BigEndian.AppendUint32([]byte{5, subCreation}, created)
	later := binary.BigEndian.AppendUint32([]byte{5, subCreation}, created-3600)
	issuer := append([]byte{22, subIssuerFingerprint, 4}, s.key.public.Fingerprint...)
	keyID := append([]byte{9, subIssuer}, s.key.public.Fingerprint[12:]...)
	for _, tt := range []struct {
		name string
		raw  []byte
		want string // "" for accepted
	}{
		{"as it should be", handMade(t, s, slices.Concat(date, issuer)), ""},
		{"two dates", handMade(t, s, slices.Concat(later, date, issuer)), "stands twice"},
		{"two issuers", handMade(t, s, slices.Concat(date, issuer, issuer)), "stands twice"},
		{"two key IDs", handMade(t, s, slices.Concat(date, issuer, keyID, keyID)), "stands twice"},
		{"no date", handMade(t, s, issuer), "is missing"},
		{"no issuer", handMade(t, s, slices.Concat(date, keyID)), "is missing"},
		{"an empty subpacket", handMade(t, s, slices.Concat(date, issuer, []byte{0})), "empty or cut short"},
		{"a subpacket cut short", handMade(t, s, slices.Concat(date, issuer[:20])), "empty or cut short"},
		{"a subpacket length cut short", handMade(t, s, slices.Concat(date, issuer, []byte{192})), "in another form"},
		{"a subpacket length of five octets", handMade(t, s, slices.Concat(date, issuer, []byte{255, 0, 0, 0, 1, subNotation})), "in another form"},
		{"no octets", makeFrame(tagSignature, nil), "cut short"},
		{"five octets", makeFrame(tagSignature, []byte{4, 0, 22, 8, 0}), "cut short"},
		{"no numbers", makeFrame(tagSignature, []byte{4, 0, 22, 8, 0, 0, 0, 0}), "cut short"},
	} {
		_, err := g.Certificate.Verify(request, mustEnarmor(t, tt.raw), s.Digest(), noon)
		if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestSignaturesOfOtherWritersAccepted(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*packet.Signature)
	}{
		{"SHA-512", func(s *packet.Signature) { s.Hash = crypto.SHA512 }},
		{"no key ID", func(s *packet.Signature) { s.IssuerKeyId = nil }},
		{"salt and another notation", func(s *packet.Signature) {
			s.Notations = []*packet.Notation{
				{Name: packet.SaltNotationName, Value: make([]byte, 16)},
				{Name: "n@xa.example", Value: bytes.Repeat([]byte("v"), 300), IsHumanReadable: true},
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachAlgorithm(t, func(t *testing.T, g *Generated) {
				s := g.Subkeys[1]
				armored := mustEnarmor(t, forge(t, s, request, tt.change))
				if made, err := g.Certificate.Verify(request, armored, s.Digest(), noon); err != nil || !made.Equal(noon) {
					t.Errorf("Verify(%q) = %s, %v, want %s", armored, made, err, noon)
				}
			})
		})
	}
}

// Whoever does not hold the key cannot make a second valid file out of one.
func TestSignatureIsNotMalleable(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, g *Generated) {
		s := g.Subkeys[0]
		raw := mustDearmor(t, mustSign(t, s, request, noon))
		verify := func(t *testing.T, changed []byte) {
			t.Helper()
			if _, err := g.Certificate.Verify(request, mustEnarmor(t, changed), s.Digest(), noon); !errors.Is(err, ErrSignature) {
				t.Errorf("Verify(%x) = %v, want ErrSignature", changed, err)
			}
		}
		for i := range raw {
			for bit := range 8 {
				changed := slices.Clone(raw)
				changed[i] ^= 1 << bit
				verify(t, changed)
			}
		}
		t.Run("unhashed area", func(t *testing.T) {
			body := raw[2:]
			at := 6 + int(body[4])<<8 + int(body[5])
			issuer := append([]byte{9, subIssuer}, s.key.public.Fingerprint[12:]...)
			verify(t, makeFrame(tagSignature, slices.Concat(body[:at], []byte{0, 10}, issuer, body[at+2:])))
		})
		if s.key.kind.name != P256 {
			return // Ed25519 has one s only
		}
		t.Run("the other s", func(t *testing.T) {
			l, err := checkLayout(raw[2:], &formDocument, s.key)
			if err != nil {
				t.Fatal(err)
			}
			high := new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(l.s))
			head := raw[2 : len(raw)-len(l.s)-2]
			verify(t, makeFrame(tagSignature, appendMPI(slices.Clone(head), high.Bytes())))
		})
	})
}

// R-SIG-4, and the life of the key.
func TestSignatureDates(t *testing.T) {
	g := newAuthority(t, Ed25519)
	act, end := g.Subkeys[0], born.Add(year)
	dated := func(at time.Time) []byte {
		return mustEnarmor(t, forge(t, act, request, func(s *packet.Signature) { s.CreationTime = at }))
	}
	for _, tt := range []struct {
		name      string
		made, now time.Time
		want      string // "" for accepted
	}{
		{"now", noon, noon, ""},
		{"a second ahead", noon.Add(time.Second), noon, "yet to come"},
		{"a second ahead, with skew", noon.Add(time.Second), noon.Add(time.Second), ""},
		{"with the key", born, noon, ""},
		{"before the key", born.Add(-time.Second), noon, "before the key was created"},
		{"last second of the key", end.Add(-time.Second), end.Add(10 * year), ""},
		{"end of the key", end, end.Add(10 * year), "expired"},
		{"long after", end.Add(year), end.Add(10 * year), "expired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			made, err := g.Certificate.Verify(request, dated(tt.made), act.Digest(), tt.now)
			switch {
			case tt.want == "" && (err != nil || !made.Equal(tt.made)):
				t.Errorf("Verify at %s of a signature from %s = %s, %v, want it accepted", tt.now, tt.made, made, err)
			case tt.want != "" && (!errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), tt.want) || !made.IsZero()):
				t.Errorf("Verify at %s of a signature from %s = %s, %v, want %q", tt.now, tt.made, made, err, tt.want)
			}
		})
	}
}

func TestVerifyAndSignConcurrently(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, g *Generated) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 10 {
					armored, err := g.Subkeys[0].Sign(request, noon)
					if err != nil {
						t.Errorf("Sign: %v", err)
						return
					}
					if _, err := g.Certificate.Verify(request, armored, g.Subkeys[0].Digest(), noon); err != nil {
						t.Errorf("Verify: %v", err)
					}
				}
			})
		}
		wg.Wait()
	})
}

func BenchmarkSign(b *testing.B) {
	for _, alg := range []Algorithm{Ed25519, P256} {
		b.Run(string(alg), func(b *testing.B) {
			g := newAuthority(b, alg)
			for b.Loop() {
				mustSign(b, g.Subkeys[0], request, noon)
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []Algorithm{Ed25519, P256} {
		b.Run(string(alg), func(b *testing.B) {
			g := newAuthority(b, alg)
			armored := mustSign(b, g.Subkeys[0], request, noon)
			for b.Loop() {
				if _, err := g.Certificate.Verify(request, armored, g.Subkeys[0].Digest(), noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
