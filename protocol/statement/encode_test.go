package statement_test

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"comity/protocol"
	"comity/protocol/statement"

	"github.com/google/go-cmp/cmp"
)

// good returns a sample that Encode takes.
func good(t *testing.T) sample {
	t.Helper()
	v, err := decode(sampleText)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEncodeWritesEmptyListsNotNull(t *testing.T) {
	v := good(t)
	v.Tags, v.Parts, v.Nest, v.Bytes, v.Text = nil, nil, nil, nil, []byte{}
	doc, err := statement.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"tags": []`, `"parts": []`, `"nest": []`, `"bytes": ""`, `"text": ""`} {
		if !strings.Contains(string(doc), want) {
			t.Errorf("no %s in\n%s", want, doc)
		}
	}
}

func encoded(t *testing.T, v sample) []byte {
	t.Helper()
	doc, err := statement.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// R-DOC-4: what is optional is absent or says something, so that a document from
// before it was thought of is read and written as it was.
func TestOptionalMembers(t *testing.T) {
	v := good(t)
	if doc := string(encoded(t, v)); doc != sampleText {
		t.Errorf("without them:\n%s", doc)
	}
	v.Extra, v.Mark = []string{"a"}, &inner{Size: 3}
	doc := encoded(t, v)
	for _, want := range []string{"\"extra\": [\n    \"a\"\n  ]", "\"mark\": {\n    \"size\": 3\n  }"} {
		if !strings.Contains(string(doc), want) {
			t.Errorf("no %s in\n%s", want, doc)
		}
	}
	if got, err := decode(string(doc)); err != nil || cmp.Diff(v, got) != "" {
		t.Errorf("read again: %v\n%s", err, cmp.Diff(v, got))
	}
	v.Extra = []string{}
	if _, err := statement.Encode(v); err == nil {
		t.Error("an empty list was written, which nobody takes")
	}
}

func TestEncodeEscapesOnlyWhatJSONDemands(t *testing.T) {
	v := good(t)
	v.Title = "<a href='x'>&\u2028\u007f é ☃ 😀 \t\\\"/"
	doc, err := statement.Encode(v)
	if want := `"title": "<a href='x'>&` + "\u2028\u007f é ☃ 😀" + ` \t\\\"/"`; err != nil || !strings.Contains(string(doc), want) {
		t.Errorf("error %v, no %s in\n%s", err, want, doc)
	}
}

// TestEncodeRefusesWhatDecodeWould: nobody may sign what no receiver takes.
func TestEncodeRefusesWhatDecodeWould(t *testing.T) {
	for name, spoil := range map[string]func(*sample){
		"no type":            func(v *sample) { v.Type = "" },
		"no name":            func(v *sample) { v.From = "" },
		"a bad name":         func(v *sample) { v.From = "xa/Central Authority" },
		"a large integer":    func(v *sample) { v.Size = 1 << 53 },
		"a long text":        func(v *sample) { v.Title = strings.Repeat("x", protocol.MaxString+1) },
		"too many bytes":     func(v *sample) { v.Bytes = make([]byte, 9) },
		"U+0000":             func(v *sample) { v.Title = "a\x00b" },
		"invalid UTF-8":      func(v *sample) { v.Title = "a\xffb" },
		"invalid UTF-8 text": func(v *sample) { v.Text = []byte("a\xffb") },
		"too many elements":  func(v *sample) { v.Tags = make([]string, 4) },
		"a year of 5 digits": func(v *sample) { v.Made = protocol.At(v.Made.AddDate(9000, 0, 0)) },
		"too deep": func(v *sample) {
			for range 8 {
				v.Nest = []nest{{Nest: v.Nest}}
			}
		},
	} {
		v := good(t)
		spoil(&v)
		if doc, err := statement.Encode(&v); err == nil {
			t.Errorf("%s: got no error but\n%s", name, doc)
		}
	}
	for name, v := range map[string]any{
		"nil": nil, "a nil pointer": (*sample)(nil), "a list": []sample{}, "a text": protocol.AuthorityID("xa/a"),
		"a struct that is a text": protocol.Time{}, "a type that is no text": struct {
			Type int64 `json:"type"`
		}{1},
	} {
		if doc, err := statement.Encode(v); err == nil {
			t.Errorf("%s: got no error but\n%s", name, doc)
		}
	}
}

func TestPacketsCarryTheExactBytes(t *testing.T) {
	signed := statement.Signed{Document: []byte("{\n\t\"a\": \"\\u00e9\\n\"}\n"), Signature: []byte("-----BEGIN PGP SIGNATURE-----\n\nwsB=\n-----END PGP SIGNATURE-----\n")}
	list := []statement.Packet{
		{Signed: signed, Proof: []byte("c2sp.org/tlog-proof@v1\nindex 1\n\n— log AAAA\n")},
		{Signed: signed},
		{},
	}
	for _, want := range list {
		data, err := statement.EncodePacket(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := statement.DecodePacket(data, protocol.MaxPacket)
		if diff := cmp.Diff(want, got, cmp.Transformer("text", func(b []byte) string { return string(b) })); err != nil || diff != "" {
			t.Errorf("%s\nerror %v, difference (-want +got):\n%s", data, err, diff)
		}
		if (want.Proof == nil) != (got.Proof == nil) {
			t.Errorf("proof %q came out as %q", want.Proof, got.Proof)
		}
	}
	data, err := statement.EncodePackets(list)
	if err != nil {
		t.Fatal(err)
	}
	got, err := statement.DecodePackets(data, len(data), len(list))
	if err != nil || len(got) != len(list) || got[1].Digest() != signed.Digest() || got[0].Ref() != signed.Ref() {
		t.Errorf("%s\ngot %v %+v", data, err, got)
	}
	if _, err := statement.DecodePackets(data, len(data), len(list)-1); protocol.CodeOf(err) != protocol.TooLarge {
		t.Errorf("one packet more than allowed: got %v, want %s", err, protocol.TooLarge)
	}
	if _, err := statement.DecodePackets(data, len(data)-1, len(list)); protocol.CodeOf(err) != protocol.TooLarge {
		t.Errorf("one byte more than allowed: got %v, want %s", err, protocol.TooLarge)
	}
	if got, err := statement.DecodePackets([]byte("{\"packets\":[]}\n"), 100, 0); err != nil || len(got) != 0 {
		t.Errorf("empty list: got %v, %v", got, err)
	}
}

func TestDecodePacketRefuses(t *testing.T) {
	for _, text := range []string{
		"", "{}\n", "null\n", "[]\n", "{\"packets\":null}\n",
		"{\"document\":\"{}\\n\",\"signature\":\"s\"}\n",                                                               // no proof
		"{\"document\":null,\"signature\":\"s\",\"proof\":null}\n",                                                     // no document
		"{\"document\":\"d\",\"signature\":\"s\",\"proof\":null,\"more\":1}\n",                                         // more
		"{\"document\":\"d\",\"document\":\"e\",\"signature\":\"s\",\"proof\":null}\n",                                 // twice
		"{\"document\":{\"type\":\"x\"},\"signature\":\"s\",\"proof\":null}\n",                                         // not as text
		"{\"document\":\"d\",\"signature\":\"" + strings.Repeat("s", protocol.MaxSignature+1) + "\",\"proof\":null}\n", // long
		"{\"document\":\"d\",\"signature\":\"s\",\"proof\":\"" + strings.Repeat("p", protocol.MaxProof+1) + "\"}\n",
	} {
		if p, err := statement.DecodePacket([]byte(text), protocol.MaxPacket); protocol.CodeOf(err) != protocol.Malformed {
			t.Errorf("%.200s\ngot %v %v, want %s", text, p, err, protocol.Malformed)
		}
		if p, err := statement.DecodePackets([]byte(text), protocol.MaxPacket, 8); protocol.CodeOf(err) != protocol.Malformed {
			t.Errorf("%.200s\nas a list: got %v %v, want %s", text, p, err, protocol.Malformed)
		}
	}
}

// TestLargestPacketFits: what the limits of its parts allow, the carrier's limit allows.
func TestLargestPacketFits(t *testing.T) {
	fill := func(n int) []byte { return []byte(strings.Repeat("\"\n", n/2)) }
	largest := statement.Packet{
		Signed: statement.Signed{Document: fill(protocol.MaxEnvelope), Signature: fill(protocol.MaxSignature)},
		Proof:  fill(protocol.MaxProof),
	}
	data, err := statement.EncodePacket(largest)
	if err != nil || len(data) > protocol.MaxPacket {
		t.Errorf("%d bytes, error %v; at most %d allowed", len(data), err, protocol.MaxPacket)
	}
}

// TestTagsStateTheLimits: a tag cannot name a constant, so this test compares them.
func TestTagsStateTheLimits(t *testing.T) {
	packet := reflect.TypeFor[statement.Packet]()
	for name, want := range map[string]int{
		// Any document fits; the limit that the caller gives is the narrower one.
		"Document": protocol.MaxManifest, "Signature": protocol.MaxSignature, "Proof": protocol.MaxProof,
	} {
		field, _ := packet.FieldByName(name)
		if got := field.Tag.Get("long"); got != strconv.Itoa(want) {
			t.Errorf("%s: up to %s bytes, want %d", name, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(sampleText))
	f.Add([]byte("{\"type\":\"comity/sample/v2\"}\n"))
	f.Add([]byte("{\"type\":\"comity/sample/v1\",\"nest\":[{\"nest\":[]}],\"bytes\":\"AA==\"}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v sample
		err := statement.Decode(data, sampleType, 64<<10, &v)
		if _, typeErr := statement.TypeOf(data); err == nil && typeErr != nil {
			t.Fatalf("Decode takes what TypeOf refuses: %v\n%q", typeErr, data)
		}
		if err != nil {
			var refusal *protocol.Refusal
			if !errors.As(err, &refusal) || len(refusal.Detail) > 1000 {
				t.Fatalf("got %v, want a short refusal\n%q", err, data)
			}
			return
		}
		doc, err := statement.Encode(v)
		if err != nil {
			t.Fatalf("taken but not written: %v\n%q", err, data)
		}
		var again sample
		if err := statement.Decode(doc, sampleType, 1<<20, &again); err != nil {
			t.Fatalf("written but not taken: %v\n%s", err, doc)
		}
		if diff := cmp.Diff(v, again); diff != "" {
			t.Fatalf("difference (-first +second):\n%s", diff)
		}
	})
}

func FuzzDecodePackets(f *testing.F) {
	f.Add([]byte("{\"packets\":[{\"document\":\"{}\\n\",\"signature\":\"s\",\"proof\":null}]}\n"))
	f.Add([]byte("{\"document\":\"{}\\n\",\"signature\":\"s\",\"proof\":\"p\"}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := statement.DecodePacket(data, protocol.MaxPacket); err == nil {
			again, err := statement.EncodePacket(p)
			if err != nil {
				t.Fatalf("taken but not written: %v\n%q", err, data)
			}
			q, err := statement.DecodePacket(again, 2*protocol.MaxPacket)
			if diff := cmp.Diff(p, q); err != nil || diff != "" {
				t.Fatalf("error %v, difference:\n%s", err, diff)
			}
		}
		if list, err := statement.DecodePackets(data, protocol.MaxPacket, 8); err == nil {
			if _, err := statement.EncodePackets(list); err != nil || len(list) > 8 {
				t.Fatalf("%d packets, error %v\n%q", len(list), err, data)
			}
		}
	})
}
