package pgp

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// kind is the fixed layout of a public key packet's body (RFC 9580 §5.5.2.2):
// version 4, four octets of creation time, then head, then the point.
type kind struct {
	name Algorithm
	id   packet.PublicKeyAlgorithm
	// head holds the algorithm, the curve's OID with its length, the bit count
	// of the point and the octet before it. All of it is constant, because the
	// octet before the point fixes the bit count.
	head []byte
	// size is the number of octets of the point.
	size int
}

// kinds are never changed.
var kinds = [...]kind{
	{Ed25519, packet.PubKeyAlgoEdDSA, []byte("\x16\x09\x2B\x06\x01\x04\x01\xDA\x47\x0F\x01\x01\x07\x40"), 32},
	{P256, packet.PubKeyAlgoECDSA, []byte("\x13\x08\x2A\x86\x48\xCE\x3D\x03\x01\x07\x02\x03\x04"), 64},
}

// kindOf returns the layout of an algorithm, or nil.
func kindOf(a Algorithm) *kind {
	for i := range kinds {
		if kinds[i].name == a {
			return &kinds[i]
		}
	}
	return nil
}

// appendKey appends a public key packet's body.
func (k *kind) appendKey(dst []byte, created uint32, point []byte) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, 4), created)
	return append(append(dst, k.head...), point...)
}

// splitKey reads the public part at the start of a key packet's body and
// returns it apart from what follows. It checks the layout and that an Ed25519
// point is one that only its owner can sign for; the library checks that a
// P-256 point is on the curve.
func splitKey(body []byte) (k *kind, public, rest []byte, err error) {
	if len(body) < 6 || body[0] != 4 {
		return nil, nil, nil, errors.New("key is not of version 4")
	}
	for i := range kinds {
		k := &kinds[i]
		after, ok := bytes.CutPrefix(body[5:], k.head)
		if !ok || len(after) < k.size {
			continue
		}
		if k.name == Ed25519 && weakPoint(after[:k.size]) {
			return nil, nil, nil, errors.New("public key is a point that anybody can sign for")
		}
		n := 5 + len(k.head) + k.size
		return k, body[:n:n], body[n:], nil
	}
	return nil, nil, nil, fmt.Errorf("key algorithm %d, or its encoding, is not one of the two allowed", body[5])
}

// digestOf names the key with this public body.
func digestOf(public []byte) Digest {
	input := binary.BigEndian.AppendUint16([]byte{0x99}, uint16(len(public)))
	return sha256.Sum256(append(input, public...))
}

// smallOrder are the canonical Ed25519 points of small order, sign bit apart.
// A signature under such a key stands for many documents at once, so its owner
// could deny every one of them.
var smallOrder = [...]string{
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
	"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
	"\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
}

// weakPoint reports whether an encoded Ed25519 point has small order or a
// coordinate of 2^255-19 or more, which is a second spelling of another point.
func weakPoint(point []byte) bool {
	y := bytes.Clone(point)
	y[31] &= 0x7F
	if y[0] >= 0xED && y[31] == 0x7F && bytes.Equal(y[1:31], bytes.Repeat([]byte{0xFF}, 30)) {
		return true
	}
	for _, weak := range smallOrder {
		if string(y) == weak {
			return true
		}
	}
	return false
}

// stamp turns a time into OpenPGP's four octets of whole seconds, rounding down.
func stamp(t time.Time) (uint32, error) {
	seconds := t.Unix()
	if seconds <= 0 || seconds > 1<<32-1 {
		return 0, fmt.Errorf("time %s does not fit OpenPGP's 32 bits", t.UTC().Format(time.RFC3339))
	}
	return uint32(seconds), nil
}

// moment is the inverse of stamp.
func moment(seconds uint32) time.Time { return time.Unix(int64(seconds), 0).UTC() }
