//go:build linux

package bench

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"comity/node/control"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
	"comity/testnet/local"
)

// contest lets two nodes and the peers move the same files in turn, round after
// round, so that what else the machine does hits all alike.
type contest struct {
	entrants []*entrant // ours first
	bytes    int64      // of one file
}

// entrant is one of them with what was measured.
type entrant struct {
	peer
	mover
	why    string // why it takes no part; empty when it does
	most   int    // files per round at most, for the slow; 0: all
	took   []float64
	busy   []float64 // without idle stages
	stages map[string][]float64
	order  []string // of the stages
	files  int      // per round
}

// newContest opens all entrants. One that is not installed, or does not start,
// stays in the table with the reason.
func newContest(tb testing.TB, nodes mover, bytes int64) *contest {
	tb.Helper()
	c := &contest{bytes: bytes, entrants: []*entrant{{peer: peer{name: "two nodes"}, mover: nodes}}}
	for _, p := range peers {
		e := &entrant{peer: p, why: p.missing(), most: p.most}
		if e.why == "" {
			var err error
			if e.mover, err = p.open(tb, tb.TempDir()); err != nil {
				e.why = err.Error()
			}
		}
		c.entrants = append(c.entrants, e)
	}
	return c
}

// round lets everyone move the files once. What arrived is compared outside the
// time that counts, and removed.
func (c *contest) round(files []string) {
	for _, e := range c.entrants {
		if e.why != "" {
			continue
		}
		mine := files
		if e.most > 0 {
			mine = files[:min(len(files), e.most)]
		}
		begin := time.Now()
		stages, err := e.move(mine)
		took := time.Since(begin)
		if err == nil {
			err = sameFiles(e.mover, mine)
		}
		if err != nil {
			e.why = err.Error() // it is out, the others go on
			continue
		}
		e.note(took, stages, len(mine))
		for _, path := range mine {
			if at := e.arrived(filepath.Base(path)); at != "" {
				os.Remove(at)
			}
		}
	}
}

func (e *entrant) note(took time.Duration, stages []stage, files int) {
	e.files = files
	busy := took
	if e.stages == nil {
		e.stages = map[string][]float64{}
	}
	for _, s := range stages {
		if s.idle {
			busy -= s.took
		}
		if _, ok := e.stages[s.what]; !ok {
			e.order = append(e.order, s.what)
		}
		e.stages[s.what] = append(e.stages[s.what], s.took.Seconds())
	}
	e.took, e.busy = append(e.took, took.Seconds()), append(e.busy, busy.Seconds())
}

// rate turns the seconds of rounds into files per second, or into MB/s for
// files that are large.
func (c *contest) rate(e *entrant, seconds []float64) (middle, least, most float64, unit string) {
	work, unit := float64(e.files), "per s"
	if c.bytes >= 1<<20 {
		work, unit = float64(e.files)*float64(c.bytes)/1e6, "MB/s"
	}
	rates := make([]float64, len(seconds))
	for i, s := range seconds {
		rates[i] = work / s
	}
	return median(rates), slices.Min(rates), slices.Max(rates), unit
}

// tell adds the table's lines and returns our ratios by name.
func (c *contest) tell(tb testing.TB, t *Table) metrics {
	tb.Helper()
	found := metrics{}
	ours := c.entrants[0]
	if ours.why != "" {
		tb.Fatalf("%s: %s", ours.name, ours.why)
	}
	mine, _, _, _ := c.rate(ours, ours.took)
	for _, e := range c.entrants {
		if e.why != "" || len(e.took) == 0 {
			t.Line(fmt.Sprintf("%s: %s", e.name, e.why))
			continue
		}
		figure, least, most, unit := c.rate(e, e.took)
		remark := fmt.Sprintf("%.3g to %.3g", least, most)
		if e != ours {
			remark += fmt.Sprintf("; two nodes are %.2g times as fast", mine/figure)
			busy, _, _, _ := c.rate(e, e.busy)
			if ratio := mine / busy; math.Abs(busy-figure) > figure/1000 {
				remark += fmt.Sprintf(", %.2g times without its idle wait (%.3g %s)", ratio, busy, unit)
			}
			found["x-"+strings.NewReplacer(" ", "-", ",", "", "+", "and").Replace(e.name)] = mine / busy
		} else {
			found["ours-"+strings.ReplaceAll(unit, " ", "-")] = figure
		}
		t.Add(e.name, figure, unit, "%s", remark)
	}
	for _, e := range c.entrants {
		if len(e.order) < 2 {
			continue
		}
		var parts []string
		for _, what := range e.order {
			parts = append(parts, fmt.Sprintf("%s %.2f s", what, median(e.stages[what])))
		}
		t.Line(fmt.Sprintf("%s, %d files: %s", e.name, e.files, strings.Join(parts, ", ")))
	}
	return found
}

// tellLacks says what the peers leave out, so that nobody compares the figures alone.
func tellLacks(t *Table) {
	t.Title("what each does not do, and two nodes do")
	for _, p := range peers {
		t.Line(p.name + ": " + p.lacks)
	}
}

// nodes are the two nodes as a mover: each file is a parcel of its own, signed,
// sealed, accepted, taken in, verified and synced, with evidence of each step.
type nodes struct {
	tb     testing.TB
	from   *local.Node
	to     *local.Node
	atOnce int
}

// arrived is empty: the recipient's office has compared every byte with the
// signed manifest, which is what ends the time.
func (n *nodes) arrived(string) string { return "" }

func (n *nodes) move(files []string) ([]stage, error) {
	begin := time.Now()
	sent, err := n.sendAll(files)
	if err != nil {
		return nil, err
	}
	submitted := time.Now()
	// They are delivered and worked off in the order in which they came, but many
	// at once. Nobody asks how long the queue is: that reads all of it.
	for _, id := range sent[max(0, len(sent)-n.atOnce):] {
		n.from.Await(id, exchange.StatusDelivered)
	}
	if len(files) > 1 {
		return nil, nil
	}
	at := times(n.tb, n.from, sent[0])
	return []stage{
		{what: "hash, sign, seal, submit", took: submitted.Sub(begin)},
		{what: "wire", took: at[evidence.RelayAcceptance].Sub(submitted)},
		{what: "take in and verify", took: at[evidence.ContentHandover].Sub(at[evidence.RelayAcceptance])},
	}, nil
}

// cpu is the processor time of both so far.
func (n *nodes) cpu() time.Duration { return n.from.Process().CPU(n.tb) + n.to.Process().CPU(n.tb) }

// sendAll sends each file as a parcel and returns them in the order in which
// they were sent.
func (n *nodes) sendAll(files []string) (sent []protocol.ParcelID, failed error) {
	client := n.from.Client()
	next := make(chan string, len(files))
	for _, path := range files {
		next <- path
	}
	close(next)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range min(n.atOnce, len(files)) {
		wg.Go(func() {
			for path := range next {
				done, err := client.Send(context.Background(), control.Draft{
					Kind: parcel.KindRequest, To: []protocol.AuthorityID{n.to.Authority}, Files: []control.Source{{Path: path}},
				}, nil)
				mu.Lock()
				if err != nil {
					failed = err
				} else {
					sent = append(sent, done.Parcel)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return sent, failed
}

// times are those that the evidence about a parcel names. Both processes have
// this machine's clock.
func times(tb testing.TB, n *local.Node, id protocol.ParcelID) map[evidence.Event]time.Time {
	tb.Helper()
	at := map[evidence.Event]time.Time{}
	_, err := n.Client().Follow(context.Background(), "", string(id), "", func(e control.Evidence) error {
		at[e.Event] = e.Time.Time
		return nil
	})
	if err != nil {
		tb.Fatalf("evidence about %s: %v", id, err)
	}
	for _, event := range local.ToHandover {
		if at[event].IsZero() {
			tb.Fatalf("no %s about %s", event, id)
		}
	}
	return at
}
