package bundle

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"comity/protocol"
	"comity/protocol/parcel"
)

const (
	blockSize = 512
	// chunkSize is how much of a sealed parcel is hashed at once.
	chunkSize = 256 << 10
)

// archive is a bundle whose layout was compared, byte for byte, and whose
// members have the digests that its index lists.
type archive struct {
	*index
	raw     []byte            // the index itself
	content map[string][]byte // of each member but the parcel
	parcel  *io.SectionReader // nil: without it
}

// readArchive reads the bundle of size bytes in r (R-BND-1, R-BND-2).
func readArchive(r io.ReaderAt, size int64) (*archive, error) {
	s := &scanner{src: r, size: size}
	raw, err := s.first()
	if err != nil {
		return nil, err
	}
	x, err := parseIndex(raw)
	if err != nil {
		return nil, fault(indexName, err)
	}
	if err := s.fits(x); err != nil {
		return nil, err
	}
	a := &archive{index: x, raw: raw, content: make(map[string][]byte, len(x.Members))}
	for _, m := range x.Members {
		if err := s.header(m.Path, m.Size); err != nil {
			return nil, err
		}
		if a.content[m.Path] != nil || m.Path == parcelName && a.parcel != nil {
			return nil, fault(m.Path, protocol.Refuse(protocol.BadContainer, "listed twice"))
		}
		if m.Path == parcelName {
			a.parcel = io.NewSectionReader(r, s.at, m.Size)
			err = s.hash(m)
		} else {
			a.content[m.Path], err = s.content(m)
		}
		if err != nil {
			return nil, err
		}
		if err := s.zeros(m.Path, parcel.Padding(m.Size)); err != nil {
			return nil, err
		}
	}
	return a, s.zeros("the end", parcel.TrailerSize)
}

// scanner reads a bundle from its first byte to its last. It belongs to one call.
type scanner struct {
	src      io.ReaderAt
	size, at int64 // everything before at has been compared
}

// first reads the index. Its size is the one thing that a header says and
// nothing else does: bounded, then the whole header is regenerated with it.
func (s *scanner) first() ([]byte, error) {
	b, err := s.next(indexName, blockSize)
	if err != nil {
		return nil, err
	}
	size := int64(0)
	for _, c := range b[124:135] {
		if c < '0' || c > '7' {
			return nil, fault(indexName, protocol.Refuse(protocol.BadContainer, "a bundle begins with the tar header of %s", indexName))
		}
		size = size<<3 | int64(c-'0')
	}
	if !bytes.Equal(b, parcel.AppendHeader(nil, indexName, min(size, protocol.MaxBundleIndex))) || size == 0 {
		return nil, fault(indexName, protocol.Refuse(protocol.BadContainer, "a bundle begins with the tar header of %s, of 1 to %d bytes", indexName, protocol.MaxBundleIndex))
	}
	raw, err := s.next(indexName, size)
	if err != nil {
		return nil, err
	}
	return raw, s.zeros(indexName, parcel.Padding(size))
}

// fits compares the size of the file with the one that the index makes: no gap,
// no tail, no further member.
func (s *scanner) fits(x *index) error {
	want := s.at + parcel.TrailerSize
	for _, m := range x.Members {
		want += int64(len(parcel.AppendHeader(nil, m.Path, m.Size))) + m.Size + parcel.Padding(m.Size)
	}
	if want != s.size {
		return fault(indexName, protocol.Refuse(protocol.BadContainer, "the file has %d bytes, its list makes %d: something was added, or is missing", s.size, want))
	}
	return nil
}

func (s *scanner) header(path string, size int64) error {
	want := parcel.AppendHeader(nil, path, size)
	got, err := s.next(path, int64(len(want)))
	if err == nil && !bytes.Equal(got, want) {
		err = fault(path, protocol.Refuse(protocol.BadContainer, "the tar header before it is not its own"))
	}
	return err
}

func (s *scanner) zeros(path string, n int64) error {
	b, err := s.next(path, n)
	if err == nil && len(bytes.TrimLeft(b, "\x00")) > 0 {
		err = fault(path, protocol.Refuse(protocol.BadContainer, "the bytes after it are not zero"))
	}
	return err
}

func (s *scanner) content(m member) ([]byte, error) {
	b, err := s.next(m.Path, m.Size)
	if err == nil && protocol.Sum(b) != m.Digest {
		err = altered(m.Path)
	}
	return b, err
}

// hash reads a large member without holding it.
func (s *scanner) hash(m member) error {
	sum := sha256.New()
	n, err := io.CopyBuffer(onlyWriter{sum}, io.NewSectionReader(s.src, s.at, m.Size), make([]byte, min(m.Size, chunkSize)))
	switch {
	case err != nil:
		return fmt.Errorf("reading a bundle at %s: %w", m.Path, err)
	case n != m.Size || protocol.Digest(sum.Sum(nil)) != m.Digest:
		return altered(m.Path)
	}
	s.at += n
	return nil
}

// onlyWriter hides other methods, so that the buffer given is the one used.
type onlyWriter struct{ io.Writer }

func altered(path string) error {
	return fault(path, protocol.Refuse(protocol.DigestMismatch, "not the bytes that %s lists", indexName))
}

// next returns the next n bytes, n being bounded by the callers.
func (s *scanner) next(path string, n int64) ([]byte, error) {
	if n > s.size-s.at {
		return nil, fault(path, protocol.Refuse(protocol.BadContainer, "the file of %d bytes ends in it", s.size))
	}
	b := make([]byte, n)
	got, err := s.src.ReadAt(b, s.at)
	if int64(got) < n {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("reading a bundle at %s: %w", path, err)
	}
	s.at += n
	return b, nil
}
