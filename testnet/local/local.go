//go:build linux

// Package local runs the real program: nodes as separate processes on this
// machine, on loopback or in network namespaces of their own, with the kernel's
// network, disk and kill -9. What needs virtual time or many seeds belongs to
// testnet/sim; what only a real process can show (memory, sockets, firewalls,
// sudden death) belongs here.
//
// The program is built once per test run by Main. Every process that is
// started is in a process group of its own, is ended by its id, is always
// waited for, and dies with the test when the test is killed. The package is for
// tests and is never linked into the product. It is for Linux: peak memory and
// namespaces are read and made the Linux way.
package local

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"comity/store/pgtest"
)

// Waits. They are bounds against hanging, not expectations: no test passes or
// fails by how long something took within them.
const (
	startWait = time.Minute      // until a started node answers on its socket
	stopWait  = 30 * time.Second // until a node that was asked to stop has ended
	pollEvery = 20 * time.Millisecond
)

// program is the built comity of this test run.
var program struct {
	dir  string
	once sync.Once
	path string
	err  error
}

// Main runs the tests of a package that uses this one, and removes the built
// program at the end. Call it from TestMain: os.Exit(local.Main(m)).
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "comity-program-*")
	if err != nil {
		fmt.Fprintf(os.Stderr, "testnet: %v\n", err)
		return 1
	}
	defer os.RemoveAll(dir)
	program.dir = dir
	return pgtest.Main(m.Run)
}

// Program builds the program on first use, as "make build" does, and returns
// its path. It is never built with the race detector, whose memory would drown
// what is measured.
func Program(tb testing.TB) string {
	tb.Helper()
	if program.dir == "" {
		tb.Fatal("this package's TestMain does not call local.Main")
	}
	program.once.Do(func() {
		program.path = filepath.Join(program.dir, "comity")
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", program.path, "comity/cmd/comity")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			program.err = fmt.Errorf("go build comity/cmd/comity: %w\n%s", err, strings.TrimSpace(string(out)))
		}
	})
	if program.err != nil {
		tb.Fatal(program.err)
	}
	return program.path
}
