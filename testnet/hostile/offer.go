package hostile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"time"

	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// offer is an envelope with what travels with it, right in every respect until
// a program spoils it.
type offer struct {
	env        *envelope.Envelope
	body       []byte                   // sealed
	key        *pgp.Secret              // signs the envelope
	submission func(*evidence.Evidence) // spoils the evidence that travels along
	packets    func([]statement.Packet) // spoils both
}

// made is an offer as bytes.
type made struct {
	path string
	put  []byte
	body []byte
}

// offer makes one of content that is sealed to the target's office.
func (p *Peer) offer(content []byte) (*offer, error) {
	member, _ := p.target.Authority(p.to)
	to, err := member.Recipient(time.Now())
	if err != nil {
		return nil, err
	}
	var sealed bytes.Buffer
	w, _, err := seal.Encrypt(&sealed, to)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	id, err := protocol.NewParcelID()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &offer{
		body: sealed.Bytes(), key: p.node,
		env: &envelope.Envelope{
			Type: envelope.Type, Parcel: id, From: p.from, To: p.to, RecipientKey: to.Digest(), Priority: protocol.Routine,
			Sealed:   envelope.Sealed{Size: int64(sealed.Len()), Digest: protocol.Sum(sealed.Bytes()), Recipients: 1},
			Manifest: statement.Ref{Document: protocol.Sum([]byte("a manifest")), Signature: protocol.Sum([]byte("its signature"))},
			Created:  protocol.At(now), Expires: protocol.At(now.Add(time.Hour)),
			Records: envelope.Records{From: p.own.Ref(), To: p.target.Ref()},
		},
	}, nil
}

// make signs and writes an offer, without the checks that honest writers make.
func (p *Peer) make(o *offer) (*made, error) {
	now := time.Now()
	signed, err := statement.Sign(o.env, protocol.MaxEnvelope, o.key, now)
	if err != nil {
		return nil, err
	}
	ref := signed.Ref()
	ev := &evidence.Evidence{
		Type: evidence.Type, Event: evidence.SubmissionAcceptance, Parcel: o.env.Parcel, From: o.env.From, To: o.env.To,
		Envelope: &ref, Sealed: o.env.Sealed.Digest, Time: protocol.At(now), Log: p.log.Origin(), Record: p.own.Ref(),
		Issuer: evidence.Issuer{Name: string(p.own.Record().Node.ID), Role: evidence.Node, Key: p.node.Digest()},
	}
	if o.submission != nil {
		o.submission(ev)
	}
	along, err := statement.Sign(ev, protocol.MaxEvidence, p.node, now)
	if err != nil {
		return nil, err
	}
	proved, err := p.prove(along, now)
	if err != nil {
		return nil, err
	}
	packets := []statement.Packet{{Signed: signed}, proved}
	if o.packets != nil {
		o.packets(packets)
	}
	put, err := statement.EncodePackets(packets)
	return &made{path: "/v1/parcels/" + packets[0].Digest().String(), put: put, body: o.body}, err
}

// prove adds the proof of a log that has this one leaf.
func (p *Peer) prove(s statement.Signed, now time.Time) (statement.Packet, error) {
	var salt [merkle.SaltSize]byte
	_, _ = rand.Read(salt[:]) // never fails
	ref := s.Ref()
	h := oneLeaf{}
	stored, err := merkle.StoredHashes(0, merkle.NewLeaf(salt, ref.Document, ref.Signature), h)
	if err != nil || len(stored) != 1 {
		return statement.Packet{}, errors.Join(err, errors.New("a log of one leaf"))
	}
	h[0] = stored[0]
	root, err := merkle.Root(1, h)
	if err != nil {
		return statement.Packet{}, err
	}
	note, err := p.log.Checkpoint(1, root, now)
	if err != nil {
		return statement.Packet{}, err
	}
	return statement.Packet{Signed: s, Proof: merkle.Proof{
		Checkpoint: note, Salt: salt, Document: ref.Document, Signature: ref.Signature,
	}.Marshal()}, nil
}

// oneLeaf is the hashes of a log that has one leaf.
type oneLeaf map[int64]merkle.Hash

// ReadHashes returns them.
func (h oneLeaf) ReadHashes(indexes []int64) ([]merkle.Hash, error) {
	out := make([]merkle.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = h[x]
	}
	return out, nil
}

// offered is an offer that is ready to go, spoilt by a program; spoil may be nil.
func (p *Peer) offered(content []byte, spoil func(*offer)) (*made, error) {
	o, err := p.offer(content)
	if err != nil {
		return nil, err
	}
	if spoil != nil {
		spoil(o)
	}
	return p.make(o)
}
