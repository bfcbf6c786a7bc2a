package pgp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Generated is a new certificate with all its secrets. The primary belongs
// offline; a node or an office holds its subkey only.
type Generated struct {
	Certificate *Certificate
	Primary     *Secret
	Subkeys     []*Secret // in the order of the certificate
}

// Generate makes a certificate with an offline primary, which certifies and
// signs and never expires by itself, and signing subkeys, 0 to 32, that live for
// subkeyLifetime, in whole seconds; 0 means no end.
//
// The name becomes the user ID: plain text of 1 to 255 octets, without round and
// angle brackets. Everything is dated at, rounded down to whole seconds.
func Generate(name string, alg Algorithm, subkeys int, at time.Time, subkeyLifetime time.Duration) (*Generated, error) {
	g, err := generate(name, alg, subkeys, at, subkeyLifetime)
	if err != nil {
		return nil, fmt.Errorf("generate keys: %w", err)
	}
	return g, nil
}

func generate(name string, alg Algorithm, subkeys int, at time.Time, subkeyLifetime time.Duration) (*Generated, error) {
	k := kindOf(alg)
	lifetime := uint32(subkeyLifetime / time.Second)
	switch {
	case k == nil:
		return nil, fmt.Errorf("unknown algorithm %q", alg)
	case subkeys < 0 || subkeys > maxSubkeys:
		return nil, fmt.Errorf("%d subkeys; 0 to %d", subkeys, maxSubkeys)
	case subkeyLifetime < 0 || time.Duration(lifetime)*time.Second != subkeyLifetime:
		return nil, fmt.Errorf("lifetime of %s; whole seconds in 32 bits", subkeyLifetime)
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	created, err := stamp(at)
	if err != nil {
		return nil, err
	}
	primary, err := k.newHeld(tagSecretKey, created)
	if err != nil {
		return nil, err
	}
	raw, err := certify(primary, name, created)
	if err != nil {
		return nil, err
	}
	secrets := []*held{primary}
	for range subkeys {
		sub, err := k.newHeld(tagSecretSubkey, created)
		if err != nil {
			return nil, err
		}
		bound, err := bind(primary, sub, created, lifetime)
		if err != nil {
			return nil, err
		}
		secrets, raw = append(secrets, sub), append(raw, bound...)
	}
	// Reading everything back checks each signature and each pair of keys.
	g := &Generated{}
	if g.Certificate, err = ParseCertificate(raw, len(raw)); err != nil {
		return nil, err
	}
	for i, h := range secrets {
		s, err := ParseSecret(h.packet, g.Certificate)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			g.Primary = s
		} else {
			g.Subkeys = append(g.Subkeys, s)
		}
	}
	return g, nil
}

// newHeld makes a new key of this kind.
func (k *kind) newHeld(tag int, created uint32) (*held, error) {
	var point, scalar []byte
	switch k.name {
	case Ed25519:
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		point, scalar = public, private.Seed()
	case P256:
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		uncompressed, err := private.PublicKey.Bytes()
		if err != nil {
			return nil, err
		}
		if scalar, err = private.Bytes(); err != nil {
			return nil, err
		}
		point = uncompressed[1:] // the octet before it belongs to head
	}
	f, _, err := nextFrame(pack(tag, k.appendKey(nil, created, point), scalar))
	if err != nil {
		return nil, err
	}
	return unpack(f)
}

// certify returns the primary key packet, the user ID and the self-signature.
func certify(primary *held, name string, created uint32) ([]byte, error) {
	public := &primary.signer.PublicKey
	sig := formUser.newSignature(public, created)
	only := true
	sig.IsPrimaryId = &only
	if err := sig.SignUserId(name, public, primary.signer, signing()); err != nil {
		return nil, fmt.Errorf("certify the user ID: %w", err)
	}
	var raw bytes.Buffer
	if err := serialize(&raw, public, packet.NewUserId(name, "", ""), sig); err != nil {
		return nil, err
	}
	return raw.Bytes(), nil
}

// bind returns a subkey packet and its binding, which embeds the subkey's consent.
func bind(primary, sub *held, created, lifetime uint32) ([]byte, error) {
	public := &sub.signer.PublicKey
	back := formBack.newSignature(public, created)
	if err := back.CrossSignKey(public, &primary.signer.PublicKey, sub.signer, signing()); err != nil {
		return nil, fmt.Errorf("bind the primary key: %w", err)
	}
	sig := formBinding.newSignature(&primary.signer.PublicKey, created)
	sig.EmbeddedSignature, sig.KeyLifetimeSecs = back, &lifetime
	if err := sig.SignKey(public, primary.signer, signing()); err != nil {
		return nil, fmt.Errorf("bind a subkey: %w", err)
	}
	var raw bytes.Buffer
	if err := serialize(&raw, public, sig); err != nil {
		return nil, err
	}
	return raw.Bytes(), nil
}

// serialize writes packets one after the other.
func serialize(w io.Writer, packets ...interface{ Serialize(io.Writer) error }) error {
	for _, p := range packets {
		if err := p.Serialize(w); err != nil {
			return fmt.Errorf("write %T: %w", p, err)
		}
	}
	return nil
}
