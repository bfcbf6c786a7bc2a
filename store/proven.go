package store

import (
	"context"

	"comity/protocol"
	"comity/protocol/evidence"
)

// FirstProof is the proof that an evidence stands in this node's own log, under a
// checkpoint that witnesses cosigned.
type FirstProof struct {
	Event evidence.Event
	Proof []byte
}

// The first checkpoint over a leaf that a witness cosigned says the most: by then
// the leaf was there. That of a third party comes before those of the parties,
// which count for nobody but themselves.
const firstCosigned = `SELECT k.size, k.root, k.note FROM cosignature c JOIN checkpoint k ON k.size = c.size AND k.root = c.root
WHERE c.size > $1 AND ` + counted + ` ORDER BY CASE WHEN c.witness IN ($2, $3) THEN 1 ELSE 0 END, c.size LIMIT 1`

// FirstProofs returns proofs of all evidence about a transmission that has a
// leaf in the own log, under the first checkpoint over it that a third party
// cosigned or, until one has, a party. What nobody has cosigned yet is not among
// them. parties are the nodes of both sides.
func (g *Gateway) FirstProofs(ctx context.Context, k protocol.Key, parties [2]protocol.NodeID) (list []FirstProof, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		type leaf struct {
			FirstProof
			index int64
		}
		leaves, err := collect(ctx, t, func(scan func(...any) error) (l leaf, err error) {
			err = scan(&l.Event, &l.index)
			return l, err
		}, `SELECT event, leaf FROM evidence WHERE sender = $1 AND parcel = $2 AND recipient = $3 AND leaf IS NOT NULL ORDER BY ordinal`, k.From, k.Parcel, k.To)
		if err != nil {
			return err
		}
		for _, l := range leaves {
			note, size, err := cosignedOver(ctx, t, l.index, parties)
			if err == nil && note != nil {
				l.Proof, _, err = proofUnder(ctx, t, l.index, size, note)
				list = append(list, l.FirstProof)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return list, wrap("proving evidence of "+k.String(), err)
}

// cosignedOver returns that checkpoint with the lines of all its witnesses; nil
// when there is none.
func cosignedOver(ctx context.Context, t *tx, leaf int64, parties [2]protocol.NodeID) (note []byte, size int64, err error) {
	var root digest
	found, err := t.find(ctx, []any{&size, &root, &note}, firstCosigned, leaf, parties[0], parties[1])
	if err != nil || !found {
		return nil, 0, err
	}
	note, err = withLines(ctx, t, size, root, note)
	return note, size, err
}
