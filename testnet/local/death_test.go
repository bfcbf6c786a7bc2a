//go:build linux

package local

import (
	"slices"
	"testing"

	"comity/protocol"
	"comity/protocol/exchange"
)

// I1, I2, I3: either process is killed again and again in the middle of
// deliveries, without warning. Whatever got a receipt arrives, once, and both
// logs compute.
func TestSuddenDeath(t *testing.T) {
	const all, inRound, atOnce, deadly = 50, 12, 8, 4
	w, a, b := pair(t)
	small, large := w.File("small.pdf", 4<<10), w.File("large.pdf", 200<<10)
	letters := []Letter{{To: []*Node{b}, Files: []string{small}}, {To: []*Node{b}, Files: []string{large}}}
	deaths := [][]*Node{{b}, {a}, {b}, {a, b}, {a}}

	var held []protocol.ParcelID // those for which there was a receipt
	for round := 0; len(held) < all; round++ {
		var victims []*Node
		if round < len(deaths) {
			victims = deaths[round]
		}
		receipts := 0
		got, errs := a.SendMany(inRound, atOnce, letters[round%2], func(protocol.ParcelID) {
			if receipts++; receipts == deadly { // the others are on their way
				for _, v := range victims {
					v.Kill()
				}
			}
		})
		if len(errs) > 0 && !slices.Contains(victims, a) {
			t.Fatalf("send from %s, which lives: %v", a.ID, errs[0])
		}
		held = append(held, got...)
		for _, v := range victims {
			v.Start()
		}
	}

	// A message whose sender died before the receipt was handed out may have been
	// stored: then it was sent, and it arrives as well.
	sent := a.Sent()
	for _, id := range held {
		if !slices.Contains(sent, id) {
			t.Errorf("%s is not among what %s has sent, but there was a receipt for it", id, a.ID)
		}
	}
	for _, id := range sent {
		a.AwaitProof(id, b, exchange.StatusDelivered, ToHandover...)
	}
	b.SameParcels("inbox", b.Inbox(), sent)
	a.CheckLog()
	b.CheckLog()
}
