package operate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"comity/crypto/keys"
	"comity/crypto/merkle"
	"comity/crypto/seal"
	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/era"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

// ErrNotOlder says that no peer has shown that a node is an older copy of itself.
var ErrNotOlder = errors.New("no peer has shown that this is an older copy of the node")

// OtherKeysError says that the newest record of the node's state, which a peer
// shows, is for keys that this copy does not have.
type OtherKeysError struct {
	Record int64
	Peer   protocol.NodeID
	Why    error
}

func (e *OtherKeysError) Error() string {
	return fmt.Sprintf("record %d, which %s shows, is not for the keys of this copy: %v", e.Record, e.Peer, e.Why)
}

// NewEra gives a node that was restored from an old backup its next log: with new
// keys, a new record that the state's offline key signs, and a first leaf that
// names the log before as this copy has it and as peers have shown it. Afterwards
// the node fetches from each peer what it has lost, before it accepts anything from
// it (R-OLD-4). Where a peer has shown a record that this copy has lost too, the next
// one follows from that. The node must not run.
//
// If the power goes: before the commit nothing has changed; after it the files are
// put in their places when the node is opened next.
func NewEra(ctx context.Context, p Amendment) (_ *record.State, err error) {
	c, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	g := c.Gateway
	shown, err := g.Store.Shown(ctx)
	if err != nil {
		return nil, err
	}
	if len(shown) == 0 {
		return nil, ErrNotOlder
	}
	last, err := newestShown(g, shown)
	if err != nil {
		return nil, err
	}
	log, listed, err := logAfter(last.Record().Node.Log)
	if err != nil {
		return nil, err
	}
	signed, state, err := c.next(last, func(r *record.Record) { r.Node.Log = listed })
	if err != nil {
		return nil, err
	}
	return state, c.beginLog(ctx, log, signed, last, state, shown, nil)
}

// logAfter makes the keys of the log of the next era.
func logAfter(before record.Log) (*merkle.Signer, record.Log, error) {
	node, number, err := protocol.ParseLogOrigin(before.Origin)
	if err != nil {
		return nil, record.Log{}, err
	}
	log, err := merkle.GenerateLog(protocol.LogOrigin(node, number+1))
	if err != nil {
		return nil, record.Log{}, err
	}
	ed, pq := log.VerifierKeys()
	return log, record.Log{Origin: log.Origin(), Keys: record.Keypair{Ed25519: ed, MLDSA44: pq}}, nil
}

// beginLog makes a record the node's own that names its next log, and begins that:
// its first leaf names the log before.
func (c *amendment) beginLog(ctx context.Context, log *merkle.Signer, signed statement.Signed, last, state *record.State, shown []store.Shown, files map[string][]byte) error {
	g := c.Gateway
	node, number, err := protocol.ParseLogOrigin(log.Origin())
	if err != nil {
		return err
	}
	says, err := beginning(ctx, g, last, log, state, shown, c.at)
	if err != nil {
		return fmt.Errorf("sign how the log begins: %w", err)
	}
	secret, err := log.Marshal()
	if err != nil {
		return err
	}
	path := c.Layout.NodeFile(logKeyFile)
	if secret, err = c.protectAlike(NodeHolder, path, secret); err != nil {
		return err
	}
	all := map[string][]byte{path: secret}
	maps.Copy(all, files)
	if err := writeNext(c.Layout, signed, all); err != nil {
		return err
	}
	begun := store.Era{Number: number, Statement: says, Record: ownRow(state)}
	if last != g.Own {
		begun.Shown = []store.Record{ownRow(last)}
	}
	if len(shown) > 0 {
		begun.ShownBy = shown[0].Peer
	}
	err = g.Store.NewEra(ctx, begun, func(size int64, root merkle.Hash) ([]byte, error) { return log.Checkpoint(size, root, c.at) })
	if err != nil {
		return err
	}
	return settleNext(ctx, c.Layout, g.Store, node.State())
}

// newestShown is the newest record of the node's state that is known: its own one, or
// one that a peer has shown. An OtherKeysError says that this copy cannot go on
// from it.
func newestShown(g *gateway.Gateway, shown []store.Shown) (*record.State, error) {
	last := g.Own
	for _, s := range shown {
		newer, err := s.NewerThan(g.Own)
		if err != nil {
			return nil, err
		}
		if newer == nil || newer.Record().Sequence <= last.Record().Sequence {
			continue
		}
		if err := g.HasKeys(newer); err != nil {
			return nil, &OtherKeysError{Record: newer.Record().Sequence, Peer: s.Peer, Why: err}
		}
		last = newer
	}
	return last, nil
}

func ownRow(s *record.State) store.Record {
	r := s.Record()
	return store.Record{State: r.State, Node: r.Node.ID, Sequence: r.Sequence, Signed: s.Signed(), Own: true, Pinned: true}
}

// beginning is the statement that becomes the first leaf.
func beginning(ctx context.Context, g *gateway.Gateway, last *record.State, log *merkle.Signer, state *record.State, shown []store.Shown, at time.Time) (statement.Signed, error) {
	note, err := g.Store.Checkpoint(ctx)
	if err != nil {
		return statement.Signed{}, err
	}
	s := &era.Statement{
		Type: era.Type, Node: state.Record().Node.ID, Log: log.Origin(), Previous: last.Record().Node.Log.Origin, Shown: []era.Shown{},
		Record: state.Ref().Digest, Created: protocol.At(at),
	}
	if note != nil && s.Previous == g.Log.Origin() { // of an earlier log, it says nothing of the one that was lost
		text := string(note)
		s.Restored = &text
	}
	for _, one := range shown {
		if one.Note != nil && len(s.Shown) < protocol.MaxShown {
			s.Shown = append(s.Shown, era.Shown{Node: one.Peer, Checkpoint: string(one.Note)})
		}
	}
	if err := s.Validate(); err != nil {
		return statement.Signed{}, err
	}
	return statement.Sign(s, protocol.MaxEra, g.NodeKey, at)
}

// protectAlike protects what takes the place of a key file of a holder as that file
// is protected.
func (c *amendment) protectAlike(h Holder, path string, secret []byte) ([]byte, error) {
	old, err := keys.Read(path, seal.MaxProtected)
	if err != nil || !seal.Protected(old) {
		return secret, err
	}
	pass, _, err := c.from.Find(h, c.Config)
	if err != nil {
		return nil, &LockedError{Holder: h, why: withoutFile(err)}
	}
	return protect(pass, secret)
}
