package store

import (
	"context"
	"errors"
	"fmt"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/statement"
)

// Signer signs a checkpoint over a log of the given size. Commit calls it
// inside the transaction; the note must not leave the process before Commit
// returned without error.
type Signer func(size int64, root merkle.Hash) (note []byte, err error)

// Outcome is what became of one fact.
type Outcome struct {
	// Err is why the fact took no effect; nil when it did, or had before. A
	// protocol.Refusal means for good: Equivocation when another document stands
	// under the same identity. A *StateError means that Expect did not hold,
	// ErrNotFound that there is no row to change.
	Err error
	// Repeat says that the same fact was stored before, or the same key with
	// the same envelope. Packets and Envelopes are the stored ones.
	Repeat bool
	// Packets are the fact's evidences in the fact's order, with the proof under
	// the checkpoint of the commit that stored them. On Equivocation they are
	// the stored ones that stand in the way.
	Packets []statement.Packet
	// Disputed is why evidence of a RestoreInbound was left out: other evidence of
	// this side stands in its place.
	Disputed []error
	// Envelopes are the stored envelopes of a Submit, in the order of Out.
	Envelopes []statement.Signed
	// State is the row's state after the fact, where it has one row.
	State exchange.State
}

// answer is an outcome whose proofs wait for the batch's checkpoint.
type answer struct {
	repeat    bool
	packets   []storedPacket
	envelopes []statement.Signed
	disputed  []error
	state     exchange.State
}

// storedPacket is a document with its leaf in our log (leaf ≥ 0) or the proof
// that came with it.
type storedPacket struct {
	signed statement.Signed
	leaf   int64
	proof  []byte
}

// factError is a fact that its caller made wrongly; it fails alone.
type factError string

func (e factError) Error() string { return string(e) }

// brokenTx is an error after which the transaction cannot go on, whatever it
// began with.
type brokenTx struct{ fact, undo error }

func (e *brokenTx) Error() string   { return fmt.Sprintf("%v (undoing it: %v)", e.fact, e.undo) }
func (e *brokenTx) Unwrap() []error { return []error{e.fact, e.undo} }

// failsAlone reports whether an error concerns one fact only. Everything else
// ends the whole transaction.
func failsAlone(err error) bool {
	var broken *brokenTx
	var s *StateError
	var f factError
	if errors.As(err, &broken) {
		return false
	}
	return protocol.CodeOf(err) != "" || errors.As(err, &s) || errors.As(err, &f) ||
		errors.Is(err, ErrNotFound) || isConstraint(err)
}

// batch is one commit under way.
type batch struct {
	*tx
	v      *vault
	size   int64     // of the log before this commit
	leaves []leafRow // appended by the facts so far
	proven []provenLeaf
	last   map[string]int64
}

// next returns the next ordinal of a table.
func (b *batch) next(ctx context.Context, table, query string) (int64, error) {
	n, ok := b.last[table]
	if !ok {
		if _, err := b.find(ctx, []any{&n}, query); err != nil {
			return 0, err
		}
	}
	b.last[table] = n + 1
	return n + 1, nil
}

// leaf is the index that the next appended leaf gets.
func (b *batch) leaf() int64 { return b.size + int64(len(b.leaves)) }

// Commit stores facts in one transaction, each in its own savepoint, so that a
// bad one never fails the others; appends their leaves; has one checkpoint over
// the new size signed inside the transaction and stored. Without a new leaf
// there is no new checkpoint. Outcomes are in the order of facts.
//
// R-EVID-4, R-LOG-4: the outcomes' packets may leave the process only when the
// error is nil. With ErrUnknownOutcome the facts may be durable: call Commit
// again with the same facts. Any other error: nothing was written. Cancelling
// ctx has no effect once the transaction has begun.
func (g *Gateway) Commit(ctx context.Context, facts []Fact, sign Signer) ([]Outcome, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var outcomes []Outcome
	var next edge
	var proven []provenLeaf
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		if err := g.v.checkClock(t.now, t.head.last); err != nil {
			return err
		}
		b := &batch{tx: t, v: g.v, size: t.head.size, last: make(map[string]int64)}
		answers := make([]*answer, len(facts))
		outcomes = make([]Outcome, len(facts))
		for i, f := range facts {
			var err error
			if answers[i], err = b.try(ctx, f); err != nil {
				if !failsAlone(err) {
					return fmt.Errorf("fact %d of %d: %w", i+1, len(facts), err)
				}
				outcomes[i].Err = err
			}
		}
		known := make(map[int64]merkle.Hash)
		if g.edge.size == b.size {
			for i, v := range g.edge.hashes {
				known[i] = v
			}
		}
		r := &hashes{ctx: ctx, t: t, known: known}
		note, err := b.seal(ctx, r, sign, &next)
		if err != nil {
			return err
		}
		for i, a := range answers {
			if a == nil {
				continue
			}
			o := &outcomes[i]
			o.Repeat, o.Envelopes, o.Disputed, o.State = a.repeat, a.envelopes, a.disputed, a.state
			for _, p := range a.packets {
				packet, err := b.packet(ctx, r, p, note)
				if err != nil {
					return err
				}
				o.Packets = append(o.Packets, packet)
			}
		}
		proven = b.proven
		return nil
	})
	if err != nil {
		// The log's edge is read again from what is really stored.
		g.edge = edge{}
		return nil, fmt.Errorf("committing %d facts: %w", len(facts), err)
	}
	if next.size > 0 {
		g.edge = next
	}
	g.proofs.put(proven)
	for i, f := range facts {
		if s := spoolOf(f); s != nil && outcomes[i].Err == nil && !outcomes[i].Repeat {
			s.commit()
		}
	}
	return outcomes, nil
}

// try applies one fact inside a savepoint and undoes it when it fails. The
// answer may come with the error: it then says what stands in the way.
func (b *batch) try(ctx context.Context, f Fact) (*answer, error) {
	if _, err := b.exec(ctx, "SAVEPOINT fact"); err != nil {
		return nil, err
	}
	mark := len(b.leaves)
	a, err := f.apply(ctx, b)
	if err != nil {
		b.leaves = b.leaves[:mark]
		if protocol.CodeOf(err) != protocol.Equivocation {
			a = nil
		}
		// When SQLite has rolled back the whole transaction by itself, there is
		// no such savepoint: an error that does not fail alone.
		if _, undo := b.exec(ctx, "ROLLBACK TO SAVEPOINT fact"); undo != nil {
			return nil, &brokenTx{fact: err, undo: undo}
		}
	}
	if _, release := b.exec(ctx, "RELEASE SAVEPOINT fact"); release != nil {
		return nil, release
	}
	return a, err
}

// seal appends the leaves and the one checkpoint over them.
func (b *batch) seal(ctx context.Context, h *hashes, sign Signer, next *edge) (note []byte, err error) {
	if len(b.leaves) == 0 {
		return nil, nil
	}
	rows, root, edge, err := grow(b.size, b.leaves, h)
	if err != nil {
		return nil, err
	}
	size := b.leaf()
	if note, err = sign(size, root); err != nil {
		return nil, fmt.Errorf("signing the checkpoint over %d leaves: %w", size, err)
	}
	if len(note) == 0 {
		return nil, fmt.Errorf("signing the checkpoint over %d leaves: it is empty", size)
	}
	_, err = b.exec(ctx, `INSERT INTO checkpoint (size, root, note, signed_us) VALUES ($1, $2, $3, $4)`,
		size, root[:], string(note), b.now.UnixMicro())
	if err == nil {
		err = insertAll(ctx, b.tx, insertLeaf, insertLeafRows, len(b.leaves), func(i int) []any {
			l := &b.leaves[i]
			return []any{b.size + int64(i), l.salt[:], l.ref.Document[:], l.ref.Signature[:], size}
		})
	}
	if err == nil {
		base := merkle.StoredIndex(b.size)
		err = insertAll(ctx, b.tx, insertHash, insertHashes, len(rows), func(i int) []any {
			return []any{base + int64(i), rows[i][:]}
		})
	}
	if err != nil {
		return nil, fmt.Errorf("appending %d leaves: %w", len(b.leaves), err)
	}
	*next, b.head = edge, head{size: size, root: protocol.Digest(root), last: b.now}
	return note, nil
}

// packet completes a document with its proof.
func (b *batch) packet(ctx context.Context, h *hashes, p storedPacket, note []byte) (statement.Packet, error) {
	out := statement.Packet{Signed: p.signed, Proof: p.proof}
	if p.leaf < 0 {
		return out, nil
	}
	if p.leaf < b.size {
		var err error
		out.Proof, _, err = proofOf(ctx, b.tx, p.leaf)
		return out, err
	}
	path, err := merkle.Prove(b.leaf(), p.leaf, h)
	if err != nil {
		return out, err
	}
	l := b.leaves[p.leaf-b.size]
	out.Proof = merkle.Proof{
		Index: p.leaf, Hashes: path, Checkpoint: note, Salt: l.salt, Document: l.ref.Document, Signature: l.ref.Signature,
	}.Marshal()
	b.proven = append(b.proven, provenLeaf{leaf: p.leaf, ref: l.ref, proof: out.Proof})
	return out, nil
}
