package adoption_test

import (
	"strings"
	"testing"

	"comity/protocol"
	"comity/protocol/adoption"
	"comity/protocol/statement"
)

const sample = `{
  "type": "comity/adoption/v1",
  "node": "xa",
  "directory": {
    "version": 7,
    "sha256": "0c9d000000000000000000000000000000000000000000000000000000000001"
  },
  "edition": "51be000000000000000000000000000000000000000000000000000000000002",
  "root": {
    "version": 2,
    "sha256": "e6a0000000000000000000000000000000000000000000000000000000000003"
  },
  "record": "d4c2000000000000000000000000000000000000000000000000000000000004",
  "created": "2026-11-23T10:00:02.000Z"
}
`

// R-FED-9: a statement is read strictly, and names what was adopted whole.
func TestParse(t *testing.T) {
	s, err := adoption.Parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	if doc, err := statement.Encode(s); err != nil || string(doc) != sample {
		t.Errorf("error %v, got\n%s", err, doc)
	}
	zero := strings.Repeat("0", 64)
	for name, change := range map[string][2]string{
		"version 0":              {`"version": 7`, `"version": 0`},
		"no digest":              {"0c9d000000000000000000000000000000000000000000000000000000000001", zero},
		"no edition":             {"51be000000000000000000000000000000000000000000000000000000000002", zero},
		"root 0":                 {`"version": 2`, `"version": 0`},
		"no root":                {"e6a0000000000000000000000000000000000000000000000000000000000003", zero},
		"no record":              {"d4c2000000000000000000000000000000000000000000000000000000000004", zero},
		"a member more":          {`"node": "xa"`, `"node": "xa", "more": 1`},
		"a member less":          {`  "node": "xa",` + "\n", ""},
		"a time of another form": {"10:00:02.000Z", "10:00:02Z"},
		"null":                   {`"edition": "51be000000000000000000000000000000000000000000000000000000000002"`, `"edition": null`},
	} {
		if _, err := adoption.Parse([]byte(strings.Replace(sample, change[0], change[1], 1))); protocol.CodeOf(err) != protocol.Malformed {
			t.Errorf("%s: %v, want %s", name, err, protocol.Malformed)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(strings.Replace(sample, "adoption/v1", "adoption/v2", 1)))
	f.Fuzz(func(t *testing.T, doc []byte) {
		s, err := adoption.Parse(doc)
		if err != nil {
			return
		}
		again, err := statement.Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := adoption.Parse(again); err != nil {
			t.Fatalf("what was read and written is refused: %v", err)
		}
	})
}
