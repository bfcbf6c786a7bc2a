package bundle_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/bundle"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

// seen is when xc cosigned both logs in an ordinary world.
var seen = day.Add(3*time.Hour + 2*time.Minute)

// marks announces, in the next record of a country, that keys of its log or its
// witness are compromised.
func (c *country) marks(keys record.Keypair, since, announced time.Time) {
	c.next(announced.Add(time.Hour), func(r *record.Record, _ *record.Authority) {
		r.Node.Compromised = append(slices.Clone(r.Node.Compromised), record.Mark{
			Keys: keys, Compromised: record.Compromised{Since: protocol.At(since), Announced: protocol.At(announced)},
		})
	})
}

// informed is an auditor who holds the newest record of each state, whatever the
// bundle has.
func informed(t *testing.T, all ...*country) *bundle.Trust {
	t.Helper()
	files := map[string][]byte{}
	for _, c := range all {
		files[string(c.draft.State)+".json"] = c.newest()
	}
	tr, err := bundle.ParseTrust(files)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// R-BND-11: what a log with marked keys took counts as far as a third party had
// seen it before the theft.
func TestVerdictsOnACompromisedLog(t *testing.T) {
	for _, tt := range []struct {
		name             string
		since, announced time.Time
		witnesses        bool
		delay            time.Duration // of the log, by its own word
		want             bundle.Verdict
		exit             int
		why              string
	}{
		{"seen before it was stolen", seen.Add(time.Second), seen.Add(time.Hour), true, 0, bundle.Valid, 0, "witness xc had seen it"},
		{"seen the second it was stolen", seen, seen.Add(time.Hour), true, 0, bundle.Contested, 4, "first seen after that"},
		{"seen after it was announced", day.Add(-time.Hour), seen.Add(-time.Second), true, 0, bundle.Contested, 4, "first seen after that"},
		{"taken after it was announced", day.Add(-time.Hour), day.Add(time.Hour), true, 0, bundle.Invalid, 3, "its log took it on"},
		{"seen by nobody", seen.Add(time.Hour), seen.Add(2 * time.Hour), false, 0, bundle.Contested, 4, "no third party"},
		{"not made before it was announced", made.Add(time.Hour), day.Add(-2 * time.Minute), true, -4 * time.Minute, bundle.Invalid, 3, "it was made after"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.delay = tt.delay
			if !tt.witnesses {
				w.witnesses = func(log *country) []*country { return []*country{w.other(log)} }
			}
			file := written(t, w.contents())
			w.xb.marks(w.xb.draft.Node.Log.Keys, tt.since, tt.announced)
			r, err := verify(file, informed(t, w.xa, w.xb, w.xc))
			if err != nil {
				t.Fatal(err)
			}
			worst := bundle.Valid
			for _, e := range r.Evidence {
				if e.Issuer.Name[:2] == "xa" { // its log is good
					if e.Verdict != bundle.Valid || e.Why != "" || e.Logs[0].Compromised != nil {
						t.Errorf("%s of the other side: %s (%s)", e.Event, e.Verdict, e.Why)
					}
					continue
				}
				if e.Logs[0].Compromised == nil || e.Why == "" || !strings.Contains(r.Text(), e.Why) {
					t.Errorf("%s: nothing is said of the mark: %+v", e.Event, e)
				}
				if e.Verdict == tt.want && strings.Contains(e.Why, tt.why) {
					worst = tt.want
				}
			}
			if worst != tt.want || r.Verdict != tt.want || r.ExitCode() != tt.exit {
				t.Errorf("got %s, exit %d, want %s, %d\n%s", r.Verdict, r.ExitCode(), tt.want, tt.exit, r.Text())
			}
		})
	}
}

// R-BND-11: a witness with marked keys bounds nothing, whatever it dates, and the
// bundle says so; what another third party saw stands.
func TestWitnessWithMarkedKeys(t *testing.T) {
	for _, tt := range []struct {
		name   string
		since  time.Time
		second bool // another third party cosigned, too
		want   bundle.Verdict
		says   string
	}{
		{"cosigned after the theft", day.Add(-time.Hour), false, bundle.Invalid, "counts for nothing."},
		{"cosigned the second of the theft", seen, false, bundle.Invalid, "may be true"},
		{"cosigned before the theft, as it says", seen.Add(time.Second), false, bundle.Contested, "may be true"},
		{"beside another", seen.Add(time.Second), true, bundle.Contested, "may be true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, xd := newWorld(), newCountry("xd", "xd/court")
			third := []*country{w.xc}
			if tt.second {
				third = append(third, xd)
			}
			w.witnesses = func(log *country) []*country { return append([]*country{w.other(log)}, third...) }
			c := w.contents()
			c.Records = append(c.Records, xd.records...)
			file := written(t, c)
			w.xc.marks(w.xc.draft.Node.Witness, tt.since, tt.since.Add(time.Hour))
			r, err := verify(file, informed(t, w.xa, w.xb, w.xc, xd))
			if err != nil || r.Verdict != bundle.Valid {
				t.Fatalf("no evidence is worse for the witness: %v, %+v", err, r)
			}
			for _, e := range r.Evidence {
				if tt.second != (e.Latest != nil && e.Latest.By == "witness xd") || tt.second == (e.RestsOn == "rests on xa and xb only") {
					t.Errorf("%s: latest %v, rests on %q", e.Event, e.Latest, e.RestsOn)
				}
				for _, one := range e.Logs[1].Cosignatures {
					want := bundle.Valid
					if one.Node == "xc" {
						want = tt.want
					}
					if one.Verdict != want || (one.Compromised != nil) != (one.Node == "xc") {
						t.Errorf("%s, cosigned by %s: %s", e.Event, one.Node, one.Verdict)
					}
				}
			}
			if !slices.ContainsFunc(r.NotProven, func(s string) bool {
				return strings.Contains(s, "witness of xc") && strings.Contains(s, "marked compromised since") && strings.HasSuffix(s, tt.says+tail(tt.says))
			}) {
				t.Errorf("nothing is said of it: %q", r.NotProven)
			}
			_, err = verify(file, informed(t, w.xa, w.xb, w.xc, xd), bundle.Options{RequirePQ: true})
			if tt.second && err != nil || !tt.second && faulted(err) == "" {
				t.Errorf("with a third party's cosignature required: %v", err)
			}
		})
	}
}

func tail(says string) string {
	if says == "may be true" {
		return ", and counts for nothing by itself."
	}
	return ""
}

// R-BND-10, R-BND-11: a policy's quorum is not made up of stolen keys.
func TestPolicyAndMarkedKeys(t *testing.T) {
	w := newWorld()
	file := written(t, w.contents())
	policy := []byte("witness c " + w.xc.draft.Node.Witness.Ed25519 + "\nquorum c\n")
	w.xc.marks(w.xc.draft.Node.Witness, seen.Add(time.Hour), seen.Add(2*time.Hour))
	for code, xc := range map[protocol.Code][]byte{"": w.xc.anchor(), protocol.Policy: w.xc.newest()} {
		tr, err := bundle.ParseTrust(map[string][]byte{"policy": policy, "xa.json": w.xa.anchor(), "xb.json": w.xb.anchor(), "xc.json": xc})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify(file, tr); protocol.CodeOf(err) != code || err != nil && code == "" {
			t.Errorf("got %v, want %q", err, code)
		}
	}
}

// R-BND-11: neither does a moment before which an envelope cannot have been made
// rest on stolen keys.
func TestNotBeforeAndMarkedKeys(t *testing.T) {
	log, witness := "log of xb", "witness xc" // a minute apart
	for _, tt := range []struct {
		name         string
		log, witness time.Time // since when each is stolen; zero: never
		by           string
	}{
		{"both good", time.Time{}, time.Time{}, witness},
		{"a stolen witness", time.Time{}, day.Add(time.Hour), log},
		{"a log stolen before", day.Add(-time.Hour), time.Time{}, witness},
		{"a log stolen after", day.Add(time.Hour), day.Add(time.Hour), log},
		{"both stolen before", day.Add(-time.Hour), day.Add(-time.Hour), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			file := written(t, w.contents())
			if !tt.log.IsZero() {
				w.xb.marks(w.xb.draft.Node.Log.Keys, tt.log, day.Add(24*time.Hour))
			}
			if !tt.witness.IsZero() {
				w.xc.marks(w.xc.draft.Node.Witness, tt.witness, day.Add(24*time.Hour))
			}
			r, err := verify(file, informed(t, w.xa, w.xb, w.xc))
			if err != nil {
				t.Fatal(err)
			}
			by := ""
			if b := r.Evidence[0].Earliest; b != nil {
				by = b.By
			}
			if by != tt.by {
				t.Errorf("made after the word of %q, want %q", by, tt.by)
			}
		})
	}
}

// The sheet tells of marks that the records in the bundle make, and of lines that
// hold for nobody, in every language. Without such it is what it was.
func TestCoverTellsOfMarks(t *testing.T) {
	w := newWorld()
	for i := range w.xb.draft.Node.Keys {
		if w.xb.draft.Node.Keys[i].Digest == protocol.Digest(w.xb.node.Subkeys[nodeKey].Digest()) {
			w.xb.draft.Node.Keys[i].Compromised = nil
		}
	}
	c := w.contents()
	plain := sheetOf(t, c)
	w.xb.marks(w.xb.draft.Node.Log.Keys, day.Add(25*time.Hour), day.Add(26*time.Hour))
	w.xb.next(day.Add(28*time.Hour), func(r *record.Record, _ *record.Authority) {
		r.Node.Keys[1].Compromised = &record.Compromised{Since: protocol.At(day.Add(25 * time.Hour)), Announced: protocol.At(day.Add(26 * time.Hour))}
	})
	w.xc.marks(w.xc.draft.Node.Witness, day.Add(35*time.Hour), day.Add(36*time.Hour))
	c.Records = append(append(append(c.Records[:0:0], w.xa.records...), w.xb.records...), w.xc.records...)
	c.Evidence[0].Cosigned = withoutLine(c.Evidence[0].Cosigned, "comity/witness/xb", 1)
	for _, l := range bundle.Languages() {
		c.Language = l
		file := written(t, c)
		if _, err := verify(file, informed(t, w.xa, w.xb, w.xc)); err != nil {
			t.Errorf("%s: %v", l, err)
		}
		sheet := sheetOf(t, c)
		for _, want := range []string{"2026-03-03 11:00:00.000 UTC", "2026-03-03 12:00:00.000 UTC", "2026-03-03 21:00:00.000 UTC", "2026-03-03 22:00:00.000 UTC"} {
			if !strings.Contains(sheet, want) || strings.Contains(plain, want) {
				t.Errorf("%s: %q is on the sheet: %t; before the marks: %t", l, want, strings.Contains(sheet, want), strings.Contains(plain, want))
			}
		}
		if strings.Contains(sheet, "%!") {
			t.Errorf("%s: the sheet is not whole", l)
		}
	}
	c.Language = bundle.English
	for want, n := range map[string]int{
		"The record marks this key as compromised.":            2, // RelayAcceptance, ContentConsignment
		"The record marks the keys of this log as compromised": 11,
		"The record marks the keys of this witness":            12,
		"No third party has witnessed this entry":              6,
		"in the name of this witness is wrong or lacks":        1,
	} {
		if got := strings.Count(sheetOf(t, c), want); got != n {
			t.Errorf("%q stands %d times on the sheet, want %d", want, got, n)
		}
	}
}

func sheetOf(t *testing.T, c *bundle.Contents) string {
	t.Helper()
	members, _ := unpack(t, written(t, c))
	return string(members["cover.html"])
}

// Attacks by whoever has found keys of a log or of a witness, before and after
// their state has announced it (R-BND-11).
func TestAttacksWithStolenKeys(t *testing.T) {
	t.Run("backdate with a stolen log key", func(t *testing.T) {
		// The thief has an old node key, which counted for a day, and the log's keys. He
		// dates evidence and its checkpoint into that day: nothing in the bundle shows it.
		w := newWorld()
		w.sign = func(e *evidence.Evidence) *pgp.Secret {
			if e.Event == evidence.RelayAcceptance {
				return w.xb.node.Subkeys[expiredKey]
			}
			return nil
		}
		w.witnesses = func(*country) []*country { return nil }
		at := made.Add(time.Hour)
		file := written(t, w.backdated(at, at))
		if r, err := verify(file, informed(t, w.xa, w.xb, w.xc)); err != nil || r.ExitCode() != 0 {
			t.Fatalf("before anybody knows: %v, %+v", err, r)
		}
		w.xb.marks(w.xb.draft.Node.Log.Keys, day, day.Add(time.Hour))
		r, err := verify(file, informed(t, w.xa, w.xb, w.xc))
		if err != nil || r.Evidence[1].Verdict != bundle.Contested || r.ExitCode() != 4 || !strings.Contains(r.Conclusion(), "CONTESTED") {
			t.Errorf("once it is announced: %v, %+v", err, r)
		}
	})
	t.Run("backdate with a stolen witness key", func(t *testing.T) {
		// The thief has the node key of xb and the keys of the witness xc, and lets it
		// have seen all before the node key was stolen.
		w := newWorld()
		w.cosigned = -48 * time.Hour
		file := written(t, w.contents())
		w.xb.next(day.Add(5*time.Hour), func(r *record.Record, _ *record.Authority) {
			r.Node.Keys[1].Compromised = &record.Compromised{Since: protocol.At(day.Add(-time.Hour)), Announced: protocol.At(day.Add(4 * time.Hour))}
		})
		if r, err := verify(file, informed(t, w.xa, w.xb, w.xc)); err != nil || r.Evidence[1].Verdict != bundle.Valid {
			t.Fatalf("before anybody knows of the witness: %v, %+v", err, r)
		}
		w.xc.marks(w.xc.draft.Node.Witness, day.Add(time.Hour), day.Add(4*time.Hour))
		r, err := verify(file, informed(t, w.xa, w.xb, w.xc))
		if err != nil || r.Evidence[1].Verdict != bundle.Contested || r.Evidence[1].Latest != nil || r.ExitCode() != 4 {
			t.Errorf("once it is announced: %v, %+v", err, r)
		}
	})
	t.Run("hide the announcement behind old records", func(t *testing.T) {
		// The bundle has the newest record; the auditor only knows the first.
		w := newWorld()
		c := w.contents()
		w.xb.marks(w.xb.draft.Node.Log.Keys, day, day.Add(4*time.Hour))
		c.Records = append(append(append(c.Records[:0:0], w.xa.records...), w.xb.records...), w.xc.records...)
		if r, err := verify(written(t, c), trust(t, w.xa, w.xb, w.xc)); err != nil || r.Verdict != bundle.Contested {
			t.Errorf("with the mark in the bundle: %v, %+v", err, r)
		}
		// A record that takes the mark back follows from none.
		w.xb.draft.Node.Compromised = nil
		previous := w.xb.state.Ref().Digest
		w.xb.draft.Sequence, w.xb.draft.Previous, w.xb.draft.Created = 3, &previous, protocol.At(day.Add(9*time.Hour))
		c.Records = append(append(append(c.Records[:0:0], w.xa.records...), append(slices.Clone(w.xb.records), must(record.SignRecord(&w.xb.draft, w.xb.primary.Primary, day.Add(9*time.Hour))))...), w.xc.records...)
		refused(t, "a mark taken back", bundle.Write(new(bytes.Buffer), c), protocol.Policy, "records/xb-3.json")
	})
}
