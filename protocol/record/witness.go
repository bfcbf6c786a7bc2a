package record

import (
	"encoding/base64"
	"fmt"
	"strings"

	"comity/crypto/merkle"
	"comity/protocol"
)

// newWitness reads the two verifier keys with which the node will cosign other logs:
// named comity/witness/<node>, and not the keys of the node's own log under another
// name, since a witness that signs with the log's keys witnesses nothing.
func newWitness(n *Node) (*merkle.Witness, error) {
	c := checks{subject: "node " + string(n.ID)}
	name := witnessName(n.ID)
	w, err := merkle.NewWitness(n.Witness.Ed25519, n.Witness.MLDSA44)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", protocol.Refuse(protocol.Malformed, "%s: its witness keys are not the two cosigning keys of %s", c.subject, name), err)
	}
	c.require(w.Name() == name, "its witness keys are named %s, want %s", quote(w.Name()), name)
	c.require(publicKey(n.Witness.Ed25519) != publicKey(n.Log.Keys.Ed25519) && publicKey(n.Witness.MLDSA44) != publicKey(n.Log.Keys.MLDSA44),
		"its witness has the keys of its log")
	return w, c.err
}

// witnessName is the name of a node's cosigning keys.
func witnessName(node protocol.NodeID) string { return "comity/witness/" + string(node) }

// name is what stands before the first + of a verifier key. It cuts what it is
// given and judges nothing.
func (k Keypair) name() string {
	name, _, _ := strings.Cut(k.Ed25519, "+")
	return name
}

// publicKey is the key in a verifier key that was read, name+id+base64(type ‖ key),
// without its name and type: under others it is the same key.
func publicKey(verifier string) string {
	_, rest, _ := strings.Cut(verifier, "+")
	_, encoded, _ := strings.Cut(rest, "+")
	raw, _ := base64.StdEncoding.DecodeString(encoded)
	return string(raw[min(1, len(raw)):])
}
