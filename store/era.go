package store

import (
	"context"
	"fmt"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/statement"
)

// Era is the beginning of a log that follows a lost one.
type Era struct {
	Number    int64            // of the new log
	Statement statement.Signed // names the log before; the first leaf
	Record    Record           // the node's own next record, which names the new log
}

// NewEra begins the node's next log in one transaction. Its leaves are the
// statement, every record, the own new one among them, and every evidence that had
// a leaf, in their order; the leaves, hashes and checkpoints of the log before go,
// which the backup still holds. Every peer is marked: what it holds of this node
// has to be fetched (R-OLD-4). sign signs with the new log's key.
func (g *Gateway) NewEra(ctx context.Context, e Era, sign Signer) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		rows, err := leavesOf(ctx, t)
		if err != nil {
			return err
		}
		if err := forgetLog(ctx, t); err != nil {
			return err
		}
		b := &batch{tx: t, v: g.v, last: make(map[string]int64)}
		if _, err := b.exec(ctx, `INSERT INTO era (number, document, signature, leaf, begun_us) VALUES ($1, $2, $3, 0, $4)`,
			e.Number, string(e.Statement.Document), string(e.Statement.Signature), b.now.UnixMicro()); err != nil {
			return err
		}
		b.leaves = append(b.leaves, newLeafRow(e.Statement.Ref()))
		if err := b.leafAgain(ctx, rows); err != nil {
			return err
		}
		if _, err := (AdoptRecord{Record: e.Record}).apply(ctx, b); err != nil {
			return err
		}
		if _, err := b.exec(ctx, `UPDATE peer SET recovering = 1, received_cursor = 0, sent_cursor = 0, feed_cursor = 0, shown = NULL, shown_us = NULL`); err != nil {
			return err
		}
		var next edge
		_, err = b.seal(ctx, &hashes{ctx: ctx, t: t, known: make(map[int64]merkle.Hash)}, sign, &next)
		return err
	})
	g.edge = edge{}
	g.proofs.forget()
	return wrap(fmt.Sprintf("beginning era %d of the log", e.Number), err)
}

// leafOf is a row whose document has a leaf.
type leafOf struct {
	evidence int64   // its ordinal; 0: it is a record
	state    *string // of a record
	sequence int64
	ref      statement.Ref
}

// leavesOf lists those rows in the order of their leaves.
func leavesOf(ctx context.Context, t *tx) ([]leafOf, error) {
	return collect(ctx, t, func(scan func(...any) error) (r leafOf, err error) {
		var leaf int64
		var document, signature digest
		err = scan(&leaf, &r.evidence, &r.state, &r.sequence, &document, &signature)
		r.ref = statement.Ref{Document: protocol.Digest(document), Signature: protocol.Digest(signature)}
		return r, err
	}, `SELECT l.leaf, e.ordinal, NULL, 0, l.document_digest, l.signature_digest FROM log_leaf l JOIN evidence e ON e.leaf = l.leaf
UNION ALL SELECT l.leaf, 0, r.state, r.sequence, l.document_digest, l.signature_digest FROM log_leaf l JOIN record r ON r.leaf = l.leaf ORDER BY 1`)
}

// forgetLog removes the log of a copy that is older than what was signed. Until
// leafAgain the rows name leaves that there are not.
func forgetLog(ctx context.Context, t *tx) error {
	for _, query := range []string{
		`UPDATE era SET leaf = NULL`,
		`UPDATE evidence SET leaf = -1 - leaf WHERE leaf IS NOT NULL`, // none may meet a new one on the way
		`UPDATE record SET leaf = -1 - leaf`,
		`DELETE FROM log_leaf`,
		`DELETE FROM log_hash`,
		`DELETE FROM checkpoint`,
	} {
		if _, err := t.exec(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

// leafAgain gives each row a leaf in the new log.
func (b *batch) leafAgain(ctx context.Context, rows []leafOf) (err error) {
	for _, r := range rows {
		if r.state == nil {
			_, err = b.exec(ctx, `UPDATE evidence SET leaf = $2 WHERE ordinal = $1`, r.evidence, b.leaf())
		} else {
			_, err = b.exec(ctx, `UPDATE record SET leaf = $3 WHERE state = $1 AND sequence = $2`, *r.state, r.sequence, b.leaf())
		}
		if err != nil {
			return err
		}
		b.leaves = append(b.leaves, newLeafRow(r.ref))
	}
	return nil
}

// Recovering reports whether what the peer holds of this node is still to be
// fetched, and how far that got: after which parcels received from it, and sent to it.
func (g *Gateway) Recovering(ctx context.Context, peer protocol.NodeID) (still bool, received, sent int64, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.find(ctx, []any{&still, &received, &sent}, `SELECT recovering, received_cursor, sent_cursor FROM peer WHERE node = $1`, peer)
		return err
	})
	return still, received, sent, wrap("reading what is to be fetched from "+string(peer), err)
}

// SetRecovered notes how far what the peer holds was fetched; whole ends it. The
// cursors never go back.
func (g *Gateway) SetRecovered(ctx context.Context, peer protocol.NodeID, received, sent int64, whole bool) error {
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE peer SET received_cursor = $2, sent_cursor = $3, recovering = $4
WHERE node = $1 AND received_cursor <= $2 AND sent_cursor <= $3`, peer, received, sent, flag(!whole))
		return err
	})
	return wrap("storing what was fetched from "+string(peer), err)
}

// Eras returns the statements that began the node's logs, oldest first.
func (g *Gateway) Eras(ctx context.Context) (all []statement.Signed, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		all, err = collect(ctx, t, func(scan func(...any) error) (s statement.Signed, err error) {
			err = scan(&s.Document, &s.Signature)
			return s, err
		}, `SELECT document, signature FROM era ORDER BY number`)
		return err
	})
	return all, wrap("reading the eras of the log", err)
}
