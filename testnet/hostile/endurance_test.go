//go:build linux

package hostile

import (
	"context"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"comity/node/control"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
)

// minutes is MINUTES, or none: then a story is as short as it can be.
func minutes(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("MINUTES")
	if text == "" {
		return 0
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n <= 0 {
		t.Fatalf("MINUTES=%q: want a number of minutes, such as 10", text)
	}
	return time.Duration(n * float64(time.Minute))
}

// All programs at once, again and again, with honest traffic beside them: after
// as many rounds as MINUTES has room for, the node holds no more memory, file
// descriptors and goroutines than after the first.
func TestEndurance(t *testing.T) {
	s := besiege(t)
	var armed []string
	for range Programs() {
		armed = append(armed, s.enlist())
	}
	length := max(minutes(t)/6, 3*time.Second)
	before := s.vital()
	t.Logf("before: %s", before)
	var first vital
	for round, began := 1, time.Now(); round <= 2 || time.Since(began) < minutes(t); round++ {
		var all []*attacker
		for i, p := range Programs() {
			all = append(all, s.attack(p, armed[i]))
		}
		sent := s.honestly(length, 2, length/parcelsInRound)
		for _, a := range all {
			a.end()
		}
		s.settle()
		s.unharmed("a round of all programs")
		last := s.quiet("a round of all programs", before)
		t.Logf("round %d, %s: %d honest parcels crossed; %s; at most %d MiB", round, length, sent, last, s.target.Process().PeakMemory(t)>>20)
		if sent == 0 {
			t.Error("no honest parcel crossed beside all programs")
		}
		if round == 1 {
			first = last
		} else if last.memory > first.memory+first.memory/4+16<<20 {
			t.Errorf("after round %d the node holds %s, after the first %s", round, last, first)
		}
	}
}

// parcelsInRound is how many parcels each honest sender sends in a round at most,
// so that the inbox shows all of them at the end.
const parcelsInRound = 60

// honestly sends honest parcels for a while, so many at once and with a pause
// after each, and returns how many the sender can prove to be taken over.
func (s *siege) honestly(length time.Duration, atOnce int, gap time.Duration) int64 {
	s.t.Helper()
	draft := control.Draft{Kind: parcel.KindRequest, To: nil, Files: []control.Source{{Path: s.letter.Files[0]}}}
	draft.To = append(draft.To, s.target.Authority)
	client := s.honest.Client()
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	var crossed atomic.Int64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for ctx.Err() == nil {
				// Not under ctx: what was begun is sent, and has to arrive in the end.
				sent, err := client.Send(context.Background(), draft, nil)
				if err != nil {
					s.t.Errorf("an honest parcel was not sent: %v", err)
					return
				}
				mu.Lock()
				s.sent = append(s.sent, sent.Parcel)
				mu.Unlock()
				out, err := client.Follow(ctx, "", string(sent.Parcel), exchange.StatusTransmitted, nil)
				if err == nil && out.Reached {
					crossed.Add(1)
				}
				pause(ctx, gap)
			}
		})
	}
	wg.Wait()
	return crossed.Load()
}

// settle waits until all honest parcels are in the inbox.
func (s *siege) settle() {
	s.t.Helper()
	for _, id := range s.sent[s.settled:] {
		s.honest.Await(id, exchange.StatusDelivered)
	}
	s.settled = len(s.sent)
}

// BenchmarkPrograms says of each program what one of its requests costs the node,
// and what honest traffic keeps beside it, compared with a busy loop that takes
// as much of the processor as the program itself. The phases are short and take
// turns, now this one first and now that, so that what else the machine does
// falls on both.
func BenchmarkPrograms(b *testing.B) {
	const phase, pairs, keeps = 3 * time.Second, 8, 0.8
	s := besiege(b)
	for _, p := range Programs() {
		b.Run(p.Name, func(b *testing.B) {
			m := measured{siege: s, program: p, armed: s.enlist(), phase: phase}
			m.cost(b)
			m.beside(b)           // its share of the processor is known then
			m.honest = [2]int64{} // the first time is for warming up
			for i := range pairs {
				if i%2 == 0 {
					m.beside(b)
					m.besideBusy(b)
				} else {
					m.besideBusy(b)
					m.beside(b)
				}
			}
			s.settle()
			s.unharmed(p.Name)
			kept := float64(m.honest[0]) / float64(max(m.honest[1], 1))
			b.Logf("honest parcels: %d beside it, %d beside a busy loop that takes %.2f of a processor", m.honest[0], m.honest[1], m.share)
			b.ReportMetric(m.microseconds, "µs-of-node/request")
			b.ReportMetric(kept, "honest/busy")
			b.ReportMetric(m.share, "of-a-processor")
			b.ReportMetric(0, "ns/op") // says nothing here
			if kept < keeps {
				b.Errorf("beside %s honest traffic keeps %.2f of what it has beside a busy loop, want %.1f", p.Name, kept, keeps)
			}
		})
	}
}

// measured is one program being measured.
type measured struct {
	*siege
	program      Program
	armed        string
	phase        time.Duration
	share        float64  // of a processor, that it takes itself, on average
	measurements float64  // of the share
	microseconds float64  // of the node's processor time, for one request
	honest       [2]int64 // parcels that crossed beside it, and beside a busy loop
}

// cost lets it loose alone. What the node does anyway is taken off.
func (m *measured) cost(b *testing.B) {
	node := m.target.Process()
	idle := node.CPU(b)
	pause(context.Background(), m.phase)
	idle = node.CPU(b) - idle
	before := node.CPU(b)
	a := m.attack(m.program, m.armed)
	pause(context.Background(), m.phase)
	r := a.end()
	used := max(node.CPU(b)-before-idle, 0) // what it does anyway varies by more than a cheap program costs
	m.microseconds = float64(used.Microseconds()) / float64(max(r.Requests, 1))
	b.Logf("alone: %d requests, answered %s, %d broken off; %s of the node's processor time", r.Requests, r.Statuses, r.Failed, used)
}

func (m *measured) beside(b *testing.B) {
	a := m.attack(m.program, m.armed)
	pause(context.Background(), m.phase/10) // it starts
	own, began := a.CPU(b), time.Now()
	m.honest[0] += m.honestly(m.phase, 4, 0)
	m.measurements++
	m.share += (float64(a.CPU(b)-own)/float64(time.Since(began)) - m.share) / m.measurements
	a.end()
}

func (m *measured) besideBusy(b *testing.B) {
	loop := m.busyLoop(m.share)
	pause(context.Background(), m.phase/10)
	m.honest[1] += m.honestly(m.phase, 4, 0)
	loop.end()
}
