//go:build linux

// Package bench measures what two nodes do on this machine: small parcels per
// second, and speed and peak memory of a large one, end to end between two
// processes of the real program; and what evidence costs, between two nodes in
// its own. Beside every figure of ours stands, from the same run, what the machine
// itself can do: hashing, syncing, and a bare HTTP/3 stream between two processes.
// Only ratios within one run mean anything; the machine is never as quiet as it
// looks.
//
// It asserts nothing about speed. A smoke run with tiny sizes is part of the
// ordinary tests, so that the measuring itself does not rot.
package bench

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Sizes is how much one run does.
type Sizes struct {
	Alone   int   // small parcels one at a time
	Crowd   int   // small parcels many at a time
	AtOnce  int   // how many that is
	Small   int64 // bytes of a small parcel's attachment
	Large   int64 // bytes of the large parcel's attachment
	Leaves  int   // in the logs of nodes with a history
	Queued  int   // parcels that wait there for a node that is down
	Files   int   // small files that nodes and peers move in turn, each round
	Rounds  int   // how often large and bare streams take turns; the medians count
	Syncs   int   // appends that are synced one by one
	Hashing int64 // bytes hashed

	Witnessed int           // small parcels at once whose evidence is weighed
	Lone      int           // the same, one after the other
	Step      time.Duration // how long each step of making evidence is repeated
}

// FullSizes are what "make bench" does unless BENCH_LARGE (bytes, or with K, M,
// G), BENCH_PARCELS, BENCH_FILES, BENCH_LEAVES, BENCH_QUEUED or BENCH_ROUNDS say
// otherwise.
func FullSizes(tb testing.TB) Sizes {
	tb.Helper()
	s := Sizes{Alone: 200, Crowd: 2000, AtOnce: 64, Small: 4 << 10, Large: 1 << 30, Leaves: 1_000_000, Queued: 100_000, Files: 300, Rounds: 3, Syncs: 2000, Hashing: 2 << 30, Witnessed: 500, Lone: 3, Step: time.Second}
	s.Large = size(tb, "BENCH_LARGE", s.Large)
	s.Crowd = int(size(tb, "BENCH_PARCELS", int64(s.Crowd)))
	s.Alone, s.Witnessed = min(s.Alone, s.Crowd), min(s.Witnessed, s.Crowd)
	s.Files = int(size(tb, "BENCH_FILES", int64(s.Files)))
	s.Leaves = int(size(tb, "BENCH_LEAVES", int64(s.Leaves)))
	s.Queued = int(size(tb, "BENCH_QUEUED", int64(s.Queued)))
	s.Rounds = int(size(tb, "BENCH_ROUNDS", int64(s.Rounds)))
	return s
}

// SmokeSizes are tiny: they show that everything still measures.
func SmokeSizes() Sizes {
	return Sizes{Alone: 3, Crowd: 20, AtOnce: 8, Small: 4 << 10, Large: 4 << 20, Leaves: 40, Queued: 10, Files: 4, Rounds: 1, Syncs: 20, Hashing: 16 << 20, Witnessed: 5, Lone: 1, Step: 5 * time.Millisecond}
}

func size(tb testing.TB, name string, otherwise int64) int64 {
	tb.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	digits := strings.TrimRight(text, "KMG")
	n, err := strconv.ParseInt(digits, 10, 64)
	shift, known := map[string]int{"": 0, "K": 10, "M": 20, "G": 30}[strings.TrimPrefix(text, digits)]
	if err != nil || n <= 0 || !known {
		tb.Fatalf("%s=%q: want a number such as 500, 64M or 1G", name, text)
	}
	return n << shift
}

// perSecond is a rate in millions of bytes per second.
func perSecond(bytes int64, took time.Duration) float64 {
	return float64(bytes) / 1e6 / took.Seconds()
}

// median is the middle one; of an even number, the mean of the middle two.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	if m := len(v) / 2; len(v)%2 == 1 {
		return v[m]
	} else {
		return (v[m-1] + v[m]) / 2
	}
}

// Table is what a run found, for people.
type Table struct{ rows []row }

type row struct {
	what, unit string
	figure     float64
	remark     string
}

// Add adds a line.
func (t *Table) Add(what string, figure float64, unit, remark string, args ...any) {
	t.rows = append(t.rows, row{what, unit, figure, fmt.Sprintf(remark, args...)})
}

// Title adds a line between groups.
func (t *Table) Title(text string) { t.rows = append(t.rows, row{what: "\n" + text}) }

// Line adds a line of text within a group.
func (t *Table) Line(text string) { t.rows = append(t.rows, row{what: "  " + text}) }

// String is the table; empty when nothing was measured.
func (t *Table) String() string {
	var b strings.Builder
	for _, r := range t.rows {
		if r.unit == "" {
			fmt.Fprintln(&b, r.what)
			continue
		}
		digits := 0
		if r.figure < 100 && r.unit != "bytes" {
			digits = 2
		}
		line := fmt.Sprintf("  %-46s %9.*f %-6s %s", r.what, digits, r.figure, r.unit, r.remark)
		fmt.Fprintln(&b, strings.TrimRight(line, " "))
	}
	return b.String()
}

// metrics are figures by the units that "go test -bench" prints.
type metrics map[string]float64

func must[T any](tb testing.TB, v T, err error) T {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	return v
}
