package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

// The one accepted header, from https://c2sp.org/age: the version line, one
// mlkem768x25519 stanza for each recipient, the line with the MAC. All lengths
// are fixed, so the header's size follows from the number of recipients.
const (
	intro   = "age-encryption.org/v1\n"
	opening = "-> mlkem768x25519 "
	closing = "--- "

	encapsulatedSize = 1088 + 32 // ML-KEM-768 ciphertext, X25519 share
	wrappedSize      = 16 + tagSize
	macSize          = 32

	introSize  = len(intro)
	stanzaSize = len(opening) + (encapsulatedSize*8+5)/6 + 1 + (wrappedSize*8+5)/6 + 1
	footerSize = len(closing) + (macSize*8+5)/6 + 1
)

func headerSize(recipients int) int { return introSize + recipients*stanzaSize + footerSize }

// base64 as age wants it: no padding, and the unused bits of the last digit are zero.
var base64Strict = base64.RawStdEncoding.Strict()

// A part of a line is either fixed text or a number of bytes in base64.
type part struct {
	text  string
	bytes int
}

var (
	introLine   = []part{{text: intro}}
	stanzaLines = []part{{text: opening}, {bytes: encapsulatedSize}, {text: "\n"}, {bytes: wrappedSize}, {text: "\n"}}
	footerLine  = []part{{text: closing}, {bytes: macSize}, {text: "\n"}}
)

// Header is what the header of a sealed body tells anyone.
type Header struct {
	Size       int // in bytes, up to and with the newline after the MAC
	Recipients int // how many stanzas it has
}

// InspectHeader judges the header at the beginning of sealed bytes without any
// key. It accepts only mlkem768x25519 stanzas, at most [MaxRecipients], in a
// header of at most limit bytes; what follows the header is not looked at.
//
// It returns [ErrNeedMore] when prefix is right as far as it goes, ends inside
// the header and is shorter than limit: call again with a longer prefix. A prefix
// of limit bytes, or of [MaxHeader] bytes, always gets an answer. Every other
// error wraps [ErrHeader] and is final, also for longer prefixes.
//
// Nobody without a key can check the MAC in the header, so a header that passes
// may still be one that no key opens. R-SEAL-2.
func InspectHeader(prefix []byte, limit int) (Header, error) {
	limit = max(limit, 0)
	h, err := scanHeader(prefix[:min(len(prefix), limit)])
	if errors.Is(err, ErrNeedMore) && len(prefix) >= limit {
		return Header{}, fmt.Errorf("%w: longer than %d bytes", ErrHeader, limit)
	}
	return h, err
}

// scanHeader reads the header that b begins with. It returns ErrNeedMore itself
// if b ends inside it.
func scanHeader(b []byte) (Header, error) {
	rest := b
	whole, err := matchParts(&rest, introLine)
	if err != nil {
		return Header{}, fmt.Errorf("%w: it does not begin with %q", ErrHeader, intro[:introSize-1])
	}
	for n := 0; whole; n++ {
		if len(rest) > 1 && rest[1] == closing[1] {
			if n == 0 {
				return Header{}, fmt.Errorf("%w: it has no recipient", ErrHeader)
			}
			whole, err = matchParts(&rest, footerLine)
			if err != nil {
				return Header{}, fmt.Errorf("%w: last line: %v", ErrHeader, err)
			}
			if whole {
				return Header{Size: len(b) - len(rest), Recipients: n}, nil
			}
			break
		}
		if n == MaxRecipients && len(rest) > 1 {
			return Header{}, fmt.Errorf("%w: more than %d recipients", ErrHeader, MaxRecipients)
		}
		whole, err = matchParts(&rest, stanzaLines)
		if err != nil {
			return Header{}, fmt.Errorf("%w: recipient %d is not a well-formed mlkem768x25519 stanza: %v", ErrHeader, n+1, err)
		}
	}
	return Header{}, ErrNeedMore
}

// matchParts takes parts from the front of b. When b ends first, it judges the
// bytes that are there and reports false.
func matchParts(b *[]byte, parts []part) (whole bool, err error) {
	for _, p := range parts {
		size := len(p.text)
		if p.bytes > 0 {
			size = base64Strict.EncodedLen(p.bytes)
		}
		have := (*b)[:min(len(*b), size)]
		if p.bytes == 0 {
			if string(have) != p.text[:len(have)] {
				return false, fmt.Errorf("want %q", p.text)
			}
		} else if err := matchBase64(have, len(have) == size); err != nil {
			return false, err
		}
		*b = (*b)[len(have):]
		if len(have) < size {
			return false, nil
		}
	}
	return true, nil
}

func matchBase64(digits []byte, whole bool) error {
	// The decoder skips line ends, which would let two texts mean the same.
	for _, c := range digits {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '+' && c != '/' {
			return errors.New("want base64 digits")
		}
	}
	if !whole {
		return nil
	}
	var scratch [encapsulatedSize]byte
	if _, err := base64Strict.Decode(scratch[:], digits); err != nil {
		return errors.New("want canonical base64")
	}
	return nil
}

// readHeader takes exactly the header from src, not one byte more, so that src
// stands at the nonce afterwards. It never holds more than MaxHeader bytes.
func readHeader(src io.Reader) ([]byte, error) {
	src = source{src} // its own unexpected EOF, as of a cut connection, is no end
	var header []byte
	for n := 1; ; n++ {
		// Every header is this long or at least one stanza longer.
		start, size := len(header), headerSize(n)
		header = append(header, make([]byte, size-start)...)
		got, err := io.ReadFull(src, header[start:])
		h, scanErr := scanHeader(header[:start+got])
		switch {
		case scanErr == nil:
			return header[:h.Size], nil // h.Size == size: no other length is possible
		case !errors.Is(scanErr, ErrNeedMore):
			return nil, scanErr
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return nil, fmt.Errorf("%w: the bytes end inside it", ErrHeader)
		case err != nil:
			return nil, blame(err)
		}
	}
}

// withHeader gives back a reader over all sealed bytes after readHeader.
func withHeader(header []byte, rest io.Reader) io.Reader {
	return io.MultiReader(bytes.NewReader(header), rest)
}
