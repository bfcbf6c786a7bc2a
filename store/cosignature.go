package store

import (
	"context"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
)

// Cosignature is what a witness answered about a checkpoint of this node's own
// log. Whoever makes one has verified it.
type Cosignature struct {
	Size    int64
	Root    merkle.Hash
	Witness protocol.NodeID
	Lines   []byte    // its two lines below the note
	Claimed time.Time // the time in them, by the witness's clock
	Stored  time.Time // filled when read
}

// AddCosignature stores one. A second one of the same state by the same witness
// is ignored: the first bounds the age of what stands in the log best.
func (g *Gateway) AddCosignature(ctx context.Context, c Cosignature) error {
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		if err := require(t.find(ctx, []any{new(int64)}, `SELECT 1 FROM checkpoint WHERE size = $1 AND root = $2`, c.Size, c.Root[:])); err != nil {
			return err
		}
		_, err := t.exec(ctx, `INSERT INTO cosignature (size, root, witness, lines, claimed_us, stored_us) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (size, root, witness) DO NOTHING`, c.Size, c.Root[:], c.Witness, string(c.Lines), c.Claimed.UnixMicro(), t.now.UnixMicro())
		return err
	})
	return wrap("storing a cosignature of "+string(c.Witness), err)
}

// counted keeps, of cosignatures c, those with keys that no record marks (R-WIT-8).
const counted = `NOT EXISTS (SELECT 1 FROM marked_witness m WHERE m.start = substr(c.lines, 1, length(m.start)))`

// newestCosigned is the newest state of the own log that a witness cosigned.
const newestCosigned = `SELECT k.size, k.root, k.note FROM cosignature c JOIN checkpoint k ON k.size = c.size AND k.root = c.root
WHERE ` + counted + ` ORDER BY c.size DESC LIMIT 1`

// CosignedCheckpoint returns the newest own checkpoint that a witness cosigned,
// with the lines of all its witnesses below the log's own, and its size; nil and
// 0 before the first.
func (g *Gateway) CosignedCheckpoint(ctx context.Context) (note []byte, size int64, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		note, size, err = cosignedCheckpoint(ctx, t)
		return err
	})
	return note, size, wrap("reading the newest cosigned checkpoint", err)
}

func cosignedCheckpoint(ctx context.Context, t *tx) (note []byte, size int64, err error) {
	var root digest
	found, err := t.find(ctx, []any{&size, &root, &note}, newestCosigned)
	if err != nil || !found {
		return nil, 0, err
	}
	note, err = withLines(ctx, t, size, root, note)
	return note, size, err
}

// withLines returns an own checkpoint with the lines of all witnesses that
// cosigned it.
func withLines(ctx context.Context, t *tx, size int64, root digest, note []byte) ([]byte, error) {
	all, err := collect(ctx, t, func(scan func(...any) error) (lines []byte, err error) {
		err = scan(&lines)
		return lines, err
	}, `SELECT c.lines FROM cosignature c WHERE c.size = $1 AND c.root = $2 AND `+counted+` ORDER BY c.stored_us, c.witness LIMIT $3`, size, root[:], merkle.MaxCosignatures/2)
	for _, lines := range all {
		if err == nil {
			note, err = merkle.WithCosignatures(note, lines)
		}
	}
	return note, err
}

// WitnessState is how far a witness has followed this node's own log.
type WitnessState struct {
	Node    protocol.NodeID
	Size    int64     // of the newest own checkpoint that it cosigned; 0: none
	Claimed time.Time // when it did, by its clock
	Stored  time.Time // when the cosignature arrived here
	// Since is when the oldest checkpoint was signed here that it has not
	// cosigned; zero: there is none.
	Since time.Time
}

const (
	cosignedBy = `SELECT c.size, c.claimed_us, c.stored_us FROM cosignature c JOIN checkpoint k ON k.size = c.size AND k.root = c.root
WHERE c.witness = $1 ORDER BY c.size DESC LIMIT 1`
	firstBeyond = `SELECT signed_us FROM checkpoint WHERE size > $1 ORDER BY size LIMIT 1`
)

// WitnessStates returns how far each other node has followed this node's log, by
// name.
func (g *Gateway) WitnessStates(ctx context.Context) (list []WitnessState, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collect(ctx, t, func(scan func(...any) error) (w WitnessState, err error) {
			err = scan(&w.Node)
			return w, err
		}, `SELECT DISTINCT node FROM record WHERE own = 0 ORDER BY node`)
		for i := range list {
			if err == nil {
				err = list[i].read(ctx, t)
			}
		}
		return err
	})
	return list, wrap("reading how far the witnesses are", err)
}

func (w *WitnessState) read(ctx context.Context, t *tx) error {
	var claimed, stored, since *int64
	if _, err := t.find(ctx, []any{&w.Size, &claimed, &stored}, cosignedBy, w.Node); err != nil {
		return err
	}
	if _, err := t.find(ctx, []any{&since}, firstBeyond, w.Size); err != nil {
		return err
	}
	w.Claimed, w.Stored, w.Since = instant(claimed), instant(stored), instant(since)
	return nil
}
