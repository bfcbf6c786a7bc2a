package bundle

import (
	"crypto/sha256"
	"fmt"
	"io"

	"comity/protocol"
	"comity/protocol/parcel"
)

// Write writes a bundle of these contents, having verified them as Verify does
// without anchors; so nobody hands out a bundle that no verifier takes. The
// parcel is read twice, once for its digest. The same contents give the same
// bytes.
//
// A *Fault says what is wrong with the contents; nothing was written then. Other
// errors come from w or from the parcel, and what was written is to be thrown away.
func Write(w io.Writer, c *Contents) error {
	x, err := examine(c)
	if err != nil {
		return err
	}
	cover, err := x.cover()
	if err != nil {
		return fault(coverName, err)
	}
	if _, err := x.open(); err != nil {
		return err
	}
	var list []member
	parts := x.small(cover)
	for _, m := range parts {
		list = append(list, member{m.path, int64(len(m.content)), protocol.Sum(m.content)})
	}
	if c.Parcel != nil {
		if err := x.hashParcel(); err != nil {
			return err
		}
		list = append(list, member{parcelName, x.env.Sealed.Size, x.env.Sealed.Digest})
	}
	if c.FileKey != nil {
		list = append(list, member{fileKeyName, fileKeySize, protocol.Sum(c.FileKey[:])})
	}
	raw, err := newIndex(c, x.env, list)
	if err != nil {
		return fault(indexName, err)
	}
	if _, err := parseIndex(raw); err != nil { // the limits
		return fault(indexName, err)
	}
	return x.write(w, raw, parts)
}

// hashParcel compares the sealed bytes with the envelope before any are written.
func (x *examined) hashParcel() error {
	sum := sha256.New()
	size := x.env.Sealed.Size
	n, err := io.CopyBuffer(onlyWriter{sum}, io.NewSectionReader(x.Parcel, 0, size), make([]byte, min(size, chunkSize)))
	switch {
	case err != nil:
		return fmt.Errorf("reading the sealed parcel: %w", err)
	case n != size || protocol.Digest(sum.Sum(nil)) != x.env.Sealed.Digest:
		return fault(parcelName, protocol.Refuse(protocol.DigestMismatch, "not the sealed bytes that the envelope states"))
	}
	return nil
}

// write lays the members out (R-BND-1).
func (x *examined) write(w io.Writer, index []byte, parts []small) error {
	put := func(path string, content []byte) error {
		b := parcel.AppendHeader(nil, path, int64(len(content)))
		b = append(b, content...)
		_, err := w.Write(append(b, make([]byte, parcel.Padding(int64(len(content))))...))
		return err
	}
	if err := put(indexName, index); err != nil {
		return fmt.Errorf("writing a bundle: %w", err)
	}
	for _, m := range parts {
		if err := put(m.path, m.content); err != nil {
			return fmt.Errorf("writing a bundle: %s: %w", m.path, err)
		}
	}
	if x.Parcel != nil {
		size := x.env.Sealed.Size
		b := parcel.AppendHeader(nil, parcelName, size)
		_, err := w.Write(b)
		if err == nil {
			_, err = io.CopyBuffer(onlyWriter{w}, io.NewSectionReader(x.Parcel, 0, size), make([]byte, min(size, chunkSize)))
		}
		if err == nil {
			_, err = w.Write(make([]byte, parcel.Padding(size)))
		}
		if err != nil {
			return fmt.Errorf("writing a bundle: %s: %w", parcelName, err)
		}
	}
	if x.FileKey != nil {
		if err := put(fileKeyName, x.FileKey[:]); err != nil {
			return fmt.Errorf("writing a bundle: %s: %w", fileKeyName, err)
		}
	}
	_, err := w.Write(make([]byte, parcel.TrailerSize))
	if err != nil {
		return fmt.Errorf("writing a bundle: %w", err)
	}
	return nil
}
