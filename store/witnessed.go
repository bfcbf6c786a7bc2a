package store

import (
	"context"
	"fmt"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// PeerProof is a proof from the log of the other node of a transmission that an
// evidence about it stands there, under a cosigned checkpoint. Whoever stores one
// has verified it.
type PeerProof struct {
	Event     evidence.Event
	Proof     *merkle.Proof
	Witnesses int // how many nodes cosigned its checkpoint; one without any is not kept
}

// KeepProofs stores proofs of evidence about one transmission from a node's log.
// Each replaces one that fewer witnesses stand behind; the proof that came with
// the evidence stays as it is. A proof of other bytes than are stored is refused
// as WrongParcel, and nothing is stored. It returns how many were new.
func (g *Gateway) KeepProofs(ctx context.Context, node protocol.NodeID, k protocol.Key, proofs []PeerProof) (kept int, err error) {
	err = g.v.write(ctx, func(ctx context.Context, t *tx) error {
		kept = 0
		for _, p := range proofs {
			fresh, err := keepProof(ctx, t, node, k, p)
			if err != nil {
				return err
			}
			if fresh {
				kept++
			}
		}
		return nil
	})
	return kept, wrap("storing proofs of "+k.String()+" from "+string(node), err)
}

func keepProof(ctx context.Context, t *tx, node protocol.NodeID, k protocol.Key, p PeerProof) (bool, error) {
	var ordinal int64
	var have int
	var s statement.Signed
	if err := require(t.find(ctx, []any{&ordinal, &s.Document, &s.Signature, &have}, `SELECT ordinal, document, signature, witnesses FROM evidence
WHERE sender = $1 AND parcel = $2 AND recipient = $3 AND event = $4`, k.From, k.Parcel, k.To, p.Event)); err != nil {
		return false, err
	}
	if ref := s.Ref(); ref.Document != p.Proof.Document || ref.Signature != p.Proof.Signature {
		return false, protocol.Refuse(protocol.WrongParcel, "the proof is of another %s", p.Event)
	}
	if p.Witnesses <= have {
		return false, nil
	}
	note := protocol.Sum(p.Proof.Checkpoint)
	if _, err := t.exec(ctx, `INSERT INTO witnessed (ordinal, node, digest, note, stored_us)
VALUES ((SELECT coalesce(max(ordinal), 0) + 1 FROM witnessed), $1, $2, $3, $4) ON CONFLICT (digest) DO NOTHING`,
		node, note[:], string(p.Proof.Checkpoint), t.now.UnixMicro()); err != nil {
		return false, err
	}
	var witnessed int64
	if err := require(t.find(ctx, []any{&witnessed}, `SELECT ordinal FROM witnessed WHERE digest = $1`, note[:])); err != nil {
		return false, err
	}
	if _, err := t.exec(ctx, `INSERT INTO peer_proof (evidence, witnessed, leaf, salt, path) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (evidence) DO UPDATE SET witnessed = excluded.witnessed, leaf = excluded.leaf, salt = excluded.salt, path = excluded.path`,
		ordinal, witnessed, p.Proof.Index, p.Proof.Salt[:], joined(p.Proof.Hashes)); err != nil {
		return false, err
	}
	_, err := t.exec(ctx, `UPDATE evidence SET witnesses = $2 WHERE ordinal = $1`, ordinal, p.Witnesses)
	return true, err
}

// joined writes hashes one after the other; never nil.
func joined(hashes []merkle.Hash) []byte {
	b := make([]byte, 0, len(hashes)*len(merkle.Hash{}))
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

// Open is a transmission of which some evidence has no proof yet from the other
// node's log that enough witnesses stand behind.
type Open struct {
	Key     protocol.Key
	Ordinal int64 // of that evidence; a cursor
}

// openRows are what a node has evidence of from the peer as well: of what the peer
// never answered it can prove nothing.
const openRows = `SELECT e.ordinal, e.sender, e.parcel, e.recipient FROM evidence e
WHERE e.peer = $1 AND e.witnesses = $2 AND e.ordinal > $3 AND e.stored_us > $4 AND (e.own = 0 OR EXISTS (
  SELECT 1 FROM evidence f WHERE f.sender = e.sender AND f.parcel = e.parcel AND f.recipient = e.recipient AND f.own = 0))
ORDER BY e.ordinal LIMIT $5`

// Unwitnessed returns transmissions with a peer, some evidence of which exactly so
// many witnesses stand behind, in the peer's log; each once a page, in the order of
// that evidence, after an ordinal. What was stored before since is left alone.
func (g *Gateway) Unwitnessed(ctx context.Context, peer protocol.NodeID, witnesses int, after int64, since time.Time, limit int) (open []Open, err error) {
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		rows, err := collect(ctx, t, func(scan func(...any) error) (o Open, err error) {
			err = scan(&o.Ordinal, &o.Key.From, &o.Key.Parcel, &o.Key.To)
			return o, err
		}, openRows, peer, witnesses, after, since.UnixMicro(), limit)
		at := make(map[protocol.Key]int, len(rows))
		open = nil
		for _, o := range rows {
			if i, again := at[o.Key]; again {
				open[i].Ordinal = o.Ordinal
				continue
			}
			at[o.Key] = len(open)
			open = append(open, o)
		}
		return err
	})
	return open, wrap("reading what is not yet witnessed of "+string(peer), err)
}

// Proofs is an evidence with all that proves it. Evidence.Proof is the one that
// it came with, or that of its own commit.
type Proofs struct {
	Evidence
	// Witnessed is from the log of its issuer's side, under a checkpoint that was
	// cosigned; nil: not yet witnessed.
	Witnessed []byte
	// Other is from the log of the other side, likewise. Of evidence of others the
	// other side is this node: until a checkpoint that covers it is cosigned, Other
	// is then under the one of its commit. nil: there is none.
	Other []byte
}

// ProofsOf returns all evidence about a transmission with its proofs, in the order
// in which it was stored.
func (g *Gateway) ProofsOf(ctx context.Context, k protocol.Key) (all []Proofs, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		all = nil
		rows, err := g.evidenceRows(ctx, t, k)
		if err != nil {
			return err
		}
		note, size, err := cosignedCheckpoint(ctx, t)
		if err != nil {
			return err
		}
		for i := range rows {
			p := Proofs{Evidence: rows[i].Evidence}
			here, there := &p.Witnessed, &p.Other
			if !p.Own {
				here, there = there, here
			}
			if *there, err = peerProof(ctx, t, &rows[i]); err != nil {
				return err
			}
			switch leaf := rows[i].leaf; {
			case leaf != nil && *leaf < size:
				*here, _, err = proofUnder(ctx, t, *leaf, size, note)
			case leaf != nil && !p.Own:
				*here, _, err = proofOf(ctx, t, *leaf)
			}
			if err != nil {
				return err
			}
			all = append(all, p)
		}
		return nil
	})
	return all, wrap("reading the proofs of "+k.String(), err)
}

// peerProof puts the proof from the other node's log together; nil: there is none.
func peerProof(ctx context.Context, t *tx, r *evidenceRow) ([]byte, error) {
	p := merkle.Proof{Document: r.Ref().Document, Signature: r.Ref().Signature}
	var salt, path []byte
	found, err := t.find(ctx, []any{&p.Index, &salt, &path, &p.Checkpoint},
		`SELECT p.leaf, p.salt, p.path, w.note FROM peer_proof p JOIN witnessed w ON w.ordinal = p.witnessed WHERE p.evidence = $1`, r.ordinal)
	if err != nil || !found {
		return nil, err
	}
	if len(salt) != merkle.SaltSize || len(path)%len(merkle.Hash{}) != 0 {
		return nil, fmt.Errorf("%w: the proof of evidence %d from its peer's log is damaged", ErrIntegrity, r.ordinal)
	}
	p.Salt = [merkle.SaltSize]byte(salt)
	for ; len(path) > 0; path = path[len(merkle.Hash{}):] {
		p.Hashes = append(p.Hashes, merkle.Hash(path[:len(merkle.Hash{})]))
	}
	return p.Marshal(), nil
}

// CosignedPackets returns the evidence about a transmission that stands in the own
// log below its newest cosigned checkpoint, own and others', each with its proof
// under that checkpoint.
func (g *Gateway) CosignedPackets(ctx context.Context, k protocol.Key) (packets []statement.Packet, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		packets = nil
		note, size, err := cosignedCheckpoint(ctx, t)
		if err != nil || size == 0 {
			return err
		}
		rows, err := g.evidenceRows(ctx, t, k)
		for i := range rows {
			if err != nil || rows[i].leaf == nil || *rows[i].leaf >= size {
				continue
			}
			var ref statement.Ref
			p := statement.Packet{Signed: rows[i].Signed}
			p.Proof, ref, err = proofUnder(ctx, t, *rows[i].leaf, size, note)
			if err == nil && ref != p.Ref() {
				err = fmt.Errorf("%w: evidence %d is not the document of its leaf %d", ErrIntegrity, rows[i].ordinal, *rows[i].leaf)
			}
			packets = append(packets, p)
		}
		return err
	})
	return packets, wrap("proving "+k.String()+" under a cosigned checkpoint", err)
}

// OutboundByEnvelope returns the row of an envelope by the digest of its document.
// ErrNotFound.
func (g *Gateway) OutboundByEnvelope(ctx context.Context, digest protocol.Digest) (*Outbound, error) {
	return one(ctx, g.v, "outbound envelope "+digest.Short(), scanOutbound, outboundColumns+` WHERE o.envelope_digest = $1`, digest[:])
}
