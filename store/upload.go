package store

import (
	"context"
	"time"

	"comity/protocol"
)

// Announced is a large body that a peer may bring.
type Announced struct {
	Envelope protocol.Digest // of the envelope: the upload's address
	Peer     protocol.NodeID // node that announced it
	Packets  []byte          // the offer, as statement.EncodePackets writes it
	Size     int64           // of the whole body
	Expires  time.Time       // as the envelope says
}

// Standing is what is durable of an announced body.
type Standing struct {
	Announced
	Offset   int64 // the bytes before it need not be sent again
	Advanced time.Time
	Decided  bool // the envelope was accepted or refused; only in Uploads

	state []byte
	check protocol.Digest
}

const (
	uploadLives = `SELECT count(*) FROM upload WHERE envelope_digest = $1`
	uploadRow   = `SELECT envelope_digest, peer, packets, sealed_bytes, offset_bytes, hash_state, hash_check, advanced_us, expires_us
FROM upload WHERE envelope_digest = $1`
	advanceUpload = `UPDATE upload SET offset_bytes = $2, hash_state = $3, hash_check = $4, advanced_us = $5
WHERE envelope_digest = $1 AND offset_bytes <= $2`
	insertUpload = `INSERT INTO upload (envelope_digest, peer, packets, sealed_bytes, offset_bytes, hash_state, hash_check, begun_us, advanced_us, expires_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	// uploadPage lists without the packets, which may be large.
	uploadPage = `SELECT envelope_digest, peer, sealed_bytes, offset_bytes, advanced_us, expires_us,
(SELECT count(*) FROM inbound WHERE inbound.envelope_digest = upload.envelope_digest)
FROM upload WHERE envelope_digest > $1 ORDER BY envelope_digest LIMIT $2`
)

// Upload returns what is durable of a body, by the digest of its envelope.
// ErrNotFound when nothing is.
func (g *Gateway) Upload(ctx context.Context, envelope protocol.Digest) (*Standing, error) {
	return one(ctx, g.v, "upload "+envelope.Short(), func(scan func(...any) error) (s Standing, err error) {
		var at, check digest
		var advanced, expires int64
		err = scan(&at, &s.Peer, &s.Packets, &s.Size, &s.Offset, &s.state, &check, &advanced, &expires)
		s.Envelope, s.check = protocol.Digest(at), protocol.Digest(check)
		s.Advanced, s.Expires = instant(&advanced), instant(&expires)
		return s, err
	}, uploadRow, envelope[:])
}

// maxUploadPage is how many uploads one look reads.
const maxUploadPage = 256

// Uploads returns what is durable of bodies under way, without their packets, in
// the order of their addresses, after the given one.
func (g *Gateway) Uploads(ctx context.Context, after protocol.Digest) (list []Standing, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collect(ctx, t, func(scan func(...any) error) (s Standing, err error) {
			var at digest
			var advanced, expires, decided int64
			err = scan(&at, &s.Peer, &s.Size, &s.Offset, &advanced, &expires, &decided)
			s.Envelope, s.Decided = protocol.Digest(at), decided != 0
			s.Advanced, s.Expires = instant(&advanced), instant(&expires)
			return s, err
		}, uploadPage, after[:], maxUploadPage)
		return err
	})
	return list, wrap("listing uploads", err)
}

// CountUploads returns of how many bodies of a peer something is durable.
func (g *Gateway) CountUploads(ctx context.Context, peer protocol.NodeID) (n int64, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.find(ctx, []any{&n}, `SELECT count(*) FROM upload WHERE peer = $1`, peer)
		return err
	})
	return n, wrap("counting uploads", err)
}

// DropUpload gives up what is durable of a body: the row, then the file. If the
// power goes between the two, the file is removed at open. It does nothing when
// there is nothing.
func (g *Gateway) DropUpload(ctx context.Context, envelope protocol.Digest) error {
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM upload WHERE envelope_digest = $1`, envelope[:])
		return err
	})
	if err == nil {
		err = g.v.bodies.removeName(partial + "/" + envelope.String())
	}
	return wrap("giving up an upload", err)
}

// putUpload writes the row that promises the first bytes of a body. ErrNotFound:
// there was one, and it is gone.
func (v *vault) putUpload(ctx context.Context, s *Standing, stored bool) error {
	check := s.seal()
	return v.write(ctx, func(ctx context.Context, t *tx) error {
		now := t.now.UnixMicro()
		n, err := t.exec(ctx, advanceUpload, s.Envelope[:], s.Offset, s.state, check[:], now)
		switch {
		case err != nil || n == 1:
			return err
		case stored:
			return ErrNotFound
		}
		_, err = t.exec(ctx, insertUpload, s.Envelope[:], s.Peer, string(s.Packets), s.Size, s.Offset, s.state, check[:], now, now, s.Expires.UnixMicro())
		return err
	})
}
