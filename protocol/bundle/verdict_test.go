package bundle_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/bundle"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

// marked is a bundle of a world, checked by an auditor who holds a newer record
// of xb in which the key of its node is marked.
func marked(t *testing.T, w *world, since, announced time.Time) *bundle.Report {
	t.Helper()
	file := written(t, w.contents())
	w.xb.next(announced.Add(24*time.Hour), func(r *record.Record, _ *record.Authority) {
		for i := range r.Node.Keys {
			if r.Node.Keys[i].Digest == protocol.Digest(w.xb.node.Subkeys[nodeKey].Digest()) {
				r.Node.Keys[i].Compromised = &record.Compromised{Since: protocol.At(since), Announced: protocol.At(announced)}
			}
		}
	})
	tr, err := bundle.ParseTrust(map[string][]byte{"xa.json": w.xa.anchor(), "xb.json": w.xb.newest(), "xc.json": w.xc.anchor()})
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify(file, tr)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// R-BND-8: whether a signature by a key marked compromised counts is decided by
// when a third party had seen its leaf, and not by what it says itself.
func TestVerdictsOnACompromisedKey(t *testing.T) {
	seen := day.Add(3*time.Hour + 2*time.Minute) // when xc cosigned
	before := func(w *world) {}
	for _, tt := range []struct {
		name             string
		since, announced time.Time
		change           func(*world)
		want             bundle.Verdict
		exit             int
	}{
		{"seen before it was stolen", seen.Add(time.Second), seen.Add(time.Hour), before, bundle.Valid, 0},
		{"seen the second it was stolen", seen, seen.Add(time.Hour), before, bundle.Contested, 4},
		{"seen between", day.Add(time.Hour), seen.Add(time.Hour), before, bundle.Contested, 4},
		{"seen the second it was announced", day.Add(time.Hour), seen, before, bundle.Contested, 4},
		{"seen after it was announced", day.Add(time.Hour), seen.Add(-time.Second), before, bundle.Invalid, 3},
		{"dated after it was announced", made.Add(time.Hour), day, before, bundle.Invalid, 3},
		{"not made before it was announced", made.Add(time.Hour), day.Add(-time.Minute), before, bundle.Invalid, 3},
		{"seen by the parties only", seen.Add(time.Hour), seen.Add(2 * time.Hour), func(w *world) {
			w.witnesses = func(log *country) []*country { return []*country{w.other(log)} }
		}, bundle.Contested, 4},
		{"seen by nobody", seen.Add(time.Hour), seen.Add(2 * time.Hour), func(w *world) {
			w.witnesses = func(*country) []*country { return nil }
		}, bundle.Contested, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			tt.change(w)
			r := marked(t, w, tt.since, tt.announced)
			for _, e := range r.Evidence {
				want := tt.want
				if e.Issuer.Name != "xb" {
					want = bundle.Valid
				}
				if e.Verdict != want || (e.Why == "") != (e.Issuer.Name != "xb") {
					t.Errorf("%s: got %s (%s), want %s", e.Event, e.Verdict, e.Why, want)
				}
			}
			if r.Verdict != tt.want || r.ExitCode() != tt.exit {
				t.Errorf("got %s, exit %d, want %s, %d", r.Verdict, r.ExitCode(), tt.want, tt.exit)
			}
		})
	}
}

// R-BND-8: a cosignature by a party counts for nobody but itself; neither does
// one by a witness for whom the verifier holds no anchor.
func TestWhoseCosignatureCounts(t *testing.T) {
	for _, tt := range []struct {
		name      string
		witnesses func(*world, *country) []*country
		anchored  bool // xc
		rests     string
	}{
		{"a third party", func(w *world, log *country) []*country { return []*country{w.xc, w.other(log)} }, true, ""},
		{"a third party that nobody here knows", func(w *world, log *country) []*country { return []*country{w.xc, w.other(log)} }, false, "rests on xa and xb only"},
		{"the other party", func(w *world, log *country) []*country { return []*country{w.other(log)} }, true, "rests on xa and xb only"},
		{"its own witness", func(w *world, log *country) []*country { return []*country{log} }, true, "rests on xa and xb only"},
		{"nobody", func(*world, *country) []*country { return nil }, true, "not yet witnessed: rests on xa and xb only"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.witnesses = func(log *country) []*country { return tt.witnesses(w, log) }
			all := []*country{w.xa, w.xb}
			if tt.anchored {
				all = append(all, w.xc)
			}
			r, err := verify(written(t, w.contents()), trust(t, all...))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range r.Evidence {
				if e.RestsOn != tt.rests || (e.Latest != nil) != (tt.rests == "") {
					t.Errorf("%s: rests on %q, latest %v; want %q", e.Event, e.RestsOn, e.Latest, tt.rests)
				}
			}
			if r.ExitCode() != 0 {
				t.Errorf("leaves with %d", r.ExitCode())
			}
		})
	}
}

// Evidence may rest on any version of a record between the oldest and the newest;
// an anchor may be older than all of them, between, or newer.
func TestAnchorsOfEveryAge(t *testing.T) {
	nothing := func(*record.Record, *record.Authority) {}
	w := newWorld()
	first := w.xb.anchor()
	w.xb.next(day.Add(-2*time.Hour), nothing)
	second := w.xb.newest()
	c := w.contents()
	w.xb.next(day.Add(48*time.Hour), nothing)
	c.Records = append(append(append(c.Records[:0:0], w.xa.records...), w.xb.records...), w.xc.records...)
	file := written(t, c)
	third := w.xb.newest()
	w.xb.next(day.Add(96*time.Hour), nothing)
	for i, anchor := range [][]byte{first, second, third, w.xb.newest()} {
		tr, err := bundle.ParseTrust(map[string][]byte{"xa.json": w.xa.anchor(), "xb.json": anchor, "xc.json": w.xc.anchor()})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := verify(file, tr); err != nil || r.ExitCode() != 0 {
			t.Errorf("with record %d as the anchor: %v", i+1, err)
		}
	}
	c.Records = append(append(c.Records[:0:0], w.xa.records...), w.xc.records...)
	refused(t, "without a record that is named", bundle.Write(new(bytes.Buffer), c), protocol.Malformed, "envelope.json")
}

func TestParseTrust(t *testing.T) {
	w := newWorld()
	for name, data := range map[string][]byte{
		"xb.json":    w.xa.anchor(),            // of another state
		"xa.txt":     w.xa.anchor(),            // of another name
		"XA.json":    w.xa.anchor(),            //
		"xa.json":    []byte("{}\n"),           //
		"xc.json":    w.xc.records[0].Document, // a record, where an introduction belongs
		"../xa.json": w.xa.anchor(),
	} {
		_, err := bundle.ParseTrust(map[string][]byte{name: data})
		var f *bundle.Fault
		if !errors.As(err, &f) || f.Member != name {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A parcel whose file key is disclosed is checked to the last byte of each file.
func TestDisclosedParcel(t *testing.T) {
	w := newWorld()
	c := w.contents()
	c.Parcel, c.FileKey = bytes.NewReader(w.sealed), &w.key
	r, err := verify(written(t, c), trust(t, w.xa, w.xb, w.xc))
	if err != nil || r.Opened == nil || len(r.Opened.Files) != 2 || r.Opened.Approvals != 1 || r.Opened.Files[0].Name != "request.pdf" {
		t.Fatalf("got %+v, %v", r, err)
	}
	t.Logf("%s", r.Text())
	other := w.key
	other[3] ^= 1
	c.FileKey = &other
	refused(t, "another key", bundle.Write(new(bytes.Buffer), c), protocol.CannotOpen, "parcel.key")
	c.FileKey, c.Parcel = &w.key, nil
	refused(t, "a key without its parcel", bundle.Write(new(bytes.Buffer), c), protocol.BadContainer, "parcel.key")
	c.FileKey = nil
	c.Parcel = bytes.NewReader(append(bytes.Clone(w.sealed[:len(w.sealed)-1]), 0))
	refused(t, "other sealed bytes", bundle.Write(new(bytes.Buffer), c), protocol.DigestMismatch, "parcel.age")
}

// R-BND-8: a second person's approval counts as little as the key it is signed
// with, even when the manifest's own key is good.
func TestApprovalByACompromisedKey(t *testing.T) {
	for verdict, announced := range map[bundle.Verdict]time.Time{
		bundle.Invalid:   day.Add(-time.Minute), // before the approval
		bundle.Contested: day.Add(8 * time.Hour),
	} {
		w := newWorld()
		c := w.contents()
		c.Parcel, c.FileKey = bytes.NewReader(w.sealed), &w.key
		w.xa.next(day.Add(9*time.Hour), func(_ *record.Record, a *record.Authority) {
			a.Keys[3].Compromised = &record.Compromised{Since: protocol.At(day.Add(-time.Hour)), Announced: protocol.At(announced)}
		})
		c.Records = append(append(append(c.Records[:0:0], w.xa.records...), w.xb.records...), w.xc.records...)
		r, err := verify(written(t, c), trust(t, w.xa, w.xb, w.xc))
		if err != nil || r.Verdict != verdict {
			t.Errorf("announced %s: %v, %+v; want %s", announced, err, r, verdict)
		}
	}
}

// Every language has every sentence, and its sheet is checked like any other.
func TestCoverInEveryLanguage(t *testing.T) {
	w := newWorld()
	c := w.contents()
	for _, l := range bundle.Languages() {
		c.Language = l
		for _, offset := range []bundle.Offset{"+00:00", "-03:30", "+05:45"} {
			c.Offset = offset
			file := written(t, c)
			if r, err := verify(file, trust(t, w.xa, w.xb, w.xc)); err != nil || r.ExitCode() != 0 {
				t.Errorf("%s at %s: %v", l, offset, err)
			}
		}
		members, _ := unpack(t, written(t, c))
		sheet := string(members["cover.html"])
		for _, want := range []string{"SHA-256", string(w.env.Parcel), "Content-Security-Policy", "2026-03-02 10:00:02.120 UTC", "2026-03-02 15:45:02.120 UTC+05:45", string(evidence.ConsignmentAcceptance)} {
			if !bytes.Contains([]byte(sheet), []byte(want)) {
				t.Errorf("%s: the sheet has no %q", l, want)
			}
		}
		for _, never := range []string{"<script", "<img", "<link", "http:", "https:", "src=", "%!", "<p></p>", "<th></th>"} {
			if bytes.Contains([]byte(sheet), []byte(never)) {
				t.Errorf("%s: the sheet has %q", l, never)
			}
		}
	}
}

// R-BND-10: a verifier's own policy may ask for more.
func TestPolicy(t *testing.T) {
	w := newWorld()
	file := written(t, w.contents())
	key := func(c *country) string { return c.draft.Node.Witness.Ed25519 }
	logs := "log " + w.xa.draft.Node.Log.Keys.Ed25519 + "\nlog " + w.xb.draft.Node.Log.Keys.MLDSA44 + " https://xb.example\n"
	all := "# whom we trust\nwitness a " + key(w.xa) + "\nwitness c " + key(w.xc) + " https://xc.example\n\n"
	for _, tt := range []struct {
		name, text string
		code       protocol.Code // of the bundle
		broken     bool
	}{
		{"a third party", all + "quorum c\n", "", false},
		{"none", all + "quorum none\n", "", false},
		{"any of two", all + "group g any a c\nquorum g\n", "", false},
		{"two of two, one of them a party", all + "group g all a c\nquorum g\n", protocol.Policy, false},
		{"a party", all + "quorum a\n", protocol.Policy, false},
		{"a group of groups", all + "group g 1 a c\ngroup h 2 g c\nquorum h\n", "", false},
		{"its logs", logs + all + "quorum c\n", "", false},
		{"one of its logs", "log " + w.xa.draft.Node.Log.Keys.Ed25519 + "\n" + all + "quorum c\n", protocol.Policy, false},
		{"no quorum", all, "", true},
		{"two quorums", all + "quorum c\nquorum c\n", "", true},
		{"an unknown name", all + "quorum d\n", "", true},
		{"a name twice", all + "witness c " + key(w.xc) + "\nquorum c\n", "", true},
		{"a member twice", all + "group g 2 c c\nquorum g\n", "", true},
		{"too many of a group", all + "group g 3 a c\nquorum g\n", "", true},
		{"none of a group", all + "group g 0 a c\nquorum g\n", "", true},
		{"a group of itself", all + "group g any g c\nquorum g\n", "", true},
		{"an unknown word", all + "monitor c\nquorum c\n", "", true},
	} {
		tr, err := bundle.ParseTrust(map[string][]byte{
			"policy": []byte(tt.text), "xa.json": w.xa.anchor(), "xb.json": w.xb.anchor(), "xc.json": w.xc.anchor(),
		})
		var f *bundle.Fault
		if (err != nil) != tt.broken || err != nil && (!errors.As(err, &f) || f.Member != "policy") {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if err != nil {
			continue
		}
		if _, err := verify(file, tr); protocol.CodeOf(err) != tt.code || err != nil && tt.code == "" {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.code)
		}
	}
}
