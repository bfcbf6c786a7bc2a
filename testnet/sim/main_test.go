package sim

import (
	"os"
	"runtime"
	"testing"

	"comity/store/pgtest"
)

// TestMain gives every story one processor, so that a seed plays more nearly the
// same each time. Under the race detector it is needed besides: in Go 1.26 all timers of a
// bubble share one detector context, two processors may run two of them at
// once, and then the detector itself ends with a memory fault.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	os.Exit(pgtest.Main(m.Run))
}
