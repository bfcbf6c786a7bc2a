package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"

	"comity/protocol"
)

// enoughSeeds is how many stories of chance must have met every kind of fault.
const enoughSeeds = 200

// TestSeeds plays SEEDS stories made of chance; each prints its seed on failure.
// SEED=n plays one alone. Many are shared by two processes, because each has one
// processor. At the end stands how often each kind of fault took effect.
func TestSeeds(t *testing.T) {
	first, seeds, step := 0, number(t, "SEEDS", 10), 1
	end := seeds
	if os.Getenv("SEED") != "" {
		first, seeds = number(t, "SEED", 0), 1
		end = first + 1
	}
	var total Tally
	if share := os.Getenv("SIM_SHARE"); share != "" { // "1 of 2", set by shareOut
		if _, err := fmt.Sscanf(share, "%d of %d", &first, &step); err != nil {
			t.Fatalf("SIM_SHARE=%q: %v", share, err)
		}
		defer writeCounts(t, &total)
	} else if n := min(2, runtime.NumCPU()); n > 1 && seeds >= enoughSeeds {
		shareOut(t, n, &total)
		total.judge(t, seeds)
		return
	}
	for seed := first; seed < end; seed += step {
		t.Run(fmt.Sprintf("seed-%d", seed), func(t *testing.T) {
			nodes := pair
			if seed%3 == 0 {
				nodes = []protocol.NodeID{"xa", "xb", "xc"}
			}
			Run(t, uint64(1000+seed), nodes, func(w *World) {
				defer func() { total.Add(w.Tally.Counts()) }()
				chance(w)
			})
		})
	}
	if step == 1 {
		total.judge(t, seeds)
	}
}

// judge prints the table and asks for every kind when there were enough stories.
func (t *Tally) judge(test *testing.T, seeds int) {
	test.Logf("faults that took effect in %d stories:\n%s", seeds, t)
	if missing := t.Missing(); seeds >= enoughSeeds && len(missing) > 0 {
		test.Errorf("never happened in %d stories: %q", seeds, missing)
	}
}

// shareOut plays the seeds in n processes and adds up what they met.
func shareOut(t *testing.T, n int, total *Tally) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	type ending struct {
		output []byte
		err    error
		counts string
	}
	endings := make(chan ending, n)
	for i := range n {
		counts := fmt.Sprintf("%s/counts-%d.json", t.TempDir(), i)
		cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestSeeds$", "-test.timeout=170m")
		cmd.Env = append(os.Environ(), fmt.Sprintf("SIM_SHARE=%d of %d", i, n), "SIM_COUNTS="+counts)
		go func() {
			output, err := cmd.CombinedOutput()
			endings <- ending{output, err, counts}
		}()
	}
	for range n {
		e := <-endings
		if e.err != nil {
			t.Errorf("%v\n%s", e.err, e.output)
		}
		var met map[Fault]int
		b, err := os.ReadFile(e.counts)
		if err := errors.Join(err, json.Unmarshal(b, &met)); err != nil {
			t.Errorf("read the counts of a share: %v", err)
		}
		total.Add(met)
	}
}

func writeCounts(t *testing.T, total *Tally) {
	b, err := json.Marshal(total.Counts())
	if err == nil {
		err = os.WriteFile(os.Getenv("SIM_COUNTS"), b, 0o600)
	}
	if err != nil {
		t.Errorf("write the counts: %v", err)
	}
}

// number reads a variable of the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s=%q is not a number", name, text)
	}
	return n
}

// some are the variants of a story that are played: all, or with few seeds, as under
// the race detector, every third. What runs at once in them is the same.
func some[T any](t *testing.T, variants ...T) (played []T) {
	t.Helper()
	every := 1
	if few(t) {
		every = 3
	}
	for i := 0; i < len(variants); i += every {
		played = append(played, variants[i])
	}
	return played
}

// few reports whether SEEDS asks for few stories.
func few(t *testing.T) bool { return number(t, "SEEDS", 10) < 10 }
