package federation

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// pemType marks the file of a key; it is PKCS #8, which openssl reads.
const pemType = "PRIVATE KEY"

// Key is a secret Ed25519 key of a steward, or the online key. It prints as
// [redacted].
type Key struct{ secret ed25519.PrivateKey }

// PublicKey names and verifies a key: 64 hexadecimal digits in text.
type PublicKey [ed25519.PublicKeySize]byte

// GenerateKey makes a key.
func GenerateKey() (*Key, error) {
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key of a federation: %w", err)
	}
	return &Key{secret}, nil
}

// ParseKey reads what Marshal wrote. Errors tell nothing of the key.
func ParseKey(text []byte) (*Key, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pemType || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("reading a key of a federation: want one PEM block with a private key")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	secret, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("reading a key of a federation: it is no Ed25519 key in PKCS #8")
	}
	return &Key{secret}, nil
}

// Marshal returns the secret as a PEM file; whoever stores it keeps it private.
func (k *Key) Marshal() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.secret)
	if err != nil {
		return nil, errors.New("writing a key of a federation: it has no form")
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// Public returns what may be shown.
func (k *Key) Public() PublicKey { return PublicKey(k.secret.Public().(ed25519.PublicKey)) }

// signer lets the library sign.
func (k *Key) signer() (signature.Signer, error) { return signature.LoadED25519Signer(k.secret) }

// String returns "[redacted]".
func (Key) String() string { return "[redacted]" }

// GoString returns "[redacted]", for %#v.
func (Key) GoString() string { return "[redacted]" }

// Format writes "[redacted]" for every verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// LogValue returns "[redacted]", for log/slog.
func (Key) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalText writes the digits.
func (p PublicKey) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads 64 lower-case hexadecimal digits.
func (p *PublicKey) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	if err != nil || len(raw) != len(p) || hex.EncodeToString(raw) != string(text) {
		return errors.New("want a public key of 64 lower-case hexadecimal digits")
	}
	*p = PublicKey(raw)
	return nil
}

func (p PublicKey) String() string { return hex.EncodeToString(p[:]) }

// tuf is the key in the library's form.
func (p PublicKey) tuf() (*metadata.Key, error) {
	return metadata.KeyFromPublicKey(ed25519.PublicKey(p[:]))
}
