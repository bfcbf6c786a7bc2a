package operate

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// PublishPlan says what Publish needs.
type PublishPlan struct {
	Dir     string
	Offline string // the folder with the offline keys of the state and of the authority
	Entry   *EntryFile
	Now     func() time.Time
	// Passphrases open the node's keys and the offline keys.
	Passphrases *Passphrases
}

// Publish makes the state's next record with another entry of one authority: the
// authority's offline key signs the entry, the state's the record, and the record
// becomes a leaf. Whoever publishes confirms the entry as of now, changed or not.
// Peers adopt the record at the next contact. The node must not run.
//
// If the power goes: before the commit nothing has changed; after it the record is
// put in its place when the node is opened next.
func Publish(ctx context.Context, p PublishPlan) (_ *record.State, err error) {
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
	k := &keyring{holder: OfflineHolder, from: p.Passphrases, config: n.Config}
	entry, err := n.signEntry(k, p, at)
	if err != nil {
		return nil, err
	}
	signed, state, err := nextRecord(k, p.Offline, n.Gateway.Own, at, func(r *record.Record) {
		r.Authorities = slices.Clone(r.Authorities)
		for i, m := range n.Gateway.Own.Members() {
			if m.ID() == p.Entry.Authority {
				r.Authorities[i] = entry
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("sign the next record: %w", err)
	}
	if err := writeNext(n.Layout, recordFiles(n.Layout, signed)); err != nil {
		return nil, err
	}
	if err := n.Gateway.Publish(ctx, state); err != nil {
		return nil, err
	}
	return state, settleEra(ctx, n.Layout, n.Gateway.Store, state.Record().State)
}

// signEntry makes and signs the authority's next entry.
func (n *Node) signEntry(k *keyring, p PublishPlan, at time.Time) (record.Entry, error) {
	a := p.Entry.Authority
	m, ok := n.Gateway.Own.Authority(a)
	if !ok {
		return record.Entry{}, protocol.Refuse(protocol.UnknownSender, "the record of this node does not list %s", a)
	}
	next, err := p.Entry.apply(*m.Document(), at)
	if err != nil {
		return record.Entry{}, err
	}
	primary, err := readSecret(k, filepath.Join(p.Offline, "authority-"+a.Name()+".key"), n.Layout.OfficeFile(a, certificateFile))
	if err != nil {
		return record.Entry{}, err
	}
	return record.SignAuthority(next, primary, at)
}

// nextRecord is the record that follows the node's own, with one change, signed
// by the state.
func nextRecord(k *keyring, offline string, own *record.State, at time.Time, change func(*record.Record)) (statement.Signed, *record.State, error) {
	none := statement.Signed{}
	primary, err := readSecret(k, filepath.Join(offline, "state.key"), filepath.Join(offline, "state.gpg"))
	if err != nil {
		return none, nil, err
	}
	r := *own.Record()
	previous := own.Ref().Digest
	r.Sequence, r.Previous, r.Created = r.Sequence+1, &previous, protocol.At(at)
	change(&r)
	signed, err := record.SignRecord(&r, primary, at)
	if err != nil {
		return none, nil, err
	}
	state, err := record.Verify(signed, own)
	return signed, state, err
}
