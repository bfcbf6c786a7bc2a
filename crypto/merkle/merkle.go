// Package merkle is the transparency log as mathematics: leaves, the RFC 6962
// tree over hashes that somebody else stores, checkpoints signed by the log,
// and proofs that stand alone in a file.
//
// The texts are those of the C2SP specifications, so that other people's
// witnesses, monitors and verifiers can read them:
//
//   - c2sp.org/signed-note: the carrier of signatures, and the text of keys;
//   - c2sp.org/tlog-checkpoint: origin, size and root in three lines;
//   - c2sp.org/tlog-cosignature: signatures that carry a time: the log's own
//     with ML-DSA-44, and both of a witness;
//   - c2sp.org/tlog-witness: what a log sends to a witness;
//   - c2sp.org/tlog-proof: one leaf's inclusion, with the checkpoint inside.
//
// On top of them this package is strict: every text it accepts has exactly one
// spelling, a checkpoint needs both signatures of its log, extension lines are
// refused, and everything has a limit.
//
// What it leaves to others: storing hashes and leaves and choosing the moment
// to sign (store), what a leaf stands for (protocol), remembering what was
// cosigned (store), asking witnesses and counting their cosignatures (node). It
// reads no clock: times are arguments.
package merkle

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a node of the tree: SHA-256 as RFC 6962 section 2.1 builds it.
type Hash = tlog.Hash

// Limits on what foreign texts may ask of this package.
const (
	// MaxSize is the largest size of a log: sizes and indexes stay exact as
	// JSON numbers in every implementation (below 2^53).
	MaxSize = 1<<53 - 1
	// MaxName is the longest origin or cosigner name, in bytes: the message
	// that ML-DSA-44 signs has one length byte for it (tlog-cosignature).
	MaxName = 255
	// MaxCosignatures is how many signature lines a checkpoint may carry
	// beside the log's own two: sixteen witnesses, each with both kinds.
	MaxCosignatures = 2 * 16
	// MaxCheckpoint is the largest checkpoint note, in bytes: MaxCosignatures
	// lines with the longest names are 66 kB.
	MaxCheckpoint = 80 << 10
	// MaxHashes is how many hashes a proof may carry; the deepest tree needs 53
	// for an inclusion, and tlog-witness allows 63 for a consistency.
	MaxHashes = 63
	// MaxProof is the largest proof, in bytes: a checkpoint, MaxHashes lines of
	// 45 bytes, and less than 200 bytes of head.
	MaxProof = MaxCheckpoint + 4<<10
	// MaxSecret is the largest text of a log's or a witness's secret keys, in bytes: two lines
	// of one longest name and 32 bytes of key.
	MaxSecret = 1 << 10
)

var (
	// ErrCheckpoint is in the chain of every error about a checkpoint note that
	// is malformed or not signed by the log.
	ErrCheckpoint = errors.New("log checkpoint not valid")
	// ErrProof is in the chain of every error about a proof that is malformed,
	// speaks of another document, or does not lead to the checkpoint's root.
	ErrProof = errors.New("log proof not valid")
	// ErrConsistency says that one state of a log was not shown to extend
	// another. With two checkpoints that verify, and hashes that come from the
	// log itself, this is a fork.
	ErrConsistency = errors.New("log states not consistent")
)

// emptyRoot is the root of a tree without leaves: the hash of nothing
// (RFC 6962 section 2.1).
var emptyRoot Hash = sha256.Sum256(nil)

// checkName refuses names that could be read in two ways, by programs or by
// people: signed-note forbids spaces and "+", we also all that is not visible
// ASCII.
func checkName(name string) error {
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("log name of %d bytes: want 1 to %d", len(name), MaxName)
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' || c == '+' {
			return fmt.Errorf("log name has the byte %#02x at %d: want visible ASCII without \"+\"", c, i)
		}
	}
	return nil
}
