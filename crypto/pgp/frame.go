package pgp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Packet types used here (RFC 9580 §5).
const (
	tagSignature    = 2
	tagSecretKey    = 5
	tagPublicKey    = 6
	tagSecretSubkey = 7
	tagUserID       = 13
	tagPublicSubkey = 14
)

// frame is one packet: its type, its body, and both with the header. The
// slices point into the input.
type frame struct {
	tag         int
	body, whole []byte
}

// nextFrame cuts the first packet off b. Only the current header format with
// the shortest definite length is accepted (RFC 9580 §4.2.1): old headers,
// indeterminate, partial and needlessly long lengths are other spellings of
// the same packet.
func nextFrame(b []byte) (f frame, rest []byte, err error) {
	if len(b) < 2 || b[0]&0xC0 != 0xC0 {
		return frame{}, nil, errors.New("no packet header in the current format")
	}
	size, header := int(b[1]), 2
	if b[1] >= 192 {
		if len(b) < 3 || b[1] >= 224 {
			return frame{}, nil, errors.New("packet length in another form than one or two octets")
		}
		size, header = int(b[1]-192)<<8+int(b[2])+192, 3
	}
	if len(b) < header+size {
		return frame{}, nil, fmt.Errorf("packet of %d octets is cut short", size)
	}
	end := header + size
	return frame{tag: int(b[0] & 0x3F), body: b[header:end:end], whole: b[:end:end]}, b[end:], nil
}

// onlyFrame returns the one packet in b, which must have that tag and nothing
// behind it.
func onlyFrame(b []byte, tag int) (frame, error) {
	f, rest, err := nextFrame(b)
	switch {
	case err != nil:
		return frame{}, err
	case f.tag != tag:
		return frame{}, fmt.Errorf("packet type %d in place of %d", f.tag, tag)
	case len(rest) > 0:
		return frame{}, fmt.Errorf("%d octets after the one packet", len(rest))
	}
	return f, nil
}

// makeFrame makes a packet; the body must be shorter than 8384 octets, from where
// a length takes five.
func makeFrame(tag int, body []byte) []byte {
	dst := []byte{0xC0 | byte(tag)}
	if n := len(body); n < 192 {
		dst = append(dst, byte(n))
	} else {
		dst = append(dst, byte((n-192)>>8)+192, byte(n-192))
	}
	return append(dst, body...)
}

// maxNumber is how many octets every number of the two algorithms has at most.
const maxNumber = 32

// readMPI cuts a multiprecision integer of at most maxNumber octets off b and
// returns its octets without leading zeros. The bit count must be exact (RFC
// 9580 §3.2), which the library does not check.
func readMPI(b []byte) (value, rest []byte, err error) {
	if len(b) < 2 {
		return nil, nil, errors.New("number is cut short")
	}
	bitCount := int(binary.BigEndian.Uint16(b))
	size := (bitCount + 7) / 8
	switch {
	case size > maxNumber:
		return nil, nil, fmt.Errorf("number of %d bits", bitCount)
	case len(b) < 2+size:
		return nil, nil, errors.New("number is cut short")
	}
	value, rest = b[2:2+size], b[2+size:]
	if size > 0 && (size-1)*8+bits.Len8(value[0]) != bitCount {
		return nil, nil, errors.New("number with a wrong count of bits")
	}
	return value, rest, nil
}

// appendMPI appends value as a multiprecision integer.
func appendMPI(dst, value []byte) []byte {
	value = bytes.TrimLeft(value, "\x00")
	bitCount := 0
	if len(value) > 0 {
		bitCount = (len(value)-1)*8 + bits.Len8(value[0])
	}
	return append(binary.BigEndian.AppendUint16(dst, uint16(bitCount)), value...)
}

// decode hands one packet, whose layout was checked before, to the library and
// makes sure that the library means the same bytes by it.
func decode[P interface {
	packet.Packet
	Serialize(io.Writer) error
}](f frame) (P, error) {
	var zero P
	p, err := packet.Read(bytes.NewReader(f.whole))
	if err != nil {
		return zero, fmt.Errorf("packet type %d: %w", f.tag, err)
	}
	typed, ok := p.(P)
	if !ok {
		return zero, fmt.Errorf("packet type %d was read as %T", f.tag, p)
	}
	var again bytes.Buffer
	if err := typed.Serialize(&again); err != nil {
		return zero, fmt.Errorf("packet type %d: %w", f.tag, err)
	}
	if !bytes.Equal(again.Bytes(), f.whole) {
		return zero, fmt.Errorf("packet type %d has another encoding", f.tag)
	}
	return typed, nil
}
