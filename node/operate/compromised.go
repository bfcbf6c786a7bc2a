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
	Dir     string
	Offline string    // the folder with the state's offline key
	Since   time.Time // since when the keys may have been in other hands
	Now     func() time.Time
	// Passphrases open the node's keys, the new ones are protected with, and the
	// offline key.
	Passphrases *Passphrases
}

// ErrNotYet says that a theft is dated in the future.
var ErrNotYet = errors.New("it cannot have happened yet")

// ReplaceWitness announces that the keys with which the node cosigns are
// compromised, and gives it others: the state's next record marks the old pair and
// names the new one (R-REC-11). What the node remembers of the logs that it
// cosigned stays. The node must not run.
//
// If the power goes: before the commit nothing has changed; after it the files are
// put in their places when the node is opened next.
func ReplaceWitness(ctx context.Context, p CompromisedPlan) (_ *record.State, err error) {
	n, err := Open(ctx, p.Dir, Options{Passphrases: p.Passphrases, Now: p.Now})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	if locked := n.Locked[NodeHolder]; locked != nil {
		return nil, locked
	}
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	at := now().Truncate(time.Second) // OpenPGP has whole seconds
	if p.Since.After(at) {
		return nil, fmt.Errorf("%w: since %s, and here it is %s", ErrNotYet, protocol.At(p.Since), protocol.At(at))
	}
	node := n.Gateway.Own.Record().Node
	secret, ed, pq, err := merkle.GenerateKeypair("comity/witness/" + string(node.ID))
	if err != nil {
		return nil, err
	}
	k := &keyring{holder: OfflineHolder, from: p.Passphrases, config: n.Config}
	signed, state, err := nextRecord(k, p.Offline, n.Gateway.Own, at, func(r *record.Record) {
		r.Node.Compromised = append(slices.Clone(r.Node.Compromised), record.Mark{
			Keys: node.Witness, Compromised: record.Compromised{Since: protocol.At(p.Since), Announced: protocol.At(at)},
		})
		r.Node.Witness = record.Keypair{Ed25519: ed, MLDSA44: pq}
	})
	if err != nil {
		return nil, fmt.Errorf("sign the next record: %w", err)
	}
	path := n.Layout.NodeFile(witnessKeyFile)
	if secret, err = n.protectAlike(p.Passphrases, path, secret); err != nil {
		return nil, err
	}
	content := recordFiles(n.Layout, signed)
	content[path] = secret
	if err := writeNext(n.Layout, content); err != nil {
		return nil, err
	}
	if err := n.Gateway.Publish(ctx, state); err != nil {
		return nil, err
	}
	return state, settleEra(ctx, n.Layout, n.Gateway.Store, state.Record().State)
}
