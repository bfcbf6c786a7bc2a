package bundle_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

// bundleRecipe is the shell script of SPEC.md, section 19, with the functions that it shares with the one of section 15.
func bundleRecipe(t *testing.T) string {
	t.Helper()
	spec, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	blocks := regexp.MustCompile("(?sm)^```sh (?:both recipes|bundle recipe)\n(.*?)^```$").FindAllSubmatch(spec, -1)
	for _, b := range blocks {
		script.Write(append(b[1], '\n'))
	}
	if len(blocks) != 6 {
		t.Fatalf("SPEC.md has %d blocks of the recipe for bundles", len(blocks))
	}
	return script.String()
}

// stockTools makes sure that the recipe's programs are there. In CI their absence is a failure, elsewhere a loud skip.
func stockTools(t *testing.T) {
	t.Helper()
	missing := ""
	for _, tool := range []string{"sh", "gpgv", "sqv", "jq", "tar", "awk", "basenc", "sha256sum", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing += " " + tool
		}
	}
	switch {
	case missing == "":
	case os.Getenv("CI") != "":
		t.Fatalf("the recipe for bundles needs%s, and CI must not skip it: make tools", missing)
	default:
		t.Skipf("SKIPPED, NOTHING WAS PROVED: the recipe for bundles needs%s: make tools", missing)
	}
}

// follow runs the recipe as it stands on a bundle and the anchors given.
func follow(t *testing.T, file []byte, anchors ...*country) (string, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "of an auditor")
	held := filepath.Join(dir, "my anchors")
	if err := os.MkdirAll(held, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range anchors {
		if err := os.WriteFile(filepath.Join(held, string(c.draft.State)+".json"), c.anchor(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "a bundle.tar")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh")
	cmd.Stdin, cmd.Dir = strings.NewReader(bundleRecipe(t)), dir
	cmd.Env = append(os.Environ(), "BUNDLE="+path, "TRUST="+held, "TMPDIR="+dir, "GNUPGHOME="+dir)
	said, err := cmd.CombinedOutput()
	return string(said), err
}

// A person with stock tools and SPEC.md checks a bundle that a third state witnessed, and reads what was not checked (R-BND-4, R-WIT-1).
func TestRecipeOfABundle(t *testing.T) {
	stockTools(t)
	t.Parallel()
	w := newWorld()
	w.xb.next(day.AddDate(0, 0, -1), func(*record.Record, *record.Authority) {}) // so that the anchor is an older one
	c := w.contents()
	c.Evidence = append(c.Evidence[:2], c.Evidence[5])
	c.Parcel = bytes.NewReader(w.sealed)
	file := written(t, c)
	said, err := follow(t, file, w.xa, w.xb, w.xc)
	for _, want := range []string{
		" SubmissionAcceptance by xa, seen by xc at the latest on 2026-03-02T13:02:00Z\n",
		" ConsignmentAcceptance by xb/prosecution-service, seen by xc at the latest on 2026-03-02T13:02:00Z\n",
		"ML-DSA cosignatures: NOT checked\n", "everything else agrees\n",
	} {
		if err != nil || !strings.Contains(said, want) {
			t.Fatalf("%v, want %q; it said\n%s", err, want, said)
		}
	}
}

// R-BND-5, R-BND-8: what the anchors do not reach does not count.
func TestRecipeAndAnchors(t *testing.T) {
	stockTools(t)
	t.Parallel()
	w := newWorld()
	c := w.contents()
	c.Evidence = c.Evidence[:1]
	file := written(t, c)
	if said, err := follow(t, file, w.xa, w.xb); err != nil || !strings.Contains(said, "not yet witnessed by a third party") {
		t.Errorf("without an anchor of the witness: %v\n%s", err, said)
	}
	if said, err := follow(t, file, w.xa, w.xc); err == nil || !strings.Contains(said, "WRONG: you hold no anchor of xb") {
		t.Errorf("without an anchor of the recipient: %v\n%s", err, said)
	}
	if said, err := follow(t, file, newWorld().xa, w.xb); err == nil || !strings.Contains(said, "is not the one that you hold") {
		t.Errorf("a bundle that brings its own trust: %v\n%s", err, said)
	}
	// A key marked compromised in a later record is not this recipe's to judge.
	w = newWorld()
	c = w.contents()
	c.Evidence = c.Evidence[:1]
	w.xa.next(day.AddDate(0, 0, 9), func(r *record.Record, _ *record.Authority) {
		r.Node.Keys[1].Compromised = &record.Compromised{Since: protocol.At(day.AddDate(0, 0, 7)), Announced: protocol.At(day.AddDate(0, 0, 8))}
	})
	c.Records = nil
	for _, one := range []*country{w.xa, w.xb, w.xc} {
		c.Records = append(c.Records, one.records...)
	}
	if said, err := follow(t, written(t, c), w.xa, w.xb); err == nil || !strings.Contains(said, "is marked compromised") {
		t.Errorf("a marked key: %v\n%s", err, said)
	}
}

// R-BND-11: the recipe does not weigh marks either. It stops at a log with marked
// keys, and counts no witness with such.
func TestRecipeAndMarks(t *testing.T) {
	stockTools(t)
	t.Parallel()
	for of, want := range map[string]string{"log": "is marked compromised", "witness": "not yet witnessed by a third party"} {
		w := newWorld()
		c := w.contents()
		c.Evidence = c.Evidence[:1]
		if of == "log" {
			w.xa.marks(w.xa.draft.Node.Log.Keys, day.AddDate(0, 0, 7), day.AddDate(0, 0, 8))
		} else {
			w.xc.marks(w.xc.draft.Node.Witness, day.AddDate(0, 0, 7), day.AddDate(0, 0, 8))
		}
		c.Records = append(append(append(c.Records[:0:0], w.xa.records...), w.xb.records...), w.xc.records...)
		said, err := follow(t, written(t, c), w.xa, w.xb, w.xc)
		if (err == nil) != (of == "witness") || !strings.Contains(said, want) {
			t.Errorf("marked keys of a %s: %v\n%s", of, err, said)
		}
	}
}

// Whoever alters a bundle and makes its list fit is found by what somebody signed (R-BND-1, R-BND-2, R-BND-4, R-BND-6).
func TestRecipeOfAnAlteredBundle(t *testing.T) {
	stockTools(t)
	w := newWorld()
	lost := *w.xb // a log that gave way to another before it all began
	w.xb.newEra(2, day.Add(-time.Hour))
	w.xb.take(w.xa.state.Signed())
	w.xb.take(w.xb.state.Signed())
	w.steps = append(positive[:2:2], step{evidence.RelayRejection, time.Minute})
	w.sign = func(e *evidence.Evidence) *pgp.Secret {
		if e.Event == evidence.RelayRejection {
			e.Reason = evidence.NewReason(protocol.Policy, "after all")
		}
		return nil
	}
	c := w.contents()
	rejection := c.Evidence[2]
	c.Evidence = c.Evidence[:2]
	inLost := lost.take(c.Evidence[1].Signed).under(lost.note(day.Add(4 * time.Hour)))
	file := written(t, c)
	const relay = "evidence-RelayAcceptance"
	// fitted is the bundle with one member changed and the list made to fit.
	fitted := func(name string, change func([]byte) []byte) []byte {
		members, order := unpack(t, file)
		now := change(members[name])
		if bytes.Equal(now, members[name]) {
			t.Fatalf("%s was not changed", name)
		}
		members[name] = now
		return relist(t, file, members, order)
	}
	// at changes one letter, so many behind the place where the text begins.
	at := func(text string, behind int) func([]byte) []byte {
		return func(b []byte) []byte {
			b = bytes.Clone(b)
			i := bytes.Index(b, []byte(text)) + behind
			if b[i]++; b[i-1] == '\n' || b[i] > 'z' || b[i] == ':' || b[i] == '[' || b[i] == ',' {
				b[i] = 'a'
			}
			return b
		}
	}
	swap := func(old, now string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(now), 1) }
	}
	flipped := bytes.Clone(file)
	flipped[bytes.Index(file, []byte(`"RelayAcceptance"`))+3] ^= 1
	padded := bytes.Clone(file)
	padded[300] ^= 1
	forked := *w.xb
	forked.leaves = append(hashes(nil), w.xb.leaves[:len(w.xb.leaves)-1-bitsBelow(w.xb.size)]...)
	forked.size--
	last := forked.take(w.envelope)
	last.log = &forked
	of := w.contents()
	of.Evidence = of.Evidence[:2]
	theirs, _ := unpack(t, written(t, of))
	swapped, order := unpack(t, file)
	for name := range swapped {
		if strings.HasPrefix(name, relay) {
			swapped[name] = theirs[name]
		}
	}
	dropped, rest := unpack(t, file)
	rest = rest[:0:0]
	for _, name := range order {
		if name != relay+".tlog-proof" {
			rest = append(rest, name)
		}
	}
	both, longer := unpack(t, file)
	both["evidence-RelayRejection.json"], both["evidence-RelayRejection.json.asc"] = rejection.Document, rejection.Signature
	both["evidence-RelayRejection.tlog-proof"] = rejection.Proof
	longer = slices.Insert(longer, slices.Index(longer, relay+".peer.tlog-proof")+1,
		"evidence-RelayRejection.json", "evidence-RelayRejection.json.asc", "evidence-RelayRejection.tlog-proof")
	for _, test := range []struct {
		name, want string
		file       []byte
	}{
		{"a rejection beside the acceptance", "it was accepted and rejected: Relay", relist(t, file, both, longer)},
		{"a byte of a member", "is not what bundle.json lists", flipped},
		{"a byte of a header", "", padded},
		{"a tail", "not the archive that its members make", append(bytes.Clone(file), 0)},
		{"a member less", relay + ".tlog-proof is no proof", relist(t, file, dropped, rest)},
		{"the envelope", "gpgv refuses", fitted("envelope.json", swap(`"routine"`, `"urgent"`))},
		{"the evidence", "gpgv refuses", fitted(relay+".json", swap(`.310Z`, `.311Z`))},
		{"evidence of another", "about another transmission", relist(t, file, swapped, order)},
		{"the path", "does not lead to the root", fitted(relay+".cosigned.tlog-proof", at("\nindex ", 12))},
		{"the salt", "does not lead to the root", fitted(relay+".tlog-proof", at("\nextra ", 12))},
		{"the index", "", fitted(relay+".tlog-proof", func(b []byte) []byte { return regexp.MustCompile("index [0-9]+").ReplaceAll(b, []byte("index 0")) })},
		{"the log's signature", "signature of comity/log/xb/2 does not hold", fitted(relay+".tlog-proof", at("— comity/log/xb/2 ", 44))},
		{"a log that was given up", "is of the log comity/log/xb/1, and the evidence names comity/log/xb/2", fitted(relay+".tlog-proof", func([]byte) []byte { return inLost })},
		{"a fork", "a log has two histories", fitted(relay+".cosigned.tlog-proof", func(b []byte) []byte {
			return statementProof(t, &forked, b, forked.note(day.Add(3*time.Hour+time.Minute), w.xa, w.xc))
		})},
		{"the record", "gpgv refuses", fitted("records/xb-1.json", swap("State of xb", "State of xd"))},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if said, err := follow(t, test.file, w.xa, w.xb, w.xc); err == nil || !strings.Contains(said, test.want) || !strings.Contains(said, "WRONG: ") || strings.Contains(said, "everything") {
				t.Errorf("%v, want %q; it said\n%s", err, test.want, said)
			}
		})
	}
}

// R-BND-8: a cosignature of which a line is wrong, or is not there, counts for nothing, and the person is told.
func TestRecipeAndCosignaturesThatDoNotHold(t *testing.T) {
	stockTools(t)
	for name, change := range map[string]func([]byte) []byte{
		"wrong": func(b []byte) []byte {
			b = bytes.Clone(b)
			i := bytes.Index(b, []byte("— comity/witness/xc ")) + 60
			if b[i]++; b[i] > 'z' || b[i] == ':' || b[i] == '[' || b[i] == ',' {
				b[i] = 'a'
			}
			return b
		},
		"first half":  func(b []byte) []byte { return withoutLine(b, "comity/witness/xc", 0) },
		"second half": func(b []byte) []byte { return withoutLine(b, "comity/witness/xc", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			c := w.contents()
			c.Evidence = c.Evidence[:1]
			c.Evidence[0].Cosigned, c.Evidence[0].Peer = change(c.Evidence[0].Cosigned), nil
			said, err := follow(t, written(t, c), w.xa, w.xb, w.xc)
			for _, want := range []string{
				"evidence-SubmissionAcceptance.cosigned.tlog-proof: a cosignature of xc does not hold, and counts for nothing\n",
				"SubmissionAcceptance by xa, not yet witnessed by a third party\n", "everything else agrees\n",
			} {
				if err != nil || !strings.Contains(said, want) {
					t.Errorf("%v, want %q; it said\n%s", err, want, said)
				}
			}
		})
	}
}
