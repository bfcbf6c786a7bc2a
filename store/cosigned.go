package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
)

// LogState is one state of another node's log, as that log signed it. Whoever makes
// one has verified the note with the log's keys.
type LogState struct {
	Node       protocol.NodeID
	Checkpoint merkle.Checkpoint
	Note       []byte    // with the log's own signatures alone
	At         time.Time // filled when read: when it was stored
}

func (s LogState) same(o LogState) bool {
	return s.Checkpoint.Origin == o.Checkpoint.Origin && s.Checkpoint.Size == o.Checkpoint.Size && s.Checkpoint.Root == o.Checkpoint.Root
}

// Submission asks this node, as a witness, to cosign a state.
type Submission struct {
	LogState
	Old   int64         // what the log believes was cosigned last
	Proof []merkle.Hash // that the state extends it
}

// StaleError says that a submission does not begin at the size that this node
// cosigned last.
type StaleError struct{ Size int64 }

func (e *StaleError) Error() string {
	return fmt.Sprintf("the state cosigned last has %d leaves", e.Size)
}

// ErrForked says that the log is known to have signed two states of which
// neither extends the other. Both are stored.
var ErrForked = errors.New("the log has forked")

// Cosigned is what this node cosigned last of another log.
type Cosigned struct {
	LogState
	Lines []byte // the cosignature
}

// Cosign compares a submission with what this node cosigned of the log before,
// has it cosigned and stores it, all in one transaction: of two submissions at
// once the second meets what the first left, and nothing that was answered is
// ever forgotten (R-WIT-3). The lines may leave the process only when the error
// is nil.
//
// A *StaleError, merkle.ErrConsistency and ErrForked refuse the submission. What
// contradicts another state that this node was shown is then stored as a fork,
// also when it is refused.
func (g *Gateway) Cosign(ctx context.Context, s Submission, sign func(note []byte, at time.Time) ([]byte, error)) ([]byte, error) {
	var lines []byte
	var refusal error
	err := g.v.write(ctx, func(ctx context.Context, t *tx) (err error) {
		if err := g.v.checkClock(t.now, t.head.last); err != nil {
			return err
		}
		if refusal, err = admit(ctx, t, s); err != nil || refusal != nil {
			return err
		}
		if lines, err = sign(s.Note, t.now); err != nil {
			return err
		}
		return keepCosigned(ctx, t, s, lines)
	})
	if err == nil {
		err = refusal
	}
	return lines, wrap("cosigning a checkpoint of "+string(s.Node), err)
}

// admit decides on a submission. The refusal comes apart from the trouble,
// because a fork that it brought to light must be committed.
func admit(ctx context.Context, t *tx, s Submission) (refusal, err error) {
	if forked, err := see(ctx, t, s.LogState); err != nil {
		return nil, err
	} else if forked {
		return ErrForked, nil
	}
	have, err := cosignedLast(ctx, t, `origin = $1`, s.Checkpoint.Origin)
	if err != nil {
		return nil, err
	}
	last := have.Checkpoint
	if last.Size != s.Old {
		return &StaleError{last.Size}, nil
	}
	if s.Old == 0 {
		last.Root = merkle.Hash(protocol.Sum(nil))
	}
	return merkle.CheckConsistency(s.Proof, s.Checkpoint.Size, s.Checkpoint.Root, s.Old, last.Root), nil
}

func keepCosigned(ctx context.Context, t *tx, s Submission, lines []byte) error {
	c := s.Checkpoint
	address := protocol.Sum([]byte(c.Origin))
	_, err := t.exec(ctx, `INSERT INTO cosigned (origin, origin_digest, node, size, root, note, lines, cosigned_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (origin) DO UPDATE SET node = excluded.node, size = excluded.size, root = excluded.root, note = excluded.note,
lines = excluded.lines, cosigned_us = excluded.cosigned_us`,
		c.Origin, address[:], s.Node, c.Size, c.Root[:], string(s.Note), string(lines), t.now.UnixMicro())
	if err != nil {
		return err
	}
	return extend(ctx, t, s)
}

// Cosigned returns what this node cosigned last of the log with this SHA-256 of
// its origin. ErrNotFound.
func (g *Gateway) Cosigned(ctx context.Context, origin protocol.Digest) (c Cosigned, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		if c, err = cosignedLast(ctx, t, `origin_digest = $1`, origin[:]); err == nil && c.Note == nil {
			err = ErrNotFound
		}
		return err
	})
	return c, wrap("reading what was cosigned of log "+origin.Short(), err)
}

// cosignedLast is empty when nothing was.
func cosignedLast(ctx context.Context, t *tx, which string, arg any) (c Cosigned, err error) {
	var root digest
	var us int64
	found, err := t.find(ctx, []any{&c.Node, &c.Checkpoint.Origin, &c.Checkpoint.Size, &root, &c.Note, &c.Lines, &us},
		`SELECT node, origin, size, root, note, lines, cosigned_us FROM cosigned WHERE `+which, arg)
	if found {
		c.Checkpoint.Root, c.At = merkle.Hash(root), instant(&us)
	}
	return c, err
}
