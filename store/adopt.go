package store

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"comity/protocol"
	"comity/protocol/exchange"
)

// Adopt makes a spool out of sealed bytes that stand elsewhere, and keeps it.
// Bytes of the other store on the same file system get a second name instead of
// a copy, so that a node and its office together need the space once; either
// may release its own name. Other bytes are copied. It refuses bytes that do
// not have the digest.
func (g *Gateway) Adopt(ctx context.Context, from exchange.Sealed, digest protocol.Digest) (*Spool, error) {
	return g.v.adopt(ctx, from, digest)
}

// Adopt does for the office's store what Gateway.Adopt does.
func (o *Office) Adopt(ctx context.Context, from exchange.Sealed, digest protocol.Digest) (*Spool, error) {
	return o.v.adopt(ctx, from, digest)
}

func (v *vault) adopt(ctx context.Context, from exchange.Sealed, digest protocol.Digest) (*Spool, error) {
	s := newSpool(v.bodies)
	if !s.link(from, digest) {
		// Limited, so that the copy makes no larger buffer than there are bytes.
		if _, err := io.Copy(s, io.LimitReader(io.NewSectionReader(from, 0, from.Size()), from.Size())); err != nil {
			s.Discard()
			return nil, err
		}
	}
	if s.Digest() != digest || s.Size() != from.Size() {
		s.Discard()
		return nil, protocol.Refuse(protocol.DigestMismatch, "the sealed bytes have the digest %s, not %s", s.Digest().Short(), digest.Short())
	}
	if err := s.Keep(); err != nil {
		s.Discard()
		return nil, err
	}
	return s, ctx.Err()
}

// link gives the file behind from a second, temporary name in this spool. The
// name under which a store keeps a file is its digest, checked before it was
// given, so the bytes are not read again. It reports whether it could.
func (s *Spool) link(from exchange.Sealed, digest protocol.Digest) bool {
	kept, ok := from.(*Sealed)
	if !ok || kept.file == nil || filepath.Base(kept.file.Name()) != digest.String() {
		return false
	}
	name := s.bodies.temporaryName()
	if err := os.Link(kept.file.Name(), filepath.Join(s.bodies.root.Name(), name)); err != nil {
		return false
	}
	f, err := s.bodies.root.Open(name)
	if err != nil {
		_ = s.bodies.root.Remove(name)
		return false
	}
	s.file, s.name, s.size, s.linked = f, name, kept.size, &digest
	return true
}

// errLinked says that a spool made of another file cannot take more bytes.
var errLinked = fmt.Errorf("%w: it stands for bytes of another store", errSpoolState)
