package store

import (
	"bytes"
	"context"
	"fmt"

	"comity/crypto/merkle"
	"comity/protocol/statement"
)

// LogReport says what CheckLog found in order.
type LogReport struct {
	Leaves        int64
	Checkpoints   int64
	Evidence      int64  // own evidence, each with its leaf
	Foreign       int64  // evidence of others
	ForeignLeaves int64  // of those, how many have a leaf here too; older ones have none
	Records       int64  // each with its leaf
	Directories   int64  // versions of a federation's directory, each with its leaf
	Eras          int64  // 1 when the log follows a lost one: its first leaf says so
	Checkpoint    []byte // the newest note; nil when the log is empty
}

// checkPage is how many leaves are held at once.
const checkPage = 256

// CheckLog computes every leaf, hash and checkpoint again from the stored
// documents, in bounded memory, and checks that each own evidence and each
// record has exactly one leaf, and each of others at most one (I4, R-LOG-6). ErrIntegrity says what differs. verify
// checks the signatures of one note; nil leaves them out.
func (g *Gateway) CheckLog(ctx context.Context, verify func(note []byte) (merkle.Checkpoint, error)) (LogReport, error) {
	c := &logCheck{verify: verify, known: make(map[int64]merkle.Hash)}
	err := g.v.read(ctx, func(ctx context.Context, t *tx) error {
		if err := c.run(ctx, t); err != nil {
			return err
		}
		return g.v.engine.references(ctx, t.plain)
	})
	return c.report, wrap("checking the log", err)
}

// logCheck walks the log once from its first leaf.
type logCheck struct {
	verify func(note []byte) (merkle.Checkpoint, error)
	report LogReport
	known  map[int64]merkle.Hash // the edge and the present page
	due    checkpointRow         // the next checkpoint to come
}

type checkpointRow struct {
	size int64 // 0: none
	root digest
	note []byte
}

type checkedLeaf struct {
	index, checkpoint   int64
	salt                []byte
	document, signature digest
	evidence, record    statement.Signed
	era, directory      statement.Signed
	own                 bool // the evidence was issued on this side
}

func inconsistent(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrIntegrity}, args...)...)
}

func (c *logCheck) run(ctx context.Context, t *tx) error {
	if err := c.nextCheckpoint(ctx, t, 0); err != nil {
		return err
	}
	for {
		first := c.report.Leaves
		page, err := collect(ctx, t, func(scan func(...any) error) (l checkedLeaf, err error) {
			err = scan(&l.index, &l.salt, &l.document, &l.signature, &l.checkpoint,
				&l.evidence.Document, &l.evidence.Signature, &l.own, &l.record.Document, &l.record.Signature,
				&l.era.Document, &l.era.Signature, &l.directory.Document, &l.directory.Signature)
			return l, err
		}, `SELECT l.leaf, l.salt, l.document_digest, l.signature_digest, l.checkpoint_size, e.document, e.signature, coalesce(e.own, 0), r.document, r.signature, a.document, a.signature, d.document, d.signature
FROM log_leaf l LEFT JOIN evidence e ON e.leaf = l.leaf LEFT JOIN record r ON r.leaf = l.leaf LEFT JOIN era a ON a.leaf = l.leaf LEFT JOIN directory_version d ON d.leaf = l.leaf
WHERE l.leaf >= $1 ORDER BY l.leaf LIMIT $2`, first, checkPage)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		stored := make(map[int64]merkle.Hash)
		if err := c.loadHashes(ctx, t, first, first+int64(len(page)), stored); err != nil {
			return err
		}
		for i := range page {
			if err := c.leaf(ctx, t, &page[i], stored); err != nil {
				return err
			}
		}
		if err := c.prune(); err != nil {
			return err
		}
	}
	return c.totals(ctx, t)
}

func (c *logCheck) nextCheckpoint(ctx context.Context, t *tx, after int64) error {
	c.due = checkpointRow{}
	_, err := t.find(ctx, []any{&c.due.size, &c.due.root, &c.due.note},
		`SELECT size, root, note FROM checkpoint WHERE size > $1 ORDER BY size LIMIT 1`, after)
	return err
}

func (c *logCheck) loadHashes(ctx context.Context, t *tx, from, to int64, into map[int64]merkle.Hash) error {
	_, err := collect(ctx, t, func(scan func(...any) error) (struct{}, error) {
		var position int64
		var v digest
		err := scan(&position, &v)
		into[position] = merkle.Hash(v)
		return struct{}{}, err
	}, `SELECT position, hash FROM log_hash WHERE position >= $1 AND position < $2`, merkle.StoredIndex(from), merkle.StoredIndex(to))
	return err
}

func (c *logCheck) leaf(ctx context.Context, t *tx, l *checkedLeaf, stored map[int64]merkle.Hash) error {
	n := c.report.Leaves
	if l.index != n {
		return inconsistent("leaf %d is missing", n)
	}
	subject := l.evidence
	switch {
	case l.evidence.Document != nil && l.record.Document != nil, l.directory.Document != nil && (l.evidence.Document != nil || l.record.Document != nil):
		return inconsistent("leaf %d stands for two documents", n)
	case l.evidence.Document != nil && l.own:
		c.report.Evidence++
	case l.evidence.Document != nil:
		c.report.ForeignLeaves++
	case l.record.Document != nil:
		subject = l.record
		c.report.Records++
	case l.directory.Document != nil:
		subject = l.directory
		c.report.Directories++
	case l.era.Document != nil && n == 0:
		subject = l.era
		c.report.Eras++
	default:
		return inconsistent("leaf %d stands for no document", n)
	}
	if ref := subject.Ref(); [32]byte(l.document) != ref.Document || [32]byte(l.signature) != ref.Signature {
		return inconsistent("leaf %d names other bytes than its document and signature", n)
	}
	if len(l.salt) != merkle.SaltSize {
		return inconsistent("leaf %d has a salt of %d bytes", n, len(l.salt))
	}
	if l.checkpoint != c.due.size {
		return inconsistent("leaf %d is under the checkpoint over %d, expected %d", n, l.checkpoint, c.due.size)
	}
	hashes, err := merkle.StoredHashes(n, merkle.NewLeaf([merkle.SaltSize]byte(l.salt), l.document, l.signature), c)
	if err != nil {
		return err
	}
	for i, h := range hashes {
		at := merkle.StoredIndex(n) + int64(i)
		if have, ok := stored[at]; !ok || have != h {
			return inconsistent("hash %d of leaf %d differs", at, n)
		}
		c.known[at] = h
	}
	if c.report.Leaves++; c.report.Leaves == c.due.size {
		return c.checkpoint(ctx, t)
	}
	return nil
}

func (c *logCheck) checkpoint(ctx context.Context, t *tx) error {
	root, err := merkle.Root(c.due.size, c)
	if err != nil {
		return err
	}
	if root != merkle.Hash(c.due.root) {
		return inconsistent("the root over %d leaves differs", c.due.size)
	}
	if c.verify != nil {
		cp, err := c.verify(c.due.note)
		if err != nil {
			return inconsistent("the checkpoint over %d leaves: %v", c.due.size, err)
		}
		if cp.Size != c.due.size || cp.Root != root {
			return inconsistent("the checkpoint stored for %d leaves is about %d, or has another root", c.due.size, cp.Size)
		}
	}
	c.report.Checkpoints++
	c.report.Checkpoint = bytes.Clone(c.due.note)
	return c.nextCheckpoint(ctx, t, c.due.size)
}

// prune forgets all hashes but those of the tree's edge, which are all that
// later leaves and roots need.
func (c *logCheck) prune() error {
	h := &hashes{known: c.known, asked: make(map[int64]merkle.Hash)}
	_, err := merkle.Root(c.report.Leaves, h)
	c.known = h.asked
	return err
}

// ReadHashes is merkle.HashReader over what the walk holds.
func (c *logCheck) ReadHashes(indexes []int64) ([]merkle.Hash, error) {
	out := make([]merkle.Hash, len(indexes))
	for i, x := range indexes {
		h, ok := c.known[x]
		if !ok {
			return nil, inconsistent("hash %d is needed and not at hand", x)
		}
		out[i] = h
	}
	return out, nil
}

// totals looks for rows that the walk did not pass.
func (c *logCheck) totals(ctx context.Context, t *tx) error {
	n := c.report.Leaves
	if c.due.size != 0 {
		return inconsistent("there is a checkpoint over %d leaves and only %d are stored", c.due.size, n)
	}
	var own, doubled, borrowed, records, directories int64
	for _, q := range []struct {
		into  *int64
		query string
	}{
		{&own, `SELECT count(*) FROM evidence WHERE own = 1`},
		{&c.report.Foreign, `SELECT count(*) FROM evidence WHERE own = 0 AND taken_us IS NOT NULL`},
		{&borrowed, `SELECT count(*) FROM evidence WHERE own = 1 AND proof IS NOT NULL`},
		{&doubled, `SELECT count(*) FROM evidence WHERE own = 0 AND leaf IS NOT NULL`},
		{&records, `SELECT count(*) FROM record`},
		{&directories, `SELECT count(*) FROM directory_version`},
	} {
		if _, err := t.find(ctx, []any{q.into}, q.query); err != nil {
			return err
		}
	}
	if own != c.report.Evidence || doubled != c.report.ForeignLeaves || records != c.report.Records || directories != c.report.Directories {
		return inconsistent("%d own evidences, %d of others with a leaf, %d records and %d versions of the directory are stored, leaves have %d, %d, %d and %d",
			own, doubled, records, directories, c.report.Evidence, c.report.ForeignLeaves, c.report.Records, c.report.Directories)
	}
	if doubled > c.report.Foreign || borrowed > 0 {
		return inconsistent("%d evidences of others have a leaf, %d were ever taken; %d own ones have a proof from elsewhere", doubled, c.report.Foreign, borrowed)
	}
	var hashes int64
	if _, err := t.find(ctx, []any{&hashes}, `SELECT count(*) FROM log_hash`); err != nil {
		return err
	}
	if hashes != merkle.StoredIndex(n) {
		return inconsistent("%d hashes are stored, %d leaves have %d", hashes, n, merkle.StoredIndex(n))
	}
	return nil
}
