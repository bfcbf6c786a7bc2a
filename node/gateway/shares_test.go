package gateway_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/evidence"
)

// R-WIRE-13, R-XCH-6: an authority that has filled its share of the disk gets nothing
// more, and its flood keeps neither its node's other authority waiting nor what the
// sender has for that one. It gets parcels again when it has room.
func TestAnAuthorityThatHasFilledItsShareStopsNoOther(t *testing.T) {
	var full atomic.Bool
	full.Store(true)
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	b := newNode(t, "xb", []protocol.AuthorityID{prosecution, court}, func(n *node) {
		n.kept = func(_ context.Context, of protocol.AuthorityID) (int64, error) {
			if of != court || !full.Load() {
				return 0, nil
			}
			return 1 << 60, nil // more than any disk
		}
	})
	a.pin(b.party)
	b.pin(a.party)
	takes := must(b.Consumptions(t.Context()))
	if takes[court].MayTake != 0 || takes[prosecution].MayTake == 0 {
		t.Fatalf("the court may take %d, the prosecution %d", takes[court].MayTake, takes[prosecution].MayTake)
	}
	var flood []protocol.Key
	for range 20 {
		flood = append(flood, a.submit(newLetter(central, 1000, b.party, court))[0].Key)
	}
	other := a.submit(newLetter(central, 1000, b.party, prosecution))[0].Key
	a.await(other, evidence.RelayAcceptance)
	for _, k := range flood {
		if events := a.events(k); len(events) != 1 {
			t.Errorf("evidence of a parcel to the court: %v", events)
		}
	}
	if d := must(a.Delivery(t.Context(), flood[0])); !strings.Contains(d.Why, "the recipient has taken up its share of the disk of this node") {
		t.Errorf("the sender reads %q", d.Why)
	}
	full.Store(false)
	b.restart() // counts anew
	must(a.Ping(t.Context(), b.id))
	a.await(a.submit(newLetter(central, 1000, b.party, court))[0].Key, evidence.RelayAcceptance)
}

// What an authority has queued beyond its places is refused, and nothing of it is
// stored; a repeat of what was taken is no more, and the other authority goes on.
func TestAnAuthorityHasItsPlacesInTheQueue(t *testing.T) {
	a := newNode(t, "xa", []protocol.AuthorityID{central, "xa/ministry"}, func(n *node) { n.places = 3 })
	b := newNode(t, "xb", []protocol.AuthorityID{prosecution, court})
	a.pin(b.party)
	b.pin(a.party)
	b.halt()
	defer b.start()
	var taken []*letter
	for range 3 {
		l := newLetter(central, 1000, b.party, prosecution)
		a.submit(l)
		taken = append(taken, l)
	}
	beyond := newLetter(central, 1000, b.party, prosecution)
	var share *gateway.ShareError
	if _, err := a.Submit(t.Context(), beyond.Submission, beyond.open()); !errors.As(err, &share) || share.Queued != 3 || share.Most != 3 {
		t.Errorf("beyond its places: %v", err)
	}
	k := protocol.Key{From: central, Parcel: beyond.Parcel, To: prosecution}
	if events := a.events(k); len(events) != 0 {
		t.Errorf("evidence of what was not taken: %v", events)
	}
	a.submit(taken[0])
	if err := a.Admit(t.Context(), central, 1, 0); !errors.As(err, &share) {
		t.Errorf("an office asks before it reads a file: %v", err)
	}
	if err := a.Admit(t.Context(), "xa/ministry", 3, 1000); err != nil {
		t.Errorf("the other authority: %v", err)
	}
	if err := a.Admit(t.Context(), "xa/ministry", 4, 0); !errors.As(err, &share) {
		t.Errorf("one parcel to four recipients, and three places: %v", err)
	}
	a.submit(newLetter("xa/ministry", 1000, b.party, prosecution))
}
