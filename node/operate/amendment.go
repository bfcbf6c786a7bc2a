package operate

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// Amendment is what each change of a node's own record needs: with the state's offline
// key the next record is signed, while the node does not run.
type Amendment struct {
	Dir     string
	Offline string           // the folder with the offline keys
	Now     func() time.Time // nil: the machine's clock
	// Passphrases open the node's keys and the offline keys; new keys of the node are
	// protected with them where the old ones were.
	Passphrases *Passphrases
}

// amendment is one that is under way. Who began it closes the node.
type amendment struct {
	*Node
	at      time.Time // of the new record, in whole seconds, as OpenPGP has them
	offline string
	from    *Passphrases
	keys    *keyring    // opens the offline keys
	signer  *pgp.Secret // the state's new key, when that signs the record; nil: the one on the medium
}

func (p Amendment) begin(ctx context.Context) (*amendment, error) {
	n, err := Open(ctx, p.Dir, Options{Passphrases: p.Passphrases, Now: p.Now})
	if err != nil {
		return nil, err
	}
	if locked := n.Locked[NodeHolder]; locked != nil {
		return nil, errors.Join(locked, n.Close())
	}
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	if err := settleMedium(ctx, p.Offline, n.Gateway.Store); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return &amendment{
		Node: n, at: now().Truncate(time.Second), offline: p.Offline, from: p.Passphrases,
		keys: &keyring{holder: OfflineHolder, from: p.Passphrases, config: n.Config},
	}, nil
}

// next is the record that follows another one of this state, with one change,
// signed by the state.
func (c *amendment) next(last *record.State, edit func(*record.Record)) (signed statement.Signed, state *record.State, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("sign the next record: %w", err)
		}
	}()
	primary := c.signer
	if primary == nil {
		if primary, err = readSecret(c.keys, filepath.Join(c.offline, stateKeyFile), filepath.Join(c.offline, stateCertificateFile)); err != nil {
			return signed, nil, err
		}
	}
	r := *last.Record()
	previous := last.Ref().Digest
	r.Sequence, r.Previous, r.Created = r.Sequence+1, &previous, protocol.At(c.at)
	edit(&r)
	if signed, err = record.SignRecord(&r, primary, c.at); err != nil {
		return signed, nil, err
	}
	state, err = record.Verify(signed, last)
	return signed, state, err
}

// publish makes a record the node's own. With it go files of new keys, by their
// places, with which it is of no use without.
//
// If the power goes: before the commit nothing has changed; after it the files are
// put in their places when the node is opened next.
func (c *amendment) publish(ctx context.Context, signed statement.Signed, state *record.State, files map[string][]byte) error {
	if err := writeNext(c.Layout, signed, files); err != nil {
		return err
	}
	if err := c.Gateway.Publish(ctx, state); err != nil {
		return err
	}
	return settleNext(ctx, c.Layout, c.Gateway.Store, state.Record().State)
}
