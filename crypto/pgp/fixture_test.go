package pgp

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// born is when the keys of the tests are made; noon is a moment in their life.
var (
	born = time.Date(2026, 1, 5, 9, 30, 0, 0, time.UTC)
	noon = born.Add(150 * time.Minute)
)

const year = 365 * 24 * time.Hour

// request stands for any signed document.
var request = []byte("{\n  \"type\": \"comity/envelope/v1\",\n  \"from\": \"xa/central-authority\"\n}\n")

// newAuthority makes the keys of an authority in state xa: primary, act, attest.
func newAuthority(t testing.TB, alg Algorithm) *Generated {
	t.Helper()
	g, err := Generate("Central Authority of XA", alg, 2, born, year)
	if err != nil {
		t.Fatalf("Generate(%s): %v", alg, err)
	}
	return g
}

// eachAlgorithm runs a test with a new authority of both kinds.
func eachAlgorithm(t *testing.T, test func(t *testing.T, g *Generated)) {
	for _, alg := range []Algorithm{Ed25519, P256} {
		t.Run(string(alg), func(t *testing.T) { test(t, newAuthority(t, alg)) })
	}
}

func mustSign(t testing.TB, s *Secret, doc []byte, at time.Time) []byte {
	t.Helper()
	armored, err := s.Sign(doc, at)
	if err != nil {
		t.Fatalf("Sign(%q, %s): %v", doc, at, err)
	}
	return armored
}

// forge signs doc as Sign does, except for what change does to the packet.
func forge(t testing.TB, s *Secret, doc []byte, change func(*packet.Signature)) []byte {
	t.Helper()
	created, err := stamp(noon)
	if err != nil {
		t.Fatal(err)
	}
	sig := formDocument.newSignature(s.key.public, created)
	change(sig)
	h := sig.Hash.New()
	h.Write(doc)
	if err := sig.Sign(h, s.held().signer, signing()); err != nil {
		t.Fatalf("forge: %v", err)
	}
	var raw bytes.Buffer
	if err := sig.Serialize(&raw); err != nil {
		t.Fatalf("forge: %v", err)
	}
	return raw.Bytes()
}

// handMade signs the request with an Ed25519 key as RFC 9580 §5.2.4 says, over any
// hashed area.
func handMade(t testing.TB, s *Secret, hashed []byte) []byte {
	t.Helper()
	f, _, err := nextFrame(s.held().packet)
	if err != nil {
		t.Fatal(err)
	}
	_, _, rest, err := splitKey(f.body)
	if err != nil {
		t.Fatal(err)
	}
	scalar, _, err := readMPI(rest[1:])
	if err != nil {
		t.Fatal(err)
	}
	seed := append(make([]byte, ed25519.SeedSize-len(scalar)), scalar...)
	body := append(binary.BigEndian.AppendUint16([]byte{4, 0, 22, 8}, uint16(len(hashed))), hashed...)
	sum := sha256.Sum256(slices.Concat(request, body, binary.BigEndian.AppendUint32([]byte{4, 0xFF}, uint32(len(body)))))
	signature := ed25519.Sign(ed25519.NewKeyFromSeed(seed), sum[:])
	body = append(body, 0, 0, sum[0], sum[1])
	return makeFrame(tagSignature, appendMPI(appendMPI(body, signature[:32]), signature[32:]))
}

func mustEnarmor(t testing.TB, raw []byte) []byte {
	t.Helper()
	armored, err := enarmor(raw)
	if err != nil {
		t.Fatal(err)
	}
	return armored
}

func mustDearmor(t testing.TB, armored []byte) []byte {
	t.Helper()
	raw, err := dearmor(armored)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// packets splits a certificate into its packets.
func packets(t testing.TB, raw []byte) [][]byte {
	t.Helper()
	var all [][]byte
	for len(raw) > 0 {
		f, rest, err := nextFrame(raw)
		if err != nil {
			t.Fatal(err)
		}
		all, raw = append(all, f.whole), rest
	}
	return all
}

func mustHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// resign makes a certificate of the authority's own keys in which change has
// altered the self-signature and the bindings before they were signed.
func resign(t testing.TB, g *Generated, change func(*packet.Signature)) []byte {
	t.Helper()
	primary := g.Primary.held().signer
	created, _ := stamp(born)
	self := formUser.newSignature(&primary.PublicKey, created)
	change(self)
	if err := self.SignUserId(g.Certificate.Name(), &primary.PublicKey, primary, signing()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := serialize(&out, &primary.PublicKey, packet.NewUserId(g.Certificate.Name(), "", ""), self); err != nil {
		t.Fatal(err)
	}
	for _, s := range g.Subkeys {
		sub := s.held().signer
		binding := formBinding.newSignature(&primary.PublicKey, created)
		back := formBack.newSignature(&sub.PublicKey, created)
		change(back)
		if err := back.CrossSignKey(&sub.PublicKey, &primary.PublicKey, sub, signing()); err != nil {
			t.Fatal(err)
		}
		binding.EmbeddedSignature = back
		change(binding)
		if err := binding.SignKey(&sub.PublicKey, primary, signing()); err != nil {
			t.Fatal(err)
		}
		if err := serialize(&out, &sub.PublicKey, binding); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

var sha384 = crypto.SHA384

func ed25519Point(seed []byte) []byte {
	return ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
}
