//go:build linux

package hostile

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"comity/node/operate"
	"comity/protocol"
	"comity/testnet/local"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		child()
	}
	os.Exit(local.Main(m))
}

// siege is a node under attack, with an honest peer.
type siege struct {
	t       testing.TB
	w       *local.Network
	honest  *local.Node
	target  *local.Node
	letter  local.Letter
	sent    []protocol.ParcelID // by the honest node
	settled int                 // how many of them are known to have arrived
	armed   int                 // hostile peers made
	started int                 // processes
}

func besiege(t testing.TB) *siege {
	t.Helper()
	w := local.New(t)
	s := &siege{t: t, w: w, honest: w.Create("xa"), target: w.Create("xb")}
	w.Introduce(s.honest, s.target)
	s.honest.Start()
	s.target.Start()
	s.letter = local.Letter{To: []*local.Node{s.target}, Files: []string{w.File("request.pdf", 16<<10)}}
	s.cross(1) // connects, and fills what fills once
	return s
}

// arm makes a hostile peer whose record the target has pinned, so that what it
// says is authentic. Each program has its own: no limit is used up by the one
// before. As a node it never runs.
func (s *siege) arm() *Peer {
	s.t.Helper()
	p, err := Arm(operate.Layout{Dir: s.enlist()}, operate.Layout{Dir: s.target.Dir})
	if err != nil {
		s.t.Fatal(err)
	}
	p.Honest, p.Other = s.sent, s.honest.Authority
	return p
}

// enlist makes a hostile peer and returns its data directory.
func (s *siege) enlist() string {
	s.t.Helper()
	s.armed++
	n := s.w.Create(protocol.NodeID("x" + string(rune('b'+s.armed))))
	s.w.Introduce(s.target, n)
	return n.Dir
}

// cross lets honest parcels cross, and fails the test unless all do.
func (s *siege) cross(count int) {
	s.t.Helper()
	ids, errs := s.honest.SendMany(count, 4, s.letter, nil)
	for _, err := range errs {
		s.t.Errorf("an honest parcel was not sent: %v", err)
	}
	for _, id := range ids {
		s.honest.AwaitProof(id, s.target, "delivered", local.ToHandover...)
	}
	s.sent = append(s.sent, ids...)
}

// longestList is how many parcels an inbox shows at most.
const longestList = 1000

// unharmed fails the test unless the node lives, did not panic, holds of honest
// people exactly what they sent, and its log computes.
func (s *siege) unharmed(what string) {
	s.t.Helper()
	if !s.target.Running() {
		s.t.Fatalf("%s: the node has ended:\n%s", what, s.target.Process().Output())
	}
	if out := s.target.Process().Output(); strings.Contains(out, "panic") || strings.Contains(out, "fatal error") {
		s.t.Errorf("%s: the node panicked:\n%s", what, out)
	}
	if len(s.sent) <= longestList {
		s.target.SameParcels("inbox", s.target.Inbox(), s.sent) // nothing of the hostile peer verified
	}
	s.target.CheckLog()
}

// vital are what must not grow.
type vital struct {
	memory, files, goroutines int64
}

func (v vital) String() string {
	return fmt.Sprintf("%d MiB resident, %d file descriptors, %d goroutines", v.memory>>20, v.files, v.goroutines)
}

func (s *siege) vital() vital {
	s.t.Helper()
	status, err := s.target.Client().Status(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	p := s.target.Process()
	return vital{memory: p.Memory(s.t), files: int64(p.Files(s.t)), goroutines: int64(status.Goroutines)}
}

// quiet waits until what the attack opened is closed again: as few goroutines
// and file descriptors as before, with a little room for what comes and goes.
func (s *siege) quiet(what string, before vital) vital {
	s.t.Helper()
	const room, most = 40, 3 * time.Minute
	var v vital
	for began := time.Now(); time.Since(began) < most; time.Sleep(time.Second) {
		if v = s.vital(); v.goroutines <= before.goroutines+room && v.files <= before.files+room {
			return v
		}
	}
	s.t.Errorf("%s: after it the node has %s, before it had %s", what, v, before)
	return v
}

// Every program alone, for a few seconds: nothing untrue is answered or stored,
// nothing panics, an honest parcel crosses meanwhile, and everything that the
// attack held is given back.
func TestHostilePrograms(t *testing.T) {
	s := besiege(t)
	for _, p := range Programs() {
		peer := s.arm()
		before := s.vital()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		done := make(chan struct{})
		go func() {
			defer close(done)
			Run(ctx, p, peer, 4)
		}()
		began := time.Now()
		s.cross(4)
		crossed := time.Since(began)
		pause(ctx, time.Second-crossed)
		cancel()
		<-done
		if peer.Tally.Requests.Load() == 0 {
			t.Errorf("%s made no request", p.Name)
		}
		for what, times := range peer.Tally.Untrue() {
			t.Errorf("%s: the node %s (%d times)", p.Name, what, times)
		}
		s.unharmed(p.Name)
		t.Logf("%s: %d requests, answered %s, %d broken off; four honest parcels crossed in %s",
			p.Name, peer.Tally.Requests.Load(), peer.Tally.Statuses(), peer.Tally.Failed.Load(), crossed.Round(time.Millisecond))
		s.quiet(p.Name, before)
	}
}
