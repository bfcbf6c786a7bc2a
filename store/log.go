package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/statement"
)

// leafRow is one leaf on its way into the log.
type leafRow struct {
	salt [merkle.SaltSize]byte
	ref  statement.Ref
}

func newLeafRow(ref statement.Ref) leafRow {
	l := leafRow{ref: ref}
	rand.Read(l.salt[:]) // never fails
	return l
}

func (l leafRow) leaf() merkle.Leaf { return merkle.NewLeaf(l.salt, l.ref.Document, l.ref.Signature) }

// readHead returns the newest checkpoint; its size is the log's size, because
// leaves are only ever appended together with a checkpoint.
func readHead(ctx context.Context, t *tx) (h head, err error) {
	var us int64
	found, err := t.find(ctx, []any{&h.size, (*digest)(&h.root), &us}, `SELECT size, root, signed_us FROM checkpoint ORDER BY size DESC LIMIT 1`)
	if found {
		h.last = time.UnixMicro(us)
	}
	return h, err
}

// hashes reads stored hashes inside one transaction: those known in memory
// first (not yet written ones and the edge of the tree), the rest from the
// table. It lives no longer than its transaction, hence the stored ctx.
type hashes struct {
	ctx   context.Context
	t     *tx
	known map[int64]merkle.Hash
	asked map[int64]merkle.Hash // when not nil, remembers what was read
}

// readMany is how many hashes one query reads; a shorter list is filled up.
const readMany = 32

var readHashes = "SELECT position, hash FROM log_hash WHERE position IN (" + placeholders(1, readMany) + ")"

// ReadHashes is merkle.HashReader: a missing hash is an error.
func (h *hashes) ReadHashes(indexes []int64) ([]merkle.Hash, error) {
	out := make([]merkle.Hash, len(indexes))
	var missing []int64
	for i, x := range indexes {
		if v, ok := h.known[x]; ok {
			out[i] = v
		} else {
			missing = append(missing, x)
		}
	}
	if len(missing) > 0 {
		read := make(map[int64]merkle.Hash, len(missing))
		for len(missing) > 0 {
			n := min(len(missing), readMany)
			if err := h.load(missing[:n], read); err != nil {
				return nil, fmt.Errorf("reading the log's hashes: %w", err)
			}
			missing = missing[n:]
		}
		for i, x := range indexes {
			if _, ok := h.known[x]; ok {
				continue
			}
			v, ok := read[x]
			if !ok {
				return nil, fmt.Errorf("reading the log's hashes: %w: hash %d is missing", ErrIntegrity, x)
			}
			out[i] = v
		}
	}
	if h.asked != nil {
		for i, x := range indexes {
			h.asked[x] = out[i]
		}
	}
	return out, nil
}

func (h *hashes) load(indexes []int64, into map[int64]merkle.Hash) error {
	args := make([]any, readMany)
	for i := range args {
		args[i] = indexes[min(i, len(indexes)-1)]
	}
	rows, err := h.t.query(h.ctx, readHashes, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var position int64
		var v digest
		if err := rows.Scan(&position, &v); err != nil {
			return err
		}
		into[position] = merkle.Hash(v)
	}
	return rows.Err()
}

// edge is what the next append needs of a log of one size: the roots of its
// complete subtrees. Kept in memory, appending reads nothing.
type edge struct {
	size   int64
	hashes map[int64]merkle.Hash
}

// grow appends leaves to a log of the given size. It returns the new rows of
// log_hash in order, the root, and the new edge.
func grow(size int64, leaves []leafRow, h *hashes) (rows []merkle.Hash, root merkle.Hash, next edge, err error) {
	for i, l := range leaves {
		n := size + int64(i)
		stored, err := merkle.StoredHashes(n, l.leaf(), h)
		if err != nil {
			return nil, root, next, err
		}
		base := merkle.StoredIndex(n)
		for j, v := range stored {
			h.known[base+int64(j)] = v
		}
		rows = append(rows, stored...)
	}
	next = edge{size: size + int64(len(leaves)), hashes: make(map[int64]merkle.Hash)}
	h.asked = next.hashes
	root, err = merkle.Root(next.size, h)
	h.asked = nil
	return rows, root, next, err
}

// Rows of the log are inserted many at once.
const insertMany = 32

var (
	insertHash     = "INSERT INTO log_hash (position, hash) VALUES " + groups(2, 1)
	insertHashes   = "INSERT INTO log_hash (position, hash) VALUES " + groups(2, insertMany)
	leafInsert     = "INSERT INTO log_leaf (leaf, salt, document_digest, signature_digest, checkpoint_size) VALUES "
	insertLeaf     = leafInsert + groups(5, 1)
	insertLeafRows = leafInsert + groups(5, insertMany)
)

// insertAll runs many for each insertMany rows and one for each of the rest.
func insertAll(ctx context.Context, t *tx, one, many string, n int, row func(i int) []any) error {
	args := make([]any, 0, 5*insertMany)
	for i := 0; i < n; {
		query, count := one, 1
		if n-i >= insertMany {
			query, count = many, insertMany
		}
		args = args[:0]
		for range count {
			args = append(args, row(i)...)
			i++
		}
		if _, err := t.exec(ctx, query, args...); err != nil {
			return err
		}
	}
	return nil
}

// placeholders returns "$from, …" n times.
func placeholders(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", from+i)
	}
	return b.String()
}

// groups returns n groups of columns placeholders: "($1, $2), ($3, $4)".
func groups(columns, n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = "(" + placeholders(1+i*columns, columns) + ")"
	}
	return strings.Join(all, ", ")
}

// proofOf makes the proof of a committed leaf under the checkpoint of its own
// commit (R-LOG-3): the same bytes every time.
func proofOf(ctx context.Context, t *tx, leaf int64) ([]byte, statement.Ref, error) {
	return proofUnder(ctx, t, leaf, 0, nil)
}

// proofUnder makes the proof of a committed leaf under the checkpoint note over
// size leaves; with size 0 under that of its own commit.
func proofUnder(ctx context.Context, t *tx, leaf, size int64, note []byte) ([]byte, statement.Ref, error) {
	var salt, first []byte
	var document, signature digest
	var of int64
	found, err := t.find(ctx, []any{&salt, &document, &signature, &of, &first}, `SELECT l.salt, l.document_digest, l.signature_digest, c.size, c.note
FROM log_leaf l JOIN checkpoint c ON c.size = l.checkpoint_size WHERE l.leaf = $1`, leaf)
	if err == nil && (!found || len(salt) != merkle.SaltSize) {
		err = fmt.Errorf("%w: leaf %d is missing", ErrIntegrity, leaf)
	}
	if size == 0 {
		size, note = of, first
	}
	var path []merkle.Hash
	if err == nil {
		path, err = merkle.Prove(size, leaf, &hashes{ctx: ctx, t: t})
	}
	if err != nil {
		return nil, statement.Ref{}, fmt.Errorf("proving leaf %d: %w", leaf, err)
	}
	return merkle.Proof{
		Index: leaf, Hashes: path, Checkpoint: note,
		Salt: [merkle.SaltSize]byte(salt), Document: document, Signature: signature,
	}.Marshal(), statement.Ref{Document: protocol.Digest(document), Signature: protocol.Digest(signature)}, nil
}

// Size returns how many leaves the log has.
func (g *Gateway) Size(ctx context.Context) (int64, error) {
	var h head
	err := g.v.read(ctx, func(ctx context.Context, t *tx) (err error) {
		h, err = readHead(ctx, t)
		return err
	})
	return h.size, wrap("reading the log's size", err)
}

// Checkpoint returns the newest checkpoint note; nil while the log is empty.
func (g *Gateway) Checkpoint(ctx context.Context) ([]byte, error) {
	var note []byte
	err := g.v.read(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.find(ctx, []any{&note}, `SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1`)
		return err
	})
	return note, wrap("reading the newest checkpoint", err)
}

// CheckpointAt returns the note over exactly size leaves. ErrNotFound.
func (g *Gateway) CheckpointAt(ctx context.Context, size int64) ([]byte, error) {
	var note []byte
	err := g.v.read(ctx, func(ctx context.Context, t *tx) error {
		return require(t.find(ctx, []any{&note}, `SELECT note FROM checkpoint WHERE size = $1`, size))
	})
	return note, wrap(fmt.Sprintf("reading the checkpoint over %d leaves", size), err)
}

// ReadHashes makes the store a merkle.HashReader over committed hashes.
func (g *Gateway) ReadHashes(indexes []int64) (out []merkle.Hash, err error) {
	err = g.v.read(context.Background(), func(ctx context.Context, t *tx) error {
		out, err = (&hashes{ctx: ctx, t: t}).ReadHashes(indexes)
		return err
	})
	return out, err
}

// require turns "no such row" into ErrNotFound.
func require(found bool, err error) error {
	if err == nil && !found {
		return ErrNotFound
	}
	return err
}

// wrap says what was being done, when there was an error.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, integrity(err))
}
