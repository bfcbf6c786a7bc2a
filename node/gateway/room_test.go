package gateway

import (
	"errors"
	"net/http"
	"testing"

	"comity/protocol"
)

// Room is given once: what was promised to one upload and has not come yet is
// not there for another, whoever brings it.
func TestRoomIsPromisedOnce(t *testing.T) {
	free := int64(spareRoom + 100)
	r := newRoom(func() (int64, error) { return free, nil })
	at := func(peer protocol.NodeID, text string) address { return address{peer, protocol.Sum([]byte(text))} }
	want := func(what string, at address, bytes int64, ok bool) {
		t.Helper()
		err := r.reserve(at, bytes)
		var full *comeBack
		if err != nil && (!errors.As(err, &full) || full.status != http.StatusServiceUnavailable) {
			t.Errorf("%s: %v, want a %T", what, err, full)
		}
		if (err == nil) != ok {
			t.Errorf("%s: %v", what, err)
		}
	}
	a, b := at("xa", "one"), at("xb", "two")
	want("more than there is", a, 101, false)
	want("what there is", a, 80, true)
	want("the rest for another peer", b, 20, true)
	want("one more", at("xb", "three"), 1, false)
	want("the same again", a, 80, true)
	free -= 50 // of the first arrived
	r.awaits(a, 30)
	want("nothing is left", at("xb", "three"), 1, false)
	r.awaits(a, 90) // never more than was promised
	r.giveBack(a)
	r.giveBack(a)
	want("given back", at("xb", "three"), 30, true)
	want("and no more", at("xb", "four"), 1, false)
	r.free = func() (int64, error) { return 0, errors.New("the disk does not answer") }
	if r.reserve(a, 1) == nil {
		t.Error("promised without knowing")
	}
}
