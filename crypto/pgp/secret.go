package pgp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// redacted is all that a secret shows of itself.
const redacted = "[redacted]"

// Secret is one signing key, a primary or a subkey, with its certificate. The
// primary's and the subkeys' secrets are separate things, so that the primary
// can stay offline. It prints as "[redacted]", never changes, and is safe for
// concurrent use.
type Secret struct {
	certificate *Certificate
	key         *key
	// held returns the secret part. It is a function because package fmt, given
	// a verb that does not fit, prints what pointers in the unexported fields of
	// a struct around a Secret lead to; a function shows an address only.
	held func() *held
}

// held is the secret part of a Secret.
type held struct {
	// signer signs for the library. With P-256, any crypto.Signer can stand
	// behind it, hardware included.
	signer *packet.PrivateKey
	// packet is the secret key packet.
	packet []byte
}

// ParseSecret reads a secret key packet, as Marshal writes it: unprotected,
// version 4, and belonging to a key of cert (RFC 9580 §5.5.3). That it fits the
// public key is checked. Errors wrap ErrSecret and tell nothing of the secret.
func ParseSecret(b []byte, cert *Certificate) (*Secret, error) {
	s, err := parseSecret(b, cert)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSecret, err)
	}
	return s, nil
}

// IsSecret reports whether b begins with a secret key packet, without reading it.
func IsSecret(b []byte) bool {
	f, _, err := nextFrame(b)
	return err == nil && (f.tag == tagSecretKey || f.tag == tagSecretSubkey)
}

func parseSecret(b []byte, cert *Certificate) (*Secret, error) {
	if len(b) > maxSecret {
		return nil, fmt.Errorf("%d octets; at most %d", len(b), maxSecret)
	}
	f, rest, err := nextFrame(bytes.Clone(b))
	switch {
	case err != nil:
		return nil, err
	case len(rest) > 0:
		return nil, fmt.Errorf("%d octets after the one packet", len(rest))
	}
	_, public, _, err := splitKey(f.body)
	if err != nil {
		return nil, err
	}
	k := cert.find(digestOf(public))
	if k == nil {
		return nil, errors.New("not a key of this certificate")
	}
	tag := tagSecretSubkey
	if k.info.Primary {
		tag = tagSecretKey
	}
	if f.tag != tag {
		return nil, fmt.Errorf("packet type %d in place of %d", f.tag, tag)
	}
	h, err := unpack(f)
	if err != nil {
		return nil, err
	}
	return &Secret{certificate: cert, key: k, held: func() *held { return h }}, nil
}

// unpack reads a secret key packet.
func unpack(f frame) (*held, error) {
	k, _, rest, err := splitKey(f.body)
	if err != nil {
		return nil, err
	}
	if len(rest) == 0 || rest[0] != 0 {
		return nil, errors.New("protected by a passphrase, or cut short")
	}
	scalar, sum, err := readMPI(rest[1:])
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(sum, checksum(rest[1:len(rest)-len(sum)])) {
		return nil, errors.New("checksum is wrong")
	}
	// Errors of the libraries are not passed on: they may show what they read.
	signer, err := decode[*packet.PrivateKey](f)
	if err != nil || signer.Encrypted || signer.Dummy() {
		return nil, errors.New("secret does not fit the public key")
	}
	if k.name == P256 {
		padded := make([]byte, 32)
		copy(padded[32-len(scalar):], scalar)
		private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), padded)
		if err != nil {
			return nil, errors.New("secret is outside the curve's order")
		}
		signer.PrivateKey = lowSigner{private}
	}
	return &held{signer: signer, packet: f.whole}, nil
}

// pack writes a secret key packet: the public body, usage octet 0 for an
// unprotected secret, the secret number, and the checksum over it.
func pack(tag int, public, scalar []byte) []byte {
	body := append(bytes.Clone(public), 0)
	body = appendMPI(body, scalar)
	body = append(body, checksum(body[len(public)+1:])...)
	return makeFrame(tag, body)
}

// checksum is the sum of all octets modulo 65536 (RFC 9580 §5.5.3).
func checksum(b []byte) []byte {
	var sum uint16
	for _, octet := range b {
		sum += uint16(octet)
	}
	return binary.BigEndian.AppendUint16(nil, sum)
}

// Digest names the key.
func (s *Secret) Digest() Digest { return s.key.info.Digest }

// Certificate returns the certificate that the key belongs to.
func (s *Secret) Certificate() *Certificate { return s.certificate }

// Marshal returns the secret key packet, unprotected. Whoever holds it can
// sign; the caller keeps it safe.
func (s *Secret) Marshal() ([]byte, error) { return bytes.Clone(s.held().packet), nil }

// Sign returns a signature file for exactly the bytes of doc, dated at, rounded
// down to whole seconds. It signs with SHA-256 and verifies what it made before
// it returns it. It refuses a time outside the key's life. With Ed25519 the same
// arguments give the same bytes.
//
// One signature in some 20,000 is dated a second or two earlier, within the key's life:
// GnuPG could not read the one that it would be (see isLegible).
func (s *Secret) Sign(doc []byte, at time.Time) (armored []byte, err error) {
	created, err := stamp(at)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if err := s.key.info.aliveAt(moment(created)); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	raw, err := s.packet(doc, created)
	for _, earlier := range []uint32{created - 1, created - 2} {
		if err == nil && !isLegible(raw) && s.key.info.aliveAt(moment(earlier)) == nil {
			raw, err = s.packet(doc, earlier)
		}
	}
	if err == nil {
		armored, err = enarmor(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if _, err := s.certificate.Verify(doc, armored, s.Digest(), at); err != nil {
		return nil, fmt.Errorf("sign: the signature just made does not stand: %w", err)
	}
	return armored, nil
}

// packet is the signature packet of doc, dated created.
func (s *Secret) packet(doc []byte, created uint32) ([]byte, error) {
	sig := formDocument.newSignature(s.key.public, created)
	h := sig.Hash.New()
	h.Write(doc)
	if err := sig.Sign(h, s.held().signer, signing()); err != nil {
		return nil, err
	}
	var raw bytes.Buffer
	err := sig.Serialize(&raw)
	return raw.Bytes(), err
}

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (s Secret) GoString() string { return redacted }

// Format writes "[redacted]", whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]", for whatever writes structs as text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// lowSigner brings the ECDSA signatures of any signer, hardware or not, into
// the form with the lower s; see layout.low.
type lowSigner struct{ crypto.Signer }

// Sign returns an ASN.1 signature, as crypto.Signer asks for.
func (l lowSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	der, err := l.Signer.Sign(rand, digest, opts)
	if err != nil {
		return nil, err
	}
	var sig struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &sig); err != nil || len(rest) > 0 {
		return nil, errors.New("signer returned no ASN.1 signature")
	}
	if sig.S.Cmp(halfOrder) > 0 {
		sig.S.Sub(elliptic.P256().Params().N, sig.S)
	}
	return asn1.Marshal(sig)
}
