// Package directory finds competent authorities: it joins what records say of
// them to listings, and judges which listing answers a question. It is pure: the
// listings come from whoever has the records, and times are arguments.
package directory

import (
	"time"

	"comity/protocol"
	"comity/protocol/record"
)

// Listing is one authority as a reader of the directory sees it.
type Listing struct {
	Authority protocol.AuthorityID `json:"authority"`
	State     protocol.StateID     `json:"state"`
	StateName []record.Name        `json:"state_name"`
	Name      []record.Name        `json:"name"`
	Network   *Network             `json:"network"` // nil: it is not on the network
	// Confirmed is when the authority last looked its particulars through; zero: never.
	Confirmed   protocol.Time       `json:"confirmed,omitzero"`
	Particulars *record.Particulars `json:"particulars"` // nil: it has told nothing
}

// Network is how an authority is reached by parcels.
type Network struct {
	Node   protocol.NodeID `json:"node"`
	Record int64           `json:"record"` // the number of the record that lists it
	Until  protocol.Time   `json:"record_until"`
}

// OfRecord returns the listings of a state's record, in its order. What is in
// them must not be modified.
func OfRecord(s *record.State) []Listing {
	r := s.Record()
	all := make([]Listing, 0, len(r.Authorities))
	for _, m := range s.Members() {
		a := m.Document()
		all = append(all, Listing{
			Authority: a.ID, State: r.State, StateName: r.Name, Name: a.Name, Confirmed: a.Confirmed, Particulars: a.Particulars,
			Network: &Network{Node: r.Node.ID, Record: r.Sequence, Until: r.Valid.Until},
		})
	}
	return all
}

// Stale reports whether a listing is too old, at that time, to be relied on
// without asking: nobody has confirmed it for MaxUnconfirmed, or ever.
func (l *Listing) Stale(at time.Time) bool {
	return at.Sub(l.Confirmed.Time) > protocol.MaxUnconfirmed
}
