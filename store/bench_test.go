package store

import (
	"fmt"
	"testing"

	"comity/protocol"
)

// BenchmarkCommit takes parcels of 4 KiB from a peer: row, sealed bytes, two
// evidences, one leaf and its proof each, one signed checkpoint a commit.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			n := newNode(b)
			number := 0
			for b.Loop() {
				b.StopTimer()
				facts := make([]Fact, size)
				for i := range facts {
					number++
					facts[i] = n.benchAccept(number)
				}
				b.StartTimer()
				out, err := n.Commit(b.Context(), facts, n.sign)
				if err != nil || out[size-1].Err != nil {
					b.Fatal(err, out[size-1].Err)
				}
			}
			b.ReportMetric(float64(number)/b.Elapsed().Seconds(), "facts/s")
		})
	}
}

func (n *node) benchAccept(number int) AcceptRelay {
	f := n.accept(number)
	sealed := body(number, 4096)
	s := n.NewSpool()
	mustWrite(n.t, s, sealed)
	mustKeep(n.t, s)
	f.Spool, f.Sealed = s, sealedOf(sealed)
	return f
}

// BenchmarkFull compares the same work in an empty node with one that has a
// long log and a long queue.
func BenchmarkFull(b *testing.B) {
	for _, rows := range []int{0, 20_000} {
		n := newNode(b)
		for i := 0; i < rows; i += protocol.MaxBatch {
			var facts []Fact
			for j := range protocol.MaxBatch {
				s := n.NewSpool()
				fmt.Fprint(s, "sealed ", i+j)
				mustKeep(b, s)
				f := Submit{Spool: s, Out: []Outbound{n.outbound(i+j, prosecution, nil)}}
				f.Out[0].Sealed.Size, f.Out[0].Sealed.Digest = s.Size(), s.Digest()
				facts = append(facts, f)
			}
			n.commit(facts...)
		}
		number := 10_000_000
		b.Run(fmt.Sprintf("rows=%d/commit=64", rows), func(b *testing.B) {
			count := 0
			for b.Loop() {
				b.StopTimer()
				facts := make([]Fact, 64)
				for i := range facts {
					number++
					facts[i] = n.benchAccept(number)
				}
				b.StartTimer()
				if _, err := n.Commit(b.Context(), facts, n.sign); err != nil {
					b.Fatal(err)
				}
				count += len(facts)
			}
			b.ReportMetric(float64(count)/b.Elapsed().Seconds(), "facts/s")
		})
		b.Run(fmt.Sprintf("rows=%d/due", rows), func(b *testing.B) {
			for b.Loop() {
				if _, err := n.Due(b.Context(), nodeB, n.clock.now(), nil, 16, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("rows=%d/evidence", rows), func(b *testing.B) {
			for b.Loop() {
				if _, err := n.Evidence(b.Context(), key(5, prosecution)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func mustKeep(tb testing.TB, s *Spool) {
	tb.Helper()
	if err := s.Keep(); err != nil {
		tb.Fatal(err)
	}
}
