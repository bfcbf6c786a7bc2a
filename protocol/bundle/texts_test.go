package bundle

import (
	"reflect"
	"testing"

	"comity/protocol"
	"comity/protocol/evidence"
)

// No language lacks a sentence that another has.
func TestTextsAreWhole(t *testing.T) {
	for _, l := range Languages() {
		s := sheets[l]
		if s == nil {
			t.Fatalf("%s has no sheet", l)
		}
		v := reflect.ValueOf(s).Elem()
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s: %s is empty", l, v.Type().Field(i).Name)
			}
		}
		for _, e := range evidence.Events() {
			if w := s.events[e]; w.says == "" || w.leavesOpen == "" {
				t.Errorf("%s: %s has no sentence", l, e)
			}
			if s.roles[e.Rule().Role] == "" {
				t.Errorf("%s: the role %s has no word", l, e.Rule().Role)
			}
		}
		if len(s.never) != len(english.never) {
			t.Errorf("%s: %d things that are never proven, want %d", l, len(s.never), len(english.never))
		}
	}
}

func TestOffset(t *testing.T) {
	for _, good := range []string{"+00:00", "+01:00", "-03:30", "+05:45", "+14:00", "-12:00"} {
		var o Offset
		if err := o.UnmarshalText([]byte(good)); err != nil || string(o) != good {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "Z", "-00:00", "+1:00", "+01:07", "+15:00", "-12:15", "+01:00 ", "01:00"} {
		var o Offset
		if err := o.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q passes as %q", bad, o)
		}
	}
	if got := OffsetOf(-12600); got != "-03:30" {
		t.Errorf("got %s", got)
	}
}

// A policy is refused or obeyed, and never takes long or panics.
func FuzzParsePolicy(f *testing.F) {
	f.Add("# ours\nwitness a k1 https://a.example\nwitness b k2\ngroup g any a b\nquorum g\n")
	f.Add("log k0\nquorum none\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePolicy(text)
		if err != nil {
			if protocol.CodeOf(err) != protocol.Malformed {
				t.Fatalf("%v is no refusal", err)
			}
			return
		}
		if p.satisfied(nil) != (p.quorum == "") {
			t.Fatal("nobody is enough")
		}
	})
}
