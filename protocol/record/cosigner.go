package record

import (
	"cmp"
	"slices"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
)

// Witness is a pair of keys with which a node cosigned, and until when it did: what
// they sign later is not its word.
type Witness struct {
	*merkle.Witness
	Node  protocol.NodeID
	Until time.Time
}

// Witnesses returns every such pair of every node, by name, the newest pair first.
// A pair counts until the first record that names another one was made, and no
// longer than the newest record that names it. One that any record marks
// compromised is not among them: whatever it dates, it counts for nothing
// (R-BND-11).
func (h *History) Witnesses() (all []Witness) {
	for _, list := range h.states {
		var later *Record
		for _, s := range list { // the newest first
			r := s.record
			same := later != nil && later.Node.ID == r.Node.ID
			marked := slices.ContainsFunc(list, func(s *State) bool { return s.record.Node.Marked(r.Node.Witness) != nil })
			if !marked && (!same || later.Node.Witness != r.Node.Witness) {
				until := r.Valid.Until.Time
				if same && later.Created.Before(until) {
					until = later.Created.Time
				}
				all = append(all, Witness{s.witness, r.Node.ID, until})
			}
			later = r
		}
	}
	slices.SortStableFunc(all, func(a, b Witness) int { return cmp.Compare(a.Node, b.Node) })
	return all
}
