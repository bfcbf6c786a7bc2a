package record

import (
	"fmt"
	"time"

	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// Member is one authority of a verified record. It is immutable and safe for
// concurrent use; what its methods return must not be modified either.
type Member struct {
	authority  *Authority
	digest     protocol.Digest // of the entry's document
	made       time.Time       // the date inside its signature
	keys       *keyring
	recipients []recipient
}

// endOfTime is after every date that an OpenPGP signature can carry.
var endOfTime = time.Unix(1<<32, 0)

type recipient struct {
	key    *seal.Recipient
	digest protocol.Digest
	valid  protocol.Window
}

// verifyEntry carries out R-REC-2 and R-REC-6 for one entry of a record dated
// by. An entry that a verified record held already (known) is taken over as it is.
func verifyEntry(e Entry, by time.Time, known *Member) (*Member, error) {
	if known != nil {
		return known, known.notAfter(by)
	}
	a, err := ParseAuthority([]byte(e.Document))
	if err != nil {
		return nil, err
	}
	s := statement.Signed{Document: []byte(e.Document), Signature: []byte(e.Signature)}
	m := &Member{authority: a, digest: s.Digest()}
	if m.keys, err = newKeyring("authority "+string(a.ID), a.Certificate, a.Keys, nil); err != nil {
		return nil, err
	}
	if err := m.keys.addFormers(string(a.ID), a.Former); err != nil {
		return nil, err
	}
	// Whoever dates an entry after the record that holds it hears so from notAfter.
	if m.made, err = m.keys.signature(s, m.keys.primary(), endOfTime); err != nil {
		return nil, err
	}
	if err := m.keys.checkWindows(evidence.Primary, m.keys.primary(), a.Created.Time, m.made); err != nil {
		return nil, err
	}
	if err := m.notAfter(by); err != nil {
		return nil, err
	}
	for _, r := range a.Recipients {
		key, err := seal.ParseRecipient(r.Recipient)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", protocol.Refuse(protocol.Malformed, "authority %s: a recipient key is not a hybrid post-quantum one (age1pq1…)", a.ID), err)
		}
		m.recipients = append(m.recipients, recipient{key: key, digest: key.Digest(), valid: r.Valid})
	}
	return m, nil
}

func (m *Member) notAfter(by time.Time) error {
	if dated := latest(m.authority.Created.Time, m.made); dated.After(by.Add(protocol.MaxSkew)) {
		return protocol.Refuse(protocol.ClockSkew, "authority %s: its entry is dated %s, after the record that holds it", m.ID(), protocol.At(dated))
	}
	return nil
}

// ID returns the authority's name.
func (m *Member) ID() protocol.AuthorityID { return m.authority.ID }

// Document returns the parsed entry.
func (m *Member) Document() *Authority { return m.authority }

// Certificate returns the authority's certificate; its primary key's digest is
// how manifests name the authority.
func (m *Member) Certificate() *pgp.Certificate { return m.keys.certificate }

// Recipient returns the key to seal to at this time: of those valid, the one
// whose validity began last. WrongRecipientKey when there is none.
func (m *Member) Recipient(at time.Time) (*seal.Recipient, error) {
	var newest *recipient
	for i := range m.recipients {
		r := &m.recipients[i]
		if r.valid.Contains(at) && (newest == nil || r.valid.From.After(newest.valid.From.Time)) {
			newest = r
		}
	}
	if newest == nil {
		return nil, protocol.Refuse(protocol.WrongRecipientKey, "authority %s lists no recipient key that is valid at %s: ask its state for the newest record", m.ID(), protocol.At(at))
	}
	return newest.key, nil
}

// RecipientByDigest returns the recipient key that an envelope created at this
// time names (R-ENV-3). WrongRecipientKey when the authority lists no such key,
// or not for this time.
func (m *Member) RecipientByDigest(digest protocol.Digest, at time.Time) (*seal.Recipient, error) {
	for i := range m.recipients {
		r := &m.recipients[i]
		if r.digest != digest {
			continue
		}
		if !r.valid.Contains(at) {
			return nil, protocol.Refuse(protocol.WrongRecipientKey, "recipient key %s of %s counts from %s to %s, and this is dated %s: seal again with the newest record", digest.Short(), m.ID(), r.valid.From, r.valid.Until, protocol.At(at))
		}
		return r.key, nil
	}
	return nil, protocol.Refuse(protocol.WrongRecipientKey, "%s is no recipient key of %s: seal again with the newest record", digest.Short(), m.ID())
}

// Key refuses unless the key may sign, in this role, a document of this time:
// WrongRole, KeyExpired or KeyCompromised, with a sentence that says what to do.
func (m *Member) Key(role evidence.Role, digest protocol.Digest, at time.Time) error {
	return m.keys.check(role, digest, at)
}

// Verify checks that the named key, in this role, signed a document that is
// dated at, and that the key counted at that time and when the signature says
// it was made. Refusals as those of Key, and BadSignature, and ClockSkew for
// either date in the future of now. Where the document names its key; else Signer.
func (m *Member) Verify(s statement.Signed, role evidence.Role, key protocol.Digest, at, now time.Time) error {
	return m.keys.verify(s, role, key, at, now)
}

// Signer finds the authority's key that signed a document dated at, such as a
// manifest, which does not name it, and checks it as Verify does. The digest is
// returned beside a refusal too once the signature has been found right.
func (m *Member) Signer(s statement.Signed, role evidence.Role, at, now time.Time) (protocol.Digest, error) {
	return m.keys.signer(s, role, at, now)
}
