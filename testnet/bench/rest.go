//go:build linux

package bench

import (
	"context"
	"database/sql"
	"errors"
	"testing"
)

// share is a part of what a node keeps about a parcel, named as people would.
type share string

// What is kept for evidence, and what is not: sealed bodies, and the message as the
// office's officers see it.
const (
	envelopes  share = "envelopes and their state"
	evidences  share = "evidence with signatures"
	logged     share = "leaves, hashes and checkpoints of the log"
	witnessing share = "cosignatures"
	proven     share = "cosigned proofs of the other log"
	copied     share = "copies of evidence at the office"
	journals   share = "the office's journal"
	elsewhere  share = "" // no evidence
)

// shares are the tables of both databases. One that is not here counts for
// evidence under its own name, so that a new table cannot hide.
var shares = map[string]share{
	"gateway/outbound": envelopes, "gateway/inbound": envelopes,
	"gateway/evidence": evidences,
	"gateway/log_leaf": logged, "gateway/log_hash": logged, "gateway/checkpoint": logged,
	"gateway/cosigned": witnessing, "gateway/cosignature": witnessing, "gateway/followed": witnessing, "gateway/sighting": witnessing,
	"gateway/witnessed": proven, "gateway/peer_proof": proven,
	"gateway/sealed": elsewhere, "gateway/upload": elsewhere, "gateway/record": elsewhere, "gateway/peer": elsewhere, "gateway/peer_clock": elsewhere,
	"office/transmission": envelopes, "office/evidence": copied, "office/journal": journals,
	"office/sealed": elsewhere, "office/message": elsewhere, "office/approval": elsewhere, "office/file": elsewhere,
}

// atRest is how many bytes of its databases' pages a node uses for what, indexes
// included. What a page has left over counts for whose page it is.
func (n *countedNode) atRest(tb testing.TB) map[share]int64 {
	tb.Helper()
	all := map[share]int64{}
	for room, path := range n.databases() {
		tables, err := pagesOf(tb.Context(), path)
		must(tb, 0, err)
		for table, bytes := range tables {
			name := room + "/" + table
			of, known := shares[name]
			if !known {
				of = share(name)
			}
			all[of] += bytes
		}
	}
	return all
}

// pagesOf reads how many bytes each table's pages take, from a database that its
// node has open.
func pagesOf(ctx context.Context, path string) (tables map[string]int64, err error) {
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, `SELECT s.tbl_name, SUM(d.pgsize) FROM dbstat d JOIN sqlite_schema s ON s.name = d.name GROUP BY s.tbl_name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	tables = map[string]int64{}
	for rows.Next() {
		var table string
		var bytes int64
		if err := rows.Scan(&table, &bytes); err != nil {
			return nil, err
		}
		tables[table] = bytes
	}
	return tables, rows.Err()
}
