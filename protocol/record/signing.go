package record

import (
	"fmt"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/statement"
)

// SignAuthority writes and signs an authority's entry, and verifies what it
// made as a receiver would. primary must be the primary key of the certificate
// in a. The type is filled in, AuthorityType2 when there are particulars; a is
// not changed.
func SignAuthority(a *Authority, primary *pgp.Secret, at time.Time) (Entry, error) {
	s, err := sign(a.document(), a.validate, protocol.MaxAuthorityEntry, primary, at)
	if err != nil {
		return Entry{}, fmt.Errorf("signing the entry of %s: %w", a.ID, err)
	}
	e := Entry{Document: string(s.Document), Signature: string(s.Signature)}
	if _, err := verifyEntry(e, latest(at, a.Created.Time), nil); err != nil {
		return Entry{}, fmt.Errorf("signing the entry of %s: checking it: %w", a.ID, err)
	}
	return e, nil
}

// SignRecord writes and signs a record, and verifies what it made as a receiver
// who meets it for the first time would. statePrimary must be the primary key
// of the state certificate in r. The type is filled in; r is not changed.
func SignRecord(r *Record, statePrimary *pgp.Secret, at time.Time) (statement.Signed, error) {
	document := *r
	document.Type = Type
	s, err := sign(&document, document.validate, protocol.MaxRecord, statePrimary, at)
	if err != nil {
		return statement.Signed{}, fmt.Errorf("signing record %d of %s: %w", r.Sequence, r.State, err)
	}
	if _, err := Verify(s, nil); err != nil {
		return statement.Signed{}, fmt.Errorf("signing record %d of %s: checking it: %w", r.Sequence, r.State, err)
	}
	return s, nil
}

// sign checks the document before the key touches it: a signature cannot be
// taken back.
func sign(document any, validate func() error, limit int, key *pgp.Secret, at time.Time) (statement.Signed, error) {
	if err := validate(); err != nil {
		return statement.Signed{}, err
	}
	if key != nil && key.Digest() != key.Certificate().Primary() {
		return statement.Signed{}, protocol.Refuse(protocol.WrongRole, "the key is a subkey; records and entries are signed by a primary key")
	}
	return statement.Sign(document, limit, key, at)
}
