package seal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"

	"filippo.io/age"
)

// generate makes an identity of the authority that a test speaks of.
func generate(t testing.TB) *Identity {
	t.Helper()
	id, err := GenerateIdentity()
	if err != nil {
		t.Fatalf("GenerateIdentity: %v", err)
	}
	return id
}

func generateAll(t testing.TB, n int) (ids Identities, to []*Recipient) {
	t.Helper()
	for range n {
		id := generate(t)
		ids, to = append(ids, id), append(to, id.Recipient())
	}
	return ids, to
}

func sealed(t testing.TB, plain []byte, to ...*Recipient) ([]byte, *FileKey) {
	t.Helper()
	var b bytes.Buffer
	w, key, err := Encrypt(&b, to...)
	if err != nil {
		t.Fatalf("Encrypt: %v", err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatalf("Write: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	return b.Bytes(), key
}

// plainOf makes bytes that differ in every chunk.
func plainOf(size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// openAll opens both ways and fails the test when the two disagree.
func openAll(t testing.TB, body []byte, k Key) ([]byte, error) {
	t.Helper()
	var atOnce []byte
	plain, size, errAt := Open(bytes.NewReader(body), int64(len(body)), k)
	if errAt == nil {
		atOnce, errAt = io.ReadAll(io.NewSectionReader(plain, 0, size))
		if errAt == nil && int64(len(atOnce)) != size {
			t.Errorf("Open: size %d, but %d bytes of content", size, len(atOnce))
		}
	}
	var inOrder []byte
	r, errStream := OpenStream(bytes.NewReader(body), k)
	if errStream == nil {
		inOrder, errStream = io.ReadAll(r)
	}
	if (errAt == nil) != (errStream == nil) {
		t.Errorf("%d sealed bytes: Open says %v, OpenStream says %v", len(body), errAt, errStream)
	}
	for _, err := range []error{errAt, errStream} {
		if err != nil && !errors.Is(err, ErrNoKey) && !errors.Is(err, ErrHeader) && !errors.Is(err, ErrDamaged) {
			t.Errorf("%d sealed bytes: error %q wraps no sentinel", len(body), err)
		}
	}
	if errAt == nil && errStream == nil && !bytes.Equal(atOnce, inOrder) {
		t.Errorf("%d sealed bytes: Open and OpenStream give different content", len(body))
	}
	return atOnce, errors.Join(errAt, errStream)
}

var sizes = []int{0, 1, 15, 16, 17, 1000, 65519, 65520, 65535, 65536, 65537, 2*65536 - 1, 2 * 65536, 2*65536 + 1, 5*65536 + 123}

func TestSealedSizeIsExact(t *testing.T) {
	t.Parallel()
	_, to := generateAll(t, MaxRecipients)
	for _, recipients := range []int{1, 2, 3, 17, MaxRecipients} {
		for n, size := range sizes {
			if recipients > 3 && n%7 != 0 {
				continue // stanzas take time to make
			}
			plain := plainOf(size)
			body, key := sealed(t, plain, to[:recipients]...)
			want, err := SealedSize(int64(size), recipients)
			if err != nil || want != int64(len(body)) {
				t.Errorf("SealedSize(%d, %d) = %d, %v; sealing made %d bytes", size, recipients, want, err, len(body))
			}
			h, err := InspectHeader(body, MaxHeader)
			if err != nil || h.Recipients != recipients {
				t.Errorf("InspectHeader of a body for %d recipients = %+v, %v", recipients, h, err)
			}
			got, err := openAll(t, body, key)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes for %d recipients do not come back: %d bytes, %v", size, recipients, len(got), err)
			}
		}
	}
}

func TestSealedSizeOutOfRange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		plain      int64
		recipients int
	}{{-1, 1}, {0, 0}, {0, -1}, {0, MaxRecipients + 1}, {math.MaxInt64, 1}, {math.MaxInt64 - 4096, 1}, {math.MinInt64, 1}} {
		if got, err := SealedSize(c.plain, c.recipients); err == nil {
			t.Errorf("SealedSize(%d, %d) = %d, want an error", c.plain, c.recipients, got)
		}
	}
	if got, err := SealedSize(2<<40, 1); err != nil || got != 2<<40+1627+16+(2<<40)/4096 {
		t.Errorf("SealedSize(2 TiB, 1) = %d, %v", got, err)
	}
}

func TestEveryKeyOpens(t *testing.T) {
	t.Parallel()
	ids, to := generateAll(t, 3)
	plain := plainOf(3*ChunkSize + 7)
	body, key := sealed(t, plain, to[0], to[2])
	for name, k := range map[string]Key{
		"first identity": ids[0], "second identity": ids[2], "all identities": ids,
		"file key": *key, "pointer to the file key": key,
	} {
		if got, err := openAll(t, body, k); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	for name, k := range map[string]Key{
		"other identity": ids[1], "no identities": Identities{}, "wrong file key": FileKey{1}, "zero file key": FileKey{},
	} {
		if _, _, err := Open(bytes.NewReader(body), int64(len(body)), k); !errors.Is(err, ErrNoKey) {
			t.Errorf("%s: Open says %v, want ErrNoKey", name, err)
		}
		if _, err := OpenStream(bytes.NewReader(body), k); !errors.Is(err, ErrNoKey) {
			t.Errorf("%s: OpenStream says %v, want ErrNoKey", name, err)
		}
	}
	for name, k := range map[string]Key{
		"nil": nil, "nil identity": (*Identity)(nil), "zero identity": new(Identity),
		"nil among identities": Identities{ids[0], nil}, "nil file key": (*FileKey)(nil), "pointer to identities": &ids,
	} {
		_, _, err := Open(bytes.NewReader(body), int64(len(body)), k)
		if err == nil || errors.Is(err, ErrNoKey) {
			t.Errorf("%s: Open says %v, want an error about the key", name, err)
		}
	}
}

func TestFileKeyIsTheOneInTheHeader(t *testing.T) {
	t.Parallel()
	ids, to := generateAll(t, 2)
	body, key := sealed(t, []byte("Ersuchen"), to...)
	src := bytes.NewReader(body)
	got, err := ReadFileKey(src, ids[1:])
	if err != nil || got != *key {
		t.Fatalf("ReadFileKey differs from the captured key: %v", err)
	}
	if at := len(body) - src.Len(); at != headerSize(2) {
		t.Errorf("ReadFileKey read %d bytes, want the header of %d", at, headerSize(2))
	}
	if b, err := age.DecryptHeader(body[:headerSize(2)], ids[0].age); err != nil || FileKey(b) != *key {
		t.Errorf("age finds another file key: %v", err)
	}
	if _, err := ReadFileKey(bytes.NewReader(body), Identities{generate(t)}); !errors.Is(err, ErrNoKey) {
		t.Errorf("ReadFileKey with a stranger's identity says %v, want ErrNoKey", err)
	}
	other, otherKey := sealed(t, []byte("Ersuchen"), to...)
	if *otherKey == *key || bytes.Equal(other, body) {
		t.Error("two sealings share their file key or bytes")
	}
	if _, _, err := Open(bytes.NewReader(other), int64(len(other)), key); !errors.Is(err, ErrNoKey) {
		t.Errorf("the file key of one body on another says %v, want ErrNoKey", err)
	}
}

func TestReadAtKeepsTheContractOfReaderAt(t *testing.T) {
	t.Parallel()
	id := generate(t)
	plain := plainOf(2*ChunkSize + 100)
	body, _ := sealed(t, plain, id.Recipient())
	r, size, err := Open(bytes.NewReader(body), int64(len(body)), id)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	for _, at := range []int64{0, ChunkSize - 100, size - 100} {
		if err := iotest.TestReader(io.NewSectionReader(r, at, min(200, size-at)), plain[at:min(at+200, size)]); err != nil {
			t.Errorf("from %d: %v", at, err)
		}
	}
	for _, c := range []struct {
		off       int64
		size, n   int
		end, fail bool
	}{
		{0, 0, 0, false, false},
		{size, 0, 0, false, false},
		{size, 1, 0, true, false},
		{size + 5, 1, 0, true, false},
		{math.MaxInt64, 1, 0, true, false},
		{size - 3, 10, 3, true, false},
		{-1, 1, 0, false, true},
		{math.MinInt64, 1, 0, false, true},
	} {
		n, err := r.ReadAt(make([]byte, c.size), c.off)
		if n != c.n || (err == io.EOF) != c.end || (err != nil && err != io.EOF) != c.fail {
			t.Errorf("ReadAt(%d bytes, %d) = %d, %v", c.size, c.off, n, err)
		}
	}
}

func TestOpenConcurrently(t *testing.T) {
	t.Parallel()
	id := generate(t)
	plain := plainOf(6*ChunkSize + 11)
	body, _ := sealed(t, plain, id.Recipient())
	r, size, err := Open(bytes.NewReader(body), int64(len(body)), id)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	var readers sync.WaitGroup
	for g := range 8 {
		readers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 1))
			for range 50 {
				off := random.Int64N(size)
				p := make([]byte, min(size-off, random.Int64N(2*ChunkSize)))
				if n, err := r.ReadAt(p, off); n != len(p) || (err != nil && err != io.EOF) || !bytes.Equal(p, plain[off:off+int64(n)]) {
					t.Errorf("ReadAt(%d bytes, %d) = %d, %v", len(p), off, n, err)
				}
			}
		})
	}
	readers.Wait()
}

func TestOpenSizes(t *testing.T) {
	t.Parallel()
	id := generate(t)
	body, _ := sealed(t, []byte("x"), id.Recipient())
	for _, size := range []int64{-1, math.MinInt64, 0, 1, int64(len(body)) - 1, int64(len(body)) + 1, math.MaxInt64} {
		if _, _, err := Open(bytes.NewReader(body), size, id); err == nil {
			t.Errorf("Open with size %d of a body of %d bytes succeeds", size, len(body))
		}
	}
}

func TestEncryptRefuses(t *testing.T) {
	t.Parallel()
	_, to := generateAll(t, MaxRecipients+1)
	again, err := ParseRecipient(to[0].String())
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string][]*Recipient{
		"nobody": nil, "nil": {nil}, "zero": {new(Recipient)}, "nil second": {to[0], nil},
		"too many": to, "twice the same": {to[0], to[1], again},
	} {
		var b bytes.Buffer
		w, key, err := Encrypt(&b, to...)
		if err == nil || w != nil || key != nil || b.Len() != 0 {
			t.Errorf("%s: writer %v, key %v, %d bytes, error %v; want only an error", name, w, key, b.Len(), err)
		}
	}
}

func TestEncryptReportsAFullDisk(t *testing.T) {
	t.Parallel()
	id := generate(t)
	body, _ := sealed(t, plainOf(2*ChunkSize), id.Recipient())
	full := errors.New("no space left on device")
	for _, room := range []int{0, 100, headerSize(1), headerSize(1) + nonceSize, headerSize(1) + nonceSize + 5, len(body) - 1} {
		w, _, err := Encrypt(&limitedWriter{room, full}, id.Recipient())
		if err == nil {
			_, err = w.Write(plainOf(2 * ChunkSize))
			err = errors.Join(err, w.Close())
		}
		if !errors.Is(err, full) {
			t.Errorf("sealing onto a disk with room for %d bytes says %v", room, err)
		}
	}
}

type limitedWriter struct {
	room int
	err  error
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if len(p) > w.room {
		return w.room, w.err
	}
	w.room -= len(p)
	return len(p), nil
}

// I7: memory is bounded, whatever the size.
func TestSealingAllocatesNothingPerChunk(t *testing.T) {
	id := generate(t)
	chunk := plainOf(ChunkSize)
	w, _, err := Encrypt(io.Discard, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	write := func() {
		if _, err := w.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	write() // the buffer grows to its size
	write()
	if n := testing.AllocsPerRun(50, write); n != 0 {
		t.Errorf("%v allocations per chunk, want 0", n)
	}
}

// A parcel is mostly small, and it is read in a dozen short pieces.
func TestReadingOneChunkAllocatesNothing(t *testing.T) {
	id := generate(t)
	body, key := sealed(t, plainOf(ChunkSize), id.Recipient())
	plain, _, err := Open(bytes.NewReader(body), int64(len(body)), key)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	piece := make([]byte, 512)
	read := func() {
		if _, err := plain.ReadAt(piece, 1024); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(50, read); n != 0 {
		t.Errorf("%v allocations per read, want 0", n)
	}
}

func TestDigestOfRecipient(t *testing.T) {
	t.Parallel()
	r := generate(t).Recipient()
	if got, want := r.Digest(), sha256.Sum256([]byte(r.String())); got != want {
		t.Errorf("Digest = %x, want %x", got, want)
	}
}

// FuzzOpen gives altered sealed bytes to both ways of opening: they never
// panic and always agree.
func FuzzOpen(f *testing.F) {
	id, err := ParseIdentity(testIdentity)
	if err != nil {
		f.Fatal(err)
	}
	for _, size := range []int{0, 20, 1000} { // large ones would slow the search
		body, _ := sealed(f, plainOf(size), id.Recipient())
		f.Add(body)
		f.Add(body[:len(body)-1])
	}
	f.Add([]byte(intro))
	f.Fuzz(func(t *testing.T, body []byte) {
		if got, err := openAll(t, body, id); err == nil {
			want, err := SealedSize(int64(len(got)), mustInspect(t, body).Recipients)
			if err != nil || want != int64(len(body)) {
				t.Errorf("%d bytes open from %d sealed bytes, SealedSize says %d, %v", len(got), len(body), want, err)
			}
		}
		if _, err := openAll(t, body, FileKey{1}); err == nil {
			t.Error("a made-up file key opens it")
		}
	})
}

func mustInspect(t testing.TB, body []byte) Header {
	t.Helper()
	h, err := InspectHeader(body, MaxHeader)
	if err != nil {
		t.Fatalf("InspectHeader refuses what opens: %v", err)
	}
	return h
}

func BenchmarkEncrypt(b *testing.B) {
	id := generate(b)
	plain := plainOf(16 * ChunkSize)
	b.SetBytes(int64(len(plain)))
	w, _, err := Encrypt(io.Discard, id.Recipient())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := w.Write(plain); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	id := generate(b)
	body, _ := sealed(b, plainOf(64*ChunkSize), id.Recipient())
	for _, chunks := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("buffer=%dKiB", chunks*64), func(b *testing.B) {
			p := make([]byte, chunks*ChunkSize)
			b.SetBytes(64 * ChunkSize)
			b.ReportAllocs()
			r, size, err := Open(bytes.NewReader(body), int64(len(body)), id)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				for off := int64(0); off < size; off += int64(len(p)) {
					if _, err := r.ReadAt(p, off); err != nil && !ended(err) {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
