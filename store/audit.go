package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/record"
)

// An audit is the one place where the store verifies what it holds: everything
// that callers verified before they stored it, once more, and that each column
// says what the documents say. What no document says, such as when a row was
// written, it cannot know.

// Finding is one thing that an audit found wrong: where, and what.
type Finding struct {
	Place string
	What  string
}

// maxFindings is after how many an audit gives up: the rest would say the same.
const maxFindings = 100

// AuditReport says what an audit went through and what it found.
type AuditReport struct {
	Log          LogReport
	Records      int64 // each verified, and that it follows from the one before
	Transmission int64 // envelopes sent and received
	Evidence     int64 // signatures, roles and subjects of own and foreign evidence
	Proofs       int64 // of foreign evidence, under its issuer's log
	Withdrawals  int64
	Peers        int64 // newest checkpoints of other logs
	Cosignatures int64 // of the own log by its witnesses, each about a checkpoint that is here
	Cosigned     int64 // newest states of other logs that this node cosigned
	Followed     int64 // states of other logs that are followed, or wait to be compared
	PeerProofs   int64 // of evidence in the other node's log, under cosigned checkpoints
	Forks        int64 // logs of others of which two contradicting states are kept
	Bodies       int64 // sealed bodies, digests computed again where read
	Directories  int64 // versions of a federation's directory that were adopted
	Journal      int64 // entries of an office's journal
	Messages     int64 // manifests of an office, approvals and files compared
	// What rests on peers alone, because the node has lost a log.
	Former             int64 // own evidence that names a lost log, and has a leaf in this one
	FormerCosignatures int64 // of states of a lost log, which are not here to compare
	Waiting            int64 // transmissions whose bytes, or what became of them, peers still have to tell
	Findings           []Finding
	// GaveUp says that there were more findings than are listed.
	GaveUp bool
}

// AuditOptions are what a caller of an audit may choose.
type AuditOptions struct {
	// Own is the node's state.
	Own protocol.StateID
	// Checkpoint verifies a checkpoint of the own log.
	Checkpoint func(note []byte) (merkle.Checkpoint, error)
	// Bodies reads the sealed bodies that are files, too.
	Bodies bool
	// Each is told how far the audit is, in rows; nil: nobody is.
	Each func(done, total int64)
}

// audit is one under way.
type audit struct {
	AuditReport
	options AuditOptions
	now     time.Time
	history record.History
	done    int64
	total   int64
}

// beginning is before every row: a number that nobody gives hides nothing.
const beginning = int64(math.MinInt64)

// errGaveUp ends an audit that has found enough.
var errGaveUp = errors.New("too many findings")

// wrong notes a finding.
func (a *audit) wrong(place, format string, args ...any) error {
	if len(a.Findings) == maxFindings {
		a.GaveUp = true
		return errGaveUp
	}
	a.Findings = append(a.Findings, Finding{place, fmt.Sprintf(format, args...)})
	return nil
}

// row is one row under audit.
type row struct {
	a     *audit
	place string
	err   error // errGaveUp
}

func (a *audit) row(format string, args ...any) *row {
	return &row{a: a, place: fmt.Sprintf(format, args...)}
}

// fault notes a finding about a column.
func (r *row) fault(column, format string, args ...any) {
	if r.err == nil {
		r.err = r.a.wrong(r.place+", "+column, format, args...)
	}
}

// check notes an error about a column and reports whether there was none.
func (r *row) check(column string, err error) bool {
	if err != nil {
		r.fault(column, "%v", err)
	}
	return err == nil
}

// same notes that a column is not what the document beside it says.
func same[T comparable](r *row, column string, have, want T) {
	if have != want {
		r.fault(column, "it is %v; the document says %v", have, want)
	}
}

// step tells how far it is.
func (a *audit) step(rows int) {
	a.done += int64(rows)
	if a.options.Each != nil {
		a.options.Each(min(a.done, a.total), a.total)
	}
}

// count adds up the rows that are to come.
func (a *audit) count(ctx context.Context, v *vault, tables ...string) error {
	return v.read(ctx, func(ctx context.Context, t *tx) error {
		a.now = t.now
		for _, table := range tables {
			var n int64
			if _, err := t.find(ctx, []any{&n}, `SELECT count(*) FROM `+table); err != nil {
				return err
			}
			a.total += n
		}
		return nil
	})
}

// pages reads a table by its cursor, a page in a transaction of its own, so that
// a long audit holds nothing up, and judges each row. A row that comes while the
// audit runs is judged too or not, and is right either way.
func pages[T any](ctx context.Context, a *audit, v *vault, read func(ctx context.Context, t *tx, after *T) ([]T, error), judge func(*T) error) error {
	var last *T
	for {
		var page []T
		err := v.read(ctx, func(ctx context.Context, t *tx) (err error) {
			page, err = read(ctx, t, last)
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		for i := range page {
			if err := judge(&page[i]); err != nil {
				return err
			}
		}
		last = &page[len(page)-1]
		a.step(len(page))
	}
}

// past is the position after which a page begins.
func past[T any](last *T, position func(*T) int64) int64 {
	if last == nil {
		return beginning
	}
	return position(last)
}

// finish turns what ended the parts of an audit into its result.
func (a *audit) finish(err error) (*AuditReport, error) {
	if errors.Is(err, errGaveUp) {
		err = nil
	}
	return &a.AuditReport, wrap("auditing", err)
}

// Audit verifies everything that the gateway holds: CheckLog, and then every
// record and that it follows, envelope, withdrawal, evidence with its signature,
// role, subject and proof, the newest checkpoint of each peer, and each column
// against its document. What is wrong stands in the report; err is trouble that
// kept it from ending. Memory is bounded but for the records, which are few.
func (g *Gateway) Audit(ctx context.Context, o AuditOptions) (*AuditReport, error) {
	a := &audit{options: o}
	if err := a.count(ctx, g.v, "log_leaf", "record", "outbound", "inbound", "evidence", "checkpoint", "peer", "upload", "sealed",
		"cosigned", "cosignature", "followed", "sighting", "fork", "directory_version", "directory_named"); err != nil {
		return a.finish(err)
	}
	for _, part := range []func(context.Context, *vault) error{
		func(ctx context.Context, _ *vault) error { return a.log(ctx, g) },
		a.checkpoints, a.records, a.directories, a.outbound, a.inbound, a.evidence, a.peerProofs, a.peers, a.cosignatures, a.cosigned, a.followed, a.forks, a.uploads, a.sealed,
	} {
		if err := part(ctx, g.v); err != nil {
			return a.finish(err)
		}
	}
	return a.finish(nil)
}

// log is CheckLog, whose first finding ends it: what follows in the log rests on
// what comes before.
func (a *audit) log(ctx context.Context, g *Gateway) (err error) {
	a.Log, err = g.CheckLog(ctx, a.options.Checkpoint)
	a.step(int(a.Log.Leaves))
	if errors.Is(err, ErrIntegrity) {
		return a.wrong("log", "%v", err)
	}
	return err
}

type auditedCheckpoint struct {
	size   int64
	note   []byte
	signed int64
}

// checkpoints compares what CheckLog does not: the time beside the note, which
// the clock is held against.
func (a *audit) checkpoints(ctx context.Context, v *vault) error {
	return pages(ctx, a, v, func(ctx context.Context, t *tx, after *auditedCheckpoint) ([]auditedCheckpoint, error) {
		from := past(after, func(last *auditedCheckpoint) int64 { return last.size })
		return collect(ctx, t, func(scan func(...any) error) (c auditedCheckpoint, err error) {
			return c, scan(&c.size, &c.note, &c.signed)
		}, `SELECT size, note, signed_us FROM checkpoint WHERE size > $1 ORDER BY size LIMIT $2`, from, checkPage)
	}, func(c *auditedCheckpoint) error {
		r := a.row("checkpoint over %d leaves", c.size)
		if note, err := a.options.Checkpoint(c.note); r.check("note", err) {
			if apart := note.Time.Sub(time.UnixMicro(c.signed)); apart.Abs() > protocol.MaxSkew {
				r.fault("signed_us", "it is %s; the note says %s", time.UnixMicro(c.signed).UTC().Format(time.RFC3339), note.Time.Format(time.RFC3339))
			}
		}
		return r.err
	})
}

type auditedRecord struct {
	Record
	digest digest
}

// records verifies every record, and that it follows the one before, was confirmed
// by a person or, as the first of its state, listed by a federation (R-REC-3,
// R-REC-4, R-FED-5), and gathers them.
func (a *audit) records(ctx context.Context, v *vault) error {
	var before *record.State
	return pages(ctx, a, v, func(ctx context.Context, t *tx, after *auditedRecord) ([]auditedRecord, error) {
		var state protocol.StateID
		var sequence int64
		if after != nil {
			state, sequence = after.State, after.Sequence
		}
		return collect(ctx, t, func(scan func(...any) error) (r auditedRecord, err error) {
			return r, scan(&r.State, &r.Node, &r.Sequence, &r.Signed.Document, &r.Signed.Signature, &r.Own, &r.Pinned, &r.Listed, &r.digest)
		}, `SELECT state, node, sequence, document, signature, own, pinned, listed, digest FROM record
WHERE state > $1 OR state = $1 AND sequence > $2 ORDER BY state, sequence LIMIT $3`, state, sequence, 16)
	}, func(have *auditedRecord) error {
		r := a.row("record %d of %s", have.Sequence, have.State)
		if before != nil && before.Record().State != have.State {
			before = nil
		}
		s, err := record.Verify(have.Signed, before)
		if err != nil && before != nil && have.Pinned { // a new introduction, confirmed by words
			s, err = record.Verify(have.Signed, nil)
		}
		a.Records++
		if !r.check("document and signature", err) {
			return r.err
		}
		if before == nil && !have.Pinned && !have.Listed {
			r.fault("pinned", "the first record of a state was confirmed by nobody, and no federation listed it")
		}
		is := s.Record()
		same(r, "state", have.State, is.State)
		same(r, "sequence", have.Sequence, is.Sequence)
		same(r, "node", have.Node, is.Node.ID)
		same(r, "digest", protocol.Digest(have.digest), s.Ref().Digest)
		same(r, "own", have.Own, is.State == a.options.Own)
		a.history.Add(s)
		before = s
		return r.err
	})
}
