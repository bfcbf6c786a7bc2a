package merkle

import (
	"crypto/sha256"

	"golang.org/x/mod/sumdb/tlog"
)

// SaltSize is the size of the random salt that goes into each leaf.
const SaltSize = 16

// leafLabel keeps leaves apart from everything else that is hashed.
const leafLabel = "comity/leaf/v1\n"

// Leaf is the data of one entry of the log: 32 bytes that name a signed
// document and tell nothing about it. A proof hands the hashes of neighbouring
// leaves to third parties, so without the salt a document that can be guessed
// could be confirmed.
type Leaf [sha256.Size]byte

// NewLeaf returns SHA-256("comity/leaf/v1\n" ‖ salt ‖ document ‖ signature),
// where document and signature are the raw SHA-256 digests of the two files'
// bytes (R-LOG-1). The salt must be fresh randomness for every leaf.
func NewLeaf(salt [SaltSize]byte, document, signature [32]byte) Leaf {
	b := make([]byte, 0, len(leafLabel)+SaltSize+len(document)+len(signature))
	b = append(b, leafLabel...)
	b = append(b, salt[:]...)
	b = append(b, document[:]...)
	b = append(b, signature[:]...)
	return sha256.Sum256(b)
}

// hash is the leaf as a node of the tree: SHA-256(0x00 ‖ leaf), RFC 6962
// section 2.1.
func (l Leaf) hash() Hash { return tlog.RecordHash(l[:]) }
