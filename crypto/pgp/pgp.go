// Package pgp makes and verifies the OpenPGP signatures that bind people and
// nodes to exact bytes, and reads and makes the certificates behind them.
//
// It speaks a narrow dialect on purpose. OpenPGP gives every writer dozens of
// ways to say one thing, and readers disagree about the odd ones; here each
// certificate, signature file and secret key has one valid encoding, and what
// deviates is refused. Everything the dialect allows is verified by the stock
// tools gpgv and sqv.
//
//   - Keys are version 4, Ed25519 in the form of algorithm 22 or ECDSA on
//     P-256 (RFC 9580 §5.5.5.5 and §5.5.5.4). Newer forms verify with no stock
//     tool yet.
//   - A certificate is a primary key that certifies and signs, one user ID
//     with one self-signature, and signing subkeys with one binding each.
//   - A signature is one armored version 4 packet over binary data with
//     SHA-256 or SHA-512 (R-SIG-1), and nobody without the key can turn a
//     signature file into another one that verifies for the same document.
//
// A key is named by the SHA-256 of the version 4 fingerprint input of its
// packet (R-SIG-3), because version 4 fingerprints themselves are SHA-1.
//
// OpenPGP cannot say which subkey may do what, and its expiry and revocation
// are judged differently by every tool. The package therefore checks a
// signature against exactly one named key; which key that must be, and in
// which window of time, is for the caller to decide from the record.
//
// The package knows bytes, keys and times given to it. It reads no clock and
// no file. The cryptography and the packets are those of ProtonMail/go-crypto,
// which is used nowhere else; the strict layouts around it are checked here,
// before the library sees a byte.
package pgp

import "errors"

// Digest names a key: the SHA-256 of the version 4 fingerprint input of its
// public key packet, that is 0x99, a two-octet length and the packet body
// (RFC 9580 §5.5.4.2).
type Digest = [32]byte

// Algorithm is a kind of signing key.
type Algorithm string

// The two kinds of key that gpgv and sqv both verify.
const (
	// Ed25519 is EdDSA in OpenPGP's older form, algorithm 22 (RFC 9580 §5.5.5.5).
	Ed25519 Algorithm = "ed25519"
	// P256 is ECDSA on NIST P-256, algorithm 19, for keys that live in hardware.
	P256 Algorithm = "p256"
)

// Every error of this package about foreign bytes wraps one of these. The text
// beside it says what was wrong, for an operator's log; it never holds key
// material.
var (
	// ErrCertificate says that bytes are not a certificate of this dialect.
	ErrCertificate = errors.New("certificate refused")
	// ErrSignature says that a signature does not stand, whatever the reason.
	ErrSignature = errors.New("signature refused")
	// ErrSecret says that bytes are not a usable secret key of the certificate.
	ErrSecret = errors.New("secret key refused")
)

const (
	// maxSubkeys bounds the work that one certificate can ask for: two
	// signatures each. Two new ones a year fill it in sixteen years.
	maxSubkeys = 32
	// maxName is the longest user ID, in bytes: an authority's name in any script.
	maxName = 255
	// maxArmored is the largest signature file, in bytes; ours have 222.
	// A larger one holds only notations that nobody here reads.
	maxArmored = 2 << 10
	// maxSecret is the largest secret key packet, in bytes; the largest valid
	// one has 121.
	maxSecret = 256
)
