package record

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// keyring is one certificate with the roles that its owner's document gives to
// its keys. Immutable, safe for concurrent use.
type keyring struct {
	owner       string // "node xa", for sentences
	certificate *pgp.Certificate
	keys        []Key
	former      []*former // that gave way to this one, the newest first
}

// newKeyring parses a certificate, unless known already holds the same one, and
// checks that each listed key stands in it in the place of its role: a primary
// key is the certificate's primary, any other role is a subkey (R-REC-7).
func newKeyring(owner string, binary []byte, keys []Key, known *keyring) (*keyring, error) {
	k := &keyring{owner: owner, keys: keys}
	if known != nil && bytes.Equal(known.certificate.Bytes(), binary) {
		k.certificate = known.certificate
	} else {
		var err error
		if k.certificate, err = pgp.ParseCertificate(binary, protocol.MaxCertificate); err != nil {
			return nil, fmt.Errorf("%w: %w", protocol.Refuse(protocol.Malformed, "%s: its certificate is not one that every tool reads alike", owner), err)
		}
	}
	infos := k.certificate.Keys()
	for _, listed := range keys {
		if err := k.checkPlace(listed, infos); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// checkPlace compares what the document and the certificate say about a key.
// The record may only narrow the certificate's own dates: otherwise we would
// accept signatures that the stock tools call expired.
func (k *keyring) checkPlace(listed Key, infos []pgp.KeyInfo) error {
	c := checks{subject: k.owner}
	for _, info := range infos {
		if listed.Digest != protocol.Digest(info.Digest) {
			continue
		}
		if info.Primary != (listed.Role == evidence.Primary) {
			c.refuse(protocol.WrongRole, "key %s cannot have the role %s: that role belongs to the primary key alone, and every other role to a subkey", listed.Digest.Short(), listed.Role)
		}
		c.require(!wholeSecond(listed.Valid.From.Time).Before(info.Created), "key %s counts from %s, before it was made on %s", listed.Digest.Short(), listed.Valid.From, protocol.At(info.Created))
		c.require(info.Expires.IsZero() || !wholeSecond(listed.Valid.Until.Time).After(info.Expires), "key %s counts until %s, beyond its end on %s", listed.Digest.Short(), listed.Valid.Until, protocol.At(info.Expires))
		return c.err
	}
	c.require(false, "key %s is not in its certificate", listed.Digest.Short())
	return c.err
}

// wholeSecond rounds down to what OpenPGP can express.
func wholeSecond(t time.Time) time.Time { return t.Truncate(time.Second) }

func (k *keyring) primary() protocol.Digest { return k.certificate.Primary() }

func (k *keyring) find(digest protocol.Digest) *Key {
	ring := k.ringOf(digest)
	if ring == nil {
		return nil
	}
	i := slices.IndexFunc(ring.keys, func(key Key) bool { return key.Digest == digest })
	return &ring.keys[i]
}

// check decides whether the key may sign, in this role, a document of this
// time. Its sentences tell the person on either side what to do.
func (k *keyring) check(role evidence.Role, digest protocol.Digest, at time.Time) error {
	key := k.find(digest)
	switch {
	case key == nil:
		return protocol.Refuse(protocol.WrongRole, "the record lists no key %s of %s; if the key is new, the newest record must be handed over first", digest.Short(), k.owner)
	case key.Role != role:
		return protocol.Refuse(protocol.WrongRole, "key %s of %s has the role %s, and this needs the role %s", digest.Short(), k.owner, key.Role, role)
	case at.Before(key.Valid.From.Time):
		return protocol.Refuse(protocol.KeyExpired, "key %s of %s counts from %s only, and this is dated %s", digest.Short(), k.owner, key.Valid.From, protocol.At(at))
	case !key.Valid.Contains(at):
		return protocol.Refuse(protocol.KeyExpired, "key %s of %s counted until %s, and this is dated %s: sign with a newer key, or hand over the newest record", digest.Short(), k.owner, key.Valid.Until, protocol.At(at))
	case key.Compromised != nil && !at.Before(key.Compromised.Since.Time):
		return protocol.Refuse(protocol.KeyCompromised, "key %s of %s is marked compromised since %s, and this is dated %s: sign again with another key", digest.Short(), k.owner, key.Compromised.Since, protocol.At(at))
	}
	return nil
}

// checkMade is check for the date inside a signature, which has whole seconds:
// a key made and used within one second must not fail for that.
func (k *keyring) checkMade(role evidence.Role, digest protocol.Digest, made time.Time) error {
	if key := k.find(digest); key != nil && made.Equal(wholeSecond(key.Valid.From.Time)) {
		made = key.Valid.From.Time
	}
	return k.check(role, digest, made)
}

// verify checks a signature of a document dated at. The signature comes first:
// BadSignature and WrongRole say that nobody may answer for these bytes at all
// (R-EVID-7). Then come the windows, at the time of the document and at that of
// the signature (R-REC-8), and last the clock (R-SIG-4).
func (k *keyring) verify(s statement.Signed, role evidence.Role, digest protocol.Digest, at, now time.Time) error {
	if key := k.find(digest); key == nil || key.Role != role {
		return k.check(role, digest, at)
	}
	made, err := k.signature(s, digest, latest(at, now).Add(protocol.MaxSkew))
	if err != nil {
		return err
	}
	if err := k.checkWindows(role, digest, at, made); err != nil {
		return err
	}
	return k.checkClock(at, made, now)
}

// checkWindows checks the two dates of one signed document.
func (k *keyring) checkWindows(role evidence.Role, digest protocol.Digest, at, made time.Time) error {
	if err := k.check(role, digest, at); err != nil {
		return err
	}
	return k.checkMade(role, digest, made)
}

func (k *keyring) checkClock(at, made, now time.Time) error {
	if dated := latest(at, made); dated.After(now.Add(protocol.MaxSkew)) {
		return protocol.Refuse(protocol.ClockSkew, "dated %s by %s, and here it is %s: one of the two clocks is wrong", protocol.At(dated), k.owner, protocol.At(now))
	}
	return nil
}

// signer finds which key made a signature and checks it for the role, as verify
// does. For documents that do not name their key.
func (k *keyring) signer(s statement.Signed, role evidence.Role, at, now time.Time) (protocol.Digest, error) {
	var refused error
	for _, key := range k.every() { // bounded by MaxKeys and MaxFormer; the issuer in the signature settles all but one at once
		digest := key.Digest
		made, err := k.signature(s, digest, latest(at, now).Add(protocol.MaxSkew))
		if err != nil {
			refused = err
			continue
		}
		if err := k.checkWindows(role, digest, at, made); err != nil {
			return digest, err
		}
		return digest, k.checkClock(at, made, now)
	}
	return protocol.Digest{}, refused
}

// every returns all keys that are listed, those of the present certificate first.
func (k *keyring) every() (all []Key) {
	for _, ring := range k.rings() {
		all = append(all, ring.keys...)
	}
	return all
}

// signature checks the bytes and nothing else.
func (k *keyring) signature(s statement.Signed, digest protocol.Digest, now time.Time) (time.Time, error) {
	ring := k.ringOf(digest)
	if ring == nil {
		ring = k // for a primary key: whether it is listed is looked at afterwards
	}
	made, err := ring.certificate.Verify(s.Document, s.Signature, pgp.Digest(digest), now)
	if err != nil {
		// The code and the sentence may cross the wire; the step that failed is
		// for the operator's log alone.
		return time.Time{}, fmt.Errorf("%w: %w", protocol.Refuse(protocol.BadSignature, "the signature of %s does not verify", k.owner), err)
	}
	return made, nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
