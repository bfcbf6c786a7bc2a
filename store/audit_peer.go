package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/record"
	"comity/protocol/statement"
)

type auditedPeer struct {
	node       protocol.NodeID
	origin     *string
	size       *int64
	root       []byte
	checkpoint []byte
	seen       *int64
	cursor     int64
	shown      []byte // of this node's own log
	record     []byte // of this node's own state
	recordSig  []byte
	shownAt    *int64
}

// newerRecord says what it means that a peer showed a record of this node's state
// that is not here.
func (a *audit) newerRecord(signed statement.Signed) error {
	state, err := record.Verify(signed, a.history.Newest(a.options.Own))
	if err != nil {
		return err
	}
	return fmt.Errorf("the peer holds record %d of this node's own state, which is not here: this is an older copy", state.Record().Sequence)
}

// peers verifies the newest checkpoint of each other log that was seen.
func (a *audit) peers(ctx context.Context, v *vault) error {
	return pages(ctx, a, v, func(ctx context.Context, t *tx, after *auditedPeer) ([]auditedPeer, error) {
		var from protocol.NodeID
		if after != nil {
			from = after.node
		}
		return collect(ctx, t, func(scan func(...any) error) (p auditedPeer, err error) {
			return p, scan(&p.node, &p.origin, &p.size, &p.root, &p.checkpoint, &p.seen, &p.cursor, &p.shown, &p.shownAt, &p.record, &p.recordSig)
		}, `SELECT node, log_origin, log_size, log_root, checkpoint, seen_us, feed_cursor, shown, shown_us,
shown_record, shown_record_signature FROM peer WHERE node > $1 ORDER BY node LIMIT $2`, from, checkPage)
	}, func(p *auditedPeer) error {
		r := a.row("peer %s", p.node)
		if !a.history.Names(p.node) {
			r.fault("node", "no adopted record names it")
		}
		if p.cursor < 0 {
			r.fault("feed_cursor", "it is %d", p.cursor)
		}
		if (p.shown == nil && p.record == nil) != (p.shownAt == nil) {
			r.fault("shown_us", "it stands beside what the peer showed, and only there")
		}
		if p.shown != nil {
			own, err := a.options.Checkpoint(p.shown)
			if err == nil {
				err = fmt.Errorf("the peer holds a state of this node's own log over %d leaves that is not here: this is an older copy", own.Size)
			}
			r.check("shown", err)
		}
		if p.record != nil {
			r.check("shown_record", a.newerRecord(statement.Signed{Document: p.record, Signature: p.recordSig}))
		}
		if p.checkpoint == nil {
			if p.origin != nil || p.size != nil || p.root != nil || p.seen != nil {
				r.fault("checkpoint", "it is missing, and what was read from it is not")
			}
			return r.err
		}
		a.Peers++
		c, err := a.history.VerifyCheckpoint(p.node, p.checkpoint)
		if !r.check("checkpoint", err) {
			return r.err
		}
		if p.origin == nil || *p.origin != c.Origin {
			r.fault("log_origin", "the checkpoint says %s", c.Origin)
		}
		if p.size == nil || *p.size != c.Size {
			r.fault("log_size", "the checkpoint says %d", c.Size)
		}
		if !bytes.Equal(p.root, c.Root[:]) {
			r.fault("log_root", "the checkpoint has another one")
		}
		if p.seen == nil {
			r.fault("seen_us", "it is missing")
		}
		return r.err
	})
}

type auditedUpload struct {
	Standing
	begun int64
}

// uploads checks that what is promised of bodies under way holds together.
func (a *audit) uploads(ctx context.Context, v *vault) error {
	return pages(ctx, a, v, func(ctx context.Context, t *tx, after *auditedUpload) ([]auditedUpload, error) {
		var from protocol.Digest
		if after != nil {
			from = after.Envelope
		}
		return collect(ctx, t, func(scan func(...any) error) (u auditedUpload, err error) {
			var advanced, expires int64
			err = scan((*digest)(&u.Envelope), &u.Peer, &u.Packets, &u.Size, &u.Offset, &u.state, (*digest)(&u.check), &u.begun, &advanced, &expires)
			u.Expires = instant(&expires)
			return u, err
		}, `SELECT envelope_digest, peer, packets, sealed_bytes, offset_bytes, hash_state, hash_check, begun_us, advanced_us, expires_us
FROM upload WHERE envelope_digest > $1 ORDER BY envelope_digest LIMIT $2`, from[:], checkPage)
	}, func(u *auditedUpload) error {
		r := a.row("upload %s", u.Envelope)
		if u.seal() != u.check {
			r.fault("envelope_digest, offset_bytes, hash_state and hash_check", "they do not go together")
		}
		packets, err := statement.DecodePackets(u.Packets, 2*protocol.MaxPacket, 2)
		if err == nil && len(packets) != 2 {
			err = fmt.Errorf("%d packets in place of two", len(packets))
		}
		var e *envelope.Envelope
		if err == nil {
			e, err = a.history.VerifyEnvelope(packets[0].Signed, a.now)
		}
		if err == nil {
			_, _, err = a.history.VerifyEvidence(packets[1], a.now)
		}
		if !r.check("packets", err) {
			return r.err
		}
		same(r, "envelope_digest", u.Envelope, packets[0].Digest())
		same(r, "sealed_bytes", u.Size, e.Sealed.Size)
		same(r, "expires_us", u.Expires.UnixMicro(), e.Expires.UnixMicro())
		a.hosts(r, u.Peer, e.From.State())
		return r.err
	})
}

type auditedBody struct {
	digest   protocol.Digest
	size     int64
	inline   bool
	body     []byte
	released *int64
}

// sealed computes the digests of bodies in rows again and looks for the files of
// the others, whose digests it computes when that was asked for.
func (a *audit) sealed(ctx context.Context, v *vault) error {
	return pages(ctx, a, v, func(ctx context.Context, t *tx, after *auditedBody) ([]auditedBody, error) {
		var from protocol.Digest
		if after != nil {
			from = after.digest
		}
		return collect(ctx, t, func(scan func(...any) error) (b auditedBody, err error) {
			return b, scan((*digest)(&b.digest), &b.size, &b.inline, &b.body, &b.released)
		}, `SELECT digest, size_bytes, inline, body, released_us FROM sealed WHERE digest > $1 ORDER BY digest LIMIT $2`, from[:], 64)
	}, func(b *auditedBody) error {
		r := a.row("sealed bytes %s", b.digest)
		if b.released == nil {
			same(r, "inline", b.inline, b.size <= protocol.MaxInline)
		}
		switch {
		case b.released != nil:
			if b.body != nil {
				r.fault("released_us", "the body is still here")
			}
			return r.err
		case b.inline:
			a.Bodies++
			if int64(len(b.body)) != b.size || protocol.Sum(b.body) != b.digest {
				r.fault("body, size_bytes and digest", "they do not go together")
			}
			return r.err
		}
		a.Bodies++
		return a.file(ctx, r, v, b)
	})
}

// file checks a body that is a file.
func (a *audit) file(ctx context.Context, r *row, v *vault, b *auditedBody) error {
	_, name := bodyName(b.digest)
	f, err := v.bodies.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		if gone, err := v.released(ctx, b.digest); err != nil || gone {
			return err // while the audit ran
		}
		r.fault("file", "it is missing")
		return r.err
	} else if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	same(r, "size_bytes", b.size, info.Size())
	if !a.options.Bodies {
		return r.err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, &untilDone{ctx, f}); err != nil {
		return err
	}
	if protocol.Digest(sum.Sum(nil)) != b.digest {
		r.fault("file", "its bytes have another digest")
	}
	return r.err
}

// untilDone is a reader that ends with its context: a body may be terabytes.
type untilDone struct {
	ctx context.Context //nolint:containedctx // it lives as long as one copy
	io.Reader
}

// Read fails once the context has ended.
func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}

// released reports whether a body is by now on purpose no longer kept.
func (v *vault) released(ctx context.Context, d protocol.Digest) (gone bool, err error) {
	err = v.read(ctx, func(ctx context.Context, t *tx) error {
		var at *int64
		found, err := t.find(ctx, []any{&at}, `SELECT released_us FROM sealed WHERE digest = $1`, d[:])
		gone = !found || at != nil
		return err
	})
	return gone, err
}
