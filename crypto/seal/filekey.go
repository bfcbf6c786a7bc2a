package seal

import (
	"errors"
	"fmt"
	"log/slog"
)

// FileKey is the secret of one sealed body: it opens this body, with its own
// header, and nothing else. [Encrypt] gives it to the sender, [ReadFileKey] to
// a recipient; [SealSlip] keeps it.
//
// It prints and logs as [redacted] and refuses to be marshalled. One gap cannot
// be closed here: package fmt does not ask the methods of an unexported field,
// so a struct that holds a key in one must hold a *FileKey.
type FileKey [16]byte

const redacted = "[redacted]"

var errMarshal = errors.New("a secret key is never marshalled")

// String returns "[redacted]".
func (FileKey) String() string { return redacted }

// GoString returns "[redacted]", for %#v.
func (FileKey) GoString() string { return redacted }

// Format writes "[redacted]" for every verb; without it, %x and %d would print the key.
func (FileKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue returns "[redacted]", for log/slog.
func (FileKey) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText always fails, so that no JSON or other document ever holds the
// key, nor a placeholder that was mistaken for one.
func (FileKey) MarshalText() ([]byte, error) { return nil, errMarshal }

// String returns "[redacted]".
func (Identity) String() string { return redacted }

// GoString returns "[redacted]", for %#v.
func (Identity) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (Identity) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue returns "[redacted]", for log/slog.
func (Identity) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText always fails; see [Identity.File] for the one way out.
func (Identity) MarshalText() ([]byte, error) { return nil, errMarshal }
