package sim

import (
	"fmt"
	"testing"
	"time"

	"comity/protocol"
)

// I1-I4, I9 on the other engine: a few stories with the rows in PostgreSQL. All
// of them run there with COMITY_TEST_ENGINE=postgres.
func TestOnPostgres(t *testing.T) {
	t.Run("loss, delay, duplicates", func(t *testing.T) {
		play(t, postgres(t), 2, pair, func(w *World) {
			a, b := w.Host("xa"), w.Host("xb")
			w.Net.Lose(0.1)
			w.Net.Double(0.1)
			w.Net.Jitter(300 * time.Millisecond)
			for range 5 {
				a.Send(Letter{To: []*Host{b}, Size: 40_000})
				b.Send(Letter{To: []*Host{a}, Size: 100_000})
			}
			w.Await(24*time.Hour, Delivered)
		})
	})
	t.Run("restarts", func(t *testing.T) {
		play(t, postgres(t), 8, pair, func(w *World) {
			a, b := w.Host("xa"), w.Host("xb")
			for i := range 6 {
				a.Send(Letter{To: []*Host{b}, Size: 30_000 * i})
				w.Pass(time.Duration(w.Rand.IntN(80)) * time.Millisecond)
				[]*Host{b, a}[i%2].Restart()
				w.Check()
			}
			w.Await(24*time.Hour, Delivered)
		})
	})
	for _, seed := range some(t, uint64(0), 1, 2) {
		t.Run(fmt.Sprintf("seed-%d", seed), func(t *testing.T) {
			nodes := pair
			if seed == 0 {
				nodes = []protocol.NodeID{"xa", "xb", "xc"}
			}
			play(t, postgres(t), 1000+seed, nodes, chance)
		})
	}
}
