// Package disclosure is the answer to an auditor's question whether a parcel
// existed: evidence about exactly that transmission, each with the proof of its
// leaf, and nothing else (SPEC.md, "Disclosure"). A proof names hashes of
// neighbouring leaves, which are salted, so the answer tells of no other parcel.
//
// The file itself is not signed. Who verifies it holds the records of the
// issuers; it brings none.
package disclosure

import (
	"fmt"
	"slices"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// Type is the first member of a disclosure.
const Type = "comity/disclosure/v1"

// Query is what the auditor knows and asks for. Members that were not asked for
// are null; all others must hold at once.
type Query struct {
	Envelope *protocol.Digest      `json:"envelope_sha256"`
	Sealed   *protocol.Digest      `json:"sealed_sha256"`
	Parcel   *protocol.ParcelID    `json:"parcel"`
	From     *protocol.AuthorityID `json:"from"`
	To       *protocol.AuthorityID `json:"to"`
}

// Disclosure is the whole file: the question, and what answers it. Without
// packets it says only that nothing is disclosed, which proves nothing.
type Disclosure struct {
	Type    string             `json:"type"`
	Query   Query              `json:"query"`
	Packets []statement.Packet `json:"packets"`
}

// Validate refuses a question that is not about one parcel (R-DISC-1).
func (q *Query) Validate() error {
	switch named := q.Parcel != nil && q.From != nil && q.To != nil; {
	case q.Envelope == nil && q.Sealed == nil && !named:
		return refuse("the query names neither an envelope, nor sealed bytes, nor parcel, from and to together")
	case q.Envelope != nil && q.Envelope.IsZero() || q.Sealed != nil && q.Sealed.IsZero():
		return refuse("a digest in the query is zero")
	}
	return nil
}

// Matches reports whether a transmission is the one asked for.
func (q *Query) Matches(k protocol.Key, envelope, sealed protocol.Digest) bool {
	return (q.Envelope == nil || *q.Envelope == envelope) && (q.Sealed == nil || *q.Sealed == sealed) &&
		(q.Parcel == nil || *q.Parcel == k.Parcel) && (q.From == nil || *q.From == k.From) && (q.To == nil || *q.To == k.To)
}

// Encode writes the file, and refuses what Decode would.
func Encode(q Query, packets []statement.Packet) ([]byte, error) {
	if packets == nil {
		packets = []statement.Packet{}
	}
	d := Disclosure{Type: Type, Query: q, Packets: packets}
	b, err := statement.EncodeCarrier(d, statement.SizeOf(packets))
	if err == nil {
		_, err = Decode(b)
	}
	if err != nil {
		return nil, fmt.Errorf("writing a disclosure: %w", err)
	}
	return b, nil
}

// Decode reads the file and checks all that needs no key: that what is in it is
// evidence with a proof, about one transmission, the one that was asked for
// (R-DISC-1, R-DISC-2). Its errors are refusals.
func Decode(data []byte) (*Disclosure, error) {
	d := new(Disclosure)
	if err := statement.Decode(data, Type, protocol.MaxDisclosure, d); err != nil {
		return nil, err
	}
	if err := d.Query.Validate(); err != nil {
		return nil, err
	}
	if len(d.Packets) > protocol.MaxDisclosed {
		return nil, protocol.Refuse(protocol.TooLarge, "disclosure: %d packets, at most %d allowed", len(d.Packets), protocol.MaxDisclosed)
	}
	var first *evidence.Evidence
	var seen []evidence.Event
	for i, p := range d.Packets {
		if p.Proof == nil {
			return nil, refuse("packet %d has no proof", i+1)
		}
		e, err := evidence.Parse(p.Document)
		if err != nil {
			return nil, fmt.Errorf("disclosure: packet %d: %w", i+1, err)
		}
		if first == nil {
			first = e
		}
		if err := d.holds(e, first); err != nil {
			return nil, err
		}
		if slices.Contains(seen, e.Event) {
			return nil, refuse("%s is in it twice", e.Event)
		}
		if other := e.Event.Opposite(); slices.Contains(seen, other) { // R-EVID-11
			return nil, protocol.Refuse(protocol.Equivocation, "disclosure: %s and %s are both in it, and one excludes the other", other, e.Event)
		}
		seen = append(seen, e.Event)
	}
	return d, nil
}

// holds refuses evidence about another transmission than the first one, or than
// the one asked for (R-DISC-2).
func (d *Disclosure) holds(e, first *evidence.Evidence) error {
	if e.Envelope == nil {
		return refuse("%s names no envelope", e.Event)
	}
	if e.TransmissionKey() != first.TransmissionKey() || *e.Envelope != *first.Envelope || e.Sealed != first.Sealed {
		return protocol.Refuse(protocol.WrongParcel, "disclosure: %s and %s speak of two transmissions", first.Event, e.Event)
	}
	if !d.Query.Matches(e.TransmissionKey(), e.Envelope.Document, e.Sealed) {
		return protocol.Refuse(protocol.WrongParcel, "disclosure: %s speaks of another transmission than was asked for", e.Event)
	}
	return nil
}

func refuse(format string, args ...any) error {
	return protocol.Refuse(protocol.Malformed, "disclosure: "+format, args...)
}
