// Package federation distributes the records of states that have joined in a
// federation (SPEC.md, "Federation", R-FED). It is The Update Framework (TUF),
// as the library go-tuf speaks it, under rules of ours that the library does not
// know: an edition never takes back what it listed, and a record counts only by
// the continuity rule of package record, whoever signed the edition.
//
// Who holds which key:
//
//   - Root keys: one for each steward, offline, in a safe. They say which keys
//     count, theirs included. A threshold of them, two at least, signs a root; it
//     ends after RootLifetime.
//   - Edition keys (TUF: targets): one for each steward, offline, and others than
//     the root keys. A threshold of them, two at least, signs which records there
//     are; an edition ends after EditionLifetime, so stewards meet once a quarter
//     even when nothing has changed.
//   - The online key (snapshot and timestamp): one, on the machine of the operator
//     that the stewards charge with it, which also serves the first mirror. It says
//     which edition is the newest, and must say so again within
//     TimestampLifetime. It cannot list anything.
//   - The states' own keys: no steward has them. A listed record is signed by its
//     state, and each entry in it by its authority.
//
// Persons hold the keys. A Safe is a steward's folder, offline. A Registry is that of
// the registrar, who drafts, collects and publishes; what goes between the two is a
// Draft, as a file that has all in it by which a steward can judge it.
//
// A Repository is the stewards' side: files in a folder. A Client is a node's
// side: the same files, fetched from mirrors, so its folder is a mirror itself
// that Mirror serves. Nothing is ever deleted from either.
//
// Nothing here stops traffic. A directory that cannot be fetched, is refused or
// has ended is told as a value, and the records that a node holds stay as they
// are. Adopting is left to the node: Client says which records follow from those
// that it holds.
//
// TUF signs JSON that it has put in a canonical form. That is the one exception
// to "exact bytes" in this house, and why an edition is compared by Edition.Ref
// and not by the digest of its file.
package federation

import "time"

// How long what the keys sign counts. A node that has fetched nothing newer says
// so from then on.
const (
	RootLifetime      = 365 * 24 * time.Hour
	EditionLifetime   = 90 * 24 * time.Hour
	SnapshotLifetime  = 14 * 24 * time.Hour
	TimestampLifetime = 7 * 24 * time.Hour
)

// MinThreshold is how many stewards must sign at least: one alone is nobody's steward.
const MinThreshold = 2

// Names of the newest files in a folder. Those of every version stand beside them
// under their number: "12.targets.json".
const (
	rootFile      = "root.json"
	editionFile   = "targets.json"
	snapshotFile  = "snapshot.json"
	timestampFile = "timestamp.json"
)
