//go:build linux

package local

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/exchange"
)

const (
	// bulkParcels is how many parcels the bulk is; all fly at once.
	bulkParcels = 4
	// emergencySize is a scanned order of a few pages. Its sealed bytes are a file
	// of their own at the recipient, so its sync competes with those of the bulk.
	emergencySize = 200 << 10
	// bulkBefore is how much bulk may arrive before the emergency does.
	bulkBefore = 32 << 20
	// emergencyRatio is how many times as long as over an idle link it may take.
	emergencyRatio = 3
)

// R-XCH-7: an emergency parcel queued behind bulk, of which several parcels are in the
// middle of their way, arrives before the next 32 MiB of the bulk, and within
// three times its time over an idle link. How long things take is judged only
// when BULK says how much bulk, such as 4GiB: on a machine that does other work
// meanwhile it says more of that work.
func TestEmergencyBeforeBulk(t *testing.T) {
	w, a, b := pair(t)
	size := sizeFrom(t, "BULK", 256<<20)
	order := Letter{To: []*Node{b}, Files: []string{w.File("order.pdf", emergencySize)}, Priority: protocol.Emergency}
	bulk := Letter{To: []*Node{b}, Files: []string{w.File("recording.mp4", size/bulkParcels)}}

	const samples = 9
	var idle, behind, idleWire, behindWire []time.Duration
	rest := func() {
		for range samples {
			all, wire := a.timed(order, func() {})
			idle, idleWire = append(idle, all), append(idleWire, wire)
		}
	}
	a.timed(order, func() {}) // connects, and fills what fills once
	rest()

	b.Stop()
	ids, errs := a.SendMany(bulkParcels, 1, bulk, nil)
	if len(errs) > 0 {
		t.Fatalf("send from %s: %v", a.ID, errs[0])
	}
	empty := b.stored()
	b.Start()
	b.await("bulk is on its way", func() bool { return b.stored() > empty+8<<20 })
	var most int64
	for range samples {
		var before int64
		all, wire := a.timed(order, func() { before = b.stored() })
		arrived := b.stored() - before
		if a.Waiting(b) < 2 { // the last one alone is no load any more
			break
		}
		behind, behindWire = append(behind, all), append(behindWire, wire)
		most = max(most, arrived)
	}
	if len(behind) < 3 {
		t.Fatalf("only %d emergency parcels were sent while bulk was on its way: BULK is too small for this machine", len(behind))
	}
	for _, id := range ids {
		a.Await(id, exchange.StatusDelivered)
	}
	rest() // before and after, because other work comes and goes on the machine

	one, other := quartile(idle), quartile(behind)
	t.Logf("behind %d MiB of bulk %s, over an idle link %s, %.1f times as long; from the queue on %s and %s (lower quartiles of %d and %d); medians %s and %s; at most %d MiB of bulk arrived meanwhile",
		size>>20, other, one, float64(other)/float64(one), quartile(behindWire), quartile(idleWire), len(behind), len(idle),
		behind[len(behind)/2], idle[len(idle)/2], most>>20)
	if os.Getenv("BULK") != "" && other > emergencyRatio*one {
		t.Errorf("an emergency parcel takes %s behind bulk and %s over an idle link: more than %d times as long", other, one, emergencyRatio)
	}
	if most > bulkBefore {
		t.Errorf("%d MiB of bulk arrived before an emergency parcel, want at most %d", most>>20, bulkBefore>>20)
	}
}

// sizeFrom is what an environment variable says, such as 4GiB.
func sizeFrom(t *testing.T, variable string, otherwise int64) int64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	number, shift := strings.TrimSuffix(text, "MiB"), 20
	if rest, gib := strings.CutSuffix(text, "GiB"); gib {
		number, shift = rest, 30
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: want a number of MiB or GiB, such as 4GiB", variable, text)
	}
	return n << shift
}

// timed sends a letter and returns how long it took until the sender held the
// proof that it is durable at the other node: in all, and from the moment when
// it was queued. queued is called at that moment.
func (n *Node) timed(l Letter, queued func()) (all, wire time.Duration) {
	n.tb.Helper()
	began := time.Now()
	id := n.Send(l)
	queued()
	left := time.Now()
	n.Await(id, exchange.StatusTransmitted)
	return time.Since(began), time.Since(left)
}

// quartile sorts and returns the lower one: what the nodes need when the machine
// does not do something else just then.
func quartile(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/4]
}
