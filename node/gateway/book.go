package gateway

import (
	"maps"
	"slices"
	"sync"
	"time"

	"comity/protocol"
	"comity/protocol/record"
)

// book holds the newest adopted record of each state. The values are immutable.
type book struct {
	own *record.State

	mu     sync.RWMutex
	states map[protocol.StateID]*record.State // guarded by mu; own included
}

func newBook(own *record.State) *book {
	return &book{own: own, states: map[protocol.StateID]*record.State{own.Record().State: own}}
}

// put takes s in, unless a newer one of its state came first.
func (b *book) put(s *record.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if held, ok := b.states[s.Record().State]; !ok || held.Record().Sequence <= s.Record().Sequence {
		b.states[s.Record().State] = s
	}
}

// distinct refuses a record that lists a TLS key of another state's node: we
// could no longer tell the two apart on the wire (R-WIRE-1), and a state could
// so shut another one out.
func (b *book) distinct(s *record.State) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, pin := range s.Record().Node.TLS {
		for id, other := range b.states {
			if id == s.Record().State {
				continue
			}
			for _, theirs := range other.Record().Node.TLS {
				if theirs.SPKI == pin.SPKI {
					return protocol.Refuse(protocol.Policy, "it lists the TLS key %s, which the record of state %s lists as its own; ask both states", pin.SPKI.Short(), id)
				}
			}
		}
	}
	return nil
}

func (b *book) state(id protocol.StateID) (*record.State, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s, ok := b.states[id]
	return s, ok
}

// node returns the record that describes a node.
func (b *book) node(id protocol.NodeID) (*record.State, bool) {
	s, ok := b.state(id.State())
	if !ok || s.Record().Node.ID != id {
		return nil, false
	}
	return s, true
}

// peers returns all nodes but our own.
func (b *book) peers() []protocol.NodeID {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var all []protocol.NodeID
	for _, s := range b.states {
		if s != b.own {
			all = append(all, s.Record().Node.ID)
		}
	}
	return all
}

// all returns the newest record of each state, our own included.
func (b *book) all() []*record.State {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.Collect(maps.Values(b.states))
}

// pinned returns the peer that is known by this TLS key now.
func (b *book) pinned(spki protocol.Digest, at time.Time) (protocol.NodeID, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, s := range b.states {
		if s != b.own && s.PinValid(spki, at) {
			return s.Record().Node.ID, true
		}
	}
	return "", false
}

// State returns the newest adopted record of a state, our own included.
func (g *Gateway) State(id protocol.StateID) (*record.State, bool) { return g.book.state(id) }

// States returns the newest adopted record of each state, our own included, in
// no order.
func (g *Gateway) States() []*record.State { return g.book.all() }

// OwnState returns the record of this node's state.
func (g *Gateway) OwnState() *record.State { return g.Own }

// Find returns a recipient with the record that lists it. A refusal says what
// to do about it.
func (g *Gateway) Find(id protocol.AuthorityID) (*record.State, *record.Member, error) {
	s, ok := g.book.state(id.State())
	if !ok {
		return nil, nil, protocol.Refuse(protocol.UnknownRecipient,
			"%s: no record of state %s has been pinned; exchange introductions first", id, id.State())
	}
	m, ok := s.Authority(id)
	if !ok {
		return nil, nil, protocol.Refuse(protocol.UnknownRecipient,
			"%s: the record of state %s (number %d) does not list it", id, id.State(), s.Record().Sequence)
	}
	return s, m, nil
}
