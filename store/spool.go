package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"os"

	"comity/protocol"
)

// Spool takes the sealed bytes of one parcel and hashes them on the way: in
// memory up to protocol.MaxInline, beyond that in a temporary file. It is not
// safe for concurrent use. Call Discard at the end in any case; after a
// successful commit it does nothing.
type Spool struct {
	bodies *bodies
	hash   hash.Hash
	size   int64
	inline []byte           // while file is nil
	file   *os.File         // the temporary file
	name   string           // its name in the folder
	linked *protocol.Digest // set when the file is a second name of kept bytes
	err    error            // the first one; every later call returns it
	state  spoolState
}

type spoolState int

const (
	spoolOpen      spoolState = iota
	spoolKept                 // durable or small, and without a row
	spoolCommitted            // a row has it
	spoolGone                 // discarded
)

var errSpoolState = errors.New("spool is no longer open")

// Write appends. An error is for good: discard the spool.
func (s *Spool) Write(p []byte) (int, error) {
	if s.err == nil && s.state != spoolOpen {
		return 0, errSpoolState
	}
	if s.err == nil && s.linked != nil {
		return 0, errLinked
	}
	if s.err == nil && s.size+int64(len(p)) > protocol.MaxSealed {
		s.err = protocol.Refuse(protocol.TooLarge, "sealed bytes: more than %d", int64(protocol.MaxSealed))
	}
	if s.err == nil && s.file == nil && s.size+int64(len(p)) > protocol.MaxInline {
		s.err = s.spill()
	}
	if s.err != nil {
		return 0, s.err
	}
	if s.file == nil {
		s.inline = append(s.inline, p...)
	} else if _, err := s.file.Write(p); err != nil {
		s.err = fmt.Errorf("spooling sealed bytes: %w", err)
		return 0, s.err
	}
	s.hash.Write(p)
	s.size += int64(len(p))
	return len(p), nil
}

// spill moves what was small so far into a temporary file.
func (s *Spool) spill() error {
	name := s.bodies.temporaryName()
	f, err := s.bodies.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("spooling sealed bytes: %w", err)
	}
	s.file, s.name = f, name
	if _, err := f.Write(s.inline); err != nil {
		return fmt.Errorf("spooling sealed bytes: %w", err)
	}
	s.inline = nil
	return nil
}

// Size is how many bytes were written.
func (s *Spool) Size() int64 { return s.size }

// Digest is the SHA-256 of what was written so far.
func (s *Spool) Digest() protocol.Digest {
	if s.linked != nil {
		return *s.linked
	}
	var d protocol.Digest
	s.hash.Sum(d[:0])
	return d
}

// Keep makes the bytes durable under their digest: fsync, rename, fsync of the
// folders. Small ones become durable with their fact. After Keep nothing can be
// written. A kept spool whose fact was never committed is an orphan: harmless,
// removed by Sweep after Discard, or by RemoveOrphans. Calling
// it again does nothing.
func (s *Spool) Keep() error {
	if s.err != nil {
		return s.err
	}
	switch s.state {
	case spoolKept, spoolCommitted:
		return nil
	case spoolGone:
		return errSpoolState
	case spoolOpen:
	}
	if s.file != nil {
		if s.err = s.bodies.keep(s.file, s.name, s.Digest()); s.err != nil {
			return s.err
		}
		s.file = nil
	} else {
		s.bodies.hold(s.Digest())
	}
	s.state = spoolKept
	return nil
}

// isInline reports whether the bytes go into their row.
func (s *Spool) isInline() bool { return s.name == "" }

// commit notes that a durable row has the bytes.
func (s *Spool) commit() {
	if s.state == spoolKept {
		s.state = spoolCommitted
		s.bodies.release(s.Digest(), false)
	}
}

// Discard gives up what no row refers to.
func (s *Spool) Discard() {
	switch s.state {
	case spoolOpen:
		if s.file != nil {
			s.file.Close()
		}
		if s.name != "" {
			_ = s.bodies.root.Remove(s.name) // what stays behind is cleaned at the next open
		}
	case spoolKept:
		s.bodies.release(s.Digest(), !s.isInline())
	default:
		return
	}
	s.state, s.file, s.inline = spoolGone, nil, nil
}

func newSpool(b *bodies) *Spool { return &Spool{bodies: b, hash: sha256.New()} }
