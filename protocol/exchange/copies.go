package exchange

import (
	"comity/protocol"
	"comity/protocol/statement"
)

// CopiesType is the first member of Copies.
const CopiesType = "comity/copies/v1"

// Copies is a page of what a node holds of the node that asks about some parcels:
// of each the envelope, the SubmissionAcceptance, and what the asker and its
// offices signed (R-OLD-3). It is not signed; what it carries is.
type Copies struct {
	Type    string             `json:"type"`
	Next    int64              `json:"next"` // the position of the last parcel
	Packets []statement.Packet `json:"packets"`
}

// EncodeCopies writes c.
func EncodeCopies(c *Copies) ([]byte, error) {
	c.Type = CopiesType
	return statement.EncodeCarrier(c, statement.SizeOf(c.Packets))
}

// DecodeCopies reads a page that a peer answered to a question for what comes
// after a position. A page with packets must lead on from there: a reader would
// otherwise ask for ever. What the packets hold is not verified yet.
func DecodeCopies(b []byte, after int64) (*Copies, error) {
	c := new(Copies)
	if err := statement.Decode(b, CopiesType, protocol.MaxFeedPage*protocol.MaxPacket, c); err != nil {
		return nil, err
	}
	switch {
	case len(c.Packets) > protocol.MaxFeedPage:
		return nil, protocol.Refuse(protocol.TooLarge, "copies: %d packets in one page, at most %d allowed", len(c.Packets), protocol.MaxFeedPage)
	case len(c.Packets) > 0 && c.Next <= after:
		return nil, protocol.Refuse(protocol.Malformed, "copies: %d packets that lead from %d to %d", len(c.Packets), after, c.Next)
	}
	return c, nil
}
