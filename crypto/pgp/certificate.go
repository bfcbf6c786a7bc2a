package pgp

import (
	"bytes"
	_ "crypto/sha512" // documents of others may be signed with it
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Certificate is a parsed and verified OpenPGP certificate, or "public key" in
// older words. It never changes and is safe for concurrent use.
type Certificate struct {
	raw  []byte
	name string
	keys []key // primary first
}

// key is one key of a certificate.
type key struct {
	info   KeyInfo
	kind   *kind
	public *packet.PublicKey // only read after parsing
	point  []byte
}

// KeyInfo describes one key of a certificate.
type KeyInfo struct {
	Digest    Digest
	Algorithm Algorithm
	// Created is the beginning of the key's life, Expires its end, which no
	// longer belongs to it; zero means never. A subkey ends with its primary at
	// the latest. Both are what the certificate says. Whether the key counted at
	// a moment is for the record to say.
	Created, Expires time.Time
	Primary          bool
	// Fingerprint is the version 4 fingerprint in upper-case hex, as stock tools
	// show it. It is a SHA-1: compare digests, show fingerprints.
	Fingerprint string
}

// ParseCertificate reads a binary certificate of at most max octets.
//
// R-SIG-5: it must be exactly a primary key, one user ID with one positive
// self-signature, and up to 32 signing subkeys with one binding each; keys of
// version 4 of the two algorithms, in the one encoding of this package. Other
// versions and kinds of keys (encryption subkeys above all), user attributes,
// revocations, direct and foreign signatures, trailing packets and repeated key
// material are refused: the record says what a key is for and when it stopped
// counting, and no second place may contradict it. Every self-signature is
// verified; expiry is not judged. Errors wrap ErrCertificate.
//
// A certificate only grows, by subkeys at its end. Were its self-signature or a
// binding replaced by a newer one, sqv would refuse every signature dated before.
func ParseCertificate(binary []byte, max int) (*Certificate, error) {
	if len(binary) > max {
		return nil, fmt.Errorf("%w: %d octets; at most %d", ErrCertificate, len(binary), max)
	}
	c, err := parseCertificate(bytes.Clone(binary))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return c, nil
}

func parseCertificate(raw []byte) (*Certificate, error) {
	frames := make([]frame, 0, 3+2*maxSubkeys)
	for rest := raw; len(rest) > 0; {
		var f frame
		var err error
		if f, rest, err = nextFrame(rest); err != nil {
			return nil, fmt.Errorf("packet %d: %w", len(frames)+1, err)
		}
		if len(frames) == cap(frames) {
			return nil, fmt.Errorf("more than %d subkeys", maxSubkeys)
		}
		frames = append(frames, f)
	}
	if len(frames) < 3 {
		return nil, fmt.Errorf("%d packets; at least a key, a user ID and a self-signature", len(frames))
	}
	c := &Certificate{raw: raw, keys: make([]key, 0, len(frames)/2)}
	if err := c.addPrimary(frames[0], frames[1], frames[2]); err != nil {
		return nil, err
	}
	for frames = frames[3:]; len(frames) > 0; frames = frames[2:] {
		if len(frames) == 1 {
			return nil, errors.New("a packet after the last subkey, or a subkey without its binding")
		}
		if err := c.addSubkey(frames[0], frames[1]); err != nil {
			return nil, fmt.Errorf("subkey %d: %w", len(c.keys), err)
		}
	}
	return c, nil
}

// addPrimary reads the first three packets.
func (c *Certificate) addPrimary(keyFrame, userFrame, sigFrame frame) error {
	k, err := parseKey(keyFrame, tagPublicKey)
	if err != nil {
		return fmt.Errorf("primary key: %w", err)
	}
	if userFrame.tag != tagUserID {
		return fmt.Errorf("packet type %d in place of a user ID", userFrame.tag)
	}
	c.name = string(userFrame.body)
	if err := checkName(c.name); err != nil {
		return err
	}
	sig, l, err := parseSelfSignature(sigFrame, &formUser, &k)
	if err != nil {
		return err
	}
	if err := k.public.VerifyUserIdHashTag(c.name, sig); err != nil {
		return fmt.Errorf("%s: %w", formUser.name, err)
	}
	if err := k.public.VerifyUserIdSignature(c.name, k.public, sig); err != nil {
		return fmt.Errorf("%s: %w", formUser.name, err)
	}
	k.info.Primary = true
	return c.add(k, l)
}

// addSubkey reads a subkey and its binding.
func (c *Certificate) addSubkey(keyFrame, sigFrame frame) error {
	primary := &c.keys[0]
	k, err := parseKey(keyFrame, tagPublicSubkey)
	if err != nil {
		return err
	}
	sig, l, err := parseSelfSignature(sigFrame, &formBinding, primary)
	if err != nil {
		return err
	}
	back, err := checkLayout(l.embedded, &formBack, &k)
	if err != nil {
		return err
	}
	if back.created < uint32(k.info.Created.Unix()) {
		return fmt.Errorf("%s: older than the subkey", formBack.name)
	}
	if err := primary.public.VerifyKeyHashTag(k.public, sig); err != nil {
		return fmt.Errorf("%s: %w", formBinding.name, err)
	}
	// This verifies the embedded signature too, since the binding has the
	// signing flag; its two octets of hash are under the binding's signature.
	if err := primary.public.VerifyKeySignature(k.public, sig); err != nil {
		return fmt.Errorf("%s: %w", formBinding.name, err)
	}
	if k.info.Created.Before(primary.info.Created) {
		return errors.New("older than its primary key")
	}
	return c.add(k, l)
}

// add appends a verified key. Two keys of one certificate never share their
// material, even with different creation times and so different names: the
// record gives them different roles.
func (c *Certificate) add(k key, l layout) error {
	for i := range c.keys {
		if bytes.Equal(c.keys[i].point, k.point) {
			return errors.New("repeats the material of another key")
		}
	}
	if l.created < uint32(k.info.Created.Unix()) {
		return errors.New("self-signature is dated before the key")
	}
	if l.lifetime > 0 {
		k.info.Expires = k.info.Created.Add(time.Duration(l.lifetime) * time.Second)
	}
	if len(c.keys) > 0 {
		if end := c.keys[0].info.Expires; !end.IsZero() && (k.info.Expires.IsZero() || end.Before(k.info.Expires)) {
			k.info.Expires = end
		}
	}
	c.keys = append(c.keys, k)
	return nil
}

// parseKey reads one public key packet.
func parseKey(f frame, tag int) (key, error) {
	if f.tag != tag {
		return key{}, fmt.Errorf("packet type %d in place of %d", f.tag, tag)
	}
	k, public, rest, err := splitKey(f.body)
	if err != nil {
		return key{}, err
	}
	if len(rest) > 0 {
		return key{}, fmt.Errorf("%d octets after the key", len(rest))
	}
	p, err := decode[*packet.PublicKey](f)
	if err != nil {
		return key{}, err
	}
	return key{
		kind: k, public: p, point: public[len(public)-k.size:],
		info: KeyInfo{
			Digest: digestOf(public), Algorithm: k.name, Created: p.CreationTime.UTC(),
			Fingerprint: fmt.Sprintf("%X", p.Fingerprint),
		},
	}, nil
}

// parseSelfSignature reads a signature that a primary key made within its certificate.
func parseSelfSignature(f frame, want *form, by *key) (*packet.Signature, layout, error) {
	if f.tag != tagSignature {
		return nil, layout{}, fmt.Errorf("packet type %d in place of the %s", f.tag, want.name)
	}
	l, err := checkLayout(f.body, want, by)
	if err != nil {
		return nil, layout{}, err
	}
	sig, err := decode[*packet.Signature](f)
	if err != nil {
		return nil, layout{}, err
	}
	return sig, l, nil
}

// checkName holds user IDs to plain text. Brackets are where tools look for a
// comment and a mail address in it (RFC 9580 §5.11), and controls and marks of
// direction make a name look like another one. The two joiners stay: Persian and
// the scripts of India need them.
func checkName(name string) error {
	switch {
	case name == "" || len(name) > maxName:
		return fmt.Errorf("name of %d octets; 1 to %d", len(name), maxName)
	case !utf8.ValidString(name):
		return errors.New("name is not UTF-8")
	case strings.TrimSpace(name) != name:
		return errors.New("name begins or ends with space")
	}
	for _, r := range name {
		joiner := r == '\u200C' || r == '\u200D'
		if strings.ContainsRune("()<>", r) || !unicode.IsGraphic(r) && !joiner {
			return fmt.Errorf("name holds %q", r)
		}
	}
	return nil
}

// Bytes returns the binary certificate, as it was parsed.
func (c *Certificate) Bytes() []byte { return bytes.Clone(c.raw) }

// Name returns the user ID, for people to read. Only digests identify.
func (c *Certificate) Name() string { return c.name }

// Primary names the primary key, and with it the certificate: it stays the
// same when subkeys come and go.
func (c *Certificate) Primary() Digest { return c.keys[0].info.Digest }

// Keys lists the keys, the primary first, then the subkeys in their order.
func (c *Certificate) Keys() []KeyInfo {
	infos := make([]KeyInfo, len(c.keys))
	for i := range c.keys {
		infos[i] = c.keys[i].info
	}
	return infos
}

// find returns the key with this name, or nil.
func (c *Certificate) find(name Digest) *key {
	for i := range c.keys {
		if c.keys[i].info.Digest == name {
			return &c.keys[i]
		}
	}
	return nil
}
