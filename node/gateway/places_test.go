package gateway

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"comity/protocol"
	"comity/store"
)

const (
	emergency, urgent, routine = 0, 1, 2

	ministry protocol.AuthorityID = "xa/ministry"
	tribunal protocol.AuthorityID = "xa/tribunal"
)

// due are n rows that wait in one line.
func due(n int, line store.Line) (all []store.Candidate) {
	for i := range n {
		all = append(all, store.Candidate{Line: line, Key: protocol.Key{
			From: line.Sender, To: "xb/court", Parcel: protocol.ParcelID(fmt.Sprintf("%v-%d", line, i)),
		}})
	}
	return all
}

// count is how many of begin stand in each line.
func count(begin []store.Candidate) map[store.Line]int {
	lines := map[store.Line]int{}
	for _, c := range begin {
		lines[c.Line]++
	}
	return lines
}

// R-XCH-7: a thousand bulk parcels take their own places and no others: a letter, an
// urgent and an emergency parcel begin at once beside them, small or large.
func TestBulkLeavesPlaces(t *testing.T) {
	bulk := store.Line{Rank: routine, Large: true, Sender: ministry}
	l := newLoad()
	if begun := len(l.choose(due(1000, bulk))); begun != places[true][routine] {
		t.Fatalf("%d large parcels began, want %d", begun, places[true][routine])
	}
	for _, line := range []store.Line{
		{Rank: routine, Sender: ministry},
		{Rank: urgent, Large: true, Sender: ministry},
		{Rank: emergency, Large: true, Sender: ministry},
		{Rank: emergency, Sender: ministry},
	} {
		if !l.admits(line) {
			t.Errorf("%+v does not begin beside bulk", line)
		}
	}
	if l.admits(bulk) {
		t.Error("more bulk begins")
	}
}

// What has a higher priority begins first, and a lower one gets what is left.
func TestHigherPrioritiesFirst(t *testing.T) {
	l := newLoad()
	e, r := store.Line{Rank: emergency, Sender: ministry}, store.Line{Rank: routine, Sender: ministry}
	begin := l.choose(append(due(35, e), due(100, r)...))
	lines := count(begin)
	if lines[e] != 35 || lines[r] != 1 { // the one place that an idle line always gets
		t.Errorf("began %v", lines)
	}
	if begin[0].Line != e {
		t.Errorf("first began %+v", begin[0].Line)
	}
}

// The senders of one node take turns: a thousand parcels of one do not delay
// another's, neither when both wait nor when the first one's are under way.
func TestSendersShare(t *testing.T) {
	a, b := store.Line{Rank: routine, Sender: ministry}, store.Line{Rank: routine, Sender: tribunal}
	lines := count(newLoad().choose(append(due(1000, a), due(1000, b)...)))
	if half := places[false][routine] / 2; lines[a] != half || lines[b] != half {
		t.Errorf("began %v, want %d each", lines, half)
	}
	l := newLoad()
	l.choose(due(1000, a))
	begin := l.choose(append(due(900, a), due(3, b)...))
	if lines := count(begin); lines[a] != 0 || lines[b] != 1 {
		t.Errorf("beside a full load of the other began %v, want one", lines)
	}
	if begin[0].Key != due(1, b)[0].Key {
		t.Errorf("not the longest waiting began: %v", begin[0].Key)
	}
}

// Routine parcels go on under urgent traffic that never ends, and all together
// stay below a bound.
func TestNoStarvation(t *testing.T) {
	l := newLoad()
	var all []store.Candidate
	for rank := emergency; rank <= routine; rank++ {
		for _, large := range []bool{false, true} {
			for i := range 60 {
				all = append(all, due(50, store.Line{Rank: rank, Large: large, Sender: protocol.AuthorityID(fmt.Sprintf("xa/office-%d", i))})...)
			}
		}
	}
	l.choose(due(1000, store.Line{Rank: urgent, Sender: ministry}))
	if !l.admits(store.Line{Rank: routine, Sender: ministry}) {
		t.Error("routine starves beside urgent parcels")
	}
	l.choose(all)
	for large, sizes := range places {
		if l.sizes[large] > sizes[0]+kept(large) {
			t.Errorf("%d at once, large: %v", l.sizes[large], large)
		}
	}
	if !l.full() {
		t.Errorf("not full with %v", l.sizes)
	}
}

// R-XCH-7: a large body waits while something of a higher priority is under way, goes on
// as soon as that has ended, and sends a piece now and then all the same.
func TestBulkGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlight()
		passed := func(rank int) time.Duration {
			began := time.Now()
			f.giveWay(t.Context(), rank)
			return time.Since(began)
		}
		one := protocol.Key{From: ministry, Parcel: "1"}
		f.add(t.Context(), one, store.Line{Rank: urgent})
		f.add(t.Context(), protocol.Key{From: ministry, Parcel: "2"}, store.Line{Rank: routine, Large: true})
		if waited := passed(urgent) + passed(emergency); waited != 0 {
			t.Errorf("one of the same or a higher priority waited %s", waited)
		}
		if waited := passed(routine); waited != maxGiveWay {
			t.Errorf("a piece waited %s, want %s", waited, maxGiveWay)
		}
		time.AfterFunc(maxGiveWay/5, func() { f.remove(one) })
		if waited := passed(routine); waited != maxGiveWay/5 {
			t.Errorf("waited %s after the other had ended", waited-maxGiveWay/5)
		}
		release := f.expect(urgent)
		if waited := passed(urgent); waited != 0 {
			t.Errorf("one of the same priority as what is expected waited %s", waited)
		}
		release()
		if waited := passed(routine); waited != lingerExpected {
			t.Errorf("a piece waited %s for what was expected, want %s", waited, lingerExpected)
		}
		ctx, cancel := context.WithCancel(t.Context())
		f.add(t.Context(), one, store.Line{Rank: emergency})
		cancel()
		f.giveWay(ctx, routine)
	})
}
