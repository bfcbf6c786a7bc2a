package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/record"
)

// CompromisedPlan says what ReplaceWitness needs.
type CompromisedPlan struct {
	Amendment
	Since time.Time // since when the keys may have been in other hands
}

// ErrNotYet says that a theft is dated in the future.
var ErrNotYet = errors.New("it cannot have happened yet")

// ReplaceWitness announces that the keys with which the node cosigns are
// compromised, and gives it others: the state's next record marks the old pair and
// names the new one (R-REC-11). What the node remembers of the logs that it
// cosigned stays. The node must not run.
func ReplaceWitness(ctx context.Context, p CompromisedPlan) (_ *record.State, err error) {
	c, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if p.Since.After(c.at) {
		return nil, fmt.Errorf("%w: since %s, and here it is %s", ErrNotYet, protocol.At(p.Since), protocol.At(c.at))
	}
	node := c.Gateway.Own.Record().Node
	secret, ed, pq, err := merkle.GenerateKeypair("comity/witness/" + string(node.ID))
	if err != nil {
		return nil, err
	}
	signed, state, err := c.next(c.Gateway.Own, func(r *record.Record) {
		r.Node.Compromised = append(slices.Clone(r.Node.Compromised), record.Mark{
			Keys: node.Witness, Compromised: record.Compromised{Since: protocol.At(p.Since), Announced: protocol.At(c.at)},
		})
		r.Node.Witness = record.Keypair{Ed25519: ed, MLDSA44: pq}
	})
	if err != nil {
		return nil, err
	}
	path := c.Layout.NodeFile(witnessKeyFile)
	if secret, err = c.protectAlike(path, secret); err != nil {
		return nil, err
	}
	return state, c.publish(ctx, signed, state, map[string][]byte{path: secret})
}
