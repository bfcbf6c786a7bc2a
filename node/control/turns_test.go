package control

import (
	"context"
	"testing"

	"comity/protocol"
)

// What one authority sends at once waits for places of its own; another one's never
// waits for it, and whoever gives up waiting has taken none.
func TestAuthoritiesDoNotWaitForEachOther(t *testing.T) {
	all := newTurns([]protocol.AuthorityID{"xa/one", "xa/two"})
	var leave []func()
	for range sendPlaces {
		one, err := all.enter(t.Context(), "xa/one")
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, one)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := all.enter(gone, "xa/one"); err == nil {
		t.Error("a fifth message of one authority did not wait")
	}
	two, err := all.enter(t.Context(), "xa/two")
	if err != nil {
		t.Fatal(err)
	}
	two()
	leave[0]()
	if _, err := all.enter(t.Context(), "xa/one"); err != nil {
		t.Error(err)
	}
	alone := newTurns([]protocol.AuthorityID{"xa/one"})
	for range 2 * sendPlaces {
		if _, err := alone.enter(t.Context(), "xa/one"); err != nil {
			t.Fatal(err)
		}
	}
}
