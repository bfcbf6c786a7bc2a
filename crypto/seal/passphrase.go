package seal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"filippo.io/age"
)

const (
	// WorkFactor is the base-2 logarithm of scrypt's N with which [Passphrase.Protect]
	// writes: opening one file takes 64 MiB of memory and about a fifth of a second.
	// The age tool writes 18, four times as much: too much memory for the small
	// machine that a node may run on, and a node opens ten files when it starts. What
	// that saves an attacker, two bits, [MinPassphrase] more than makes up for.
	WorkFactor = 16
	// MaxWorkFactor is the largest that is opened, that of a file which a person
	// protected with the age tool: 256 MiB and a second. A larger one is refused
	// before any memory is taken.
	MaxWorkFactor = 18
	// MinPassphrase is how many characters a passphrase has at least. Whoever
	// steals a key file can guess for years, so a short one protects nothing.
	MinPassphrase = 16
	// MaxPassphrase is how many bytes it has at most.
	MaxPassphrase = 1 << 10
	// MaxSecret is the size of the largest secret that is protected, in bytes.
	MaxSecret = 16 << 10
	// MaxProtected is the size of the largest protected secret, in bytes.
	MaxProtected = MaxSecret + 256
)

var (
	// ErrPassphrase: the passphrase is not the one that the secret was protected with.
	ErrPassphrase = errors.New("the passphrase does not open it")
	// ErrProtected: the bytes are no secret protected by a passphrase, or they
	// were cut or altered, or ask for more work than is allowed.
	ErrProtected = errors.New("the protected secret cannot be read")
	// ErrWeak: a text cannot serve as a passphrase.
	ErrWeak = errors.New("it cannot serve as a passphrase")
)

// Passphrase protects small secrets, such as key files, each on its own: what it
// writes is an ordinary age file that "age -d" opens after asking for it. It
// prints as [redacted] and is safe for concurrent use; but each use takes the
// memory and the time of its work factor, so use it once after the other.
type Passphrase struct{ text func() string }

// NewPassphrase checks a passphrase: [MinPassphrase] characters at least, and
// none that cannot be typed where the age tool asks for it. Errors wrap
// [ErrWeak] and tell nothing of the text.
func NewPassphrase(text string) (*Passphrase, error) {
	switch {
	case text == "":
		return nil, fmt.Errorf("%w: it is empty", ErrWeak)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return nil, fmt.Errorf("%w: it is not one line of text", ErrWeak)
	case utf8.RuneCountInString(text) < MinPassphrase:
		return nil, fmt.Errorf("%w: it has %d characters, want %d at least, because whoever steals a key file can guess for years",
			ErrWeak, utf8.RuneCountInString(text), MinPassphrase)
	case len(text) > MaxPassphrase:
		return nil, fmt.Errorf("%w: it has %d bytes, want %d at most", ErrWeak, len(text), MaxPassphrase)
	}
	return &Passphrase{func() string { return text }}, nil
}

// GeneratePassphrase makes a passphrase of 140 random bits, in seven groups of
// four that people can copy: no letter in it looks like a digit.
func GeneratePassphrase() string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789" // 32: without l and o, 1 and 0
	random := make([]byte, 7*4)
	_, _ = rand.Read(random) // never fails
	var b strings.Builder
	for i, r := range random {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(letters[r%byte(len(letters))]) // no bias: 32 divides 256
	}
	return b.String()
}

// Protected reports whether a file is an age file, as Protect writes it. No
// other key file begins like one.
func Protected(file []byte) bool { return bytes.HasPrefix(file, []byte(intro)) }

// Protect encrypts a secret of at most [MaxSecret] bytes, with fresh salt and key.
func (p *Passphrase) Protect(secret []byte) ([]byte, error) {
	if len(secret) == 0 || len(secret) > MaxSecret {
		return nil, fmt.Errorf("protecting a secret of %d bytes: want 1 to %d", len(secret), MaxSecret)
	}
	to, err := age.NewScryptRecipient(p.text())
	if err != nil {
		return nil, fmt.Errorf("protecting a secret: %w", err)
	}
	to.SetWorkFactor(WorkFactor)
	var file bytes.Buffer
	w, err := age.Encrypt(&file, to)
	if err != nil {
		return nil, fmt.Errorf("protecting a secret: %w", err)
	}
	if _, err := w.Write(secret); err != nil {
		return nil, fmt.Errorf("protecting a secret: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("protecting a secret: %w", err)
	}
	return file.Bytes(), nil
}

// protectedHeader is the one header of a protected secret, up to the line of its MAC.
var protectedHeader = regexp.MustCompile(`^` + intro + `-> scrypt [A-Za-z0-9+/]{22} ([1-9][0-9]?)\n[A-Za-z0-9+/]{43}\n--- `)

// Unprotect returns the secret in a protected file. Errors wrap [ErrPassphrase]
// when the passphrase is another one, and [ErrProtected] for everything that is
// wrong with the file; neither tells anything of secret or passphrase.
func (p *Passphrase) Unprotect(file []byte) ([]byte, error) {
	if len(file) > MaxProtected {
		return nil, fmt.Errorf("%w: it has %d bytes, want %d at most", ErrProtected, len(file), MaxProtected)
	}
	header := protectedHeader.FindSubmatch(file)
	if header == nil {
		return nil, fmt.Errorf("%w: it is cut short, or it is no age file for exactly one passphrase", ErrProtected)
	}
	if factor, err := strconv.Atoi(string(header[1])); err != nil || factor > MaxWorkFactor {
		return nil, fmt.Errorf("%w: it asks for a work factor of %s, want %d at most", ErrProtected, header[1], MaxWorkFactor)
	}
	identity, err := age.NewScryptIdentity(p.text())
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrProtected, err)
	}
	identity.SetMaxWorkFactor(MaxWorkFactor)
	// The library's errors are not passed on: they may show what they read.
	plain, err := age.Decrypt(bytes.NewReader(file), identity)
	if errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, ErrPassphrase
	} else if err != nil {
		return nil, fmt.Errorf("%w: its header was cut or altered", ErrProtected)
	}
	secret, err := io.ReadAll(plain)
	if err != nil || len(secret) == 0 {
		return nil, fmt.Errorf("%w: it was cut, extended or altered", ErrProtected)
	}
	return secret, nil
}

// String returns "[redacted]".
func (Passphrase) String() string { return redacted }

// GoString returns "[redacted]", for %#v.
func (Passphrase) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (Passphrase) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue returns "[redacted]", for log/slog.
func (Passphrase) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText always fails.
func (Passphrase) MarshalText() ([]byte, error) { return nil, errMarshal }
