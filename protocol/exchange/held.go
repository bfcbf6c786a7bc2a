package exchange

import (
	"comity/protocol"
	"comity/protocol/statement"
)

// HeldType is the first member of Held.
const HeldType = "comity/held/v1"

// Held is what a node holds of the node that asks: the newest of its records and
// the newest checkpoint of its log. By it a node that was restored from a backup
// knows that it is older than what it signed (R-OLD-1). It is not signed: record
// and checkpoint carry the asker's own signatures.
type Held struct {
	Type       string           `json:"type"`
	Record     statement.Signed `json:"record"`
	Checkpoint *string          `json:"checkpoint" long:"81920"` // null: none was seen yet
}

// EncodeHeld writes h.
func EncodeHeld(h *Held) ([]byte, error) {
	h.Type = HeldType
	return statement.Encode(h)
}

// DecodeHeld reads a peer's answer; what it carries is not verified yet.
func DecodeHeld(b []byte) (*Held, error) {
	var h Held
	if err := statement.Decode(b, HeldType, protocol.MaxHello, &h); err != nil {
		return nil, err
	}
	return &h, nil
}
