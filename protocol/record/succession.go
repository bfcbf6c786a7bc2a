package record

import (
	"fmt"
	"slices"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// A state or an authority whose primary key is to be another one takes a new
// certificate, and the key before hands over to it by a signed succession. The
// certificate before stays in the record with its keys, so that what they signed is
// judged as before (R-REC-12).

// SuccessionType is the type of the document by which a primary key hands over.
const SuccessionType = "comity/succession/v1"

// Former is a certificate that gave way to another one.
type Former struct {
	Certificate []byte  `json:"certificate" long:"16384"`
	Keys        []Key   `json:"keys" max:"64"`
	Successor   Handing `json:"successor"`
}

// Handing is the succession, signed by the primary key of the certificate before:
// the exact text of both files.
type Handing struct {
	Document  string `json:"document" long:"2048"`
	Signature string `json:"signature" long:"2048"`
}

// Succession is the parsed document.
type Succession struct {
	Type      string          `json:"type"`
	Of        string          `json:"of"`        // the state or the authority
	Successor protocol.Digest `json:"successor"` // the primary key of the next certificate
	Created   protocol.Time   `json:"created"`
}

// ParseSuccession reads such a document; its signature is for the caller.
func ParseSuccession(doc []byte) (*Succession, error) {
	s := new(Succession)
	if err := statement.Decode(doc, SuccessionType, protocol.MaxSuccession, s); err != nil {
		return nil, err
	}
	c := checks{subject: "succession of " + quote(s.Of)}
	c.require(!s.Successor.IsZero(), "the digest of the key that follows is zero")
	return s, c.err
}

// HandOver makes what stands in a record for a certificate that gives way: its
// keys, and the signed word of its primary key which one follows.
func HandOver(of string, keys []Key, primary *pgp.Secret, successor protocol.Digest, at time.Time) (Former, error) {
	f := Former{Certificate: primary.Certificate().Bytes(), Keys: keys}
	signed, err := statement.Sign(&Succession{SuccessionType, of, successor, protocol.At(at)}, protocol.MaxSuccession, primary, at)
	f.Successor = Handing{string(signed.Document), string(signed.Signature)}
	return f, err
}

// formers checks what needs no certificate: how many there are, and that no key of
// them is listed twice.
func (c *checks) formers(list []Former, present []Key, created protocol.Time, roles ...evidence.Role) {
	seen := make(map[protocol.Digest]bool)
	for _, k := range present {
		seen[k.Digest] = true
	}
	for _, f := range list {
		c.keys(f.Keys, created, roles...)
		for _, k := range f.Keys {
			c.require(!seen[k.Digest], "key %s is listed with two certificates", k.Digest.Short())
			seen[k.Digest] = true
		}
	}
}

// former is a certificate that gave way, with the succession that was verified.
type former struct {
	*keyring
	successor *Succession
	made      time.Time // the date inside its signature
}

// addFormers takes in the certificates before, the oldest first, and verifies that
// each hands over to the next, and the last to the present one. name is how the
// successions call the owner.
func (k *keyring) addFormers(name string, list []Former) error {
	next := k.primary()
	for _, f := range slices.Backward(list) {
		ring, err := newKeyring(k.owner, f.Certificate, f.Keys, nil)
		if err != nil {
			return err
		}
		s, err := ParseSuccession([]byte(f.Successor.Document))
		if err != nil {
			return err
		}
		if s.Of != name || s.Successor != next {
			return protocol.Refuse(protocol.WrongRole, "the key before of %s hands %s over to %s, and %s follows it", k.owner, quote(s.Of), s.Successor.Short(), next.Short())
		}
		made, err := ring.signature(statement.Signed{Document: []byte(f.Successor.Document), Signature: []byte(f.Successor.Signature)}, ring.primary(), endOfTime)
		if err != nil {
			return err
		}
		if err := ring.unmarked().checkWindows(evidence.Primary, ring.primary(), s.Created.Time, made); err != nil {
			return fmt.Errorf("%s hands over: %w", k.owner, err)
		}
		k.former = append(k.former, &former{ring, s, made})
		next = ring.primary()
	}
	return nil
}

// unmarked is the ring before anything was marked: a key that was stolen hands over as
// well, and is marked by the one that follows.
func (k *keyring) unmarked() *keyring {
	ring := *k
	ring.keys = slices.Clone(k.keys)
	for i := range ring.keys {
		ring.keys[i].Compromised = nil
	}
	return &ring
}

// rings are the certificates of the owner, the present one first.
func (k *keyring) rings() []*keyring {
	all := []*keyring{k}
	for _, f := range k.former {
		all = append(all, f.keyring)
	}
	return all
}

// ringOf is the certificate that lists a key; nil: none does.
func (k *keyring) ringOf(digest protocol.Digest) *keyring {
	for _, ring := range k.rings() {
		if slices.ContainsFunc(ring.keys, func(key Key) bool { return key.Digest == digest }) {
			return ring
		}
	}
	return nil
}

// succeeds reports whether the primary key of before is that of k, or handed over
// to it while before said that it counted (R-REC-12).
func (k *keyring) succeeds(before *keyring) (same bool, err error) {
	if k.primary() == before.primary() {
		return true, nil
	}
	for _, f := range k.former {
		if f.primary() == before.primary() {
			return false, before.checkWindows(evidence.Primary, before.primary(), f.successor.Created.Time, f.made)
		}
	}
	return false, protocol.Refuse(protocol.WrongRole, "the primary key of %s has changed, and the one before does not hand over to it: confirm the record as a new introduction, by words, if its owner says so", k.owner)
}

// Certificates returns the authority's certificates, the present one first.
func (m *Member) Certificates() (all []*pgp.Certificate) {
	for _, ring := range m.keys.rings() {
		all = append(all, ring.certificate)
	}
	return all
}

// Had reports whether a certificate, named by its primary key, is or was the
// authority's.
func (m *Member) Had(certificate protocol.Digest) bool {
	return slices.ContainsFunc(m.keys.rings(), func(r *keyring) bool { return r.primary() == certificate })
}

// Lists reports whether a key stands in the certificate of this name.
func (m *Member) Lists(certificate, key protocol.Digest) bool {
	ring := m.keys.ringOf(key)
	return ring != nil && ring.primary() == certificate
}

// EveryKey returns all keys of the authority, those of former certificates last.
func (a *Authority) EveryKey() []Key { return everyKey(a.Keys, a.Former) }

// EveryKey returns all keys of the state, those of former certificates last.
func (r *Record) EveryKey() []Key { return everyKey(r.Keys, r.Former) }

func everyKey(present []Key, gaveWay []Former) []Key {
	all := slices.Clone(present)
	for _, f := range gaveWay {
		all = append(all, f.Keys...)
	}
	return all
}
