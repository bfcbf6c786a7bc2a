package store

import (
	"bytes"
	"os"
	"testing"

	"comity/protocol"
)

// The two stores of one node share the space of large bodies, and each may
// drop its own name without harm to the other.
func TestAdoptedBytesStandOnTheirOwn(t *testing.T) {
	for _, size := range []int{100, protocol.MaxInline, protocol.MaxInline + 1, 3 << 20} {
		body := bytes.Repeat([]byte{7, 1, 9}, size/3+1)[:size]
		from, to := testBodies(t), testBodies(t)
		source := newSpool(from)
		if _, err := source.Write(body); err != nil {
			t.Fatal(err)
		}
		digest := source.Digest()
		if err := source.Keep(); err != nil {
			t.Fatal(err)
		}
		kept := &Sealed{body: bytes.NewReader(body), size: int64(size)}
		if size > protocol.MaxInline {
			_, name := bodyName(digest)
			f, err := from.root.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			kept = &Sealed{body: f, size: int64(size), file: f}
		}
		v := &vault{bodies: to}
		adopted, err := v.adopt(t.Context(), kept, digest)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if size > protocol.MaxInline && adopted.linked == nil {
			t.Errorf("%d bytes were copied, not linked", size)
		}
		if adopted.Size() != int64(size) || adopted.Digest() != digest {
			t.Errorf("%d bytes: adopted %d with digest %s", size, adopted.Size(), adopted.Digest())
		}
		if size <= protocol.MaxInline {
			continue
		}
		if err := from.remove(digest); err != nil {
			t.Fatal(err)
		}
		_, name := bodyName(digest)
		got, err := os.ReadFile(to.root.Name() + "/" + name)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("after the source dropped its name: %d bytes, %v", len(got), err)
		}
	}
}

func TestAdoptRefusesOtherBytes(t *testing.T) {
	v := &vault{bodies: testBodies(t)}
	_, err := v.adopt(t.Context(), &Sealed{body: bytes.NewReader([]byte("one")), size: 3}, protocol.Sum([]byte("other")))
	if protocol.CodeOf(err) != protocol.DigestMismatch {
		t.Errorf("got %v, want %s", err, protocol.DigestMismatch)
	}
}

func testBodies(t *testing.T) *bodies {
	t.Helper()
	b, err := openBodies(t.TempDir()+"/sealed", Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.root.Close() })
	return b
}

// Taking the same bytes twice leaves no third name behind that would hold the
// space after both stores have dropped theirs.
func TestAdoptedTwice(t *testing.T) {
	from, to := testBodies(t), testBodies(t)
	source := newSpool(from)
	if _, err := source.Write(make([]byte, 2*protocol.MaxInline)); err != nil {
		t.Fatal(err)
	}
	digest := source.Digest()
	if err := source.Keep(); err != nil {
		t.Fatal(err)
	}
	_, name := bodyName(digest)
	f, err := from.root.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 2 {
		kept := &Sealed{body: f, size: 2 * protocol.MaxInline, file: f}
		if _, err := (&vault{bodies: to}).adopt(t.Context(), kept, digest); err != nil {
			t.Fatal(err)
		}
	}
	left, err := os.ReadDir(to.root.Name() + "/" + temporary)
	if err != nil || len(left) != 0 {
		t.Errorf("temporary names left: %v, %v", left, err)
	}
}
