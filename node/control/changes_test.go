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

// The report of one authority tells of its own keys and of those of the state and its
// node, and of no other authority of the state; of a peer's authorities it tells all.
func TestChangesForOneAuthority(t *testing.T) {
	entry := func(id protocol.AuthorityID, keys ...byte) *record.Authority {
		a := &record.Authority{ID: id}
		for _, k := range keys {
			a.Keys = append(a.Keys, record.Key{Role: "act", Digest: protocol.Digest{k}})
		}
		return a
	}
	for _, tt := range []struct {
		name   string
		only   protocol.AuthorityID
		now    []*record.Authority
		want   []string // how the changes begin
		silent bool
	}{
		{"all", "", []*record.Authority{entry("xb/court", 1, 2), entry("xb/police", 3, 4), entry("xb/third", 5)}, []string{"xb/court: act", "xb/police: act", "authority xb/third"}, false},
		{"its own", "xb/court", []*record.Authority{entry("xb/court", 1, 2), entry("xb/police", 3)}, []string{"xb/court: act"}, false},
		{"another's keys", "xb/court", []*record.Authority{entry("xb/court", 1), entry("xb/police", 3, 4)}, nil, true},
		{"another one is new", "xb/court", []*record.Authority{entry("xb/court", 1), entry("xb/police", 3), entry("xb/third", 5)}, nil, true},
		{"another one is gone", "xb/court", []*record.Authority{entry("xb/court", 1)}, nil, true},
		{"nothing", "xb/court", []*record.Authority{entry("xb/court", 1), entry("xb/police", 3)}, nil, false},
	} {
		had, has := map[protocol.AuthorityID]*record.Authority{}, map[protocol.AuthorityID]*record.Authority{}
		for _, a := range []*record.Authority{entry("xb/court", 1), entry("xb/police", 3)} {
			had[a.ID] = a
		}
		for _, a := range tt.now {
			has[a.ID] = a
		}
		c := &changes{only: tt.only}
		c.between(had, has)
		if len(c.list) != len(tt.want) || c.silent != tt.silent {
			t.Errorf("%s: %q, left something out: %t", tt.name, c.list, c.silent)
			continue
		}
		for i, w := range tt.want {
			if !strings.HasPrefix(c.list[i], w) {
				t.Errorf("%s: %q, want it to begin with %q", tt.name, c.list[i], w)
			}
		}
	}
}
