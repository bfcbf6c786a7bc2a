package era_test

import (
	"strings"
	"testing"

	"comity/protocol"
	"comity/protocol/era"
	"comity/protocol/statement"
)

const sample = `{
  "type": "comity/era/v1",
  "node": "xb",
  "log": "comity/log/xb/2",
  "previous": "comity/log/xb/1",
  "restored": "comity/log/xb/1\n12\nroot\n\n— comity/log/xb/1 sig\n",
  "shown": [
    {
      "node": "xa",
      "checkpoint": "comity/log/xb/1\n20\nroot\n\n— comity/log/xb/1 sig\n"
    }
  ],
  "record": "51be000000000000000000000000000000000000000000000000000000000002",
  "created": "2026-11-23T10:00:02.000Z"
}
`

// R-OLD-4: a statement is read strictly, and a log follows one of an earlier era of
// the same node.
func TestParse(t *testing.T) {
	s, err := era.Parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	if doc, err := statement.Encode(s); err != nil || string(doc) != sample {
		t.Errorf("error %v, got\n%s", err, doc)
	}
	for name, change := range map[string][2]string{
		"the same era":             {`"log": "comity/log/xb/2"`, `"log": "comity/log/xb/1"`},
		"an earlier era":           {`"previous": "comity/log/xb/1"`, `"previous": "comity/log/xb/3"`},
		"another node's log":       {`"log": "comity/log/xb/2"`, `"log": "comity/log/xa/2"`},
		"another node":             {`"node": "xb"`, `"node": "xc"`},
		"no log":                   {`"log": "comity/log/xb/2"`, `"log": "xb"`},
		"no record":                {"51be000000000000000000000000000000000000000000000000000000000002", strings.Repeat("0", 64)},
		"a member more":            {`"node": "xb"`, `"node": "xb", "more": 1`},
		"a member less":            {`  "previous": "comity/log/xb/1",` + "\n", ""},
		"a time of another form":   {"10:00:02.000Z", "10:00:02Z"},
		"nothing, where a list is": {`"shown": [`, `"shown": null, "x": [`},
	} {
		if _, err := era.Parse([]byte(strings.Replace(sample, change[0], change[1], 1))); protocol.CodeOf(err) != protocol.Malformed {
			t.Errorf("%s: %v, want %s", name, err, protocol.Malformed)
		}
	}
	many := strings.Repeat(`{"node": "xa", "checkpoint": "c"},`, protocol.MaxShown+1)
	i, j := strings.Index(sample, "["), strings.Index(sample, "]")
	if _, err := era.Parse([]byte(sample[:i+1] + strings.TrimSuffix(many, ",") + sample[j:])); protocol.CodeOf(err) != protocol.Malformed {
		t.Errorf("more than MaxShown: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(strings.Replace(sample, "era/v1", "era/v2", 1)))
	f.Fuzz(func(t *testing.T, doc []byte) {
		s, err := era.Parse(doc)
		if err != nil {
			return
		}
		again, err := statement.Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := era.Parse(again); err != nil {
			t.Fatalf("what was read and written is refused: %v", err)
		}
	})
}
