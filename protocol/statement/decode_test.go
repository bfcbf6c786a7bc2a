package statement_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"comity/protocol"
	"comity/protocol/statement"

	"github.com/google/go-cmp/cmp"
)

// sample has every kind of member that a document can hold.
type sample struct {
	Type   string               `json:"type"`
	From   protocol.AuthorityID `json:"from"`
	Made   protocol.Time        `json:"made"`
	Size   int64                `json:"size"`
	Test   bool                 `json:"test"`
	Digest *protocol.Digest     `json:"digest"`
	Pages  *int64               `json:"pages"`
	Note   *string              `json:"note" long:"5000"`
	Title  string               `json:"title"`
	Bytes  []byte               `json:"bytes" long:"8"`
	Text   []byte               `json:"text" carry:"text,null"`
	Tags   []string             `json:"tags" max:"3"`
	Inner  inner                `json:"inner"`
	Parts  []inner              `json:"parts"`
	Nest   []nest               `json:"nest"`
	Extra  []string             `json:"extra" max:"2" optional:"yes"`
	Mark   *inner               `json:"mark" optional:"yes"`
}

type inner struct {
	Size int64 `json:"size"`
}

type nest struct {
	Nest []nest `json:"nest"`
}

const sampleType = "comity/sample/v1"

const sampleText = `{
  "type": "comity/sample/v1",
  "from": "xa/central-authority",
  "made": "2026-11-23T10:00:00.000Z",
  "size": 42,
  "test": false,
  "digest": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "pages": null,
  "note": "a <b> & \"c\" é ☃\n",
  "title": "Request",
  "bytes": "AAEC",
  "text": null,
  "tags": [
    "x",
    "y"
  ],
  "inner": {
    "size": 1
  },
  "parts": [
    {
      "size": 2
    }
  ],
  "nest": []
}
`

func decode(text string) (sample, error) {
	var v sample
	err := statement.Decode([]byte(text), sampleType, 64<<10, &v)
	return v, err
}

func TestDecodeReadsEveryKindOfMember(t *testing.T) {
	got, err := decode(sampleText)
	if err != nil {
		t.Fatal(err)
	}
	made, _ := got.Made.MarshalText()
	digest := protocol.Sum(nil)
	note := "a <b> & \"c\" é ☃\n"
	want := sample{
		Type: sampleType, From: "xa/central-authority", Made: got.Made, Size: 42, Digest: &digest, Note: &note,
		Title: "Request", Bytes: []byte{0, 1, 2}, Tags: []string{"x", "y"}, Inner: inner{1}, Parts: []inner{{2}}, Nest: []nest{},
	}
	if diff := cmp.Diff(want, got); diff != "" || string(made) != "2026-11-23T10:00:00.000Z" {
		t.Errorf("made %s, difference (-want +got):\n%s", made, diff)
	}
	again, err := statement.Encode(&got)
	if err != nil || string(again) != sampleText {
		t.Errorf("encoded again: %v\n%s\nwant\n%s", err, again, sampleText)
	}
}

func TestDecodeTakesOtherWhiteSpaceAndOrder(t *testing.T) {
	compact := strings.NewReplacer("\n", "", "  ", "", `": `, `":`).Replace(sampleText) + "\n"
	moved := strings.Replace(strings.Replace(sampleText, `  "size": 42,`+"\n", "", 1), `  "nest": []`, `  "nest": [], "size": 42`, 1)
	escaped := strings.Replace(sampleText, `"Request"`, `"\u0052equest"`, 1)
	want, _ := decode(sampleText)
	for _, text := range []string{compact, moved, escaped} {
		got, err := decode(text)
		if err != nil {
			t.Errorf("%s\n%v", text, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\ndifference (-want +got):\n%s", text, diff)
		}
	}
}

// TestDecodeRefuses holds R-DOC-1 to R-DOC-6: each case changes one thing in a
// good document.
func TestDecodeRefuses(t *testing.T) {
	deep := strings.Repeat(`[{"nest":`, 8) + "[]" + strings.Repeat("}]", 8)
	tests := []struct {
		name, old, new string
		code           protocol.Code // Malformed unless given
		says           string        // part of the detail
	}{
		{name: "R-DOC-1 too long", old: `"Request"`, new: `"` + strings.Repeat("x", 64<<10) + `"`, code: protocol.TooLarge, says: "sample: "},

		{name: "R-DOC-2 empty", old: sampleText, new: ""},
		{name: "R-DOC-2 null", old: sampleText, new: "null\n"},
		{name: "R-DOC-2 list", old: sampleText, new: "[]\n"},
		{name: "R-DOC-2 only an end", old: sampleText, new: "{\"}\n"},
		{name: "R-DOC-2 space before", old: "{\n  \"type\"", new: " {\n  \"type\""},
		{name: "R-DOC-2 byte order mark", old: "{\n  \"type\"", new: "\ufeff{\n  \"type\""},
		{name: "R-DOC-2 no line feed at the end", old: "\"nest\": []\n}\n", new: "\"nest\": []\n}"},
		{name: "R-DOC-2 carriage return at the end", old: "\"nest\": []\n}\n", new: "\"nest\": []\n}\r\n"},
		{name: "R-DOC-2 two line feeds at the end", old: "\"nest\": []\n}\n", new: "\"nest\": []\n}\n\n"},
		{name: "R-DOC-2 second object", old: "\"nest\": []\n}\n", new: "\"nest\": []\n}{}\n", says: "more follows"},
		{name: "R-DOC-2 second object after a line", old: "\"nest\": []\n}\n", new: "\"nest\": []\n}\n{}\n", says: "more follows"},
		{name: "R-DOC-2 cut", old: "\"nest\": []\n}\n", new: "\"nest\": [{}\n"},
		{name: "R-DOC-2 comment", old: `"size": 42,`, new: `"size": 42, // pages`},
		{name: "R-DOC-2 comma at the end", old: "\"nest\": []\n}\n", new: "\"nest\": [],\n}\n"},
		{name: "R-DOC-2 not UTF-8", old: `"Request"`, new: "\"\xff\"", says: "UTF-8"},
		{name: "R-DOC-2 overlong UTF-8", old: `"Request"`, new: "\"\xc0\xaf\"", says: "UTF-8"},
		{name: "R-DOC-2 UTF-16", old: sampleText, new: "{\x00\"\x00}\x00\n\x00"},

		{name: "R-DOC-3 no member", old: sampleText, new: "{}\n", says: "first member"},
		{name: "R-DOC-3 type not first", old: "  \"type\": \"comity/sample/v1\",\n  \"from\": \"xa/central-authority\"", new: "\"from\": \"xa/central-authority\", \"type\": \"comity/sample/v1\"", says: "first member"},
		{name: "R-DOC-3 type in another case", old: `"type"`, new: `"Type"`, says: "first member"},
		{name: "R-DOC-3 type null", old: `"comity/sample/v1"`, new: `null`, says: `member "type"`},
		{name: "R-DOC-3 type a number", old: `"comity/sample/v1"`, new: `1`},
		{name: "R-DOC-3 another type", old: `"comity/sample/v1"`, new: `"comity/evidence/v1"`, says: `want "comity/sample/v1"`},
		{name: "R-DOC-3 type in capitals", old: `"comity/sample/v1"`, new: `"comity/Sample/v1"`},
		{name: "R-DOC-3 no version", old: `"comity/sample/v1"`, new: `"comity/sample"`},
		{name: "R-DOC-3 version 0", old: `"comity/sample/v1"`, new: `"comity/sample/v0"`},
		{name: "R-DOC-3 version 01", old: `"comity/sample/v1"`, new: `"comity/sample/v01"`},
		{name: "R-DOC-3 version with more", old: `"comity/sample/v1"`, new: `"comity/sample/v1/x"`},
		{name: "R-DOC-3 another version", old: `"comity/sample/v1"`, new: `"comity/sample/v2"`, code: protocol.UnsupportedVersion, says: "version v2, this side speaks v1"},
		{name: "R-DOC-3 another version with other members", old: "comity/sample/v1\",\n", new: "comity/sample/v12\",\n \"new\": 1,\n", code: protocol.UnsupportedVersion},

		{name: "R-DOC-4 missing", old: "  \"size\": 42,\n", new: "", says: `member "size" is missing`},
		{name: "R-DOC-4 missing nullable", old: "  \"pages\": null,\n", new: "", says: `member "pages" is missing`},
		{name: "R-DOC-4 missing inside", old: "\"inner\": {\n    \"size\": 1\n  }", new: `"inner": {}`, says: `member "inner.size" is missing`},
		{name: "R-DOC-4 missing in a list", old: "{\n      \"size\": 2\n    }", new: `{"size": 1}, {}`, says: `member "parts.1.size" is missing`},
		{name: "R-DOC-4 unknown", old: `"size": 42,`, new: `"size": 42, "weight": 1,`, says: `member "weight": is not a member`},
		{name: "R-DOC-4 unknown inside", old: `"size": 1`, new: `"size": 1, "weight": 1`, says: `member "inner.weight"`},
		{name: "R-DOC-4 twice", old: `"size": 42,`, new: `"size": 42, "size": 42,`, says: "stands twice"},
		{name: "R-DOC-4 twice, once escaped", old: `"size": 42,`, new: `"size": 42, "s\u0069ze": 42,`, says: "stands twice"},
		{name: "R-DOC-4 type twice", old: `"size": 42,`, new: `"size": 42, "type": "comity/sample/v1",`, says: "stands twice"},
		{name: "R-DOC-4 twice in a list", old: `"size": 2`, new: `"size": 2, "size": 3`, says: "stands twice"},
		{name: "R-DOC-4 recipient twice in other cases", old: `"from": "xa/central-authority"`, new: `"from": "xa/central-authority", "FROM": "xb/prosecution-service"`, says: `"FROM"`},
		{name: "R-DOC-4 case", old: `"size": 42`, new: `"Size": 42`, says: `member "Size"`},
		{name: "R-DOC-4 null for a text", old: `"Request"`, new: `null`, says: `member "title": must not be null`},
		{name: "R-DOC-4 null for a number", old: `42`, new: `null`, says: `member "size": must not be null`},
		{name: "R-DOC-4 null for a truth", old: `false`, new: `null`, says: `member "test": must not be null`},
		{name: "R-DOC-4 null for a name", old: `"xa/central-authority"`, new: `null`, says: `member "from": must not be null`},
		{name: "R-DOC-4 null for a list", old: "\"nest\": []", new: `"nest": null`, says: `member "nest": must not be null`},
		{name: "R-DOC-4 null in a list", old: `"x",`, new: `null,`, says: `member "tags.0": must not be null`},
		{name: "R-DOC-4 null for an object", old: "{\n    \"size\": 1\n  }", new: `null`, says: `member "inner": must not be null`},
		{name: "R-DOC-4 null for bytes", old: `"AAEC"`, new: `null`, says: `member "bytes": must not be null`},
		{name: "R-DOC-4 null for an optional list", old: `"size": 42,`, new: `"size": 42, "extra": null,`, says: `member "extra": must not be null`},
		{name: "R-DOC-4 an optional list without elements", old: `"size": 42,`, new: `"size": 42, "extra": [],`, says: `member "extra": is empty`},
		{name: "R-DOC-4 an optional list that is too long", old: `"size": 42,`, new: `"size": 42, "extra": ["a", "b", "c"],`, says: `member "extra": more than 2 elements`},
		{name: "R-DOC-4 null for an optional object", old: `"size": 42,`, new: `"size": 42, "mark": null,`, says: `member "mark": must not be null`},
		{name: "R-DOC-4 twice an optional member", old: `"size": 42,`, new: `"size": 42, "extra": ["a"], "extra": ["a"],`, says: "stands twice"},
		{name: "R-DOC-4 missing in an optional object", old: `"size": 42,`, new: `"size": 42, "mark": {},`, says: `member "mark.size" is missing`},
		{name: "text for a number", old: `42`, new: `"42"`, says: `member "size": want a plain integer`},
		{name: "number for a text", old: `"Request"`, new: `1`, says: `member "title": want a text`},
		{name: "number for a truth", old: `false`, new: `0`, says: `member "test": want true or false`},
		{name: "list for an object", old: "{\n    \"size\": 1\n  }", new: `[]`, says: `member "inner": want an object`},
		{name: "object for a list", old: `"nest": []`, new: `"nest": {}`, says: `member "nest": want a list`},
		{name: "a name of wrong form", old: `"xa/central-authority"`, new: `"XA/central-authority"`, says: `member "from": authority name`},
		{name: "a time of wrong form", old: `10:00:00.000Z`, new: `10:00:00Z`, says: `member "made": time`},
		{name: "a time in another zone", old: `10:00:00.000Z`, new: `10:00:00.000+01:00`, says: `member "made": time`},
		{name: "a digest in capitals", old: `"e3b0`, new: `"E3B0`, says: `member "digest": digest`},
		{name: "base64 without padding", old: `"AAEC"`, new: `"AAE"`, says: `member "bytes": want canonical base64`},
		{name: "base64 with other final bits", old: `"AAEC"`, new: `"AAF="`, says: `member "bytes"`},
		{name: "base64 with a line break", old: `"AAEC"`, new: `"AA\nEC"`, says: `member "bytes"`},
		{name: "base64 of the other alphabet", old: `"AAEC"`, new: `"__8="`, says: `member "bytes"`},
		{name: "more bytes than allowed", old: `"AAEC"`, new: `"AAECAwQFBgcI"`, says: `at most 8 bytes`},
		{name: "far more bytes than allowed", old: `"AAEC"`, new: `"` + strings.Repeat("AAEC", 1000) + `"`, says: `member "bytes": 4000 bytes of text`},

		{name: "R-DOC-5 fraction", old: `42`, new: `42.0`, says: "plain integer"},
		{name: "R-DOC-5 exponent", old: `42`, new: `42e0`, says: "plain integer"},
		{name: "R-DOC-5 minus zero", old: `42`, new: `-0`, says: "plain integer"},
		{name: "R-DOC-5 leading zero", old: `42`, new: `042`},
		{name: "R-DOC-5 plus", old: `42`, new: `+42`},
		{name: "R-DOC-5 hexadecimal", old: `42`, new: `0x42`},
		{name: "R-DOC-5 two to the 53", old: `42`, new: `9007199254740992`, says: "plain integer"},
		{name: "R-DOC-5 minus two to the 53", old: `42`, new: `-9007199254740992`, says: "plain integer"},
		{name: "R-DOC-5 two to the 64", old: `42`, new: `18446744073709551616`, says: "plain integer"},
		{name: "R-DOC-5 not a number", old: `42`, new: `NaN`},

		{name: "R-DOC-6 zero byte escaped", old: `"Request"`, new: `"a\u0000b"`, says: `member "title": contains U+0000`},
		{name: "R-DOC-6 zero byte", old: `"Request"`, new: "\"a\x00b\""},
		{name: "R-DOC-6 control byte", old: `"Request"`, new: "\"a\x1bb\""},
		{name: "R-DOC-6 first half of a surrogate", old: `"Request"`, new: `"\ud800"`},
		{name: "R-DOC-6 second half of a surrogate", old: `"Request"`, new: `"\udc00"`},
		{name: "R-DOC-6 halves in the wrong order", old: `"Request"`, new: `"\udc00\ud800"`},
		{name: "R-DOC-6 surrogate in bare bytes", old: `"Request"`, new: "\"\xed\xa0\x80\""},
		{name: "R-DOC-6 too long a text", old: `"Request"`, new: `"` + strings.Repeat("x", protocol.MaxString+1) + `"`, says: `member "title": 4097 bytes`},
		{name: "R-DOC-6 too long a long text", old: `"a <b> & \"c\" é ☃\n"`, new: `"` + strings.Repeat("x", 5001) + `"`, says: `member "note": 5001 bytes`},
		{name: "R-DOC-6 too deep", old: `"nest": []`, new: `"nest": ` + deep, says: "nested deeper than 12 levels"},
		{name: "R-DOC-6 far too deep", old: `"nest": []`, new: `"nest": ` + strings.Repeat("[", 20000), says: "sample: "},
		{name: "too many elements", old: `"x",`, new: `"x", "x", "x",`, says: `member "tags": more than 3 elements`},
		{name: "a terminal's command in a name", old: `"size": 42,`, new: `"\u001b[2J` + strings.Repeat("x", 5000) + `": 42,`, says: `member "\x1b[2J`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(sampleText, tt.old, tt.new, 1)
			if text == sampleText {
				t.Fatalf("%q does not occur in the sample", tt.old)
			}
			if tt.code == "" {
				tt.code = protocol.Malformed
			}
			_, err := decode(text)
			if protocol.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got error %v\nwant %s with %q\nfor %.2000s", err, tt.code, tt.says, text)
			}
			if err != nil && len(err.Error()) > 600 {
				t.Errorf("the error has %d bytes: %.80s…", len(err.Error()), err)
			}
		})
	}
}

func TestDecodeTakesWhatIsJustAllowed(t *testing.T) {
	for old, new := range map[string]string{
		`42`:                            `9007199254740991`,
		`"size": 1`:                     `"size": -9007199254740991`,
		`"size": 2`:                     `"size": 0`,
		`"Request"`:                     `"` + strings.Repeat("x", protocol.MaxString) + `"`,
		`"a <b> & \"c\" é ☃\n"`:         `"` + strings.Repeat("x", 5000) + `"`,
		`"nest": []`:                    `"nest": ` + strings.Repeat(`[{"nest":`, 5) + "[]" + strings.Repeat("}]", 5),
		`"x",`:                          `"x", "x",`,
		`"AAEC"`:                        `"AAECAwQFBgc="`,
		`"title": "Request"`:            `"title": "\ud83d\ude00\u0001"`,
		`"text": null`:                  `"text": ""`,
		"\"nest\": []\n}\n":             "\"nest\": []\r\n\t}\n",
		"{\n  \"type\"":                 "{\"typ\\u0065\"",
		`"comity/sample/v1"`:            `"comity\/sample\/v1"`,
		"[\n    \"x\",\n    \"y\"\n  ]": "[]",
	} {
		text := strings.Replace(sampleText, old, new, 1)
		if text == sampleText {
			t.Fatalf("%q does not occur in the sample", old)
		}
		if _, err := decode(text); err != nil {
			t.Errorf("%q in place of %q: %v", new, old, err)
		}
	}
}

func TestDecodeLeavesTheBytesAlone(t *testing.T) {
	data := []byte(sampleText)
	before := bytes.Clone(data)
	for _, limit := range []int{len(data), len(data) - 1} {
		var v sample
		err := statement.Decode(data, sampleType, limit, &v)
		if (err == nil) != (limit == len(data)) || !bytes.Equal(data, before) {
			t.Errorf("R-DOC-7: limit %d of %d: %v, bytes untouched: %v", limit, len(data), err, bytes.Equal(data, before))
		}
	}
}

func TestTypeOf(t *testing.T) {
	for text, want := range map[string]string{
		sampleText:                       sampleType,
		"{\"type\":\"x\",\"other\":1}\n": "x",
		"{\"Type\":\"x\"}\n":             "",
		"{\"a\":1,\"type\":\"x\"}\n":     "",
		"{\"type\":1}\n":                 "",
		"{}\n":                           "",
		"{\"type\":\"x\"}":               "",
		"":                               "",
	} {
		got, err := statement.TypeOf([]byte(text))
		if got != want || (err == nil) != (want != "") || (err != nil && protocol.CodeOf(err) != protocol.Malformed) {
			t.Errorf("TypeOf(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestMistakesInOurOwnStructsAreNoRefusals(t *testing.T) {
	var number int
	for name, v := range map[string]any{
		"no pointer": sample{},
		"no struct":  &number,
		"nil":        (*sample)(nil),
		"no type":    &inner{},
		"no tag":     &struct{ Type string }{},
		"a map": &struct {
			Type string            `json:"type"`
			Map  map[string]string `json:"map"`
		}{},
		"a tag out of place": &struct {
			Type string `json:"type"`
			N    int64  `json:"n" carry:"text"`
		}{},
		"a limit of letters": &struct {
			Type string `json:"type" long:"many"`
		}{},
	} {
		err := statement.Decode([]byte(sampleText), sampleType, 64<<10, v)
		var refusal *protocol.Refusal
		if err == nil || errors.As(err, &refusal) {
			t.Errorf("%s: got %v, want an ordinary error", name, err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	data := []byte(sampleText)
	for b.Loop() {
		var v sample
		if err := statement.Decode(data, sampleType, 64<<10, &v); err != nil {
			b.Fatal(err)
		}
	}
}
