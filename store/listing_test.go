package store

import (
	"fmt"
	"testing"

	"comity/protocol"

	"github.com/google/go-cmp/cmp"
)

// Imported listings are kept by authority, whole or not at all, in one order on
// both engines.
func TestImportListings(t *testing.T) {
	n := newNode(t)
	put := func(whole bool, pairs ...string) error {
		var list []Listing
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, Listing{Authority: protocol.AuthorityID(pairs[i]), Document: []byte(pairs[i+1])})
		}
		return n.ImportListings(t.Context(), list, whole)
	}
	want := func(pairs ...string) {
		t.Helper()
		list, err := n.Listings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range list {
			got = append(got, string(l.Authority), string(l.Document))
			if !l.Imported.Equal(n.clock.now()) {
				t.Errorf("%s: imported %s, want %s", l.Authority, l.Imported, n.clock.now())
			}
		}
		if diff := cmp.Diff(pairs, got); diff != "" {
			t.Errorf("listings (-want +got):\n%s", diff)
		}
	}
	for _, err := range []error{put(false, "xd/b-1", "one\n", "xd/b", "two"), put(false, "xc/ministry", "عربي", "xd/b", "three")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want("xc/ministry", "عربي", "xd/b", "three", "xd/b-1", "one\n")
	n.reopen()
	want("xc/ministry", "عربي", "xd/b", "three", "xd/b-1", "one\n")
	if err := put(true, "xd/b", "four"); err != nil {
		t.Fatal(err)
	}
	want("xd/b", "four")
}

// More than the limit is refused, and nothing of it is kept.
func TestImportTooManyListings(t *testing.T) {
	n := newNode(t)
	var list []Listing
	for i := range protocol.MaxListings + 1 {
		list = append(list, Listing{Authority: protocol.AuthorityID(fmt.Sprintf("xd/court-%d", i)), Document: []byte("{}")})
	}
	if err := n.ImportListings(t.Context(), list, true); protocol.CodeOf(err) != protocol.TooLarge {
		t.Errorf("one more than the limit: %v", err)
	}
	if kept, err := n.Listings(t.Context()); err != nil || len(kept) > 0 {
		t.Errorf("%d are kept of what was refused, %v", len(kept), err)
	}
}
