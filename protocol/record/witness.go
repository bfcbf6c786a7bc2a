package record

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"comity/protocol"
)

// Key types of C2SP signed-note and tlog-cosignature.
const (
	logEd25519     = 0x01
	witnessEd25519 = 0x04
	mldsa44        = 0x06 // of logs and witnesses alike
	mldsa44Size    = 1312
)

// checkWitness checks the two verifier keys with which the node will cosign
// other logs: named comity/witness/<node>, of the cosigning types, in their one
// spelling, and not the keys of the node's own log under another name: a
// witness that signs with the log's keys witnesses nothing.
func checkWitness(n *Node) error {
	c := checks{subject: "node " + string(n.ID)}
	name := witnessName(n.ID)
	classic := verifierKey(n.Witness.Ed25519, name, witnessEd25519, ed25519.PublicKeySize)
	c.require(classic != "", "its witness key is not an Ed25519 cosigning key named %s", name)
	quantum := verifierKey(n.Witness.MLDSA44, name, mldsa44, mldsa44Size)
	c.require(quantum != "", "its witness key is not an ML-DSA-44 key named %s", name)
	shared := classic == verifierKey(n.Log.Keys.Ed25519, n.Log.Origin, logEd25519, ed25519.PublicKeySize) ||
		quantum == verifierKey(n.Log.Keys.MLDSA44, n.Log.Origin, mldsa44, mldsa44Size)
	c.require(!shared, "its witness has the keys of its log")
	return c.err
}

// witnessName is the name of a node's cosigning keys.
func witnessName(node protocol.NodeID) string { return "comity/witness/" + string(node) }

// name is what stands before the first + of a verifier key. It cuts what it is
// given and judges nothing.
func (k Keypair) name() string {
	name, _, _ := strings.Cut(k.Ed25519, "+")
	return name
}

// verifierKey returns the public key in a text of the form
// name+id+base64(type ‖ key), or "" for any other text.
func verifierKey(text, name string, kind byte, size int) string {
	_, encoded, _ := strings.Cut(strings.TrimPrefix(text, name+"+"), "+")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) != 1+size || raw[0] != kind {
		return ""
	}
	id := sha256.Sum256(append([]byte(name+"\n"), raw...))
	if text != fmt.Sprintf("%s+%x+%s", name, id[:4], base64.StdEncoding.EncodeToString(raw)) {
		return ""
	}
	return string(raw[1:])
}
