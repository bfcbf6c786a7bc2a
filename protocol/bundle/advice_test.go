package bundle_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/bundle"
	"comity/protocol/record"
)

// A verifier who lacks an anchor is told of which state, and how to come to one:
// of parties, without which nothing is valid, and of witnesses, who count for
// nothing without.
func TestMissingAnchorsAreNamed(t *testing.T) {
	w := newWorld()
	file := written(t, w.contents())
	for _, tt := range []struct {
		held []*country
		exit int
		says []string // each in a sentence of its own
		do   string
	}{
		{[]*country{w.xa, w.xb, w.xc}, 0, nil, ""},
		{[]*country{w.xa, w.xb}, 0, []string{"What the witness of xc saw: you hold no anchor of xc"}, ""},
		{[]*country{w.xa, w.xc}, 4, []string{"Who xb is: you hold no anchor of it"}, "ask xb for its introduction, compare its twelve words over another channel than the bundle came by, and put it with your anchors as xb.json"},
		{[]*country{w.xc}, 4, []string{"Who xa and xb are: you hold no anchor of them"}, "ask xa and xb for their introductions, compare the twelve words of each over another channel than the bundle came by, and put it with your anchors as xa.json and xb.json"},
	} {
		r, err := verify(file, trust(t, tt.held...))
		if err != nil || r.ExitCode() != tt.exit || r.Advice() != tt.do {
			t.Errorf("%v; exit %d, want %d; %q, want %q", err, r.ExitCode(), tt.exit, r.Advice(), tt.do)
		}
		for _, says := range []string{"Who xa and xb are", "Who xb is", "What the witness of xc saw"} {
			want := slices.ContainsFunc(tt.says, func(s string) bool { return strings.HasPrefix(s, says) })
			if got := slices.ContainsFunc(r.NotProven, func(s string) bool { return strings.HasPrefix(s, says) && strings.Contains(s, "What to do: ask ") }); got != want {
				t.Errorf("with %d anchors: %q is said: %t, want %t: %q", len(tt.held), says, got, want, r.NotProven)
			}
		}
	}
	r, err := verify(file, nil)
	if err != nil || !slices.Equal(r.Unanchored(), []protocol.StateID{"xa", "xb"}) {
		t.Errorf("without any: %v, %v", err, r.Unanchored())
	}
}

// What a verifier asks for and a bundle lacks is no fault of the bundle, and what
// would help is said: an anchor, or a newer bundle.
func TestWhatIsLackingIsNotWrong(t *testing.T) {
	w := newWorld()
	seen := written(t, w.contents())
	w.witnesses = func(*country) []*country { return nil }
	unseen := written(t, w.contents())
	for _, tt := range []struct {
		file []byte
		held []*country
		says string
		do   string
	}{
		{seen, []*country{w.xa, w.xb}, "xc did, and you hold no anchor of xc", "ask xc for its introduction"},
		{unseen, []*country{w.xa, w.xb, w.xc}, "no third party did", "ask for a bundle that is made once"},
	} {
		_, err := verify(tt.file, trust(t, tt.held...), bundle.Options{RequirePQ: true})
		var f *bundle.Fault
		if !errors.As(err, &f) || !f.Unmet() || protocol.CodeOf(err) != protocol.Policy || f.Member != "evidence-SubmissionAcceptance.cosigned.tlog-proof" ||
			!strings.Contains(err.Error(), tt.says) || !strings.HasPrefix(f.Advice(), tt.do) {
			t.Errorf("got %v; %q", err, f.Advice())
		}
	}
}

// Each refusal says what to do, and not to rest on what it refuses.
func TestEachRefusalAdvises(t *testing.T) {
	w, other := newWorld(), newWorld()
	file := written(t, w.contents())
	strange := trust(t, other.xa, other.xb)
	for _, tt := range []struct {
		name string
		file []byte
		held *bundle.Trust
		do   string
	}{
		{"altered", append(bytes.Clone(file), 0), nil, "rest nothing on it; ask whoever gave it to you for the file as it was written"},
		{"of a version to come", bytes.Replace(file, []byte("comity/bundle/v1"), []byte("comity/bundle/v2"), 1), nil, "check it with a newer program"},
		{"of other states", file, strange, "rest nothing on it; compare the twelve words of your anchor once more with that state, over another channel than the bundle came by"},
	} {
		_, err := verify(tt.file, tt.held)
		var f *bundle.Fault
		if !errors.As(err, &f) || f.Unmet() || f.Member == "" || f.Advice() != tt.do {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
	for name, data := range map[string][]byte{"xb.json": w.xa.anchor(), "xa.txt": w.xa.anchor(), "policy": []byte("quorum\n")} {
		_, err := bundle.ParseTrust(map[string][]byte{name: data})
		var f *bundle.Fault
		if !errors.As(err, &f) || f.Member != name || f.Advice() == "" || strings.Contains(f.Advice(), "rest nothing") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Whoever reads that something is contested or invalid reads what, and why, whatever
// it is that was signed with the key.
func TestBlamed(t *testing.T) {
	for _, tt := range []struct {
		announced time.Time
		verdict   bundle.Verdict
	}{{day.Add(8 * time.Hour), bundle.Contested}, {day.Add(-time.Minute), bundle.Invalid}} {
		w := newWorld()
		file := written(t, w.contents())
		w.xa.next(day.Add(9*time.Hour), func(r *record.Record, _ *record.Authority) {
			r.Node.Keys[1].Compromised = &record.Compromised{Since: protocol.At(day.Add(-time.Hour)), Announced: protocol.At(tt.announced)}
		})
		r, err := verify(file, informed(t, w.xa, w.xb, w.xc))
		if err != nil || r.Verdict != tt.verdict || r.Advice() == "" {
			t.Fatalf("%v, %+v", err, r)
		}
		blamed := r.Blamed()
		for i, member := range []string{"evidence-SubmissionAcceptance.json: it ", "envelope.json: it "} {
			if len(blamed) != 2 || !strings.HasPrefix(blamed[i], member) && !strings.HasPrefix(blamed[i], strings.Replace(member, "it", "its", 1)) {
				t.Errorf("%s: blamed are %q", tt.verdict, blamed)
			}
		}
	}
}
