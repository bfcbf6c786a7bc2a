package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/statement"
)

// Era is the beginning of a log that follows a lost one, or one whose keys were replaced.
type Era struct {
	Number    int64            // of the new log
	Statement statement.Signed // names the log before; the first leaf
	ShownBy   protocol.NodeID  // a peer that showed what was lost; empty: nobody has
	Shown     []Record         // own records that peers showed and that were lost, in their order
	Record    Record           // the node's own next record, which names the new log
}

// NewEra begins the node's next log in one transaction. Its leaves are the
// statement, every record, the own new one among them, every adopted version of a directory and every evidence that had
// a leaf, in their order; the leaves, hashes and checkpoints of the log before go,
// which the backup still holds. Every peer is marked: what it holds of this node
// has to be fetched (R-OLD-4). What is queued counts as offered. sign signs with the new log's key.
func (g *Gateway) NewEra(ctx context.Context, e Era, sign Signer) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		if err := forgetLog(ctx, t); err != nil {
			return err
		}
		b := &batch{tx: t, v: g.v, last: make(map[string]int64)}
		if _, err := b.exec(ctx, `INSERT INTO era (number, document, signature, leaf, begun_us) VALUES ($1, $2, $3, 0, $4)`,
			e.Number, string(e.Statement.Document), string(e.Statement.Signature), b.now.UnixMicro()); err != nil {
			return err
		}
		if err := b.noteLost(ctx, e.ShownBy); err != nil {
			return err
		}
		b.leaves = append(b.leaves, newLeafRow(e.Statement.Ref()))
		if err := b.leavesAgain(ctx, sign); err != nil {
			return err
		}
		for _, r := range append(slices.Clone(e.Shown), e.Record) {
			if _, err := (AdoptRecord{Record: r}).apply(ctx, b); err != nil {
				return err
			}
		}
		if _, err := b.exec(ctx, `UPDATE peer SET recovering = 1, received_cursor = 0, sent_cursor = 0, feed_cursor = 0, shown = NULL, shown_us = NULL,
shown_record = NULL, shown_record_signature = NULL`); err != nil {
			return err
		}
		if _, err := b.exec(ctx, `DELETE FROM doubt`); err != nil { // all is fetched again
			return err
		}
		// What is queued in a copy may have left since it was made (R-WDR-3).
		if _, err := b.exec(ctx, `UPDATE outbound SET offered = 1 WHERE next_us IS NOT NULL`); err != nil {
			return err
		}
		return b.sealPage(ctx, sign)
	})
	g.edge = edge{}
	g.proofs.forget()
	return wrap(fmt.Sprintf("beginning era %d of the log", e.Number), err)
}

// noteLost remembers who first showed that something was lost before the newest era.
func (b *batch) noteLost(ctx context.Context, peer protocol.NodeID) error {
	if peer == "" {
		return nil
	}
	_, err := b.exec(ctx, `UPDATE era SET shown_by = $1 WHERE shown_by IS NULL AND number = (SELECT max(number) FROM era)`, peer)
	return err
}

// leafOf is a row whose document had a leaf in the lost log.
type leafOf struct {
	evidence int64   // its ordinal; 0: it is a record, or a version of the directory
	state    *string // of a record; nil: it is none
	sequence int64   // of a record, or the version of the directory
	signed   statement.Signed
}

// eraPage is how many leaves are held at once. Each page has a checkpoint of its own,
// in the one transaction, so that no log is held whole (I7).
const eraPage = checkPage

// formerLeaves are those rows that have no leaf in the new log yet, in the order of
// their old leaves, which forgetLog turned into negative numbers.
const formerLeaves = `SELECT * FROM (SELECT leaf, ordinal, NULL AS state, 0 AS sequence, document, signature FROM evidence WHERE leaf < 0 ORDER BY leaf DESC LIMIT $1) AS e
UNION ALL SELECT * FROM (SELECT leaf, 0 AS ordinal, state, sequence, document, signature FROM record WHERE leaf < 0 ORDER BY leaf DESC LIMIT $1) AS r
UNION ALL SELECT * FROM (SELECT leaf, 0 AS ordinal, NULL AS state, version AS sequence, document, signature FROM directory_version WHERE leaf < 0 ORDER BY leaf DESC LIMIT $1) AS d
ORDER BY 1 DESC LIMIT $1`

// leavesAgain gives each of those rows a leaf in the new log, page by page.
func (b *batch) leavesAgain(ctx context.Context, sign Signer) error {
	for {
		rows, err := collect(ctx, b.tx, func(scan func(...any) error) (r leafOf, err error) {
			var leaf int64
			return r, scan(&leaf, &r.evidence, &r.state, &r.sequence, &r.signed.Document, &r.signed.Signature)
		}, formerLeaves, eraPage)
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := b.leafAgain(ctx, rows); err != nil {
			return err
		}
		if len(b.leaves) >= eraPage {
			if err := b.sealPage(ctx, sign); err != nil {
				return err
			}
		}
	}
}

// sealPage appends the leaves so far under a checkpoint.
func (b *batch) sealPage(ctx context.Context, sign Signer) error {
	var next edge
	if _, err := b.seal(ctx, &hashes{ctx: ctx, t: b.tx, known: make(map[int64]merkle.Hash)}, sign, &next); err != nil {
		return err
	}
	b.size, b.leaves = b.leaf(), nil
	return nil
}

// forgetLog removes the log of a copy that is older than what was signed. Until
// leafAgain the rows name leaves that there are not.
func forgetLog(ctx context.Context, t *tx) error {
	for _, query := range []string{
		`UPDATE era SET leaf = NULL`,
		`UPDATE evidence SET leaf = -1 - leaf WHERE leaf IS NOT NULL`, // none may meet a new one on the way
		`UPDATE record SET leaf = -1 - leaf`,
		`UPDATE directory_version SET leaf = -1 - leaf`,
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

// leafAgain gives rows leaves in the new log.
func (b *batch) leafAgain(ctx context.Context, rows []leafOf) (err error) {
	for _, r := range rows {
		switch {
		case r.evidence != 0:
			_, err = b.exec(ctx, `UPDATE evidence SET leaf = $2 WHERE ordinal = $1`, r.evidence, b.leaf())
		case r.state != nil:
			_, err = b.exec(ctx, `UPDATE record SET leaf = $3 WHERE state = $1 AND sequence = $2`, *r.state, r.sequence, b.leaf())
		default:
			_, err = b.exec(ctx, `UPDATE directory_version SET leaf = $2 WHERE version = $1`, r.sequence, b.leaf())
		}
		if err != nil {
			return err
		}
		b.leaves = append(b.leaves, newLeafRow(r.signed.Ref()))
	}
	return nil
}

// BegunEra is how a log began that followed another one, and when it was stored.
type BegunEra struct {
	Statement statement.Signed
	Begun     time.Time
	ShownBy   protocol.NodeID // the peer that first showed what was lost before; empty: nobody has
}

const selectEra = `SELECT document, signature, begun_us, coalesce(shown_by, '') FROM era `

func scanEra(scan func(...any) error) (e BegunEra, err error) {
	var begun int64
	err = scan(&e.Statement.Document, &e.Statement.Signature, &begun, &e.ShownBy)
	e.Begun = instant(&begun)
	return e, err
}

// Eras returns how the node's logs began, but for the first; oldest first.
func (g *Gateway) Eras(ctx context.Context) (all []BegunEra, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		all, err = collect(ctx, t, scanEra, selectEra+`ORDER BY number`)
		return err
	})
	return all, wrap("reading the eras of the log", err)
}

// ErasOf returns those that were begun in a period.
func (g *Gateway) ErasOf(ctx context.Context, p Period, limit int) (list []BegunEra, more bool, err error) {
	from, until := p.micros()
	return exceptions(ctx, g.v, "reading the eras of the log", limit, scanEra,
		selectEra+`WHERE begun_us >= $1 AND begun_us < $2 ORDER BY number LIMIT $3`, from, until)
}

// EraBegan returns when the newest of them was stored; zero: the log is the node's
// first.
func (g *Gateway) EraBegan(ctx context.Context) (at time.Time, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		var us *int64
		_, err := t.find(ctx, []any{&us}, `SELECT max(begun_us) FROM era`)
		at = instant(us)
		return err
	})
	return at, wrap("reading when the log began", err)
}
