package gateway

import (
	"context"
	"fmt"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/statement"
)

// transmission is what never changes about a parcel to one recipient: every
// evidence about it is compared with that.
type transmission struct {
	peer     protocol.NodeID
	envelope *envelope.Envelope // without NotBefore, which is most of it and says nothing about the parcel
	ref      statement.Ref
}

// maxTransmissions is how many of each direction are held in memory, about 1 KiB
// each: a parcel gets three evidences or more within a second, and to read its
// envelope again for each costs as much as to verify a signature.
const maxTransmissions = 1024

func newTransmission(peer protocol.NodeID, env *envelope.Envelope, ref statement.Ref) transmission {
	slim := *env
	slim.NotBefore = nil
	return transmission{peer, &slim, ref}
}

// sent returns a parcel that was submitted here. store.ErrNotFound.
func (g *Gateway) sent(ctx context.Context, k protocol.Key) (transmission, error) {
	if t, ok := g.out.get(k); ok {
		return t, nil
	}
	row, err := g.Store.Outbound(ctx, k)
	if err != nil {
		return transmission{}, err
	}
	return recall(g.out, row.Peer, row.Envelope)
}

// received returns a parcel that came from a peer. store.ErrNotFound.
func (g *Gateway) received(ctx context.Context, k protocol.Key) (transmission, error) {
	if t, ok := g.in.get(k); ok {
		return t, nil
	}
	row, err := g.Store.Inbound(ctx, k)
	if err != nil {
		return transmission{}, err
	}
	return recall(g.in, row.Peer, row.Envelope)
}

func recall(from *recent[protocol.Key, transmission], peer protocol.NodeID, signed statement.Signed) (transmission, error) {
	env, err := envelope.Parse(signed.Document)
	if err != nil {
		return transmission{}, fmt.Errorf("read a stored envelope: %w", err)
	}
	t := newTransmission(peer, env, signed.Ref())
	from.put(env.Key(), t)
	return t, nil
}
