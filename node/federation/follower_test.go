package federation

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
	"comity/protocol/adoption"
	"comity/protocol/envelope"
	"comity/protocol/record"
)

// keeper is a node that adopts whatever it is given.
type keeper struct {
	record.History
	versions []envelope.Directory
	refuse   error // of the next record
}

func (k *keeper) Held(context.Context) (Held, error) { return &k.History, nil }

func (k *keeper) AdoptListed(_ context.Context, chain []*record.State) error {
	if k.refuse != nil {
		return k.refuse
	}
	for _, s := range chain {
		k.Add(s)
	}
	return nil
}

func (k *keeper) AdoptDirectory(_ context.Context, ref envelope.Directory, edition protocol.Digest, root adoption.Root) error {
	if edition.IsZero() || root.Digest.IsZero() || root.Version < 1 {
		return errors.New("which files were they?")
	}
	for _, v := range k.versions {
		if v.Version == ref.Version && v != ref {
			return protocol.Refuse(protocol.Equivocation, "another version %d of the directory is known", v.Version)
		}
	}
	if slices.Contains(k.versions, ref) {
		return nil
	}
	if newest := k.Directory(); newest != nil && newest.Version > ref.Version {
		return protocol.Refuse(protocol.Expired, "version %d of the directory: version %d is known", ref.Version, newest.Version)
	}
	k.versions = append(k.versions, ref)
	return nil
}

func (k *keeper) Directory() *envelope.Directory {
	if len(k.versions) == 0 {
		return nil
	}
	return &k.versions[len(k.versions)-1]
}

func newFollower(t *testing.T, w *world, k *keeper) *Follower {
	t.Helper()
	return OpenFollower(FollowerConfig{
		Dir: filepath.Join(t.TempDir(), "federation"), Own: "xa", Node: k, Now: func() time.Time { return w.now }, Logger: slog.New(slog.DiscardHandler),
	})
}

// kinds are the alarms of the follower's status.
func kinds(f *Follower) (all []AlarmKind) {
	for _, a := range f.Standing().Alarms {
		all = append(all, a.Kind)
	}
	return all
}

// R-FED-2, R-FED-8, R-FED-9: a node joins with a root, adopts records and versions, and
// is told what must not be; nothing that is found there is an error.
func TestFollower(t *testing.T) {
	w := newWorld(t)
	xa, xb := stateOf("xa"), stateOf("xb")
	w.publish(xa.records[0], xb.records[0])
	k := &keeper{}
	k.Add(must(record.Verify(xa.records[0], nil)))
	f := newFollower(t, w, k)
	if err := f.Refresh(t.Context()); !errors.Is(err, ErrNotJoined) || f.Standing().Joined {
		t.Errorf("before it joined: %v", err)
	}
	root := must(os.ReadFile(filepath.Join(w.dir, "root.json")))
	w.check(f.Join(root, []string{w.mirror()}))
	w.check(f.Refresh(t.Context()))
	if s := f.Standing(); len(s.Alarms) > 0 || s.Listed.Version != 1 || s.Records != 2 || s.Root != 1 || !s.Fresh.Equal(ends(w.now, TimestampLifetime)) {
		t.Errorf("status %+v", s)
	}
	if k.Newest("xb") == nil || len(k.versions) != 1 {
		t.Errorf("adopted: xb %v, versions %v", k.Newest("xb"), k.versions)
	}

	// A record of its own state that it does not have is an alarm, and is not adopted.
	w.publish(xa.next("two.xa.example:1"), xb.next("two.xb.example:1"))
	w.check(f.Refresh(t.Context()))
	if got := k.Newest("xa").Record().Sequence; got != 1 || k.Newest("xb").Record().Sequence != 2 {
		t.Errorf("the node holds record %d of its own state", got)
	}
	if s := f.Standing(); len(s.Alarms) != 1 || s.Alarms[0].Kind != Refused || !strings.Contains(s.Alarms[0].Text, "older copy of itself") {
		t.Errorf("alarms %+v, want one about the node's own record", s.Alarms)
	}

	// What the node refuses is an alarm, and keeps no version from counting.
	k.refuse = protocol.Refuse(protocol.Policy, "it lists the TLS key of another state")
	w.publish(stateOf("xc").records[0])
	w.check(f.Refresh(t.Context()))
	if got := kinds(f); !slices.Equal(got, []AlarmKind{Refused, Refused}) || len(k.versions) != 3 {
		t.Errorf("alarms %v, versions %v", got, k.versions)
	}
	k.refuse = errors.New("the disk is full")
	if err := f.Refresh(t.Context()); err == nil || kinds(f)[0] != OwnFault {
		t.Errorf("trouble on this side: %v, %v", err, kinds(f))
	}

	// It is all there after a restart.
	again := OpenFollower(f.cfg)
	if listed := again.Standing().Listed; listed == nil || *listed != k.versions[2] {
		t.Errorf("after a restart: %+v", again.Standing())
	}
}

// R-FED-8: mirrors that are dead, lie or lag are alarms of different weight.
func TestAlarms(t *testing.T) {
	w := newWorld(t)
	w.publish(stateOf("xb").records[0])
	frozen := w.copied()
	k := &keeper{}
	f := newFollower(t, w, k)
	root := must(os.ReadFile(filepath.Join(w.dir, "root.json")))
	w.check(f.Join(root, []string{"http://127.0.0.1:1", w.mirror()}))
	w.check(f.Refresh(t.Context()))
	if got := kinds(f); !slices.Equal(got, []AlarmKind{Unreached}) {
		t.Errorf("a dead mirror beside one that lives: %v", got)
	}
	w.publish(stateOf("xc").records[0])
	w.check(f.Refresh(t.Context()))
	w.check(f.Join(root, []string{frozen.mirror()}))
	w.check(f.Refresh(t.Context()))
	if got := kinds(f); !slices.Equal(got, []AlarmKind{Unreached}) {
		t.Errorf("a mirror that lags: %v", got)
	}
	frozen.rewrite(9, func(m map[string]*metadata.TargetFiles) { delete(m, "records/xb/1") })
	frozen.jump(50)
	frozen.stamp()
	w.check(f.Refresh(t.Context()))
	if got := kinds(f); !slices.Equal(got, []AlarmKind{Hostile}) {
		t.Errorf("a mirror that shows another past: %v: %+v", got, f.Standing().Alarms)
	}
	w.now = w.now.Add(60 * day)
	alarms := f.Standing().Alarms
	if len(alarms) == 0 || alarms[0].Kind != Staleness || alarms[0].Since.IsZero() {
		t.Errorf("after 60 days: %+v", alarms)
	}
}

// A node stays with its federation: another root does not take its place, also after
// a crash between the first root and the settings.
func TestAnotherFederation(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	f := newFollower(t, w, &keeper{})
	root, second := must(os.ReadFile(filepath.Join(w.dir, "root.json"))), must(os.ReadFile(filepath.Join(other.dir, "root.json")))
	for name, mirrors := range map[string][]string{"none": nil, "too many": make([]string, MaxMirrors+1), "no address": {"somewhere"}} {
		if err := f.Join(root, mirrors); err == nil {
			t.Errorf("mirrors: %s: joined", name)
		}
	}
	w.check(os.MkdirAll(f.Folder(), 0o700))
	must(Open(Config{Dir: f.Folder(), Root: root, Now: f.cfg.Now}))
	if err := f.Join(second, []string{other.mirror()}); !errors.Is(err, ErrJoined) {
		t.Errorf("over the folder of another one: %v", err)
	}
	w.check(f.Join(root, []string{w.mirror()}))
	if err := f.Join(second, []string{other.mirror()}); !errors.Is(err, ErrJoined) {
		t.Errorf("another one: %v", err)
	}
	w.check(f.Join(root, []string{w.mirror(), w.mirror()}))
	if got := len(f.Standing().Mirrors); got != 2 {
		t.Errorf("%d mirrors after they were changed", got)
	}
}

// A mirror that never answers keeps nobody from looking, or from naming another one,
// and the folder has one writer all the time.
func TestMirrorsChangeDuringARefresh(t *testing.T) {
	w := newWorld(t)
	w.publish(stateOf("xb").records[0])
	k := &keeper{}
	f := newFollower(t, w, k)
	asked, answer := make(chan struct{}, 8), make(chan struct{})
	stuck := w.only(func(string, http.ResponseWriter) bool {
		asked <- struct{}{}
		<-answer
		return false
	})
	root := must(os.ReadFile(filepath.Join(w.dir, "root.json")))
	w.check(f.Join(root, []string{stuck}))
	done := make(chan error, 1)
	go func() { done <- f.Refresh(t.Context()) }()
	<-asked
	w.check(f.Join(root, []string{w.mirror()}))
	if s := f.Standing(); s.Listed != nil || len(s.Mirrors) != 1 || s.Mirrors[0] == stuck {
		t.Errorf("while a mirror does not answer: %+v", s)
	}
	close(answer)
	w.check(<-done)
	w.check(f.Refresh(t.Context()))
	if s := f.Standing(); s.Listed == nil || len(s.Alarms) > 0 {
		t.Errorf("afterwards: %+v", s)
	}
}
