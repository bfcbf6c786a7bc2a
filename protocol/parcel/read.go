package parcel

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"comity/protocol"
	"comity/protocol/statement"
)

// Contents is an opened container whose layout has been checked. Nothing in it
// is authentic before the caller has verified, with the sender's record:
//
//   - Signed, by an act key of Manifest.From that was valid at Manifest.Created (R-PCL-8);
//     the manifest names the certificate, record.Member.Signer finds the key;
//   - each of Approvals, by its own Key, an act key of the same authority and
//     not the one that signed the manifest (R-PCL-9);
//   - the envelope, with Manifest.CheckEnvelope, and Manifest.CheckAddressed.
//
// Nothing may be shown before VerifyAll has passed once for the same sealed
// bytes. It is safe for concurrent use if the source is.
type Contents struct {
	Manifest  *Manifest
	Signed    statement.Signed // the manifest's exact bytes and its signature
	Approvals []SignedApproval // in the order of the container

	layout *Layout
	src    io.ReaderAt
}

// Read checks the container of size bytes in src: every header, every padding,
// the order, the end (R-PCL-1, R-PCL-2, R-PCL-3), the manifest and the
// approvals. It reads no file, so src may be a large sealed parcel opened for
// random access; Contents keeps src.
//
// What the sender did wrong is a *protocol.Refusal; its text names entries and
// positions but no real file name, as it may leave the office. Any other error
// comes from src.
func Read(src io.ReaderAt, size int64) (*Contents, error) {
	if size > protocol.MaxSealed {
		return nil, protocol.Refuse(protocol.TooLarge, "container of %d bytes, at most %d allowed", size, int64(protocol.MaxSealed))
	}
	r := &reader{src: src, size: size}
	manifest, err := r.signed(manifestName)
	if err != nil {
		return nil, err
	}
	m, err := ParseManifest(manifest.Document)
	if err != nil {
		return nil, err
	}
	signed := make([]statement.Signed, m.Approvals)
	for i := range signed {
		if signed[i], err = r.signed(approvalName(i)); err != nil {
			return nil, err
		}
	}
	approvals, err := m.checkApprovals(manifest.Digest(), signed)
	if err != nil {
		return nil, err
	}
	layout, err := lay(m, manifest, signed)
	if err != nil {
		return nil, err
	}
	if err := r.rest(layout); err != nil {
		return nil, err
	}
	return &Contents{Manifest: m, Signed: manifest, Approvals: approvals, layout: layout, src: src}, nil
}

// File returns the content of file i, counted from 0 as in Manifest.Files. Each
// call returns a reader of its own.
func (c *Contents) File(i int) *io.SectionReader {
	return io.NewSectionReader(c.src, c.layout.FileOffset(i), c.Manifest.Files[i].Size)
}

// reader belongs to one call of Read.
type reader struct {
	src  io.ReaderAt
	size int64
	at   int64  // everything before has been compared
	b    []byte // read last
}

// signed reads a document and its signature, the next two entries.
func (r *reader) signed(name string) (s statement.Signed, err error) {
	if s.Document, err = r.entry(name); err != nil {
		return s, err
	}
	s.Signature, err = r.entry(name + signatureSuffix)
	return s, err
}

// entry reads a part that stands before the files. Its size is the one thing
// that a header says and the manifest does not.
func (r *reader) entry(name string) ([]byte, error) {
	if err := r.read(blockSize, name); err != nil {
		return nil, err
	}
	limit := limitOf(name)
	size, ok := readOctal(r.b[atSize:], 11)
	if !ok || !bytes.Equal(r.b, AppendHeader(nil, name, size)) {
		return nil, r.refuse("not the header of %s", name)
	}
	if size == 0 || size > limit {
		return nil, r.refuse("%s has %d bytes, want 1 to %d", name, size, limit)
	}
	r.at += blockSize
	r.b = nil // the content becomes the caller's
	if err := r.read(size+Padding(size), name); err != nil {
		return nil, err
	}
	if !allZero(r.b[size:]) {
		return nil, r.refuse("the padding of %s is not zero", name)
	}
	r.at += size + Padding(size)
	content := r.b[:size:size]
	r.b = nil
	return content, nil
}

// rest compares everything that is not content from the first file on.
func (r *reader) rest(l *Layout) error {
	// R-PCL-2: with the size exact and every byte between contents compared,
	// there is no room for a gap, a tail or a hidden entry.
	if r.size != l.size {
		return protocol.Refuse(protocol.BadContainer, "container of %d bytes, its manifest makes %d", r.size, l.size)
	}
	var want []byte
	for i := l.signed; i <= len(l.parts); i++ {
		want = l.appendGlue(want[:0], i)
		r.at = l.glueOffset(i)
		next := "the end"
		if i < len(l.parts) {
			next = l.parts[i].name
		}
		if err := r.read(int64(len(want)), next); err != nil {
			return err
		}
		if !bytes.Equal(r.b, want) {
			return r.refuse("not the padding and header before %s", next)
		}
	}
	return nil
}

// read fills r.b with the next n bytes; n is bounded by the callers.
func (r *reader) read(n int64, name string) error {
	if n > r.size-r.at {
		return r.refuse("the container of %d bytes ends within %s", r.size, name)
	}
	if int64(cap(r.b)) < n {
		r.b = make([]byte, n)
	}
	r.b = r.b[:n]
	return readAt(r.src, r.b, r.at)
}

func (r *reader) refuse(format string, args ...any) error {
	return protocol.Refuse(protocol.BadContainer, "container, at byte %d: %s", r.at, fmt.Sprintf(format, args...))
}

// readAt fills b from src at the offset off.
func readAt(src io.ReaderAt, b []byte, off int64) error {
	n, err := src.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading a container at byte %d: %w", off, err)
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
