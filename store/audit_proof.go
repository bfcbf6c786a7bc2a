package store

import (
	"context"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/statement"
)

// auditedProof is the proof of an evidence from the other node's log.
type auditedProof struct {
	ordinal   int64
	signed    statement.Signed
	peer, way *protocol.NodeID // beside the evidence, and beside its transmission
	witnesses int64
	leaf      *int64 // null: there is no proof
	salt      []byte
	path      []byte
	node      *protocol.NodeID // whose log; null: the checkpoint is missing
	digest    []byte
	note      []byte
}

const auditProofs = `SELECT e.ordinal, e.document, e.signature, e.peer, e.witnesses, p.leaf, p.salt, p.path, w.node, w.digest, w.note, coalesce(i.peer, o.peer)
FROM evidence e LEFT JOIN peer_proof p ON p.evidence = e.ordinal LEFT JOIN witnessed w ON w.ordinal = p.witnessed
LEFT JOIN outbound o ON o.sender = e.sender AND o.parcel = e.parcel AND o.recipient = e.recipient
LEFT JOIN inbound i ON i.sender = e.sender AND i.parcel = e.parcel AND i.recipient = e.recipient
WHERE e.ordinal > $1 ORDER BY e.ordinal LIMIT $2`

// peerProofs verifies the proofs from the logs of other nodes, under checkpoints
// that witnesses cosigned.
func (a *audit) peerProofs(ctx context.Context, v *vault) error {
	return pages(ctx, a, v, func(ctx context.Context, t *tx, after *auditedProof) ([]auditedProof, error) {
		from := past(after, func(last *auditedProof) int64 { return last.ordinal })
		return collect(ctx, t, func(scan func(...any) error) (p auditedProof, err error) {
			return p, scan(&p.ordinal, &p.signed.Document, &p.signed.Signature, &p.peer, &p.witnesses, &p.leaf, &p.salt, &p.path, &p.node, &p.digest, &p.note, &p.way)
		}, auditProofs, from, checkPage)
	}, func(p *auditedProof) error {
		r := a.row("evidence %d", p.ordinal)
		if p.peer != nil && (p.way == nil || *p.peer != *p.way) {
			r.fault("peer", "it is %s, whom the transmission does not concern", *p.peer)
		}
		switch {
		case p.leaf == nil && p.witnesses != 0:
			r.fault("witnesses", "%d are said to stand behind a proof that is not here", p.witnesses)
		case p.leaf != nil && p.node == nil:
			r.fault("peer_proof's witnessed", "the checkpoint is missing")
		case p.leaf != nil:
			a.peerProof(a.row("peer_proof of evidence %d under the witnessed checkpoint of %s", p.ordinal, *p.node), p)
		}
		return r.err
	})
}

func (a *audit) peerProof(r *row, p *auditedProof) {
	a.PeerProofs++
	if len(p.salt) != merkle.SaltSize || len(p.path)%len(merkle.Hash{}) != 0 {
		r.fault("salt and path", "they have another size")
		return
	}
	if string(p.digest) != string(digestOf(p.note)) {
		r.fault("digest", "it is not that of the note")
	}
	ref := p.signed.Ref()
	proof := merkle.Proof{Index: *p.leaf, Checkpoint: p.note, Salt: [merkle.SaltSize]byte(p.salt), Document: ref.Document, Signature: ref.Signature}
	for path := p.path; len(path) > 0; path = path[len(merkle.Hash{}):] {
		proof.Hashes = append(proof.Hashes, merkle.Hash(path[:len(merkle.Hash{})]))
	}
	if !r.check("leaf, salt, path and note", a.history.VerifyProof(*p.node, statement.Packet{Signed: p.signed, Proof: proof.Marshal()})) {
		return
	}
	if n := int64(a.history.Cosigners(*p.node, p.note)); n < p.witnesses || n == 0 { // none that counts, once keys are marked
		r.fault("evidence's witnesses", "it is %d; %d known ones cosigned the checkpoint", p.witnesses, n)
	}
}

func digestOf(b []byte) []byte {
	d := protocol.Sum(b)
	return d[:]
}
