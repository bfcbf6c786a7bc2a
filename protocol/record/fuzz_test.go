package record

import (
	"bytes"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/statement"

	"github.com/google/go-cmp/cmp"
)

func FuzzParse(f *testing.F) {
	sg := stored(f, "first.json")
	f.Add(sg.Document)
	f.Add([]byte(must(Parse(sg.Document)).Authorities[0].Document))
	f.Add([]byte(grownEntry(f)))
	f.Add([]byte("{\"type\":\"comity/record/v1\"}\n"))
	f.Add(must(handed(verified(f, newDraft())).sign()).Document)
	r := must(Parse(sg.Document))
	r.Created = protocol.At(start.Add(24 * time.Hour))
	r.Node.Compromised = []Mark{marked(r.Node.Witness), marked(r.Node.Log.Keys)}
	f.Add(must(statement.Encode(r)))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if r, err := Parse(doc); err != nil {
			mustRefuse(t, err)
		} else {
			again(t, r, r, Parse)
		}
		if a, err := ParseAuthority(doc); err != nil {
			mustRefuse(t, err)
		} else {
			again(t, a, a.document(), ParseAuthority)
		}
	})
}

// again writes what was read, which stands in a document like this one, and
// reads it back: a document has one reading.
func again[T any](t *testing.T, v *T, written any, parse func([]byte) (*T, error)) {
	t.Helper()
	doc, err := statement.Encode(written)
	if err != nil {
		t.Fatalf("write again what was read: %v", err)
	}
	got, err := parse(doc)
	if err != nil {
		t.Fatalf("read again what was written: %v", err)
	}
	if diff := cmp.Diff(v, got); diff != "" {
		t.Errorf("read again (-first +second):\n%s", diff)
	}
}

func mustRefuse(t *testing.T, err error) {
	t.Helper()
	if protocol.CodeOf(err) == "" {
		t.Errorf("foreign input led to an error without a reason code: %v", err)
	}
}

func FuzzDecodeIntroduction(f *testing.F) {
	f.Add(must(EncodeIntroduction(stored(f, "first.json"))))
	f.Add([]byte("{\"type\":\"comity/introduction/v1\",\"document\":\"{}\\n\",\"signature\":\"\"}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeIntroduction(data)
		if err != nil {
			mustRefuse(t, err)
			return
		}
		file := must(EncodeIntroduction(s))
		if got := must(DecodeIntroduction(file)); !bytes.Equal(got.Document, s.Document) || !bytes.Equal(got.Signature, s.Signature) {
			t.Errorf("decoded again: %q, want %q", got, s)
		}
	})
}

func FuzzVerify(f *testing.F) {
	first := must(Verify(stored(f, "first.json"), nil))
	second := stored(f, "second.json")
	f.Add(first.signed.Document, first.signed.Signature, false)
	f.Add(second.Document, second.Signature, true)
	f.Fuzz(func(t *testing.T, doc, signature []byte, follow bool) {
		var prev *State
		if follow {
			prev = first
		}
		sg := statement.Signed{Document: doc, Signature: signature}
		s, err := Verify(sg, prev)
		if err != nil {
			mustRefuse(t, err)
			return
		}
		if s.signed.Digest() != sg.Digest() {
			t.Errorf("verified %s, returned %s", sg.Digest(), s.signed.Digest())
		}
		// Nobody else has the state's key, so nothing else can pass as one that follows.
		if d := sg.Digest(); follow && d != first.digest && d != second.Digest() {
			t.Errorf("a forged record follows: %s", doc)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	first := must(newDraft().verify(nil))
	d := next(first)
	d.entry = func(e *Entry) { *e = first.record.Authorities[0] }
	signed := must(d.sign())
	b.Run("introduction", func(b *testing.B) {
		for b.Loop() {
			must(Verify(signed, nil))
		}
	})
	b.Run("successor", func(b *testing.B) {
		for b.Loop() {
			must(Verify(signed, first))
		}
	})
	b.Run("repeat", func(b *testing.B) {
		for b.Loop() {
			must(Verify(first.signed, first))
		}
	})
}

func BenchmarkVerifyEnvelope(b *testing.B) {
	s := must(newDraft().verify(nil))
	at := start.Add(2 * 3600e9)
	signed := must(newEnvelope(s).Sign(keys().node.subkeys[1], at))
	for b.Loop() {
		must(s.VerifyEnvelope(signed, at))
	}
}
