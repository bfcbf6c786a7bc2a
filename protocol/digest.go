package protocol

import (
	"crypto/sha256"
	"encoding/hex"
)

// Digest is a SHA-256 digest. In documents, files and on pages it is 64
// lower-case hexadecimal digits.
type Digest [sha256.Size]byte

// Sum returns the digest of b.
func Sum(b []byte) Digest { return sha256.Sum256(b) }

// IsZero reports whether d was never set; no input is known to have this digest.
func (d Digest) IsZero() bool { return d == Digest{} }

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Short returns the first 12 digits, for people who compare at a glance;
// never enough to decide anything.
func (d Digest) Short() string { return d.String()[:12] }

// MarshalText writes 64 lower-case digits.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText refuses anything but 64 lower-case hexadecimal digits (R-NAME-4).
func (d *Digest) UnmarshalText(b []byte) error {
	if len(b) != hex.EncodedLen(len(d)) {
		return Refuse(Malformed, "digest %s: want 64 hexadecimal digits", Quote(b))
	}
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return Refuse(Malformed, "digest %s: want lower-case hexadecimal digits", Quote(b))
		}
	}
	_, err := hex.Decode(d[:], b)
	return err
}

// ParseDigest reads 64 lower-case hexadecimal digits.
func ParseDigest(s string) (d Digest, err error) {
	err = d.UnmarshalText([]byte(s))
	return d, err
}
