package store

import (
	"strings"
	"testing"
)

// The queries that run for every parcel walk an index, however large the
// tables are; none reads a whole table or sorts.
func TestHotQueriesUseIndexes(t *testing.T) {
	n := newNode(t)
	const byKey = ` WHERE sender = $1 AND parcel = $2 AND recipient = $3`
	for name, query := range map[string]string{
		"due":               dueRows,
		"next line":         nextLine,
		"next due":          firstDue,
		"wake":              `UPDATE outbound SET next_us = $3 WHERE peer = $1 AND priority_rank = $2 AND next_us > $3`,
		"due, one":          dueRow,
		"waiting":           waitingRows,
		"waiting, one":      waitingRow,
		"outbound":          outboundColumns + ` WHERE o.sender = $1 AND o.parcel = $2 AND o.recipient = $3`,
		"outbound list":     outboundColumns + ` WHERE o.test = 0 ORDER BY o.ordinal DESC LIMIT $1`,
		"inbound":           inboundColumns + byKey,
		"inbound list":      inboundColumns + ` WHERE test = 0 AND ordinal < $1 ORDER BY ordinal DESC LIMIT $2`,
		"upload":            uploadRow,
		"upload, next":      advanceUpload,
		"uploads":           uploadPage,
		"envelope":          inboundColumns + ` WHERE envelope_digest = $1`,
		"envelope, sent":    outboundColumns + ` WHERE o.envelope_digest = $1`,
		"unwitnessed":       openRows,
		"evidence":          `SELECT ` + evidenceColumns + ` FROM evidence` + byKey + ` AND event = $4`,
		"feed":              `SELECT ` + evidenceColumns + ` FROM evidence WHERE feed_peer = $1 AND ordinal > $2 ORDER BY ordinal LIMIT $3`,
		"last evidence":     lastEvidence,
		"last outbound":     lastOutbound,
		"last inbound":      lastInbound,
		"head":              `SELECT size, signed_us FROM checkpoint ORDER BY size DESC LIMIT 1`,
		"proof":             `SELECT l.salt, c.note FROM log_leaf l JOIN checkpoint c ON c.size = l.checkpoint_size WHERE l.leaf = $1`,
		"hashes":            readHashes,
		"sealed":            `SELECT body FROM sealed WHERE digest = $1`,
		"sealed, kept":      fileKept,
		"newest record":     `SELECT coalesce(max(sequence), 0) FROM record WHERE state = $1`,
		"needs its bytes":   `SELECT 1 FROM outbound WHERE sealed_digest = $1 AND keeps = 1`,
		"last act":          `SELECT coalesce(max(ordinal), 0) FROM act`,
		"needs its bytes B": `SELECT 1 FROM inbound WHERE sealed_digest = $1 AND keeps = 1`,
	} {
		for _, detail := range n.plan(query) {
			// A list walks the table backwards by its key and stops at the limit.
			backwards := strings.HasSuffix(name, "list") || name == "head"
			sorts := strings.Contains(detail, "TEMP B-TREE") || strings.Contains(detail, "Sort")
			scans := strings.Contains(detail, "SCAN") && !backwards || strings.Contains(detail, "Seq Scan")
			if sorts || scans {
				t.Errorf("%s: %s", name, detail)
			}
		}
	}
}

// plan asks the engine how it would run a query.
func (n *node) plan(query string) (details []string) {
	n.t.Helper()
	if testEngine == onPostgres {
		return n.planPostgres(query)
	}
	rows, err := n.v.writer.Query("EXPLAIN QUERY PLAN "+query, anyArgs(query)...)
	if err != nil {
		n.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			n.t.Fatal(err)
		}
		details = append(details, detail)
	}
	if err := rows.Err(); err != nil {
		n.t.Fatal(err)
	}
	return details
}

// planPostgres asks for the plan of a table that is too large to be read whole:
// with few rows, as here, PostgreSQL would read them all in any case.
func (n *node) planPostgres(query string) (details []string) {
	n.t.Helper()
	ctx := n.t.Context()
	conn, err := n.v.reader.Conn(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	defer conn.Close()
	for _, q := range []string{
		"SET enable_seqscan = off", "SET enable_bitmapscan = off", "SET plan_cache_mode = force_generic_plan",
		"PREPARE asked AS " + query,
	} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			n.t.Fatalf("%s: %v", q, err)
		}
	}
	args := strings.TrimSuffix(strings.Repeat("NULL, ", len(anyArgs(query))), ", ")
	if args != "" {
		args = "(" + args + ")"
	}
	defer func() {
		if _, err := conn.ExecContext(ctx, "DEALLOCATE asked"); err != nil {
			n.t.Error(err)
		}
	}()
	rows, err := conn.QueryContext(ctx, "EXPLAIN EXECUTE asked"+args)
	if err != nil {
		n.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			n.t.Fatal(err)
		}
		details = append(details, line)
	}
	if err := rows.Err(); err != nil {
		n.t.Fatal(err)
	}
	return details
}

// anyArgs returns a value for each placeholder.
func anyArgs(query string) []any {
	n := 0
	for strings.Contains(query, placeholders(n+1, 1)) {
		n++
	}
	args := make([]any, n)
	for i := range args {
		args[i] = 0
	}
	return args
}
