package pgp

import (
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Verify checks that armored is a signature file for exactly the bytes of doc,
// made by the one key of the certificate that is named, and returns when its
// maker says it was made, in whole seconds. Errors wrap ErrSignature.
//
// R-SIG-1, R-SIG-2: the file has one layout, from "-----BEGIN PGP SIGNATURE-----"
// to the single newline after the last line: no header, checksum line, carriage
// return, or text around it; in it stands exactly one packet of version 4 in
// binary mode with SHA-256 or SHA-512, nothing in its unhashed area, no critical
// notation, and with ECDSA the lower of the two values of s. So whoever holds a
// valid file, but not the key, cannot make a second one.
//
// R-SIG-3: the issuer fingerprint in the hashed area must be that of the named
// key, and only that key is tried, primary or subkey.
//
// R-SIG-4: the signature must not be dated after now, to which the caller adds
// the skew it allows. It must not be dated before the key was created, nor at or
// after the end of the key's life, nor that of its primary. These dates are the
// maker's claim, and a thief of an expired key backdates: whether the key
// counted when the document was made is judged by the caller, from the record
// and from what proves the time.
//
// Verify may be called concurrently.
func (c *Certificate) Verify(doc, armored []byte, key Digest, now time.Time) (made time.Time, err error) {
	if made, err = c.verify(doc, armored, key, now); err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return made, nil
}

func (c *Certificate) verify(doc, armored []byte, name Digest, now time.Time) (time.Time, error) {
	k := c.find(name)
	if k == nil {
		return time.Time{}, fmt.Errorf("the certificate has no key %x", name)
	}
	raw, err := dearmor(armored)
	if err != nil {
		return time.Time{}, err
	}
	sig, err := parseSignature(raw, k)
	if err != nil {
		return time.Time{}, err
	}
	made := sig.CreationTime.UTC()
	if made.After(now) {
		return time.Time{}, fmt.Errorf("dated %s, which is yet to come", made.Format(time.RFC3339))
	}
	if err := k.info.aliveAt(made); err != nil {
		return time.Time{}, err
	}
	h := sig.Hash.New()
	h.Write(doc)
	if err := k.public.VerifySignature(h, sig); err != nil {
		return time.Time{}, err
	}
	// VerifySignature has completed the hash. The copy of its first two octets
	// in the packet is under no signature (RFC 9580 §5.2.3).
	if sum := h.Sum(nil); [2]byte(sum) != sig.HashTag {
		return time.Time{}, errors.New("the two octets of the hash are wrong")
	}
	return made, nil
}

// parseSignature reads a binary signature file that is to hold one signature
// of a document by k. The signature itself is not checked yet.
func parseSignature(raw []byte, k *key) (*packet.Signature, error) {
	f, err := onlyFrame(raw, tagSignature)
	if err != nil {
		return nil, err
	}
	l, err := checkLayout(f.body, &formDocument, k)
	if err != nil {
		return nil, err
	}
	if !l.low(k.kind) {
		return nil, errors.New("the higher of the two values of s")
	}
	return decode[*packet.Signature](f)
}

// aliveAt tells whether a signature with this date lies in the key's life.
func (k *KeyInfo) aliveAt(made time.Time) error {
	switch {
	case made.Before(k.Created):
		return fmt.Errorf("dated %s, before the key was created on %s", made.Format(time.RFC3339), k.Created.Format(time.RFC3339))
	case !k.Expires.IsZero() && !made.Before(k.Expires):
		return fmt.Errorf("dated %s, but the key expired on %s", made.Format(time.RFC3339), k.Expires.Format(time.RFC3339))
	}
	return nil
}
