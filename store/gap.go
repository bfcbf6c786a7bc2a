package store

import (
	"context"
	"time"

	"comity/protocol"
)

// Gap is a time in which a witness did not cosign this node's own log.
type Gap struct {
	Witness protocol.NodeID
	After   int64     // the size that it had cosigned before; 0: none
	Since   time.Time // when the first checkpoint beyond that was signed here
	Size    int64     // the size that it cosigned next; 0: none until the period's end
	Until   time.Time // when that cosignature arrived; zero likewise
}

// gapRows: each cosignature ends the time since the first checkpoint beyond the
// one before it; the last one begins another, which may be open.
const gapRows = `SELECT witness, before, since, size, stored_us FROM (
  SELECT c.witness, c.before, c.size, c.stored_us, (SELECT k.signed_us FROM checkpoint k WHERE k.size > c.before ORDER BY k.size LIMIT 1) AS since
  FROM (SELECT witness, size, stored_us, lag(size, 1, 0) OVER (PARTITION BY witness ORDER BY size) AS before FROM cosignature) c
  UNION ALL
  SELECT w.node, w.last, CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), (SELECT k.signed_us FROM checkpoint k WHERE k.size > w.last ORDER BY k.size LIMIT 1)
  FROM (SELECT DISTINCT r.node, (SELECT coalesce(max(x.size), 0) FROM cosignature x WHERE x.witness = r.node) AS last FROM record r WHERE r.own = 0) w
) g WHERE since < $2 AND coalesce(stored_us, $2) > $1 AND coalesce(stored_us, $2) - since > $3 ORDER BY since, witness LIMIT $4`

// Gaps returns the times, overlapping a period, for which a checkpoint of this
// node's log lacked a witness's cosignature for longer than the tolerance.
func (g *Gateway) Gaps(ctx context.Context, p Period, tolerance time.Duration, limit int) (list []Gap, more bool, err error) {
	from, until := p.micros()
	return exceptions(ctx, g.v, "reading what witnesses missed", limit, func(scan func(...any) error) (w Gap, err error) {
		var since, size, stored *int64
		err = scan(&w.Witness, &w.After, &since, &size, &stored)
		w.Since, w.Until = instant(since), instant(stored)
		if size != nil {
			w.Size = *size
		}
		return w, err
	}, gapRows, from, until, tolerance.Microseconds())
}

// Forked is a log of another node of which two contradicting states are kept, both
// signed with its keys.
type Forked struct {
	Origin          string
	Node            protocol.NodeID
	Size, OtherSize int64
	Found           time.Time
}

// Forks returns the logs that were found forked in a period, the oldest first.
func (g *Gateway) Forks(ctx context.Context, p Period, limit int) (list []Forked, more bool, err error) {
	from, until := p.micros()
	return exceptions(ctx, g.v, "reading forked logs", limit, func(scan func(...any) error) (f Forked, err error) {
		var found int64
		err = scan(&f.Origin, &f.Node, &f.Size, &f.OtherSize, &found)
		f.Found = instant(&found)
		return f, err
	}, `SELECT origin, node, size, other_size, found_us FROM fork WHERE found_us >= $1 AND found_us < $2 ORDER BY found_us, origin LIMIT $3`, from, until)
}
