package control

import (
	"context"

	"comity/protocol"
)

// sendPlaces is how many messages of one authority are read, sealed and stored at
// once, where a node hosts several: that of another one, however many are sent
// beside it, has a fifth of the machine at least.
const sendPlaces = 4

// turns lets so many messages of each authority through at once; the others of the
// same authority wait. On a node with one authority nobody waits.
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
