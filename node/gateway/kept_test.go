package gateway_test

import (
	"testing"
	"time"

	"comity/protocol/evidence"
	"comity/store"
)

// What the report of exceptions tells of deliveries and clocks is kept, also
// after the peer shows up and the schedule begins anew.
func TestAttemptsInVainAndClocksAreKept(t *testing.T) {
	a, b := pair(t)
	b.halt()
	start := time.Now().Add(-time.Second)
	since := func() store.Period { return store.Period{From: start, Until: time.Now().Add(time.Second)} }
	receipt := a.submit(newLetter(central, 1000, b.party, prosecution))[0]
	failures := func() int64 {
		for _, r := range first(a.db.Resent(t.Context(), since(), "", 10)) {
			if r.Key == receipt.Key {
				return r.Failures
			}
		}
		return 0
	}
	for failures() == 0 {
		time.Sleep(20 * time.Millisecond)
	}
	b.listen(b.conn.LocalAddr().String())
	b.open()
	b.run()
	a.await(receipt.Key, evidence.RelayAcceptance)
	if n := failures(); n < 1 || n > 100 {
		t.Errorf("%d attempts in vain are counted", n)
	}
	for _, n := range []*node{a, b} {
		if clocks := first(n.db.Clocks(t.Context(), since(), 0, 10)); len(clocks) != 1 || clocks[0].Least.Abs() > time.Minute || clocks[0].Most.Abs() > time.Minute {
			t.Errorf("the peer's clock was noted as %+v", clocks)
		}
	}
}

func first[T any](list []T, _ bool, err error) []T { return must(list, err) }
