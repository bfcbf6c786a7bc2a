package exchange

import (
	"comity/protocol"
	"comity/protocol/statement"
)

// HelloType is the first member of a hello.
const HelloType = "comity/hello/v1"

// Hello is what two nodes tell each other at every contact: their newest
// record (R-REC-9), their log's newest checkpoint and their clock. It is not
// signed: the connection authenticates it, and record and checkpoint carry
// their own signatures.
type Hello struct {
	Type       string           `json:"type"`
	Node       protocol.NodeID  `json:"node"`
	Time       protocol.Time    `json:"time"`
	Record     statement.Signed `json:"record"`
	Checkpoint *string          `json:"checkpoint" long:"81920"` // null while the log is empty
}

// EncodeHello writes h.
func EncodeHello(h *Hello) ([]byte, error) {
	h.Type = HelloType
	return statement.Encode(h)
}

// DecodeHello reads a peer's hello; what it carries is not verified yet.
func DecodeHello(b []byte) (*Hello, error) {
	var h Hello
	if err := statement.Decode(b, HelloType, protocol.MaxHello, &h); err != nil {
		return nil, err
	}
	return &h, nil
}
