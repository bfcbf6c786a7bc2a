package seal

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestDamageIsNoticed(t *testing.T) {
	t.Parallel()
	id := generate(t)
	for _, size := range []int{0, 1000, ChunkSize, ChunkSize + 1, 2 * ChunkSize} {
		body, key := sealed(t, plainOf(size), id.Recipient())
		start := headerSize(1)
		cuts := map[int]bool{0: true, 1: true, start - 1: true, start: true, start + nonceSize - 1: true, start + nonceSize: true, start + nonceSize + tagSize: true}
		for at := start + nonceSize; at <= len(body); at += ChunkSize + tagSize {
			for _, d := range []int{-tagSize - 1, -tagSize, -1, 0, 1, tagSize, tagSize + 1} {
				cuts[at+d] = true
			}
		}
		for _, d := range []int{1, 2, tagSize, tagSize + 1} {
			cuts[len(body)-d] = true
		}
		for n := range cuts {
			if n < 0 || n >= len(body) {
				continue
			}
			if _, err := openAll(t, body[:n], key); err == nil {
				t.Errorf("content of %d bytes cut from %d to %d sealed bytes opens", size, len(body), n)
			}
		}
		for _, extra := range []int{1, 15, 16, 17, ChunkSize, ChunkSize + tagSize} {
			if _, err := openAll(t, append(bytes.Clone(body), make([]byte, extra)...), key); !errors.Is(err, ErrDamaged) {
				t.Errorf("content of %d bytes with %d more behind says %v, want ErrDamaged", size, extra, err)
			}
		}
		if _, err := openAll(t, body[:len(body)-1], id); !errors.Is(err, ErrDamaged) {
			t.Errorf("content of %d bytes, cut by one, with the identity says %v, want ErrDamaged", size, err)
		}
		step := max(1, len(body)/60)
		for at := 0; at < len(body); at += step {
			b := bytes.Clone(body)
			b[at] ^= 1
			if _, err := openAll(t, b, key); err == nil {
				t.Errorf("content of %d bytes with sealed byte %d altered opens", size, at)
			}
		}
	}
}

func TestSwappedChunksAreNoticed(t *testing.T) {
	t.Parallel()
	id := generate(t)
	body, _ := sealed(t, plainOf(3*ChunkSize), id.Recipient())
	const chunk = ChunkSize + tagSize
	at := headerSize(1) + nonceSize
	swapped := bytes.Clone(body)
	copy(swapped[at:], body[at+chunk:at+2*chunk])
	copy(swapped[at+chunk:], body[at:at+chunk])
	dropped := append(bytes.Clone(body[:at]), body[at+chunk:]...)
	for name, b := range map[string][]byte{"swapped": swapped, "dropped": dropped} {
		if _, err := openAll(t, b, id); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s chunk says %v, want ErrDamaged", name, err)
		}
	}
}

func TestOpenOneRangeOfDamagedBody(t *testing.T) {
	t.Parallel()
	id := generate(t)
	plain := plainOf(4 * ChunkSize)
	body, _ := sealed(t, plain, id.Recipient())
	body[headerSize(1)+nonceSize+ChunkSize+tagSize+5] ^= 1 // in the second chunk
	r, _, err := Open(bytes.NewReader(body), int64(len(body)), id)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	p := make([]byte, 100)
	if n, err := r.ReadAt(p, 2*ChunkSize+1); n != 100 || err != nil || !bytes.Equal(p, plain[2*ChunkSize+1:][:100]) {
		t.Errorf("a sound range: %d bytes, %v", n, err)
	}
	if n, err := r.ReadAt(p, ChunkSize-50); n != 50 || !errors.Is(err, ErrDamaged) {
		t.Errorf("a range into the damage: %d bytes, %v; want 50 and ErrDamaged", n, err)
	}
}

// brokenAt fails like a bad disk from an offset on.
type brokenAt struct {
	b    []byte
	from int64
	err  error
}

func (r brokenAt) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > r.from {
		return 0, r.err
	}
	return bytes.NewReader(r.b).ReadAt(p, off)
}

// R-EVID-8: a disk that cannot be read must never look like a bad parcel.
func TestSourceErrorsAreNotDamage(t *testing.T) {
	t.Parallel()
	id := generate(t)
	body, _ := sealed(t, plainOf(3*ChunkSize), id.Recipient())
	for _, disk := range []error{errors.New("input/output error"), io.ErrUnexpectedEOF, io.ErrClosedPipe} {
		for _, from := range []int{0, 10, headerSize(1) - 1, headerSize(1) + 3, headerSize(1) + nonceSize + 5, len(body) - 1} {
			r, err := OpenStream(io.MultiReader(bytes.NewReader(body[:from]), iotest.ErrReader(disk)), id)
			if err == nil {
				_, err = io.ReadAll(r)
			}
			if !errors.Is(err, disk) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrHeader) {
				t.Errorf("OpenStream over a source that fails at %d with %q: %v", from, disk, err)
			}
			_, _, err = Open(brokenAt{body, int64(from), disk}, int64(len(body)), id)
			if !errors.Is(err, disk) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrHeader) {
				t.Errorf("Open over a source that fails at %d with %q: %v", from, disk, err)
			}
		}
	}
}
