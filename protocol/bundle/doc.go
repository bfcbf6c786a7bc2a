// Package bundle is one file with everything that an auditor or a court needs
// to check one transmission, years later and without any server: the envelope,
// all evidence, the proofs of its leaves, the records that say whose keys they
// are, and a cover sheet for people (SPEC.md, "Bundle", R-BND).
//
// A bundle is a tar archive with one byte layout, as the container of a parcel
// is. Its first member lists all others with their digests, and everything that
// is neither content nor follows from the content is regenerated and compared:
// headers, padding, the list itself, the cover sheet. So no byte of the file is
// free, although nobody signs the file as a whole.
//
// A bundle proves nothing about who the two states are. That is for the anchors
// that the verifier holds (Trust); records inside the bundle count only as far
// as they chain to these.
//
// The package is pure: it reads from an io.ReaderAt and knows no clock, folder
// or network. So it runs in a command without a node and in a page without a
// server alike.
package bundle

import (
	"io"

	"comity/crypto/seal"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// Type is the first member of the index.
const Type = "comity/bundle/v1"

// Contents is what a bundle is made of, each part as its exact bytes.
type Contents struct {
	// Language is that of the cover sheet, one of Languages.
	Language Language
	// Offset is the local time that the cover sheet shows beside UTC.
	Offset   Offset
	Envelope statement.Signed
	// Evidence stands in the order of evidence.Events, each event once.
	Evidence   []Evidence
	Withdrawal *statement.Signed // nil: there is none
	// Records are ordered by state, then sequence: those that envelope and
	// evidence name, later ones, and those of the states that witnessed.
	Records []statement.Signed
	// Parcel is the sealed parcel, of the size that the envelope states; nil when
	// the bundle goes without.
	Parcel io.ReaderAt
	// FileKey opens the parcel and nothing else; nil when it is not disclosed.
	FileKey *seal.FileKey

	recordPaths []string // of the members that they came from; nil: of no file
}

// Evidence is one signed evidence with the proofs of its leaves.
type Evidence struct {
	// Packet has the proof under the checkpoint of the evidence's own commit, in
	// the log of its issuer (R-LOG-3).
	statement.Packet
	// Cosigned is the proof in the same log under a checkpoint that witnesses
	// cosigned; nil: not yet witnessed.
	Cosigned []byte
	// Peer is the proof in the log of the other side; nil: none is here.
	Peer []byte

	event evidence.Event // of the member that it came from; empty: of no file
}

// Fault says that a bundle is wrong and must not be believed. Member is what it
// was found in.
type Fault struct {
	Member string
	Err    error

	advice string // empty: as the code of Err tells
	unmet  bool
}

func (f *Fault) Error() string { return f.Member + ": " + f.Err.Error() }

// Unwrap returns what is wrong with the member.
func (f *Fault) Unwrap() error { return f.Err }

func fault(member string, err error) error {
	if err == nil {
		return nil
	}
	return &Fault{Member: member, Err: err}
}
