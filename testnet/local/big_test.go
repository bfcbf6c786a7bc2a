//go:build linux

package local

import (
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/exchange"
)

// TestALargeBodyIsCutTwice sends one large file, kills the receiver when half of
// it is there and the sender at three quarters. What was durable is not sent
// again (R-WIRE-11, R-WIRE-12), neither process needs more memory for a large
// body than for a small one (I7), and no side has it on its disk twice.
// COMITY_BIG says how large it is, such as 4GiB.
func TestALargeBodyIsCutTwice(t *testing.T) {
	size := sizeFrom(t, "COMITY_BIG", 256<<20)
	w, a, b := pair(t)
	path := w.File("recording.mp4", size)
	diskA, diskB := a.watchDisk(), b.watchDisk()
	began := time.Now()
	id := a.Send(Letter{To: []*Node{b}, Files: []string{path}})
	queued := time.Since(began)

	peak := map[*Node]int64{}
	remember := func(n *Node) { peak[n] = max(peak[n], n.Process().PeakMemory(t)) }

	b.awaitPart(t, size/2)
	remember(b)
	b.Kill()
	arrived := b.part(t)
	b.Start()
	durable := a.said(t, goesOn, 1)
	sent := a.said(t, brokeOff, 1)
	again := sent - durable
	t.Logf("%s killed when %d of %d bytes had left and %d were written: it goes on at %d, so %d are sent again", b.ID, sent, size, arrived, durable, again)

	b.awaitPart(t, size/4*3)
	remember(a)
	a.Kill()
	arrived = b.part(t)
	a.Start()
	next := a.said(t, goesOn, 2)
	t.Logf("%s killed with %d bytes there: it goes on at %d", a.ID, arrived, next)
	if next < arrived {
		t.Errorf("%d bytes were there, and the sender goes on at %d", arrived, next)
	}

	a.AwaitProof(id, b, exchange.StatusDelivered, ToHandover...)
	took := time.Since(began)
	b.SameParcels("inbox", b.Inbox(), []protocol.ParcelID{id})
	if left := b.part(t); left != 0 {
		t.Errorf("%d bytes of the part are left", left)
	}

	// What was not settled yet may come again, and what was on the way: for a body
	// of some gigabytes less than a hundredth.
	if again > max(size/100, 2*protocol.MaxUnsettled+onTheWay) || durable > arrived {
		t.Errorf("%d bytes were sent again, of %d", again, size)
	}
	for _, n := range []*Node{a, b} {
		remember(n)
		if peak[n] > peakMemory {
			t.Errorf("%s: peak memory %d MiB, want at most %d", n.ID, peak[n]>>20, peakMemory>>20)
		}
	}
	// 1.02 of a small body is less than the databases grow.
	most := max(size/100*102, size+16<<20)
	used := map[*Node]int64{a: diskA(), b: diskB()}
	for n, peak := range used {
		if peak > most {
			t.Errorf("%s: %d bytes of disk for a file of %d", n.ID, peak, size)
		}
	}
	t.Logf("%d MiB: queued after %s, delivered after %s; sent again %.3f %%; peak memory %d and %d MiB; peak disk %.4f and %.4f of the size",
		size>>20, queued.Round(time.Millisecond), took.Round(time.Millisecond), 100*float64(again)/float64(size),
		peak[a]>>20, peak[b]>>20, float64(used[a])/float64(size), float64(used[b])/float64(size))
}

// awaitPart waits until so many bytes of a body are there.
func (n *Node) awaitPart(t *testing.T, bytes int64) {
	t.Helper()
	deadline := time.Now().Add(bodyWait)
	for n.part(t) < bytes {
		if time.Now().After(deadline) || !n.Running() {
			n.fatalf("%s has %d bytes of a body, want %d", n.ID, n.part(t), bytes)
		}
		time.Sleep(pollEvery / 4)
	}
}

// onTheWay is what windows and buffers hold between two gateways.
const onTheWay = 18 << 20

// What a sender logs about a body, for its operator.
var (
	goesOn   = regexp.MustCompile(`msg="goes on with a body".* offset=(\d+)`)
	brokeOff = regexp.MustCompile(`msg="a body broke off".* offset=(\d+) sent=(\d+)`)
)

// said waits until a node has logged something for the nth time and returns the
// sum of its figures.
func (n *Node) said(t *testing.T, what *regexp.Regexp, times int) (sum int64) {
	t.Helper()
	deadline := time.Now().Add(bodyWait)
	for {
		text, err := os.ReadFile(n.log)
		if err != nil {
			t.Fatal(err)
		}
		if found := what.FindAllSubmatch(text, -1); len(found) >= times {
			for _, figure := range found[times-1][1:] {
				number, err := strconv.ParseInt(string(figure), 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				sum += number
			}
			return sum
		}
		if time.Now().After(deadline) {
			n.fatalf("%s does not log %s", n.ID, what)
		}
		time.Sleep(pollEvery)
	}
}

// bodyWait bounds the wait for a part of a large body; no test passes or fails by
// how long it took within it.
const bodyWait = 5 * time.Minute
