package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"comity/protocol"
)

// head is where the gateway's log or an office's journal ends. Every writing
// transaction looks whether it still ends where this process left it.
type head struct {
	size int64           // leaves of the log, entries of the journal
	root protocol.Digest // the log's root, the newest entry's digest
	last time.Time       // when it was signed or written
}

func (h head) same(o head) bool { return h.size == o.size && h.root == o.root }

func (h head) String() string { return fmt.Sprintf("%d (%s…)", h.size, h.root.Short()) }

// remember reads the head that the opened database has. From then on it may
// only move by what this process commits.
func (d *database) remember(ctx context.Context) error {
	return d.read(ctx, func(ctx context.Context, t *tx) error {
		h, err := d.kind.head(ctx, t)
		if err != nil {
			return err
		}
		d.mu.Lock()
		d.heads = []head{h}
		d.mu.Unlock()
		if d.config.Confirmed != nil {
			return nil // nobody can have been asked yet: see journal and Commit
		}
		return d.checkClock(t.now, h.last)
	})
}

// stand reads the head into a writing transaction, just begun. ErrIntegrity when
// it is not one that this process committed.
//
// I4: a standby that was behind and took over, or an older copy restored under
// the running node, lacks what peers were given: the next checkpoint would fork
// the log. The caller holds mu.
func (d *database) stand(ctx context.Context, t *tx) (err error) {
	if t.head, err = d.kind.head(ctx, t); err != nil || d.heads == nil {
		return err
	}
	if !slices.ContainsFunc(d.heads, t.head.same) {
		return fmt.Errorf("%w: the %s ends at %s and this process had committed it up to %s: commits were lost, or others wrote. "+
			"Perhaps a standby that was behind took over, or an older copy was restored under the running node. "+
			"What is missing may have left the node already: bring back the server that has it before the node is started again",
			ErrIntegrity, d.kind.chain, t.head, d.heads[len(d.heads)-1])
	}
	d.heads = []head{t.head}
	return nil
}

// LastSigned returns when the newest checkpoint was signed, as the clock said
// then; zero while there is none.
func (g *Gateway) LastSigned(ctx context.Context) (last time.Time, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		h, err := readHead(ctx, t)
		last = h.last
		return err
	})
	return last, wrap("reading when the log was last signed", err)
}

// moved notes where the transaction left the head. After a commit of unknown
// outcome it may also be where it was. The caller holds mu.
func (d *database) moved(t *tx, unknown bool) {
	switch {
	case d.heads == nil: // the database is being made or opened
	case !unknown:
		d.heads = []head{t.head}
	case !d.heads[0].same(t.head):
		d.heads = append(d.heads, t.head)
	}
}
