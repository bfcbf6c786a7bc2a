package parcel

import (
	"fmt"

	"comity/protocol"
	"comity/protocol/statement"
)

// Layout is where everything stands in one container. It follows from the
// manifest and the sizes of the signed parts alone, so it is known before the
// first byte is written. It is immutable.
type Layout struct {
	parts  []part
	signed int   // how many parts stand before the files
	size   int64 // of the whole container
}

// part is the content of one entry.
type part struct {
	name     string
	at, size int64
}

// NewLayout computes the layout of the container that Write would write from
// the same arguments, and refuses what Write and Read would refuse.
func NewLayout(manifest statement.Signed, approvals []statement.Signed) (*Layout, error) {
	_, layout, err := plan(manifest, approvals)
	return layout, err
}

// plan checks the signed parts against each other and lays the container out.
func plan(manifest statement.Signed, approvals []statement.Signed) (*Manifest, *Layout, error) {
	m, err := ParseManifest(manifest.Document)
	if err != nil {
		return nil, nil, err
	}
	if _, err := m.checkApprovals(manifest.Digest(), approvals); err != nil {
		return nil, nil, err
	}
	l, err := lay(m, manifest, approvals)
	return m, l, err
}

// lay places the parts in their one order (R-PCL-3).
func lay(m *Manifest, manifest statement.Signed, approvals []statement.Signed) (*Layout, error) {
	l := &Layout{parts: make([]part, 0, 2+2*len(approvals)+len(m.Files))}
	l.addSigned(manifestName, manifest)
	for i, a := range approvals {
		l.addSigned(approvalName(i), a)
	}
	l.signed = len(l.parts)
	for _, p := range l.parts {
		if p.size == 0 || isSignature(p.name) && p.size > protocol.MaxSignature {
			return nil, protocol.Refuse(protocol.BadContainer, "%s has %d bytes, want 1 to %d", p.name, p.size, limitOf(p.name))
		}
	}
	for i, f := range m.Files {
		l.add(filePath(i), f.Size)
	}
	l.size += Padding(l.parts[len(l.parts)-1].size) + TrailerSize
	if l.size > protocol.MaxSealed {
		return nil, protocol.Refuse(protocol.TooLarge, "container of %d bytes, at most %d allowed", l.size, int64(protocol.MaxSealed))
	}
	return l, nil
}

func (l *Layout) addSigned(name string, s statement.Signed) {
	l.add(name, int64(len(s.Document)))
	l.add(name+signatureSuffix, int64(len(s.Signature)))
}

// add places one part after those before it; size then is the end of its content.
func (l *Layout) add(name string, size int64) {
	header := int64(blockSize)
	if size >= octalEnd {
		header = 3 * blockSize
	}
	at := l.size + header
	if n := len(l.parts); n > 0 {
		at += Padding(l.parts[n-1].size)
	}
	l.parts = append(l.parts, part{name, at, size})
	l.size = at + size
}

// Size is the exact size of the container in bytes, before sealing.
func (l *Layout) Size() int64 { return l.size }

// FileOffset is where the content of file i begins in the container. Files
// count from 0, as in Manifest.Files; i out of range panics as a slice would.
func (l *Layout) FileOffset(i int) int64 { return l.parts[l.signed:][i].at }

// appendGlue appends the bytes between the content of part i-1 and that of part
// i: the padding of the one and the header of the other. Before part 0 there is
// no padding; after the last part, i = len(parts), the trailer stands in place
// of a header. Content and glue together are the whole container.
func (l *Layout) appendGlue(b []byte, i int) []byte {
	if i > 0 {
		b = appendZeros(b, Padding(l.parts[i-1].size))
	}
	if i == len(l.parts) {
		return appendZeros(b, TrailerSize)
	}
	return AppendHeader(b, l.parts[i].name, l.parts[i].size)
}

// glueOffset is where the glue before part i begins.
func (l *Layout) glueOffset(i int) int64 {
	if i == 0 {
		return 0
	}
	return l.parts[i-1].at + l.parts[i-1].size
}

// The names of the entries.
const (
	manifestName    = "manifest.json"
	signatureSuffix = ".asc"
)

func approvalName(i int) string { return fmt.Sprintf("approvals/%04d.json", i+1) }

func filePath(i int) string { return fmt.Sprintf("files/%04d", i+1) }

func isSignature(name string) bool { return name[len(name)-len(signatureSuffix):] == signatureSuffix }

// limitOf is how large a part before the files may be.
func limitOf(name string) int64 {
	switch {
	case isSignature(name):
		return protocol.MaxSignature
	case name == manifestName:
		return protocol.MaxManifest
	default:
		return protocol.MaxApproval
	}
}
