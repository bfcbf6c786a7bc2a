package control

import (
	"context"

	"comity/protocol"
)

// sendPlaces is how much that takes the machine is done at once for one authority,
// where a node hosts several: messages that are read, sealed and stored, audits and
// exports for its officers. What another one does beside it has a fifth of the machine
// at least.
const sendPlaces = 4

// turns lets so much of each authority through at once; the rest of the same authority
// waits. On a node with one authority nobody waits.
type turns map[protocol.AuthorityID]chan struct{}

func newTurns(hosted []protocol.AuthorityID) turns {
	all := turns{}
	if len(hosted) < 2 {
		return all
	}
	for _, a := range hosted {
		all[a] = make(chan struct{}, sendPlaces)
	}
	return all
}

// enter waits for a place. The caller calls leave once.
func (t turns) enter(ctx context.Context, a protocol.AuthorityID) (leave func(), err error) {
	places := t[a]
	if places == nil {
		return func() {}, nil
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
