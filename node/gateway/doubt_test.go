package gateway_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
	"comity/store/sickdisk"
)

// once is a peer that waits until packets is set, and then has all of them on one page of
// what it had sent, and nothing after that. It calls shows before it shows that page, and
// each answer has its time.
func once(packets *atomic.Pointer[[]statement.Packet], shows func()) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		stamped(w)
		list := packets.Load()
		for ; list == nil; list = packets.Load() {
			time.Sleep(10 * time.Millisecond)
		}
		if req.URL.Query().Get("of") != "received" || req.URL.Query().Get("after") != "0" {
			_, _ = w.Write(page(7, nil))
			return
		}
		shows()
		_, _ = w.Write(page(7, *list))
	}
}

// R-OLD-7, I1: a node that is restored under a clock that is behind takes back what
// it signed in its future when the clock is right.
func TestWhatWasSignedInTheFutureIsAskedForAgain(t *testing.T) {
	var behind atomic.Int64
	behind.Store(int64(30 * time.Minute))
	var packets atomic.Pointer[[]statement.Packet]
	r := restore(t, true, once(&packets, func() {}), at(func() time.Time { return time.Now().Add(-time.Duration(behind.Load())) }))
	o, _, list := r.lost(1000, nil)
	packets.Store(&list)
	until(t, "all was read", func() bool { return !r.recovering() })
	if all := must(r.db.Doubts(t.Context(), r.peer.id)); len(all) != 1 || all[0].Key != o.env.Key() || all[0].Sent {
		t.Fatalf("in doubt: %+v", all)
	}
	r.restart() // and it knows
	if !r.InDoubt(o.env.Key()) || !r.Recovering("") {
		t.Error("an office could answer what may have been answered before")
	}
	if all := r.events(o.env.Key()); len(all) != 0 {
		t.Fatalf("taken back before it could be verified: %v", all)
	}
	behind.Store(0)
	r.await(o.env.Key(), evidence.RelayAcceptance)
	until(t, "no doubt is left", func() bool { return len(must(r.db.Doubts(t.Context(), r.peer.id))) == 0 })
	if r.InDoubt(o.env.Key()) || r.Recovering("") {
		t.Error("it is in doubt still")
	}
}

// R-OLD-7, I2: what names a record that was lost with the log is no lie of the
// peer: its id is used, also after a restart, while others are accepted.
func TestAnIdInDoubtIsUsed(t *testing.T) {
	var packets atomic.Pointer[[]statement.Packet]
	r := restore(t, true, func(w http.ResponseWriter, req *http.Request) {
		list := packets.Load()
		for list == nil {
			time.Sleep(10 * time.Millisecond)
			list = packets.Load()
		}
		if req.URL.Query().Get("of") != "received" || req.URL.Query().Get("after") != "0" {
			_, _ = w.Write(page(7, nil))
			return
		}
		_, _ = w.Write(page(7, *list))
	})
	o, m, list := r.lost(1000, func(ev *evidence.Evidence) {
		ev.Log = "comity/log/xb/7"
		ev.Record = envelope.RecordRef{State: "xb", Sequence: 7, Digest: digest("record 7 of xb, which was lost")}
	})
	forged, forgedPut, lie := r.lost(1000, func(ev *evidence.Evidence) { ev.Issuer.Key = digest("another key") })
	list = append(list, lie...)
	packets.Store(&list)
	until(t, "all was read", func() bool { return !r.recovering() })
	for range 2 {
		r.h.connect()
		got := r.h.put(m)
		if got.status != http.StatusServiceUnavailable || !strings.Contains(string(got.body), "cannot verify yet") {
			t.Errorf("a replay was answered with %d %s", got.status, got.body)
		}
		r.h.untouched("a replay", o.env.Key())
		r.restart()
	}
	r.h.connect()
	if got := r.h.put(forgedPut); got.status != http.StatusCreated {
		t.Errorf("a parcel of which the peer held a forgery: %d %s", got.status, got.body)
	}
	r.h.untouched("a forgery", forged.env.Key())
	other := r.h.offering(1000)
	m = r.h.make(other)
	r.h.put(m)
	r.h.accepted(other, r.h.patch(m, other.body))
}

// R-OLD-7, I2: a page with a parcel in doubt cannot be stored, because the disk is full, and
// is read again. The doubt is stored then: also after a restart its id is used.
func TestADoubtOfAPageThatIsReadTwice(t *testing.T) {
	var packets atomic.Pointer[[]statement.Packet]
	var asked atomic.Int64
	var disk *sickdisk.Disk
	r := restore(t, true, once(&packets, func() {
		if disk.Heal(); asked.Add(1) == 1 {
			disk.Set(func() (bool, error) { return false, syscall.ENOSPC })
		}
	}), func(n *node) { disk = n.disk })
	o, m, list := r.lost(1000, func(ev *evidence.Evidence) {
		ev.Log = "comity/log/xb/7"
		ev.Record = envelope.RecordRef{State: "xb", Sequence: 7, Digest: digest("record 7 of xb, which was lost")}
	})
	packets.Store(&list)
	until(t, "all was read", func() bool { return !r.recovering() })
	if n := asked.Load(); n < 2 {
		t.Fatalf("the page was read %d times", n)
	}
	if all := must(r.db.Doubts(t.Context(), r.peer.id)); len(all) != 1 || all[0].Key != o.env.Key() {
		t.Errorf("in doubt: %+v", all)
	}
	r.restart()
	r.h.connect()
	if got := r.h.put(m); got.status != http.StatusServiceUnavailable {
		t.Errorf("a replay was answered with %d %s", got.status, got.body)
	}
	r.h.untouched("a replay", o.env.Key())
}

// R-OLD-7, I1: about parcels before one in doubt something may be signed meanwhile,
// with which they join the peer's list and push it off its page. It is found where it
// stands now.
func TestADoubtIsPushedOffItsPage(t *testing.T) {
	var behind atomic.Int64
	behind.Store(int64(30 * time.Minute))
	var joined atomic.Bool
	var list atomic.Pointer[[5][]statement.Packet]
	r := restore(t, true, func(w http.ResponseWriter, req *http.Request) {
		stamped(w)
		for list.Load() == nil { // until the test has made it
			time.Sleep(10 * time.Millisecond)
		}
		after := must(strconv.Atoi(req.URL.Query().Get("after")))
		next, shown, parcels := after, []statement.Packet(nil), 0
		for place := after + 1; place <= 5 && parcels < 4 && req.URL.Query().Get("of") == "received"; place++ {
			if joined.Load() || place == 5 {
				next, shown, parcels = place, append(shown, list.Load()[place-1]...), parcels+1
			}
		}
		_, _ = w.Write(page(int64(next), shown))
	}, at(func() time.Time { return time.Now().Add(-time.Duration(behind.Load())) }))
	var all [5][]statement.Packet
	var o *offering
	for i := range all {
		o, _, all[i] = r.lost(1000, nil)
	}
	list.Store(&all)
	until(t, "all was read", func() bool { return !r.recovering() })
	if d := must(r.db.Doubts(t.Context(), r.peer.id)); len(d) != 1 || d[0].Key != o.env.Key() {
		t.Fatalf("in doubt: %+v", d)
	}
	joined.Store(true)
	behind.Store(0)
	r.restart()
	r.await(o.env.Key(), evidence.RelayAcceptance)
	until(t, "nothing is in doubt", func() bool { return len(must(r.db.Doubts(t.Context(), r.peer.id))) == 0 })
}

// R-OLD-4, R-OLD-7: the commit that ends a recovery is written and seems to fail, and so is
// the one that ends a doubt. The peer's parcels are taken all the same, and the office gets
// the one that was in doubt.
func TestARecoveryWhoseEndSeemsToFail(t *testing.T) {
	var behind atomic.Int64
	behind.Store(int64(30 * time.Minute))
	var packets atomic.Pointer[[]statement.Packet]
	r := restore(t, true, once(&packets, func() {}), at(func() time.Time { return time.Now().Add(-time.Duration(behind.Load())) }))
	ends := func() [2]bool {
		still, _, _, err := r.db.Recovering(context.Background(), r.peer.id)
		return [2]bool{must(still, err), len(must(r.db.Doubts(context.Background(), r.peer.id))) > 0}
	}
	var seemed atomic.Int64
	r.disk.OnCommit(func(c sickdisk.Commit) error {
		before := ends()
		err := c.Do()
		if after := ends(); err == nil && (before[0] && !after[0] || before[1] && !after[1]) {
			seemed.Add(1)
			return errDisk
		}
		return err
	})
	o, _, list := r.lost(1000, nil)
	packets.Store(&list)
	until(t, "all was read", func() bool { return !r.recovering() })
	behind.Store(0)
	until(t, "nothing is in doubt", func() bool { return ends() == [2]bool{} })
	r.disk.Heal()
	until(t, "nothing is to be fetched any more", func() bool { return !r.Recovering("") && !r.InDoubt(o.env.Key()) })
	if n := seemed.Load(); n != 2 {
		t.Errorf("%d commits seemed to fail, want two", n)
	}
	r.h.connect()
	other := r.h.offering(1000)
	m := r.h.make(other)
	if got := r.h.put(m); got.status != http.StatusCreated {
		t.Fatalf("offered when all was read: %d %s", got.status, got.body)
	}
	r.h.accepted(other, r.h.patch(m, other.body))
}
