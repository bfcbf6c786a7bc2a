package seal

import (
	"crypto/fips140"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"filippo.io/age"
)

// maxIdentityFile bounds an identity file: the secret has 77 characters, its
// recipient in a comment 1,959, and an officer may add a note.
const maxIdentityFile = 16 << 10

// Identity is one post-quantum hybrid identity: the secret that opens every
// body sealed to its [Recipient]. It is immutable and safe for concurrent use.
// Its text leaves it through [Identity.File] only; printing, logging and
// marshalling it do not reveal it.
type Identity struct {
	age       *age.HybridIdentity
	recipient *Recipient
}

// GenerateIdentity makes a new identity from the system's randomness. It fails
// under GODEBUG=fips140=only, which forbids X25519.
func GenerateIdentity() (*Identity, error) {
	if fips140.Enforced() {
		// The HPKE library would try again for ever instead of failing.
		return nil, errors.New("making an age identity: X25519 is forbidden by GODEBUG=fips140=only; use fips140=on")
	}
	secret, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, fmt.Errorf("making an age identity: %w", err)
	}
	return newIdentity(secret), nil
}

func newIdentity(secret *age.HybridIdentity) *Identity {
	public := secret.Recipient()
	return &Identity{age: secret, recipient: &Recipient{age: public, text: public.String()}}
}

// ParseIdentity reads the content of an age identity file: exactly one hybrid
// secret, "AGE-SECRET-KEY-PQ-1…", on a line of its own; lines that begin with
// "#" and empty lines are skipped, as the age tool does. A comment that names
// another public key is not noticed. Errors wrap [ErrIdentity] and tell the
// number of the line, never its text.
func ParseIdentity(text string) (*Identity, error) {
	if len(text) > maxIdentityFile {
		return nil, fmt.Errorf("%w: the file has %d bytes, at most %d are read", ErrIdentity, len(text), maxIdentityFile)
	}
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("%w: the file is not UTF-8 text", ErrIdentity)
	}
	var found *Identity
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line = strings.TrimSuffix(line, "\r")
		if line == "" || line[0] == '#' {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%w: line %d: a second key in the file, want one", ErrIdentity, number)
		}
		var err error
		if found, err = parseSecret(line); err != nil {
			return nil, fmt.Errorf("%w: line %d: %v", ErrIdentity, number, err)
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%w: the file holds no key", ErrIdentity)
	}
	return found, nil
}

func parseSecret(line string) (*Identity, error) {
	switch {
	case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
	case strings.HasPrefix(line, "AGE-SECRET-KEY-1"):
		return nil, errors.New("a classic age key, which a quantum computer could break; want one that begins with AGE-SECRET-KEY-PQ-1")
	case strings.HasPrefix(line, "AGE-PLUGIN-"):
		return nil, errors.New("a plugin's key; want one that begins with AGE-SECRET-KEY-PQ-1")
	case strings.HasPrefix(line, "age1"):
		return nil, errors.New("a recipient, which is the public half; want the secret that begins with AGE-SECRET-KEY-PQ-1")
	default:
		return nil, errors.New("want a key that begins with AGE-SECRET-KEY-PQ-1")
	}
	secret, err := age.ParseHybridIdentity(line)
	// The library's errors tell characters of the key, so they end here.
	if err != nil || secret.String() != line {
		return nil, errors.New("the key was mistyped or cut")
	}
	return newIdentity(secret), nil
}

// File returns the identity as a file that [ParseIdentity] and the age tool
// read: two comment lines, with the time of creation in UTC and the recipient,
// then the secret. The bytes are secret; package keys stores them.
func (i *Identity) File(created time.Time) []byte {
	return fmt.Appendf(nil, "# created: %s\n# public key: %s\n%s\n",
		created.UTC().Format(time.RFC3339), i.recipient, i.age.String())
}

// Recipient returns the public half.
func (i *Identity) Recipient() *Recipient { return i.recipient }

// Identities are tried in order until one opens the sealed bytes: those that
// an authority has used and not yet destroyed, newest first.
type Identities []*Identity

func (ids Identities) age() ([]age.Identity, error) {
	out := make([]age.Identity, len(ids))
	for n, i := range ids {
		if i == nil || i.age == nil {
			return nil, fmt.Errorf("identity %d of %d is empty", n+1, len(ids))
		}
		out[n] = i.age
	}
	return out, nil
}
