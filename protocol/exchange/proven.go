package exchange

import (
	"comity/protocol"
	"comity/protocol/statement"
)

// Proven is what a node holds of one evidence beside the proof of its own commit:
// proofs under checkpoints that witnesses cosigned. Either may be nil.
type Proven struct {
	Cosigned []byte // in the log of the issuer
	Peer     []byte // in the log of the other side
}

// History is every version of one state's record that a node has adopted, the
// oldest first; at least one.
type History struct {
	State    protocol.StateID
	Node     protocol.NodeID // as the newest version says
	Versions []Version
}

// Version is one of them.
type Version struct {
	Sequence int64
	Signed   statement.Signed
}
