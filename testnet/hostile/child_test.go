//go:build linux

package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"comity/node/operate"
	"comity/protocol"
	"comity/testnet/local"
)

// The environment of a process that is one hostile program, or a busy loop: this
// very test binary, so that its processor time is its own.
const (
	asProgram = "COMITY_HOSTILE_PROGRAM" // name, or "busy"
	asOwn     = "COMITY_HOSTILE_OWN"     // data directory whose keys it uses
	asTarget  = "COMITY_HOSTILE_TARGET"
	asOther   = "COMITY_HOSTILE_OTHER"
	asShare   = "COMITY_HOSTILE_SHARE" // of one processor, of a busy loop
)

// workers is how many connections or streams at once a program works on.
const workers = 4

// report is what a program says at its end.
type report struct {
	Requests int64
	Failed   int64
	Statuses string
	Untrue   map[string]int
}

// child is the whole of such a process; it does not return.
func child() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	name := os.Getenv(asProgram)
	if name == "busy" {
		share, err := strconv.ParseFloat(os.Getenv(asShare), 64)
		if err == nil {
			busy(ctx, share)
		}
		os.Exit(0)
	}
	for _, p := range Programs() {
		if p.Name != name {
			continue
		}
		peer, err := Arm(operate.Layout{Dir: os.Getenv(asOwn)}, operate.Layout{Dir: os.Getenv(asTarget)})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		peer.Other = protocol.AuthorityID(os.Getenv(asOther))
		Run(ctx, p, peer, workers)
		_ = json.NewEncoder(os.Stdout).Encode(report{
			peer.Tally.Requests.Load(), peer.Tally.Failed.Load(), peer.Tally.Statuses(), peer.Tally.Untrue(),
		})
		os.Exit(0)
	}
	os.Exit(1)
}

// busy uses a share of one processor, or of several.
func busy(ctx context.Context, share float64) {
	const beat = 5 * time.Millisecond
	threads := max(1, min(int(share+0.999), runtime.NumCPU()))
	work := time.Duration(share / float64(threads) * float64(beat))
	var wg sync.WaitGroup
	for range threads {
		wg.Go(func() {
			for ctx.Err() == nil {
				for began := time.Now(); time.Since(began) < work; {
				}
				pause(ctx, beat-work)
			}
		})
	}
	wg.Wait()
}

// attacker is a running process of one program.
type attacker struct {
	*local.Process
	t    testing.TB
	log  string
	name string
}

func (s *siege) attack(p Program, armed string) *attacker {
	s.t.Helper()
	return s.process(p.Name, asOwn+"="+armed, asTarget+"="+s.target.Dir, asOther+"="+string(s.honest.Authority))
}

func (s *siege) busyLoop(share float64) *attacker {
	s.t.Helper()
	return s.process("busy", fmt.Sprintf("%s=%.3f", asShare, share))
}

func (s *siege) process(name string, env ...string) *attacker {
	s.t.Helper()
	s.started++
	log := filepath.Join(s.t.TempDir(), fmt.Sprintf("%s-%d", name, s.started))
	argv := append([]string{"env", asProgram + "=" + name}, env...)
	return &attacker{local.Start(s.t, log, append(argv, os.Args[0])...), s.t, log, name}
}

// end asks it to stop and returns what it says; whatever untrue thing the node
// answered fails the test.
func (a *attacker) end() report {
	a.t.Helper()
	var r report
	if err := a.Stop(); err != nil {
		a.t.Fatalf("%s ended badly: %v\n%s", a.name, err, a.Output())
	}
	if a.name == "busy" {
		return r
	}
	out := strings.TrimSpace(a.Output())
	if err := json.Unmarshal([]byte(out[strings.LastIndexByte(out, '\n')+1:]), &r); err != nil {
		a.t.Fatalf("%s says %q: %v", a.name, out, err)
	}
	for what, times := range r.Untrue {
		a.t.Errorf("%s: the node %s (%d times)", a.name, what, times)
	}
	return r
}
