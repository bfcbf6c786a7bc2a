package exchange

import "comity/protocol"

// Known is what a receiving node remembers of a key, for ever (R-XCH-4).
type Known struct {
	Envelope protocol.Digest
	State    State
}

// Offer decides about an authentic envelope under a key: new, a repeat that
// gets the stored evidence (R-EVID-5), or another document under a used
// identity, which takes no effect (R-EVID-6, R-XCH-3). known is nil when the
// key was never seen.
func Offer(known *Known, envelope protocol.Digest) (repeat bool, err error) {
	switch {
	case known == nil:
		return false, nil
	case known.Envelope == envelope:
		return true, nil
	}
	return false, protocol.Refuse(protocol.Equivocation,
		"another envelope (%s…) was already taken under this parcel id, sender and recipient", known.Envelope.Short())
}
