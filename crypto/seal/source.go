package seal

import (
	"errors"
	"fmt"
	"io"
)

// The age library reports a disk that cannot be read and bytes that are wrong
// alike. The first is transient and must never end in signed negative evidence,
// so the readers below mark the errors that come from under the library.

// sourceError marks an error of the reader that the caller gave us.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// ended tells the end that io.Reader means: io.EOF itself. Another error that
// wraps it is an error.
func ended(err error) bool {
	return err == io.EOF //nolint:errorlint // see above
}

func mark(err error) error {
	if err == nil || ended(err) {
		return err
	}
	return &sourceError{err}
}

// blame turns an error of the library into one of the source, or ErrDamaged.
func blame(err error) error {
	if s, ok := errors.AsType[*sourceError](err); ok {
		return fmt.Errorf("reading sealed bytes: %w", s.err)
	}
	// The library's text stays for its offset; its errors are not to be matched.
	return fmt.Errorf("opening sealed bytes: %w: %v", ErrDamaged, err)
}

type source struct{ r io.Reader }

func (s source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	return n, mark(err)
}

type sourceAt struct{ r io.ReaderAt }

func (s sourceAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.r.ReadAt(p, off)
	return n, mark(err)
}

// content is what OpenStream returns.
type content struct{ r io.Reader }

func (c content) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err != nil && !ended(err) {
		err = blame(err)
	}
	return n, err
}

// contentAt is what Open returns.
type contentAt struct {
	r    io.ReaderAt
	size int64
}

func (c contentAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("opening sealed bytes at offset %d: want 0 or more", off)
	}
	if len(p) == 0 {
		return 0, nil
	}
	// The library has an error of its own for this, where io.ReaderAt wants io.EOF.
	if off >= c.size {
		return 0, io.EOF
	}
	n, err := c.r.ReadAt(p, off)
	if err != nil && !ended(err) {
		err = blame(err)
	}
	return n, err
}
