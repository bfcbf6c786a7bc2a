//go:build linux

package local

import (
	"testing"

	"comity/protocol"
	"comity/protocol/exchange"
)

// peakMemory is the most that a process may have resident, whatever the size of
// what it carries (I7).
const peakMemory = 150 << 20

// I7: a parcel larger than the bound on memory crosses.
func TestMemoryOfALargeParcel(t *testing.T) {
	w, a, b := pair(t)
	id := a.Send(Letter{To: []*Node{b}, Files: []string{w.File("recording.mp4", 256<<20)}})
	a.AwaitProof(id, b, exchange.StatusDelivered, ToHandover...)
	b.SameParcels("inbox", b.Inbox(), []protocol.ParcelID{id})
	for _, n := range []*Node{a, b} {
		peak := n.Process().PeakMemory(t)
		t.Logf("%s: peak memory %d MiB", n.ID, peak>>20)
		if peak > peakMemory {
			t.Errorf("%s: peak memory %d MiB for a parcel of 256 MiB, want at most %d", n.ID, peak>>20, peakMemory>>20)
		}
	}
}
