package pgp

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Signature subpacket types used here (RFC 9580 §5.2.3.7).
const (
	subCreation          = 2
	subKeyExpiration     = 9
	subIssuer            = 16
	subNotation          = 20
	subPrimaryUser       = 25
	subKeyFlags          = 27
	subEmbedded          = 32
	subIssuerFingerprint = 33
)

// Key flags (RFC 9580 §5.2.3.29).
const (
	flagCertify = 0x01
	flagSign    = 0x02
)

// form is what one kind of signature must look like.
type form struct {
	name     string
	kind     packet.SignatureType
	flags    byte   // value of the key flags, where they are allowed
	required []byte // subpackets that must be there
	optional []byte // further ones that may be there, once each; notations often
}

// The four kinds of signature in the dialect. Everything else that OpenPGP can
// say is refused, for a reader here and one elsewhere might act on it
// differently: a signature's own expiry, revocation keys, trust, policies.
// Notations that are not critical mean nothing by definition; some writers put
// a salt there.
var (
	formDocument = form{
		name: "signature of a document", kind: packet.SigTypeBinary,
		required: []byte{subCreation, subIssuerFingerprint},
		optional: []byte{subIssuer, subNotation},
	}
	// The primary key both certifies and signs: with the first flag alone, the
	// stock tools refuse its signatures on record entries.
	formUser = form{
		name: "self-signature", kind: packet.SigTypePositiveCert, flags: flagCertify | flagSign,
		required: []byte{subCreation, subKeyFlags, subIssuerFingerprint},
		optional: []byte{subKeyExpiration, subIssuer, subNotation, subPrimaryUser},
	}
	formBinding = form{
		name: "subkey binding", kind: packet.SigTypeSubkeyBinding, flags: flagSign,
		required: []byte{subCreation, subKeyFlags, subEmbedded, subIssuerFingerprint},
		optional: []byte{subKeyExpiration, subIssuer, subNotation},
	}
	// By the embedded signature the subkey agrees to its binding. Without it
	// anybody could claim another's subkey as their own (RFC 9580 §5.2.3.34).
	formBack = form{
		name: "primary key binding", kind: packet.SigTypePrimaryKeyBinding,
		required: []byte{subCreation, subIssuerFingerprint},
		optional: []byte{subIssuer, subNotation},
	}
)

// layout is what checkLayout found in a signature packet.
type layout struct {
	created  uint32
	lifetime uint32 // of the key, in seconds; 0: no end
	embedded []byte // body of the embedded signature
	s        []byte // second number of the signature
}

// checkLayout reads a signature packet's body (RFC 9580 §5.2.3) without
// checking the signature. Issuer fields must name by, in the hashed area; the
// unhashed area must be empty, since anybody could write into it.
func checkLayout(body []byte, want *form, by *key) (layout, error) {
	var l layout
	fail := func(format string, args ...any) (layout, error) {
		return layout{}, fmt.Errorf("%s: "+format, append([]any{want.name}, args...)...)
	}
	if len(body) < 6 {
		return fail("packet is cut short")
	}
	if body[0] != 4 {
		return fail("version %d in place of 4", body[0])
	}
	if body[1] != byte(want.kind) {
		return fail("signature type 0x%02x in place of 0x%02x", body[1], byte(want.kind))
	}
	if body[2] != byte(by.kind.id) {
		return fail("algorithm %d, but the key has %d", body[2], by.kind.id)
	}
	if body[3] != 8 && body[3] != 10 {
		return fail("hash algorithm %d is neither SHA-256 nor SHA-512", body[3])
	}
	hashedSize := int(binary.BigEndian.Uint16(body[4:]))
	if len(body) < 6+hashedSize+4 {
		return fail("packet is cut short")
	}
	hashed, rest := body[6:6+hashedSize], body[6+hashedSize:]
	if rest[0] != 0 || rest[1] != 0 {
		return fail("data outside the hashed area")
	}
	if err := l.readSubpackets(hashed, want, by); err != nil {
		return fail("%w", err)
	}
	// The two octets after the unhashed area repeat the start of the hash;
	// whoever verifies the signature compares them.
	_, rest, err := readMPI(rest[4:])
	if err != nil {
		return fail("%w", err)
	}
	if l.s, rest, err = readMPI(rest); err != nil {
		return fail("%w", err)
	}
	if len(rest) > 0 {
		return fail("%d octets after the signature", len(rest))
	}
	return l, nil
}

// readSubpackets reads the hashed area.
func (l *layout) readSubpackets(area []byte, want *form, by *key) error {
	var seen [128]bool
	for len(area) > 0 {
		size, header := int(area[0]), 1
		if area[0] >= 192 {
			if len(area) < 2 || area[0] == 255 {
				return errors.New("subpacket length in another form than one or two octets")
			}
			size, header = int(area[0]-192)<<8+int(area[1])+192, 2
		}
		if size == 0 || len(area) < header+size {
			return errors.New("subpacket is empty or cut short")
		}
		content := area[header : header+size]
		area = area[header+size:]
		id, critical := content[0]&0x7F, content[0]&0x80 != 0
		switch {
		case !slices.Contains(want.required, id) && !slices.Contains(want.optional, id):
			return fmt.Errorf("subpacket %d has no place here", id)
		case id == subNotation && critical:
			return errors.New("critical notation")
		case seen[id] && id != subNotation:
			return fmt.Errorf("subpacket %d stands twice", id)
		}
		seen[id] = true
		if !l.readSubpacket(id, content[1:], want, by) {
			return fmt.Errorf("subpacket %d does not hold what it must", id)
		}
	}
	for _, id := range want.required {
		if !seen[id] {
			return fmt.Errorf("subpacket %d is missing", id)
		}
	}
	return nil
}

// readSubpacket reads one subpacket and reports whether it is as it must be.
func (l *layout) readSubpacket(id byte, content []byte, want *form, by *key) bool {
	switch id {
	case subCreation:
		if len(content) != 4 {
			return false
		}
		l.created = binary.BigEndian.Uint32(content)
	case subKeyExpiration:
		if len(content) != 4 {
			return false
		}
		l.lifetime = binary.BigEndian.Uint32(content)
	case subIssuer:
		return bytes.Equal(content, binary.BigEndian.AppendUint64(nil, by.public.KeyId))
	case subIssuerFingerprint:
		return bytes.Equal(content, append([]byte{4}, by.public.Fingerprint...))
	case subPrimaryUser:
		return bytes.Equal(content, []byte{1})
	case subKeyFlags:
		return bytes.Equal(content, []byte{want.flags})
	case subEmbedded:
		l.embedded = content
	}
	return true
}

// halfOrder is half the order of P-256, rounded down. Never changed.
var halfOrder = new(big.Int).Rsh(elliptic.P256().Params().N, 1)

// low reports whether the signature is the one of its two equal forms that is
// allowed on documents: with ECDSA, (r, n-s) verifies wherever (r, s) does, and
// anybody can compute it. Ed25519 has no second form, for its verification
// refuses an s outside the group's order.
func (l *layout) low(k *kind) bool {
	return k.name != P256 || new(big.Int).SetBytes(l.s).Cmp(halfOrder) <= 0
}

// newSignature returns a signature packet, yet to be signed by this key.
// Issuer fields and subpackets are written by the library when it signs.
func (want *form) newSignature(by *packet.PublicKey, created uint32) *packet.Signature {
	sig := &packet.Signature{
		Version: 4, SigType: want.kind, PubKeyAlgo: by.PubKeyAlgo, Hash: crypto.SHA256,
		CreationTime: moment(created), IssuerKeyId: &by.KeyId,
	}
	if slices.Contains(want.required, subKeyFlags) {
		sig.FlagsValid = true
		sig.FlagCertify = want.flags&flagCertify != 0
		sig.FlagSign = want.flags&flagSign != 0
	}
	return sig
}

// signing is the library's configuration. Signatures carry no random salt: one
// key, document and time give one Ed25519 signature, so a step that is repeated
// after a crash repeats its bytes. What the salt guards against, a fault while
// computing that betrays the key, is caught by verifying before release.
func signing() *packet.Config {
	salted := false
	return &packet.Config{NonDeterministicSignaturesViaNotation: &salted}
}
