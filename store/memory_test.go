//go:build !race

package store

import (
	"fmt"
	"os"
	"testing"
)

// Not under the race detector, whose own memory grows with whatever runs; "make
// race" plays this file without it as well.

// I7: a disk that stays sick costs a connection for each write, and no memory.
func TestAConnectionThrownAwayLeavesNoMemory(t *testing.T) {
	n := newNode(t)
	n.commit(n.submit(1, prosecution))
	var resident int64
	for i := range 500 {
		if err := n.Reschedule(t.Context(), Attempt{Key: key(1, prosecution), Attempts: i}); err != nil {
			t.Fatal(err)
		}
		n.v.discard()
		switch i {
		case 100: // caches are warm
			resident = residentBytes(t)
		case 499:
			if more := residentBytes(t) - resident; more > 24<<20 {
				t.Errorf("400 connections keep %d KiB", more>>10)
			}
		}
	}
}

// residentBytes is the memory that this process has; the engine's is not the
// Go runtime's to count.
func residentBytes(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("no resident memory to read: %v", err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}
