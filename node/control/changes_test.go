package control

import (
	"slices"
	"strings"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/record"
)

// R-REC-11: whoever reads what a new record changed hears of keys of logs and
// witnesses that were stolen, when first and with every other time.
func TestChangesOfMarks(t *testing.T) {
	day := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	mark := func(key string, since time.Time) record.Mark {
		return record.Mark{Keys: record.Keypair{Ed25519: key + "+id+key", MLDSA44: key + "+id+other"}, Compromised: record.Compromised{Since: protocol.At(since), Announced: protocol.At(day)}}
	}
	log, witness := mark("comity/log/xb/1", day.Add(-time.Hour)), mark("comity/witness/xb", day.Add(-time.Hour))
	for _, tt := range []struct {
		name        string
		before, now []record.Mark
		want        []string
	}{
		{"none", nil, nil, nil},
		{"as before", []record.Mark{log}, []record.Mark{log}, nil},
		{"both", nil, []record.Mark{log, witness}, []string{"the keys of comity/log/xb/1 are marked", "the keys of comity/witness/xb are marked"}},
		{"another time", []record.Mark{log}, []record.Mark{mark("comity/log/xb/1", day.Add(-2*time.Hour))}, []string{"compromised since 2026-03-02T08:00:00.000Z, announced 2026-03-02T10:00:00.000Z"}},
	} {
		c := &changes{}
		c.marks(&record.Node{Compromised: tt.before}, &record.Node{Compromised: tt.now})
		if len(c.list) != len(tt.want) || slices.ContainsFunc(tt.want, func(w string) bool {
			return !slices.ContainsFunc(c.list, func(s string) bool { return strings.Contains(s, w) })
		}) {
			t.Errorf("%s: got %q, want %q", tt.name, c.list, tt.want)
		}
	}
}

// Whoever reads the report hears that a state or an authority calls itself otherwise.
func TestChangesOfNames(t *testing.T) {
	was := []record.Name{{Language: "en", Text: "State B"}, {Language: "ar", Text: "الدولة"}}
	for _, tt := range []struct {
		now  []record.Name
		want []string
	}{
		{slices.Clone(was), nil},
		{[]record.Name{{Language: "en", Text: "State of \u202eB\""}}, []string{`xb is called "State of \u202eB\"" (en), was "State B" (en), "الدولة" (ar)`}},
	} {
		c := &changes{}
		c.names("xb", was, tt.now)
		if !slices.Equal(c.list, tt.want) {
			t.Errorf("%v: got %q, want %q", tt.now, c.list, tt.want)
		}
	}
}
