package parcel

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"comity/protocol"
	"comity/protocol/statement"
)

// chunkSize is how much of a file is read, hashed and passed on at once: large
// enough that calls cost nothing, small enough for many parcels at a time.
const chunkSize = 256 << 10

// chunkFor returns a chunk's size for the message: small parcels are many.
func chunkFor(m *Manifest) (size int64) {
	for _, f := range m.Files {
		size = max(size, f.Size)
	}
	return min(size+1, chunkSize) // one more shows a file that has grown
}

// ErrChanged says that a file is no longer the one that was attached, approved
// and signed. The error around it names the file and what to do.
var ErrChanged = errors.New("the file changed after it was attached")

// Write streams the container to dst: exactly NewLayout(…).Size() bytes. It
// calls open once for each file, in order and counted from 0, closes what it
// returned, and hashes each file again while copying: a file that is shorter,
// longer or other than the manifest says stops everything with ErrChanged
// (R-PCL-4). progress may be nil; it learns how many bytes of the container are
// written and how many it will be.
//
// After an error dst holds a beginning of a container, which is to be thrown
// away: do not complete a sealing around it. No file is held in memory. To
// cancel, let dst or a file return an error.
func Write(dst io.Writer, manifest statement.Signed, approvals []statement.Signed,
	open func(i int) (io.ReadCloser, error), progress func(done, total int64),
) error {
	m, layout, err := plan(manifest, approvals)
	if err != nil {
		return fmt.Errorf("writing a container: %w", err)
	}
	w := &writer{dst: dst, total: layout.size, progress: progress, sum: sha256.New(), chunk: make([]byte, chunkFor(m))}
	if err := w.signed(layout, manifest, approvals); err != nil {
		return fmt.Errorf("writing the signed parts of a container: %w", err)
	}
	for i := range m.Files {
		if err := w.file(layout, m, i, open); err != nil {
			return fmt.Errorf("writing file %d %q: %w", i+1, m.Files[i].Name, err)
		}
	}
	if err := w.write(layout.appendGlue(nil, len(layout.parts))); err != nil {
		return fmt.Errorf("writing the end of a container: %w", err)
	}
	if w.done != w.total {
		panic("a container has another size than its layout")
	}
	return nil
}

// writer belongs to one call of Write.
type writer struct {
	dst         io.Writer
	done, total int64
	progress    func(done, total int64)
	sum         hash.Hash
	chunk       []byte
}

func (w *writer) write(b []byte) error {
	n, err := w.dst.Write(b)
	w.done += int64(n)
	if err == nil && n != len(b) {
		err = io.ErrShortWrite
	}
	if w.progress != nil {
		w.progress(w.done, w.total)
	}
	return err
}

func (w *writer) signed(l *Layout, manifest statement.Signed, approvals []statement.Signed) error {
	var b []byte
	for i, s := range append([]statement.Signed{manifest}, approvals...) {
		b = l.appendGlue(b[:0], 2*i)
		b = append(b, s.Document...)
		b = l.appendGlue(b, 2*i+1)
		b = append(b, s.Signature...)
		if err := w.write(b); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) file(l *Layout, m *Manifest, i int, open func(int) (io.ReadCloser, error)) error {
	src, err := open(i)
	if err != nil {
		return fmt.Errorf("opening it: %w", err)
	}
	defer src.Close() // only read from: there is nothing to lose
	if err := w.write(l.appendGlue(w.chunk[:0], l.signed+i)); err != nil {
		return err
	}
	return w.copy(src, m.Files[i])
}

// copy copies one file and compares it with what the manifest says of it.
func (w *writer) copy(src io.Reader, f File) error {
	w.sum.Reset()
	for left := f.Size; ; {
		// One byte more than expected shows a file that has grown.
		n, err := io.ReadFull(src, w.chunk[:min(int64(len(w.chunk)), left+1)])
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		switch {
		case err != nil && !ended:
			return fmt.Errorf("reading it: %w", err)
		case int64(n) > left:
			return changed("it is longer than the %d bytes of then", f.Size)
		case ended && int64(n) < left:
			return changed("it has %d bytes now, %d then", f.Size-left+int64(n), f.Size)
		}
		w.sum.Write(w.chunk[:n])
		if err := w.write(w.chunk[:n]); err != nil {
			return err
		}
		left -= int64(n)
		if ended {
			break
		}
	}
	if protocol.Digest(w.sum.Sum(nil)) != f.Digest {
		return changed("its %d bytes have another content", f.Size)
	}
	return nil
}

func changed(format string, args ...any) error {
	return fmt.Errorf("%w: %s; attach it again, then let the message be approved and signed again",
		ErrChanged, fmt.Sprintf(format, args...))
}
