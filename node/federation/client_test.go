package federation

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"comity/protocol"
)

// R-FED-5, R-FED-6: a node learns the records of all states from any mirror, follows
// their changes, and its own folder is a mirror for the next node.
func TestRefresh(t *testing.T) {
	w := newWorld(t)
	xa, xb := stateOf("xa"), stateOf("xb")
	w.publish(xa.records[0], xb.records[0])

	r := newReader(w, xa.records[0]) // xa handed its record over itself
	quiet(t, r.refresh(w.mirror()))
	if len(r.adopted) != 1 || r.adopted[0].State != "xb" || !r.adopted[0].First {
		t.Fatalf("adoptions %+v, want xb alone, met for the first time", r.adopted)
	}

	w.publish(xa.next("two.xa.example:1"), xa.next("three.xa.example:1"))
	quiet(t, r.refresh(w.mirror()))
	if len(r.adopted) != 1 || len(r.adopted[0].Chain) != 2 || r.adopted[0].First {
		t.Fatalf("adoptions %+v, want both new records of xa", r.adopted)
	}
	r.trusts("xa", xa.records[2])

	second := newReader(w)
	quiet(t, second.refresh(serve(t, r.cfg.Dir)))
	second.trusts("xa", xa.records[2])
	second.trusts("xb", xb.records[0])
	if got, want := second.Edition().Ref(), r.Edition().Ref(); got != want {
		t.Errorf("the two nodes know the directory as %v and %v", got, want)
	}
}

// R-FED-6: what was fetched is read again after a restart, and every version is
// kept for ever.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	xa := stateOf("xa")
	w.publish(xa.records[0])
	r := newReader(w)
	r.refresh(w.mirror())
	w.publish(xa.next("two.xa.example:1"))
	r.refresh(w.mirror())

	before := r.Edition().Ref()
	r.open(r.cfg.Dir, nil)
	if diff := cmp.Diff(before, r.Edition().Ref()); diff != "" {
		t.Errorf("after a restart: %s", diff)
	}
	for _, name := range []string{"1.root.json", "1.targets.json", "2.targets.json", "1.snapshot.json", "2.snapshot.json"} {
		if _, err := os.Stat(filepath.Join(r.cfg.Dir, name)); err != nil {
			t.Error(err)
		}
	}
	quiet(t, r.refresh(w.mirror()))
}

// R-FED-8: mirrors that are down are an alarm when the directory ends, and never an
// error: the records stay as they are.
func TestDeadMirrors(t *testing.T) {
	w := newWorld(t)
	w.publish(stateOf("xa").records[0])
	r := newReader(w)
	r.refresh(w.mirror())

	for _, days := range []time.Duration{1, 6, 7, 60} {
		r.now = w.now.Add(days * day)
		report := r.refresh("http://127.0.0.1:1")
		if len(report.Trouble) != 1 || protocol.CodeOf(report.Trouble[0].Err) != "" {
			t.Fatalf("day %d: trouble %v, want one mirror that was not reached", days, report.Trouble)
		}
		if got, want := report.Stale != nil, days*day >= TimestampLifetime; got != want {
			t.Fatalf("day %d: stale is %v, want %v", days, report.Stale, want)
		}
		r.trusts("xa", stateOf("xa").records[0])
	}
}

// R-FED-6: one mirror is enough, whatever the others do.
func TestMirrorsStandIn(t *testing.T) {
	w := newWorld(t)
	w.publish(stateOf("xa").records[0])
	r := newReader(w)
	report := r.refresh("http://127.0.0.1:1", w.mirror())
	if len(report.Trouble) != 1 || report.Stale != nil {
		t.Errorf("trouble %v, stale %v; want trouble with the dead mirror alone", report.Trouble, report.Stale)
	}
	r.trusts("xa", stateOf("xa").records[0])
}

// A mirror serves what clients ask for, and nothing else that lies in the folder.
func TestMirrorServesNothingElse(t *testing.T) {
	w := newWorld(t)
	w.publish(stateOf("xa").records[0])
	w.check(os.WriteFile(filepath.Join(w.dir, "online.key"), []byte("secret"), 0o600))
	address := w.mirror()
	for path, want := range map[string]int{
		"/timestamp.json": 200, "/1.root.json": 200, "/1.targets.json": 200, "/": 404, "/root.json": 404, "/online.key": 404, "/targets/": 404,
		"/targets/records/xa/": 404, "/2.root.json": 404, "/..%2fonline.key": 404, "/targets/records/../../online.key": 404,
	} {
		if got := status(t, address+path); got != want {
			t.Errorf("GET %s: %d, want %d", path, got, want)
		}
	}
}
