// Package seal encrypts a parcel so that only the named recipients can read it,
// and opens it again, whole or one range at a time. It knows bytes and keys,
// never messages: what lies inside, who signed it and who may open it are
// decided elsewhere. The age library lives only here.
//
// A sealed body is an ordinary age file (https://c2sp.org/age) to post-quantum
// hybrid recipients only: ML-KEM-768 with X25519, "age1pq1…". The stock age
// tool from v1.3.0 on opens it. Of the many headers that age allows, this
// package writes and accepts exactly one shape, in which every line has a fixed
// length: so a gateway without any key can judge the first bytes before it
// stores one, and the size of the sealed bytes is known before sealing.
//
// Three things are to be remembered.
//
//   - age says nothing about the sender. A signature inside and one outside
//     carry that.
//   - Sealing the same bytes twice gives different sealed bytes. To resume an
//     interrupted upload, keep the sealed bytes (R-SEAL-4).
//   - A [FileKey] opens one sealed body for ever, an [Identity] every body
//     sealed to it. Both print as [redacted], whichever way they are printed;
//     keeping them safe on disk is left to package keys.
//
// A [Passphrase] protects small secrets at rest, each as an age file of its own.
//
// This package carries out R-SEAL-1 and R-SEAL-2 of the specification.
package seal

import (
	"errors"
	"fmt"
	"math"
)

// Sentinels. Errors of this package wrap one of them when the input is at fault
// for good; any other error, such as one from the reader beneath, says nothing
// about the sealed bytes, and trying again may help.
var (
	// ErrNoKey: the keys at hand open none of the stanzas of the header.
	ErrNoKey = errors.New("no key at hand opens the sealed bytes")
	// ErrNeedMore: the prefix ends inside a header that is right so far.
	ErrNeedMore = errors.New("the header of the sealed bytes is longer than the prefix")
	// ErrHeader: the bytes do not begin with a header of the one accepted
	// shape, or it was altered, or it is longer than allowed.
	ErrHeader = errors.New("the sealed bytes have a wrong header")
	// ErrDamaged: the header is right, but what follows was cut, extended or altered.
	ErrDamaged = errors.New("the sealed bytes are damaged")
	// ErrRecipient: the text is not one post-quantum hybrid recipient.
	ErrRecipient = errors.New("not a post-quantum hybrid recipient")
	// ErrIdentity: the text is not one post-quantum hybrid identity.
	ErrIdentity = errors.New("not a post-quantum hybrid identity")
)

const (
	// ChunkSize is how many bytes age authenticates as one piece. Reading a
	// single byte costs one chunk; see [Open] for the size of buffers.
	ChunkSize = 64 << 10
	// MaxRecipients is how many recipients one sealed body may have. Each
	// costs 1,557 bytes of header, and up to one decapsulation (about 0.1 ms)
	// per identity tried when it is opened.
	MaxRecipients = 64
	// MaxHeader is the size of the largest header, in bytes.
	MaxHeader = introSize + MaxRecipients*stanzaSize + footerSize

	nonceSize = 16 // between header and first chunk
	tagSize   = 16 // Poly1305, after each chunk
)

// SealedSize returns the exact size of the sealed bytes, header included, that
// [Encrypt] makes from plain bytes for so many recipients. Sizes are in bytes.
// It fails when either number is out of range.
func SealedSize(plain int64, recipients int) (int64, error) {
	if recipients < 1 || recipients > MaxRecipients {
		return 0, fmt.Errorf("sealed size for %d recipients: want 1 to %d", recipients, MaxRecipients)
	}
	if plain < 0 {
		return 0, fmt.Errorf("sealed size of %d bytes: want 0 or more", plain)
	}
	// Empty content still has one chunk, which is only a tag.
	chunks := max(1, plain/ChunkSize+min(1, plain%ChunkSize))
	overhead := int64(headerSize(recipients)) + nonceSize + chunks*tagSize
	if plain > math.MaxInt64-overhead {
		return 0, fmt.Errorf("sealed size of %d bytes: too large to count", plain)
	}
	return plain + overhead, nil
}
