//go:build linux

package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"comity/crypto/merkle"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
	"comity/store"
	"comity/testnet/local"
)

// Sizes of what fills a store: about those of real documents.
const (
	filledEvidence  = 1200
	filledEnvelope  = 5000
	filledSignature = 300
	// filledAtOnce is how many facts share a commit while a store is filled.
	filledAtOnce = 2000
)

// fillHistory gives a node that does not run a log of so many leaves more, and so
// many parcels queued for a node that is down, all tried before and due tomorrow.
// It writes through the store's own commits, under the node's own log key; the
// documents are bytes without meaning, which nothing in a benchmark opens.
func fillHistory(n, down *local.Node, leaves, queued int) error {
	ctx := context.Background()
	node, err := operate.Open(ctx, n.Dir, operate.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer node.Close()
	g := node.Gateway
	commit := func(facts []store.Fact) error {
		outcomes, err := g.Store.Commit(ctx, facts, func(size int64, root merkle.Hash) ([]byte, error) {
			return g.Log.Checkpoint(size, root, time.Now())
		})
		for _, o := range outcomes {
			if err == nil {
				err = o.Err
			}
		}
		return err
	}
	body, err := sealedOnce(g.Store)
	if err != nil {
		return err
	}
	var facts []store.Fact
	for i := range queued + max(0, leaves-queued) { // each queued parcel has a leaf too
		id, err := protocol.NewParcelID()
		if err != nil {
			return err
		}
		k := protocol.Key{From: n.Authority, Parcel: id, To: down.Authority}
		if i < queued {
			facts = append(facts, body.queue(k, down, i == 0))
		} else {
			// The one event that stands without a parcel.
			facts = append(facts, store.FileEvidence{Key: k, Evidence: filled(evidence.SubmissionRejection)})
		}
		if len(facts) == filledAtOnce || i == 0 {
			if err := commit(facts); err != nil {
				return fmt.Errorf("fill %s: %w", n.ID, err)
			}
			facts = facts[:0]
		}
	}
	if len(facts) == 0 {
		return nil
	}
	return commit(facts)
}

// filled is an evidence of chance.
func filled(event evidence.Event) store.Evidence {
	return store.Evidence{
		Packet: statement.Packet{Signed: filledDocument(filledEvidence)}, Event: event, Time: time.Now(),
	}
}

func filledDocument(size int) statement.Signed {
	document, signature := bytes.Repeat([]byte("x"), size), bytes.Repeat([]byte("y"), filledSignature)
	copy(document, rand.Text())
	copy(signature, rand.Text())
	return statement.Signed{Document: document, Signature: signature}
}

// filledBody is one sealed body that all queued parcels share.
type filledBody struct {
	spool  *store.Spool
	sealed envelope.Sealed
}

func sealedOnce(g *store.Gateway) (*filledBody, error) {
	spool := g.NewSpool()
	if _, err := spool.Write(make([]byte, 8<<10)); err != nil {
		return nil, err
	}
	if err := spool.Keep(); err != nil {
		return nil, err
	}
	return &filledBody{spool, envelope.Sealed{Size: spool.Size(), Digest: spool.Digest(), Recipients: 1}}, nil
}

// queue is a parcel that waits until tomorrow; the first brings the body.
func (b *filledBody) queue(k protocol.Key, to *local.Node, first bool) store.Submit {
	now := time.Now()
	s := store.Submit{Out: []store.Outbound{{
		Key: k, Peer: to.ID, Envelope: filledDocument(filledEnvelope), Sealed: b.sealed, Priority: protocol.Routine,
		Created: now, Expires: now.Add(protocol.DefaultLifetime), Evidence: filled(evidence.SubmissionAcceptance),
		Next: now.Add(24 * time.Hour),
	}}}
	if first {
		s.Spool = b.spool
	}
	return s
}
