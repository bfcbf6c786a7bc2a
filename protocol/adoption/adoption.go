// Package adoption is the statement by which a node says that it took a version of
// its federation's directory (SPEC.md, section 21). Its leaf in the node's log dates
// what the node knew; beside the envelope of a peer that names another directory of
// that version it proves that stewards have signed two. It holds the format; what is
// fetched, and when it counts, is the node's.
package adoption

import (
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/statement"
)

// Type is the first member of every statement.
const Type = "comity/adoption/v1"

// Statement names a version of a directory, and the files that it was taken from.
type Statement struct {
	Type      string             `json:"type"`
	Node      protocol.NodeID    `json:"node"`
	Directory envelope.Directory `json:"directory"` // as envelopes name it (R-FED-7)
	Edition   protocol.Digest    `json:"edition"`   // of the file of the edition
	Root      Root               `json:"root"`      // under which the edition counted
	Record    protocol.Digest    `json:"record"`    // of the node's own record, which lists the key that signs
	Created   protocol.Time      `json:"created"`
}

// Root names a root of the federation by its number and the digest of its file.
type Root struct {
	Version int64           `json:"version"`
	Digest  protocol.Digest `json:"sha256"`
}

// Parse reads a statement; the signature, by a node key of the record, is for the
// caller.
func Parse(doc []byte) (*Statement, error) {
	s := new(Statement)
	if err := statement.Decode(doc, Type, protocol.MaxAdoption, s); err != nil {
		return nil, err
	}
	return s, s.Validate()
}

// Sign writes the statement and signs it with a node key.
func (s *Statement) Sign(key *pgp.Secret, at time.Time) (statement.Signed, error) {
	if err := s.Validate(); err != nil {
		return statement.Signed{}, err
	}
	return statement.Sign(s, protocol.MaxAdoption, key, at)
}

// Validate checks the rules that need nothing but the statement. Its errors are
// refusals.
func (s *Statement) Validate() error {
	switch {
	case s.Type != Type:
		return protocol.Refuse(protocol.Malformed, "adoption: the type is %s", protocol.Quote([]byte(s.Type)))
	case s.Directory.Version < 1 || s.Directory.Digest.IsZero():
		return protocol.Refuse(protocol.Malformed, "adoption: the directory has version %d, digest %s", s.Directory.Version, s.Directory.Digest.Short())
	case s.Root.Version < 1 || s.Root.Digest.IsZero():
		return protocol.Refuse(protocol.Malformed, "adoption: the root has version %d, digest %s", s.Root.Version, s.Root.Digest.Short())
	case s.Edition.IsZero() || s.Record.IsZero():
		return protocol.Refuse(protocol.Malformed, "adoption: a digest is zero")
	}
	return nil
}
