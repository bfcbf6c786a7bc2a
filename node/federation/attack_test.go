package federation

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/statement"
)

// Each test here is one attack on the directory. Its comment says by which
// mechanism it is caught, and what the attacker gets all the same.

// Rollback: a mirror shows the directory of yesterday, truly signed.
// Caught by the number of the timestamp, which must not fall (TUF 5.4.3).
func TestRollback(t *testing.T) {
	w := newWorld(t)
	xa := stateOf("xa")
	w.publish(xa.records[0])
	yesterday := w.copied()
	w.publish(xa.next("two.xa.example:1"))
	r := newReader(w)
	r.refresh(w.mirror())

	caught(t, r.refresh(yesterday.mirror()), protocol.Expired, "version")
	r.trusts("xa", xa.records[1])
}

// R-FED-4. Rollback behind a change of the online key: TUF forgets timestamp and
// snapshot then, so that stewards can undo what a thief has numbered, and with them
// which edition was the newest.
// Caught by the number of the edition, which we remember ourselves.
func TestRollbackBehindNewOnlineKey(t *testing.T) {
	w := newWorld(t)
	xa := stateOf("xa")
	w.publish(xa.records[0])
	yesterday := w.copied()
	w.publish(xa.next("two.xa.example:1"))
	r := newReader(w)
	r.refresh(w.mirror())

	yesterday.online = must(GenerateKey())
	yesterday.publishRoot(yesterday.root[:2]...)
	yesterday.stamp()
	caught(t, r.refresh(yesterday.mirror()), protocol.Expired, "edition 1 is older than edition 2")
	r.trusts("xa", xa.records[1])
}

// Freeze: every mirror goes on showing what it has and hides what is new.
// Caught by the end of the timestamp: after TimestampLifetime the node calls for its
// operator. It keeps the records, and hears newer ones from the peers themselves
// (R-REC-9).
func TestFreeze(t *testing.T) {
	w := newWorld(t)
	xa := stateOf("xa")
	w.publish(xa.records[0])
	frozen := w.copied().mirror()
	w.publish(xa.next("two.xa.example:1"))
	r := newReader(w)
	quiet(t, r.refresh(frozen))

	r.now = w.now.Add(TimestampLifetime + time.Hour)
	report := r.refresh(frozen)
	caught(t, report, protocol.Expired, "timestamp.json is expired")
	if report.Stale == nil || report.Stale.What != "timestamp" {
		t.Errorf("stale is %v, want the timestamp", report.Stale)
	}
	r.trusts("xa", xa.records[0])

	w.now = r.now // one honest mirror ends it
	w.stamp()
	report = r.refresh(frozen, w.mirror())
	if report.Stale != nil {
		t.Errorf("stale is %v with a fresh mirror", report.Stale)
	}
	r.trusts("xa", xa.records[1])
}

// R-FED-3. Mix and match: a mirror puts an old edition, truly signed, under the
// names of the new one.
// Caught by length and digest: the timestamp names those of the snapshot, and the
// snapshot those of the edition.
func TestMixAndMatch(t *testing.T) {
	for _, test := range []struct{ name, path, with string }{
		{"another edition under the newest snapshot", "/2.targets.json", "1.targets.json"},
		{"another snapshot under the newest timestamp", "/2.snapshot.json", "1.snapshot.json"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			xa := stateOf("xa")
			w.publish(xa.records[0])
			w.publish(xa.next("two.xa.example:1"))
			r := newReader(w, xa.records[0])
			mixed := w.only(func(path string, out http.ResponseWriter) bool {
				if path != test.path {
					return false
				}
				_, _ = out.Write(must(os.ReadFile(filepath.Join(w.dir, test.with))))
				return true
			})
			report := r.refresh(mixed)
			caught(t, report, protocol.DigestMismatch, "verification failed")
			if report.Edition != nil {
				t.Error("a part of it was taken")
			}
		})
	}
}

// R-FED-3. A mirror changes the file of a record, or withholds it.
// Caught by the digest in the edition. Nothing of that edition is taken from this
// mirror: another one has it whole.
func TestTamperedRecord(t *testing.T) {
	w := newWorld(t)
	xa, xb := stateOf("xa"), stateOf("xb")
	w.publish(xa.records[0], xb.records[0])
	r := newReader(w)
	tampered := w.only(func(path string, out http.ResponseWriter) bool {
		if !strings.HasPrefix(path, "/targets/records/xb/") {
			return false
		}
		_, _ = out.Write([]byte(strings.Repeat("x", 100)))
		return true
	})
	caught(t, r.refresh(tampered), protocol.DigestMismatch, "records/xb/1")
	withheld := w.only(func(path string, out http.ResponseWriter) bool {
		missing := strings.HasPrefix(path, "/targets/records/xb/")
		if missing {
			http.NotFound(out, nil)
		}
		return missing
	})
	report := r.refresh(withheld)
	caught(t, report, "", "404")
	if report.Edition != nil {
		t.Error("a part of it was taken")
	}
	quiet(t, r.refresh(w.mirror()))
}

// A mirror answers without end.
// Caught by the limit of each file: it is read no further.
func TestEndlessAnswer(t *testing.T) {
	w := newWorld(t)
	w.publish(stateOf("xa").records[0])
	r := newReader(w)
	endless := w.only(func(path string, out http.ResponseWriter) bool {
		if path != "/timestamp.json" {
			return false
		}
		for range 1 << 10 {
			if _, err := out.Write(make([]byte, 1<<10)); err != nil {
				break
			}
		}
		return true
	})
	caught(t, r.refresh(endless), protocol.TooLarge, "more than")
}

// R-FED-1. A mirror sends signatures without number, for the library to compare each
// with each.
// Caught by the limit of signatures, before the library reads them.
func TestEndlessSignatures(t *testing.T) {
	w := newWorld(t)
	w.publish(stateOf("xa").records[0])
	r := newReader(w)
	signatures := strings.TrimSuffix(strings.Repeat(`{"keyid":"","sig":""},`, protocol.MaxSignatures+1), ",")
	many := w.only(func(path string, out http.ResponseWriter) bool {
		if path != "/timestamp.json" {
			return false
		}
		_, _ = out.Write([]byte(`{"signed":{"_type":"timestamp"},"signatures":[` + signatures + `]}`))
		return true
	})
	caught(t, r.refresh(many), protocol.TooLarge, "65 signatures")
}

// Wrong threshold: one steward alone signs an edition and holds the online key too.
// Caught by the threshold that the root sets.
func TestOneSteward(t *testing.T) {
	w := newWorld(t)
	xa := stateOf("xa")
	w.publish(xa.records[0])
	r := newReader(w, xa.records[0])
	r.refresh(w.mirror())

	draft := must(w.repository.DraftEdition([]statement.Signed{xa.next("two.xa.example:1")}, w.now))
	alone := signedBy(draft, w.edition[0], w.root[0]) // a root key does not count for an edition
	wantRefusal(t, w.repository.PublishEdition(alone, w.now), protocol.BadSignature, "not enough signatures, got 1, want 2")
	w.force(alone)
	w.stamp()
	caught(t, r.refresh(w.mirror()), protocol.BadSignature, "not enough signatures")
	r.trusts("xa", xa.records[0])
}

// R-FED-1. Wrong threshold, set by the stewards themselves: a root that lets one sign
// alone, or gives the online key a steward's role.
// Caught by the rule that asks for two at least, and for different hands: TUF would
// take both.
func TestLooseRoot(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(w *world, r *metadata.RootType)
		code   protocol.Code
		words  string
	}{
		{"one edition key is enough", func(_ *world, r *metadata.RootType) { r.Roles["targets"].Threshold = 1 }, protocol.Policy, "alone for targets"},
		{"one root key is enough", func(_ *world, r *metadata.RootType) { r.Roles["root"].Threshold = 1 }, protocol.Policy, "alone for root"},
		{"the online key lists", func(w *world, r *metadata.RootType) {
			r.Roles["targets"].KeyIDs = append(r.Roles["targets"].KeyIDs, r.Roles["timestamp"].KeyIDs...)
		}, protocol.WrongRole, "online key"},
		{"files without numbers", func(_ *world, r *metadata.RootType) { r.ConsistentSnapshot = false }, protocol.Malformed, "no numbers"},
		{"nobody has the role", func(_ *world, r *metadata.RootType) { delete(r.Roles, "targets") }, protocol.Malformed, "targets"},
		{"a key in capital digits, which the library takes and people are not shown", func(_ *world, r *metadata.RootType) {
			hidden := must(must(GenerateKey()).Public().tuf())
			hidden.Value.PublicKey = strings.ToUpper(hidden.Value.PublicKey)
			id := must(hidden.ID())
			r.Keys[id] = hidden
			r.Roles["targets"].KeyIDs = append(r.Roles["targets"].KeyIDs, id)
		}, protocol.Malformed, "no Ed25519 key"},
		{"a key that is none", func(_ *world, r *metadata.RootType) { r.Keys[r.Roles["targets"].KeyIDs[0]] = nil }, protocol.Malformed, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.publish(stateOf("xa").records[0])
			r := newReader(w)
			c := w.charter()
			m := must(c.root(2, w.now))
			test.change(w, &m.Signed)
			for _, k := range w.root[:2] {
				must(m.Sign(must(k.signer())))
			}
			loose := must(m.ToBytes(false))
			wantRefusal(t, w.repository.PublishRoot(loose, w.now), test.code, test.words)
			w.check(os.WriteFile(filepath.Join(w.dir, "2.root.json"), loose, 0o600))
			caught(t, r.refresh(w.mirror()), test.code, test.words)
			if has, err := r.folder.has("2.root.json"); has || err != nil {
				t.Errorf("the root was kept: %v, %v", has, err)
			}
		})
	}
}

// R-FED-2. Stolen online key: the thief freezes the directory and numbers the timestamp far
// ahead, so that honest ones look old.
// He cannot list: caught by the threshold of edition keys. His freeze ends with the
// edition, which only stewards renew. A root with another online key takes his
// numbers away, and stays even while his mirror hides all the rest.
func TestStolenOnlineKey(t *testing.T) {
	w := newWorld(t)
	xa := stateOf("xa")
	w.publish(xa.records[0])
	r := newReader(w, xa.records[0])
	r.refresh(w.mirror())

	thief := w.copied()
	xa2 := xa.next("two.xa.example:1")
	w.publish(xa2)
	thief.force(signedBy(must(thief.repository.DraftEdition([]statement.Signed{stateOf("xb").records[0]}, w.now)), w.online))
	thief.stamp()
	caught(t, r.refresh(thief.mirror()), protocol.BadSignature, "not enough signatures")

	thief = w.copiedFrom(r.cfg.Dir)
	thief.jump(1_000_000)
	quiet(t, r.refresh(thief.mirror())) // truly signed
	caught(t, r.refresh(w.mirror()), protocol.Expired, "1000000")

	r.now, thief.now = w.now.Add(EditionLifetime+day), w.now.Add(EditionLifetime+day)
	thief.jump(2_000_000)
	if report := r.refresh(thief.mirror()); report.Stale == nil || report.Stale.What != "edition" {
		t.Errorf("stale is %v, want the edition: stewards have not signed for a quarter", report.Stale)
	}

	w.now = r.now
	w.online = must(GenerateKey())
	w.publishRoot(w.root[:2]...)
	rootOnly := w.only(func(path string, out http.ResponseWriter) bool {
		hidden := path == "/timestamp.json"
		if hidden {
			http.NotFound(out, nil)
		}
		return hidden
	})
	r.refresh(rootOnly)
	if alarm := r.Stale(); alarm == nil || !alarm.Since.IsZero() {
		t.Errorf("stale is %v, want an alarm: what the thief signed counts no more", alarm)
	}
	caught(t, r.refresh(thief.mirror()), protocol.BadSignature, "timestamp")
	w.publish()
	quiet(t, r.refresh(w.mirror()))
	r.trusts("xa", xa2)
}

// R-FED-3. A stolen online key signs what the library does not expect: members that
// go-tuf v2.4.2 follows without a look, and a snapshot that it would take in any bytes.
// Caught by guarded, and by the rule that length and digest are named.
func TestStolenOnlineKeySignsNonsense(t *testing.T) {
	for _, test := range []struct {
		name  string
		meta  map[string]*metadata.MetaFiles
		words string
	}{
		{"a timestamp of nothing", map[string]*metadata.MetaFiles{}, "cannot read"},
		{"a timestamp of null", map[string]*metadata.MetaFiles{snapshotFile: nil}, "cannot read"},
		{"a snapshot without digest", map[string]*metadata.MetaFiles{snapshotFile: metadata.MetaFile(1)}, "one SHA-256"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.publish(stateOf("xa").records[0])
			r := newReader(w)
			quiet(t, r.refresh(w.mirror()))
			w.timestamp(9, test.meta)
			caught(t, r.refresh(w.mirror()), protocol.Malformed, test.words)
			r.trusts("xa", stateOf("xa").records[0])
		})
	}
}

// R-FED-5. Stewards collude against one state: enough of them list a record of xa
// that xa has not signed.
// Caught by the continuity rule of records (R-REC-3): it is signed by another key
// than the record that the node holds. Records of other states, and xa's own next
// one, count all the same.
func TestStewardsAgainstOneState(t *testing.T) {
	w := newWorld(t)
	xa, xb := stateOf("xa"), stateOf("xb")
	w.publish(xa.records[0], xb.records[0])
	r := newReader(w)
	r.refresh(w.mirror())

	forged := xa.impostor("spy.example:1")
	draft := func(s statement.Signed) error {
		_, err := w.repository.DraftEdition([]statement.Signed{s}, w.now)
		return err
	}
	wantRefusal(t, draft(forged), protocol.WrongRole, "the primary key of state xa has changed") // our own stewards' program says so
	w.collude("records/xa/2", forged)
	report := r.refresh(w.mirror())
	if len(report.Refusals) != 1 || report.Refusals[0].Item != (Item{"xa", 2}) {
		t.Fatalf("refusals %v, want records/xa/2", report.Refusals)
	}
	wantRefusal(t, report.Refusals[0].Err, protocol.WrongRole, "the primary key of state xa has changed")
	r.trusts("xa", xa.records[0])

	xa.next("true.xa.example:1")
	third := xa.next("third.xa.example:1")
	w.collude("records/xa/3", third)
	w.collude("records/xb/2", xb.next("two.xb.example:1"))
	r.refresh(w.mirror())
	r.trusts("xa", third)
	r.trusts("xb", xb.records[1])

	// A node that comes later walks the chain from its beginning, and sees the same.
	late := newReader(w)
	if report := late.refresh(w.mirror()); len(report.Refusals) != 1 || report.Refusals[0].Item != (Item{"xa", 2}) {
		t.Errorf("refusals %v of a node that comes later, want records/xa/2", report.Refusals)
	}
	late.trusts("xa", third)
}

// R-FED-4. Stewards collude to change the past: they list another record under a
// number, or take one back.
// Caught by the node's memory: what was listed stays listed, with the same bytes.
func TestStewardsChangeThePast(t *testing.T) {
	for _, test := range []struct {
		name, words string
		change      func(w *world, m map[string]*metadata.TargetFiles)
	}{
		{"another record", "has another records/xa/1", func(w *world, m map[string]*metadata.TargetFiles) {
			m["records/xa/1"] = w.stored("xa", 1, stateOf("xb").records[0])
		}},
		{"none", "takes back records/xa/1", func(_ *world, m map[string]*metadata.TargetFiles) { delete(m, "records/xa/1") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.publish(stateOf("xa").records[0])
			r := newReader(w)
			r.refresh(w.mirror())
			w.rewrite(2, func(m map[string]*metadata.TargetFiles) { test.change(w, m) })
			w.stamp()
			caught(t, r.refresh(w.mirror()), protocol.Equivocation, test.words)
			r.trusts("xa", stateOf("xa").records[0])
		})
	}
}

// R-FED-5. Stewards list a record of one state under the name of another.
// Caught by what the record says of itself.
func TestRecordOfAnotherState(t *testing.T) {
	w := newWorld(t)
	w.publish(stateOf("xa").records[0])
	r := newReader(w)
	w.collude("records/xb/1", stateOf("xa").records[0])
	report := r.refresh(w.mirror())
	if len(report.Refusals) != 1 {
		t.Fatalf("refusals %v, want one", report.Refusals)
	}
	wantRefusal(t, report.Refusals[0].Err, protocol.WrongRole, "it is record 1 of xa")
	if r.held.Newest("xb") != nil {
		t.Error("the node holds a record of xb")
	}
}

// R-FED-7. Split view: stewards sign two editions of one version, and show one to xa
// and the other to xb. Each is in order by itself.
// Caught at the first envelope between the two: it names version and digest of the
// directory that its sender knows.
func TestSplitView(t *testing.T) {
	w := newWorld(t)
	w.publish(stateOf("xa").records[0], stateOf("xb").records[0])
	other, third := w.copied(), w.copied()
	w.publish()
	other.publish(stateOf("xc").records[0])
	third.publish(stateOf("xa").next("three.xa.example:1"))
	a, b := newReader(w), newReader(other)
	quiet(t, a.refresh(w.mirror()))
	quiet(t, b.refresh(other.mirror()))

	seen := a.Edition().Ref()
	sent := envelope.Envelope{Directory: &seen} // of a, to b
	wantRefusal(t, b.Edition().CheckRef(*sent.Directory), protocol.Equivocation, "stewards have signed two")

	// Whoever is shown both sees it at once, too.
	caught(t, a.refresh(other.mirror()), protocol.Equivocation, "two timestamps with the number 2")
	other.stamp()
	caught(t, a.refresh(other.mirror()), protocol.Equivocation, "two snapshots with the number 2")
	other.jump(50)
	caught(t, a.refresh(other.mirror()), protocol.Equivocation, "stewards have signed two")
	kept := must(os.ReadDir(filepath.Join(a.cfg.Dir, "refused")))
	if !slices.ContainsFunc(kept, func(e os.DirEntry) bool { return strings.HasSuffix(e.Name(), ".2.targets.json") }) {
		t.Errorf("kept as evidence: %v, want the second edition", kept)
	}
	for i := range int64(maxRefused) {
		other.jump(60 + i)
		a.refresh(other.mirror())
	}
	third.jump(500) // what the online key has signed leaves room for what stewards have
	caught(t, a.refresh(third.mirror()), protocol.Equivocation, "stewards have signed two")
	editions := 0
	kept = must(os.ReadDir(filepath.Join(a.cfg.Dir, "refused")))
	for _, e := range kept {
		if strings.HasSuffix(e.Name(), ".2.targets.json") {
			editions++
		}
	}
	if len(kept)-editions > maxRefused || editions != 2 {
		t.Errorf("%d files kept, at most %d, and %d editions, want 2", len(kept)-editions, maxRefused, editions)
	}

	// Who signed, and how the file is written, is no difference.
	same := w.copied()
	same.rewrite(2, func(map[string]*metadata.TargetFiles) {}, w.edition[1], w.edition[2])
	same.online = w.online
	same.stamp()
	c := newReader(same)
	quiet(t, c.refresh(same.mirror()))
	if err := c.Edition().CheckRef(seen); err != nil {
		t.Errorf("the same records, signed by other stewards: %v", err)
	}
}

// R-FED-7. Split view by a state itself: it signs two records of one number, and
// each peer is shown one.
// Caught by number and digest of the record, which every envelope names (R-REC-3):
// by the directory against what a peer handed over, and the other way round.
func TestSplitRecord(t *testing.T) {
	w := newWorld(t)
	xa, twin := stateOf("xa"), stateOf("xa")
	first, second := xa.next("one.xa.example:1"), twin.next("other.xa.example:1")
	w.publish(xa.records[0], first)

	r := newReader(w, xa.records[0], second)
	report := r.refresh(w.mirror())
	if len(report.Refusals) != 1 || report.Refusals[0].Item != (Item{"xa", 2}) {
		t.Fatalf("refusals %v, want records/xa/2", report.Refusals)
	}
	wantRefusal(t, report.Refusals[0].Err, protocol.Equivocation, "by telephone")
	r.trusts("xa", second)
}

// R-FED-6. The online key is stolen, and replaced: a node that took what the thief had
// numbered is a mirror again, of what the new key signs under the same numbers.
func TestMirrorAfterATheft(t *testing.T) {
	w := newWorld(t)
	xa := stateOf("xa")
	w.publish(xa.records[0])
	first := newReader(w)
	quiet(t, first.refresh(w.mirror()))
	thief := w.copied()
	thief.jump(3)
	quiet(t, first.refresh(thief.mirror()))
	w.online = must(GenerateKey())
	w.publishRoot(w.root[:2]...)
	w.stamp()
	w.now = w.now.Add(day)
	first.now = w.now
	next := xa.next("two.xa.example:1")
	w.publish(next) // with a snapshot of the number that the thief's has
	quiet(t, first.refresh(w.mirror()))
	second := newReader(w)
	quiet(t, second.refresh(serve(t, first.cfg.Dir)))
	second.trusts("xa", next)
	if all, err := os.ReadDir(filepath.Join(first.cfg.Dir, "refused")); err != nil || len(all) == 0 {
		t.Errorf("nothing is left of what the thief has signed: %v", err)
	}
}

// A mirror spells a root in another way, which no signature hinders, and the power goes
// while it is kept: the next mirror's spelling is the same root.
func TestRootInTwoSpellings(t *testing.T) {
	w := newWorld(t)
	w.publish(stateOf("xa").records[0])
	r := newReader(w)
	quiet(t, r.refresh(w.mirror()))
	other := w.copied()
	w.publishRoot(w.root[:2]...)
	w.stamp()
	spelt := append(must(os.ReadFile(filepath.Join(w.dir, "2.root.json"))), '\n')
	w.check(r.folder.keep("2.root.json", spelt)) // and root.json is not written yet
	r.open(r.cfg.Dir, nil)
	quiet(t, r.refresh(w.mirror()))
	if n := r.Files().Root; n != 2 {
		t.Errorf("root %d counts, want 2", n)
	}

	// Another root of that number is none.
	other.online = must(GenerateKey())
	other.publishRoot(w.root[:2]...)
	fresh := newReader(w)
	w.check(fresh.folder.keep("2.root.json", must(os.ReadFile(filepath.Join(other.dir, "2.root.json")))))
	caught(t, fresh.refresh(w.mirror()), protocol.Equivocation, "2.root.json")
}
