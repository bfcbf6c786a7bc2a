package parcel

import (
	"bytes"
	"io"
	"testing"

	"comity/protocol/statement"

	"github.com/google/go-cmp/cmp"
)

// What Read takes and VerifyAll confirms, Write makes again byte for byte: there
// is one container for each manifest (R-PCL-1, R-PCL-2).
func FuzzRead(f *testing.F) {
	f.Add(small(f))
	contents := []string{"form", "the document", ""}
	plain := request(contents...)
	f.Add(container(f, unsigned(f, plain), nil, contents...))
	plain.Approvals = 2
	signed := unsigned(f, plain)
	f.Add(container(f, signed, []statement.Signed{approvalOf(f, plain, signed.Document, 1), approvalOf(f, plain, signed.Document, 2)}, contents...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil || c.VerifyAll(t.Context(), nil) != nil {
			return
		}
		var approvals []statement.Signed
		for _, a := range c.Approvals {
			approvals = append(approvals, a.Signed)
		}
		var again bytes.Buffer
		open := func(i int) (io.ReadCloser, error) { return io.NopCloser(c.File(i)), nil }
		if err := Write(&again, c.Signed, approvals, open, nil); err != nil {
			t.Fatalf("writing what was read: %v", err)
		}
		if !bytes.Equal(again.Bytes(), b) {
			t.Errorf("written again: %d bytes that differ from the %d read", again.Len(), len(b))
		}
	})
}

func FuzzParseManifest(f *testing.F) {
	f.Add(unsigned(f, request()).Document)
	f.Add([]byte("{\"type\":\"comity/manifest/v2\"}\n"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		m, err := ParseManifest(doc)
		if err != nil {
			return
		}
		again, err := m.Encode()
		if err != nil {
			t.Fatalf("encoding what was read: %v", err)
		}
		m2, err := ParseManifest(again)
		if err != nil {
			t.Fatalf("reading what was encoded: %v", err)
		}
		if diff := cmp.Diff(m, m2); diff != "" {
			t.Errorf("read again (-first +second):\n%s", diff)
		}
	})
}

func FuzzParseApproval(f *testing.F) {
	m := request()
	f.Add(approvalOf(f, m, unsigned(f, m).Document, 1).Document)
	f.Fuzz(func(t *testing.T, doc []byte) {
		a, err := ParseApproval(doc)
		if err != nil {
			return
		}
		again, err := statement.Encode(a)
		if err != nil {
			t.Fatalf("encoding what was read: %v", err)
		}
		a2, err := ParseApproval(again)
		if err != nil {
			t.Fatalf("reading what was encoded: %v", err)
		}
		if diff := cmp.Diff(a, a2); diff != "" {
			t.Errorf("read again (-first +second):\n%s", diff)
		}
	})
}

func FuzzSuggestName(f *testing.F) {
	for _, name := range []string{"/tmp/طلب.pdf", "a\u202eb", "نامه\u200cها", "CON", " x. "} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, path string) {
		name, err := SuggestName(path)
		if err != nil {
			return
		}
		if err := CheckName(name); err != nil {
			t.Errorf("path %q: suggested %q, refused: %v", path, name, err)
		}
		if key := nameKey(name); nameKey(key) != key {
			t.Errorf("name %q: key %q has another key %q", name, key, nameKey(key))
		}
	})
}
