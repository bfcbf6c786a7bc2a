package parcel

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"comity/protocol"
)

// R-PCL-4: a file that is not the one attached stops the sealing, and the
// person reads which file and what to do.
func TestWriteChangedFile(t *testing.T) {
	long := strings.Repeat("page ", chunkSize)
	m := request("form", long, "")
	rows := []struct {
		name     string
		contents []string
		says     string
	}{
		{"other content", []string{"form", strings.Replace(long, "page", "Page", 1), ""}, "have another content"},
		{"other content at the end", []string{"form", long[:len(long)-1] + "!", ""}, "have another content"},
		{"shorter", []string{"form", long[1:], ""}, "1310719 bytes now, 1310720 then"},
		{"empty", []string{"form", "", ""}, "0 bytes now"},
		{"cut at a chunk", []string{"form", long[:chunkSize], ""}, "262144 bytes now"},
		{"longer", []string{"form", long + "!", ""}, "longer than the 1310720 bytes"},
		{"no longer empty", []string{"form", long, "x"}, "longer than the 0 bytes"},
	}
	for _, row := range rows {
		var b bytes.Buffer
		err := Write(&b, unsigned(t, m), nil, opener(row.contents...), nil)
		if !errors.Is(err, ErrChanged) {
			t.Errorf("%s: got %v, want ErrChanged", row.name, err)
			continue
		}
		name := m.Files[1].Name
		if row.contents[1] == long {
			name = m.Files[2].Name
		}
		for _, part := range []string{name, row.says, "attach it again"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: got %q, want it to say %q", row.name, err, part)
			}
		}
	}
}

func TestWriteTrouble(t *testing.T) {
	m, broken := request("form", "document", ""), errors.New("the disk is broken")
	signed := unsigned(t, m)
	err := Write(io.Discard, signed, nil, func(i int) (io.ReadCloser, error) { return nil, broken }, nil)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), m.Files[0].Name) {
		t.Errorf("opening: got %v, want %v", err, broken)
	}
	err = Write(io.Discard, signed, nil, func(i int) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("for"), iotest.ErrReader(broken))), nil
	}, nil)
	if !errors.Is(err, broken) || errors.Is(err, ErrChanged) {
		t.Errorf("reading: got %v, want %v", err, broken)
	}
	whole := container(t, signed, nil, "form", "document", "")
	for n := 0; n < len(whole); n += 32 {
		w := &failing{left: n, err: broken}
		if err := Write(w, signed, nil, opener("form", "document", ""), nil); !errors.Is(err, broken) {
			t.Fatalf("writing, full after %d bytes: got %v, want %v", n, err, broken)
		}
	}
	m.Approvals = 1
	err = Write(io.Discard, unsigned(t, m), nil, opener("form", "document", ""), nil)
	wantCode(t, "an approval less than announced", err, protocol.BadContainer)
}

// failing takes so many bytes and then fails.
type failing struct {
	left int
	err  error
}

func (f *failing) Write(p []byte) (int, error) {
	if len(p) > f.left {
		return f.left, f.err
	}
	f.left -= len(p)
	return len(p), nil
}

// Files may come in pieces of any size; each is opened once, in order, and closed.
func TestWriteOpensInOrder(t *testing.T) {
	contents := []string{"form", strings.Repeat("x", 3*chunkSize), ""}
	signed := unsigned(t, request(contents...))
	var opened, closed []int
	var last int64
	var got bytes.Buffer
	err := Write(&got, signed, nil, func(i int) (io.ReadCloser, error) {
		if len(opened) != len(closed) {
			t.Errorf("file %d is opened while another is open", i)
		}
		opened = append(opened, i)
		return closer{iotest.HalfReader(strings.NewReader(contents[i])), func() { closed = append(closed, i) }}, nil
	}, func(done, total int64) {
		if done < last || done > total {
			t.Errorf("progress: %d after %d of %d", done, last, total)
		}
		last = done
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(opened) != 3 || len(closed) != 3 || last != int64(got.Len()) {
		t.Errorf("opened %v, closed %v, progress ended at %d of %d", opened, closed, last, got.Len())
	}
	if want := container(t, signed, nil, contents...); !bytes.Equal(got.Bytes(), want) {
		t.Errorf("written in pieces: %d bytes, other than the %d written at once", got.Len(), len(want))
	}
}

type closer struct {
	io.Reader
	close func()
}

func (c closer) Close() error { c.close(); return nil }

// An error of the source is not the sender's fault.
func TestReadTrouble(t *testing.T) {
	b, broken := small(t), errors.New("the disk is broken")
	for n := 0; n < len(b); n += blockSize {
		c, err := Read(&brokenAt{bytes.NewReader(b), int64(n), broken}, int64(len(b)))
		if err == nil {
			err = c.VerifyAll(t.Context(), nil)
		}
		// An empty file has a header but nothing to read; all else is read.
		if !errors.Is(err, broken) || protocol.CodeOf(err) != "" {
			t.Errorf("broken at byte %d: got %v, want %v", n, err, broken)
		}
	}
	if _, err := Read(bytes.NewReader(b[:len(b)-1]), int64(len(b))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("source shorter than its size: got %v, want %v", err, io.ErrUnexpectedEOF)
	}
	_, err := Read(bytes.NewReader(b), protocol.MaxSealed+1)
	wantCode(t, "larger than any parcel", err, protocol.TooLarge)
}

// brokenAt fails to read the byte at its offset.
type brokenAt struct {
	src io.ReaderAt
	at  int64
	err error
}

func (b *brokenAt) ReadAt(p []byte, off int64) (int, error) {
	if off <= b.at && b.at < off+int64(len(p)) {
		return 0, b.err
	}
	return b.src.ReadAt(p, off)
}

func TestVerifyAll(t *testing.T) {
	contents := []string{"form", strings.Repeat("x", 16*chunkSize+5), ""}
	b := container(t, unsigned(t, request(contents...)), nil, contents...)
	c, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var steps int
	if err := c.VerifyAll(t.Context(), func(done, total int64) { steps++ }); err != nil || steps != 18 {
		t.Errorf("got %v in %d steps, want 18", err, steps)
	}
	// A constant number of allocations, whatever the size (I7).
	if n := testing.AllocsPerRun(5, func() { _ = c.VerifyAll(t.Context(), nil) }); n > 8 {
		t.Errorf("%v allocations for 18 chunks", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = c.VerifyAll(ctx, func(done, total int64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	b[len(b)-TrailerSize-blockSize-600] ^= 1
	err = c.VerifyAll(t.Context(), nil)
	wantCode(t, "a bit in the second file", err, protocol.DigestMismatch)
	if err != nil && strings.Contains(err.Error(), c.Manifest.Files[1].Name) {
		t.Errorf("the refusal %q tells the file's name", err)
	}
}
