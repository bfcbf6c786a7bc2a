//go:build linux

package local

import (
	"testing"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
)

// A thousand small parcels, 64 at a time, between two processes: each arrives
// once, the sender can prove each up to the office that verified it, both logs
// compute, and neither process holds more for a thousand than for a few.
func TestAThousandParcels(t *testing.T) {
	const first, all, atOnce = 200, 1000, 64
	w, a, b := pair(t)
	l := Letter{To: []*Node{b}, Files: []string{w.File("request.pdf", 4<<10)}}

	ids := cross(a, b, l, first, atOnce)
	before := [2]int64{a.Process().PeakMemory(t), b.Process().PeakMemory(t)}
	ids = append(ids, cross(a, b, l, all-first, atOnce)...)
	after := [2]int64{a.Process().PeakMemory(t), b.Process().PeakMemory(t)}

	b.SameParcels("inbox", b.Inbox(), ids)
	a.SameParcels("sent", a.Sent(), ids)

	// At the sender a SubmissionAcceptance each, at the recipient the other three.
	if own := a.CheckLog().Evidence; own != all {
		t.Errorf("%s issued %d evidences about %d parcels, want one each", a.ID, own, all)
	}
	if own := b.CheckLog().Evidence; own != all*int64(len(ToHandover)-1) {
		t.Errorf("%s issued %d evidences about %d parcels, want %d each", b.ID, own, all, len(ToHandover)-1)
	}
	// I7: memory does not grow with the number of parcels. The first bound is
	// wide, because caches fill and the garbage collector runs when it likes.
	for i, n := range []*Node{a, b} {
		t.Logf("%s: peak memory %d MiB after %d parcels, %d MiB after %d", n.ID, before[i]>>20, first, after[i]>>20, all)
		if after[i] > 2*before[i] {
			t.Errorf("%s: peak memory %d MiB after %d parcels, but %d MiB after %d", n.ID, before[i]>>20, first, after[i]>>20, all)
		}
		if after[i] > peakMemory {
			t.Errorf("%s: peak memory %d MiB after %d parcels, want at most %d", n.ID, after[i]>>20, all, peakMemory>>20)
		}
	}
}

// cross sends a letter count times, waits until all are handed over, and looks
// at the evidence of each.
func cross(from, to *Node, l Letter, count, atOnce int) []protocol.ParcelID {
	from.tb.Helper()
	ids, errs := from.SendMany(count, atOnce, l, nil)
	for _, err := range errs {
		from.tb.Errorf("send from %s: %v", from.ID, err)
	}
	for _, id := range ids {
		from.AwaitProof(id, to, exchange.StatusDelivered, ToHandover...)
	}
	return ids
}

// R-XCH-6: one request to two authorities on two nodes, one of which is down:
// the other has it at once, and the second when it is back. Each has its own
// chain of evidence.
func TestOneOfTwoRecipientsIsDown(t *testing.T) {
	w, a, b := pair(t)
	c := w.Create("xc")
	w.Introduce(a, c)

	id := a.Send(Letter{To: []*Node{b, c}, Files: []string{w.File("request.pdf", 300<<10)}})
	b.awaitInbox(id)
	a.awaitEvent(id, b, evidence.ContentHandover)
	a.Want(id, b, ToHandover...)
	if have := a.Events(id, c); len(have) != 1 || have[0] != evidence.SubmissionAcceptance {
		t.Errorf("while %s is down, %s holds %v about the parcel to it; want %s alone", c.ID, a.ID, have, evidence.SubmissionAcceptance)
	}

	c.Start()
	a.Await(id, exchange.StatusDelivered)
	a.Want(id, b, ToHandover...)
	a.Want(id, c, ToHandover...)
	for _, n := range []*Node{b, c} {
		n.SameParcels("inbox", n.Inbox(), []protocol.ParcelID{id})
	}
	for _, n := range []*Node{a, b, c} {
		n.CheckLog()
	}
}
