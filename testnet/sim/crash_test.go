package sim

import (
	"fmt"
	"testing"
	"time"

	"comity/protocol"
)

// blow is one way to be cut down at a numbered point.
type blow struct {
	at    Point
	fault Fault
}

var blows = []blow{
	{AtCommit, KilledBefore},
	{AtCommit, KilledAfter},
	{AtCommit, PowerCut},
	{AtCommit, CommitLost},
	{AtCommit, CommitKept},
	{AtSync, KilledAtSync},
	{AtSync, PowerCutAtSync},
	{AtSync, SyncFailed},
}

// I1-I4: one exchange each way, small and large, once for each commit and each
// sync that a node makes in it: the node is cut down right there, in every way,
// and comes back. With fewer SEEDS than 200 only every so many-th is played.
func TestACrashAtEveryWrite(t *testing.T) {
	passed := map[protocol.NodeID]map[Point]int{}
	Run(t, 20, pair, func(w *World) {
		for _, h := range w.Hosts {
			passed[h.Node] = map[Point]int{AtCommit: -h.disk.Passed(AtCommit), AtSync: -h.disk.Passed(AtSync)}
		}
		twoEachWay(w)
		for _, h := range w.Hosts {
			for p := range passed[h.Node] {
				passed[h.Node][p] += h.disk.Passed(p)
			}
		}
	})
	t.Logf("points passed in one exchange: %v", passed)
	sample := max(1, enoughSeeds/max(1, number(t, "SEEDS", 10)))
	story := 0
	for _, id := range pair {
		for _, b := range blows {
			for n := range passed[id][b.at] {
				if story++; story%sample != 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s-%d/%s", id, b.at, n, b.fault), func(t *testing.T) {
					Run(t, uint64(20_000+story), pair, func(w *World) {
						w.Host(id).disk.Strike(b.at, n, b.fault)
						twoEachWay(w)
					})
				})
			}
		}
	}
}

// twoEachWay is two letters each way, one small enough for a row and one that is a
// file, with nothing else going on.
func twoEachWay(w *World) {
	a, b := w.Host("xa"), w.Host("xb")
	for _, size := range []int{3000, 100_000} {
		a.Try(Letter{To: []*Host{b}, Size: size})
		w.Pass(time.Second)
		if b.running != nil {
			b.Try(Letter{To: []*Host{a}, Size: size})
		}
		w.Pass(time.Second)
	}
	w.AwaitHandover(24 * time.Hour)
}
