package gateway

import (
	"testing"

	"comity/protocol"
)

// Whatever the others take, each authority keeps half of an equal part of the room
// for itself; alone, it has all.
func TestEachAuthorityHasAPartOfTheDiskForItself(t *testing.T) {
	const one, two, three = protocol.AuthorityID("xa/one"), protocol.AuthorityID("xa/two"), protocol.AuthorityID("xa/three")
	kept := func(n ...int64) map[protocol.AuthorityID]Consumption {
		of := map[protocol.AuthorityID]Consumption{}
		for i, id := range []protocol.AuthorityID{one, two, three}[:len(n)] {
			of[id] = Consumption{Kept: n[i]}
		}
		return of
	}
	for _, c := range []struct {
		what string
		who  protocol.AuthorityID
		free int64
		of   map[protocol.AuthorityID]Consumption
		here map[protocol.AuthorityID]int64
		want int64
	}{
		{"alone", one, 1000, kept(5000), nil, 1000},
		{"two, nothing kept", one, 1000, kept(0, 0), nil, 750},
		{"the first has filled its share", one, 250, kept(750, 0), nil, 0},
		{"the second has its part", two, 250, kept(750, 0), nil, 250},
		{"the second has used its part, the rest is whose comes first", one, 400, kept(300, 300), nil, 400},
		{"three", one, 1200, kept(0, 0, 0), nil, 800},
		{"three, two of which flood", three, 200, kept(500, 500, 0), nil, 200},
		{"half a body has come: it goes on", one, 200, kept(0, 0), map[protocol.AuthorityID]int64{one: 200}, 100},
		{"below the mark", one, -5, kept(10, 10), nil, 0},
	} {
		if got := mayTake(c.who, c.free, c.of, c.here); got != c.want {
			t.Errorf("%s: %s may take %d, want %d", c.what, c.who, got, c.want)
		}
	}
}

// Nobody's part is ever taken by the others, in whatever order and portions they fill
// the disk.
func TestOneAuthorityCannotFillTheDiskOfTheOthers(t *testing.T) {
	free, of := int64(10_000), map[protocol.AuthorityID]Consumption{"xa/one": {}, "xa/two": {}, "xa/three": {}}
	take := func(who protocol.AuthorityID, portion int64) {
		for mayTake(who, free, of, nil) >= portion {
			c := of[who]
			c.Kept += portion
			of[who], free = c, free-portion
		}
	}
	take("xa/one", 700)
	take("xa/two", 13)
	take("xa/one", 1)
	if left := mayTake("xa/three", free, of, nil); left < 10_000/6 {
		t.Errorf("when the others have filled the disk, the third may take %d of 10000; want %d", left, 10_000/6)
	}
}

// R-WIRE-13: a body to an authority that has filled its share waits at its sender;
// one to another authority of the node comes.
func TestABodyWaitsWhenItsRecipientHasFilledItsShare(t *testing.T) {
	d := newDisk(300)
	r := newRoom(d.space)
	r.shares = func() map[protocol.AuthorityID]Consumption {
		return map[protocol.AuthorityID]Consumption{"xz/court": {Kept: 700}, "xz/police": {}}
	}
	// All is 1000, so 250 are the police's.
	wantRoom(t, r, "to the one that is full", upload("xa", "1"), "xz/court", 60, full)
	wantRoom(t, r, "as much as it may", upload("xa", "2"), "xz/court", 50, 0)
	wantRoom(t, r, "one byte more", upload("xb", "3"), "xz/court", 1, full)
	wantRoom(t, r, "to the other", upload("xb", "4"), "xz/police", 150, 0)
}
