package store

import (
	"context"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
)

// auditedState is a signed state of a log with the columns beside it.
type auditedState struct {
	origin string
	node   protocol.NodeID
	size   int64
	root   digest
	note   []byte
}

// state verifies the note under the log's keys and compares the columns.
func (a *audit) state(r *row, s *auditedState) bool {
	c, err := a.history.VerifyCheckpoint(s.node, s.note)
	if !r.check("note", err) {
		return false
	}
	same(r, "origin", s.origin, c.Origin)
	same(r, "size", s.size, c.Size)
	same(r, "root", merkle.Hash(s.root), c.Root)
	return true
}

type auditedCosigned struct {
	auditedState
	address digest
	lines   []byte
	at      int64
}

// cosigned verifies what this node cosigned of other logs, with its own keys.
func (a *audit) cosigned(ctx context.Context, v *vault) error {
	return pages(ctx, a, v, func(ctx context.Context, t *tx, after *auditedCosigned) ([]auditedCosigned, error) {
		var from string
		if after != nil {
			from = after.origin
		}
		return collect(ctx, t, func(scan func(...any) error) (c auditedCosigned, err error) {
			return c, scan(&c.origin, &c.node, &c.size, &c.root, &c.note, &c.address, &c.lines, &c.at)
		}, `SELECT origin, node, size, root, note, origin_digest, lines, cosigned_us FROM cosigned WHERE origin > $1 ORDER BY origin LIMIT $2`, from, checkPage)
	}, func(c *auditedCosigned) error {
		a.Cosigned++
		r := a.row("cosigned state of %s", c.origin)
		if !a.state(r, &c.auditedState) {
			return r.err
		}
		same(r, "origin_digest", protocol.Digest(c.address), protocol.Sum([]byte(c.origin)))
		if own := a.history.Newest(a.options.Own); own != nil {
			a.cosignature(r, own.Record().Node.ID, c.note, c.lines, c.at, "cosigned_us")
		}
		return r.err
	})
}

// cosignature verifies the lines of one witness below a note and the time that
// stands beside them.
func (a *audit) cosignature(r *row, witness protocol.NodeID, note, lines []byte, at int64, column string) {
	whole, err := merkle.WithCosignatures(note, lines)
	var c merkle.Cosignature
	if err == nil {
		c, err = a.history.VerifyCosignature(witness, whole)
	}
	if r.check("lines", err) && time.UnixMicro(at).Sub(c.Time).Abs() >= time.Second {
		r.fault(column, "it is %s; the lines say %s", time.UnixMicro(at).UTC().Format(time.RFC3339), c.Time.Format(time.RFC3339))
	}
}

type auditedCosignature struct {
	size    int64
	root    digest
	witness protocol.NodeID
	lines   []byte
	claimed int64
	note    []byte // of the own checkpoint of that size and root; nil: there is none
}

// cosignatures holds the own log against what its witnesses cosigned: each of
// them must be about a checkpoint that stands here, under keys that the witness's
// records list.
func (a *audit) cosignatures(ctx context.Context, v *vault) error {
	return pages(ctx, a, v, func(ctx context.Context, t *tx, after *auditedCosignature) ([]auditedCosignature, error) {
		from := auditedCosignature{size: beginning}
		if after != nil {
			from = *after
		}
		return collect(ctx, t, func(scan func(...any) error) (c auditedCosignature, err error) {
			return c, scan(&c.size, &c.root, &c.witness, &c.lines, &c.claimed, &c.note)
		}, `SELECT c.size, c.root, c.witness, c.lines, c.claimed_us, k.note
FROM cosignature c LEFT JOIN checkpoint k ON k.size = c.size AND k.root = c.root
WHERE c.size > $1 OR c.size = $1 AND (c.root > $2 OR c.root = $2 AND c.witness > $3) ORDER BY c.size, c.root, c.witness LIMIT $4`,
			from.size, from.root[:], from.witness, checkPage)
	}, func(c *auditedCosignature) error {
		r := a.row("cosignature of %s over %d leaves", c.witness, c.size)
		if c.note == nil && a.lostLog() {
			a.FormerCosignatures++
			return nil // it may be about a log of an earlier era, which is not kept
		}
		a.Cosignatures++
		if c.note == nil {
			r.fault("size and root", "the witness cosigned a state of this log that is not the one here")
			return r.err
		}
		a.cosignature(r, c.witness, c.note, c.lines, c.claimed, "claimed_us")
		return r.err
	})
}

// followed verifies the states of other logs that this node follows, and those
// that it has still to compare.
func (a *audit) followed(ctx context.Context, v *vault) error {
	for _, table := range []string{"followed", "sighting"} {
		if err := a.states(ctx, v, table); err != nil {
			return err
		}
	}
	return nil
}

func (a *audit) states(ctx context.Context, v *vault, table string) error {
	return pages(ctx, a, v, func(ctx context.Context, t *tx, after *auditedState) ([]auditedState, error) {
		from := auditedState{size: beginning}
		if after != nil {
			from = *after
		}
		return collect(ctx, t, func(scan func(...any) error) (s auditedState, err error) {
			return s, scan(&s.origin, &s.node, &s.size, &s.root, &s.note)
		}, `SELECT origin, node, size, root, note FROM `+table+`
WHERE origin > $1 OR origin = $1 AND (size > $2 OR size = $2 AND root > $3) ORDER BY origin, size, root LIMIT $4`, from.origin, from.size, from.root[:], checkPage)
	}, func(s *auditedState) error {
		a.Followed++
		r := a.row("%s state of %s over %d leaves", table, s.origin, s.size)
		a.state(r, s)
		return r.err
	})
}

type auditedFork struct{ one, other auditedState }

// forks verifies the evidence against logs that forked: both states are signed.
// That a log forked is itself for people to see, and no fault of this store.
func (a *audit) forks(ctx context.Context, v *vault) error {
	return pages(ctx, a, v, func(ctx context.Context, t *tx, after *auditedFork) ([]auditedFork, error) {
		var from string
		if after != nil {
			from = after.one.origin
		}
		return collect(ctx, t, func(scan func(...any) error) (f auditedFork, err error) {
			err = scan(&f.one.origin, &f.one.node, &f.one.size, &f.one.root, &f.one.note, &f.other.size, &f.other.root, &f.other.note)
			f.other.origin, f.other.node = f.one.origin, f.one.node
			return f, err
		}, `SELECT origin, node, size, root, note, other_size, other_root, other_note FROM fork WHERE origin > $1 ORDER BY origin LIMIT $2`, from, checkPage)
	}, func(f *auditedFork) error {
		a.Forks++
		r := a.row("fork of %s", f.one.origin)
		a.state(r, &f.one)
		r.place += ", other"
		a.state(r, &f.other)
		return r.err
	})
}
