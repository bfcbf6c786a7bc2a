package seal

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"filippo.io/age"
)

// recipientSize is the length of every hybrid recipient: "age1pq", "1", 1,216
// bytes in five-bit digits and six digits of checksum.
const recipientSize = 1959

// Recipient is one post-quantum hybrid recipient, the public half of an
// [Identity]. It is immutable and safe for concurrent use.
type Recipient struct {
	age  *age.HybridRecipient
	text string
}

// ParseRecipient reads "age1pq1…" (https://c2sp.org/age, "The hybrid recipient
// type"). R-SEAL-1: every other kind of age recipient is refused, because one
// classic recipient would open the whole body to a future quantum computer.
// Only the canonical text is accepted, so equal recipients have equal texts and
// digests. Errors wrap [ErrRecipient] and never quote s, which may be a secret
// pasted into the wrong field.
func ParseRecipient(s string) (*Recipient, error) {
	switch {
	case strings.HasPrefix(s, "age1pq1"):
	case len(s) >= len("AGE-SECRET-KEY-") && strings.EqualFold(s[:len("AGE-SECRET-KEY-")], "AGE-SECRET-KEY-"):
		return nil, fmt.Errorf("%w: this is a secret key, never hand it out; the recipient begins with age1pq1", ErrRecipient)
	case strings.HasPrefix(s, "age1"):
		return nil, fmt.Errorf("%w: a classic or plugin age recipient is refused because a quantum computer could open what is sealed to it; use one that begins with age1pq1", ErrRecipient)
	default:
		return nil, fmt.Errorf("%w: it does not begin with age1pq1", ErrRecipient)
	}
	if len(s) != recipientSize {
		return nil, fmt.Errorf("%w: it has %d characters, want %d", ErrRecipient, len(s), recipientSize)
	}
	r, err := age.ParseHybridRecipient(s)
	if err != nil || r.String() != s {
		return nil, fmt.Errorf("%w: it was mistyped or altered", ErrRecipient)
	}
	return &Recipient{age: r, text: s}, nil
}

// String returns the canonical text, "age1pq1…", of 1,959 characters.
func (r *Recipient) String() string {
	if r == nil {
		return ""
	}
	return r.text
}

// Digest returns the SHA-256 of the canonical text: how documents name the
// recipient key that a body was sealed to.
func (r *Recipient) Digest() [32]byte { return sha256.Sum256([]byte(r.String())) }
