package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"comity/protocol"
	"comity/store"
)

// disk is one whose room a test sets.
type disk struct{ store.Space }

func newDisk(room int64) *disk {
	d := &disk{store.Space{Total: 1 << 40}}
	d.Free = d.Low() + room
	return d
}

func (d *disk) space() (store.Space, error) { return d.Space, nil }

func upload(peer protocol.NodeID, text string) address {
	return address{peer, protocol.Sum([]byte(text))}
}

// wantRoom asks for room; status 0 means that there is some.
func wantRoom(t *testing.T, r *room, what string, at address, to protocol.AuthorityID, bytes int64, status int) {
	t.Helper()
	err := r.reserve(at, to, r.claims[at].here, bytes)
	var later *comeBack
	switch {
	case status == 0 && err != nil:
		t.Errorf("%s: %v", what, err)
	case status != 0 && (!errors.As(err, &later) || later.status != status):
		t.Errorf("%s: %v, want %d", what, err, status)
	}
}

const full, share = http.StatusServiceUnavailable, http.StatusTooManyRequests

// R-WIRE-13: room is given once: what was promised to one upload and has not come
// yet is not there for another, whoever brings it.
func TestRoomIsPromisedOnce(t *testing.T) {
	d := newDisk(1000)
	r := newRoom(d.space)
	want := func(what string, at address, to protocol.AuthorityID, bytes int64, status int) {
		t.Helper()
		wantRoom(t, r, what, at, to, bytes, status)
	}
	a, b, c, e := upload("xa", "one"), upload("xb", "two"), upload("xc", "three"), upload("xd", "four")
	want("more than there is", a, "xz/court", 1001, full)
	want("half", a, "xz/court", 500, 0)
	want("more for another peer", b, "xz/office", 400, 0)
	want("what is left", c, "xz/police", 100, 0)
	want("one more", e, "xz/police", 1, full)
	want("the same again", a, "xz/court", 500, 0)
	d.Free -= 300 // of the first arrived
	r.settled(a, "xz/court", 300, 200)
	want("nothing is left", e, "xz/police", 1, full)
	r.settled(a, "xz/court", 300, 900) // never more than was promised
	r.giveBack(a)
	r.giveBack(a)
	r.removed(a) // it was decided: the bytes on the disk are a parcel's now
	want("given back", e, "xz/police", 200, 0)
	want("and no more", upload("xe", "five"), "xz/bank", 1, full)
	for _, at := range []address{b, c, e} {
		r.giveBack(at)
	}
	if r.coming != 0 || r.here != 0 || r.peers["xb"] != 0 || r.recipient["xz/police"] != 0 || len(r.claims) != 0 {
		t.Errorf("after all was given back: %+v", r)
	}
	r.space = func() (store.Space, error) { return store.Space{}, errors.New("the disk does not answer") }
	if r.reserve(a, "xz/court", 0, 1) == nil {
		t.Error("promised without knowing")
	}
}

// R-WIRE-20: a peer that announces many huge uploads gets its share and no more:
// others find room beside it. So does each recipient.
func TestRoomIsShared(t *testing.T) {
	d := newDisk(1000)
	r := newRoom(d.space)
	for i := range 20 {
		status := share
		if i < 5 {
			status = 0
		}
		wantRoom(t, r, fmt.Sprintf("upload %d of the same peer", i), upload("xa", fmt.Sprint(i)), "xz/court", 100, status)
	}
	wantRoom(t, r, "another peer", upload("xb", "one"), "xz/court", 250, 0)
	wantRoom(t, r, "another peer, for the same recipient", upload("xc", "one"), "xz/court", 1, full)
	wantRoom(t, r, "another peer, for another recipient", upload("xc", "one"), "xz/office", 250, 0)
}

// R-WIRE-13: what is here of bodies that do not end counts for their peer and
// their recipient, also when nothing is promised to them any more: a peer that
// stops one byte before the end of each gets its share once.
func TestUnfinishedBodiesCount(t *testing.T) {
	d := newDisk(1000)
	r := newRoom(d.space)
	stall := func(at address, to protocol.AuthorityID, bytes int64) {
		t.Helper()
		wantRoom(t, r, "a body that stops before its end", at, to, bytes, 0)
		r.settled(at, to, bytes-1, 1)
		d.Free -= bytes - 1
		r.giveBack(at) // the offer was forgotten
	}
	stall(upload("xa", "one"), "xz/court", 300)
	stall(upload("xa", "two"), "xz/court", 200)
	wantRoom(t, r, "half of what is left, for the same peer", upload("xa", "three"), "xz/office", 250, share)
	wantRoom(t, r, "the byte that is missing", upload("xa", "two"), "xz/court", 1, 0)
	stall(upload("xb", "one"), "xz/court", 250)
	wantRoom(t, r, "another peer, for the same recipient", upload("xc", "one"), "xz/court", 10, full)
	wantRoom(t, r, "another peer, for another recipient", upload("xc", "one"), "xz/office", 100, 0)
	r.removed(upload("xa", "one"))
	d.Free += 299
	wantRoom(t, r, "one was given up", upload("xa", "three"), "xz/office", 250, 0)
}

// Below the low watermark nothing new is taken; above it again, it is.
func TestTheLowWatermark(t *testing.T) {
	d := newDisk(1000)
	r := newRoom(d.space)
	d.Free = d.Low() - 1
	wantRoom(t, r, "below the mark", upload("xa", "one"), "xz/court", 1, full)
	d.Free = d.Low() + 20
	wantRoom(t, r, "above it", upload("xa", "one"), "xz/court", 1, 0)
	for space, want := range map[store.Space][2]bool{ // short, critical
		{Free: 1 << 30, Total: 1 << 40}:   {false, false},
		{Free: 1<<30 - 1, Total: 1 << 40}: {true, false},
		{Free: 200 << 20, Total: 1 << 40}: {true, true},
		{Free: 100 << 20, Total: 1 << 30}: {false, false}, // of a small disk, less is enough
	} {
		if space.Short() != want[0] || space.Critical() != want[1] {
			t.Errorf("%+v: short %v, critical %v", space, space.Short(), space.Critical())
		}
	}
}
