package sim

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"comity/protocol"
)

// A recipient that is killed in mid-upload and back at once is noticed when it
// calls, and not when the old connection times out.
func TestARestartedRecipientIsNoticedAtOnce(t *testing.T) {
	Run(t, 10, pair, func(w *World) {
		const size = 20 << 20
		a, b := w.Host("xa"), w.Host("xb")
		w.Net.Lose(0.01)
		a.Send(Letter{To: []*Host{b}, Size: size})
		w.Pass(8 * time.Second)
		b.Kill(KilledInUpload, false)
		b.tend()
		before := b.durable()
		if before == 0 {
			w.T.Fatal("the body was not in its middle")
		}
		w.Pass(15 * time.Second)
		if after := b.durable(); after <= before && !Delivered(w.Status(w.sent[0].Key)) {
			w.T.Errorf("%d bytes were durable when the recipient came back, %d are a quarter of a minute later", before, after)
		}
		w.Await(time.Hour, Delivered)
	})
}

// R-WIRE-11, R-WIRE-12: either end is killed again and again in the middle of a
// large body, with the power or without, on a network that loses. What is durable
// is never lost and never sent again.
func TestDeathsInMidUpload(t *testing.T) {
	Run(t, 10, pair, func(w *World) {
		const size = 20 << 20
		a, b := w.Host("xa"), w.Host("xb")
		w.Net.Lose(0.01)
		a.Send(Letter{To: []*Host{b}, Size: size})
		cuts := 0
		for i := 0; i < 40; i++ {
			w.Pass(6*time.Second + time.Duration(w.Rand.IntN(6000))*time.Millisecond)
			before := b.durable()
			if before == 0 && i > 0 {
				break // it is through
			}
			victim := []*Host{a, b}[w.Rand.IntN(2)]
			victim.Kill(KilledInUpload, w.Rand.IntN(2) == 0)
			victim.tend()
			w.Check()
			if before > 0 {
				cuts++
			}
			if after := b.durable(); after < before {
				w.T.Errorf("death %d: %d bytes were durable, now %d", i, before, after)
			}
		}
		if cuts < 3 {
			w.T.Errorf("only %d deaths hit the body in its middle", cuts)
		}
		w.Await(24*time.Hour, Delivered)
		if n := b.durable(); n != 0 {
			w.T.Errorf("%d bytes are left of an upload that is through", n)
		}
		// A death costs what came in the seconds before it. Sent anew each time, the
		// body would be several times its size.
		sent := w.Net.Sent(a)
		w.T.Logf("%d deaths in the middle; sent %.3f times the size", cuts, float64(sent)/size)
		if sent > size/10*11+int64(cuts)*(3<<20) {
			w.T.Errorf("%d bytes left for a body of %d, with %d deaths", sent, int64(size), cuts)
		}
	})
}

// durable is how many bytes of bodies under way are durable at a host.
func (h *Host) durable() (sum int64) {
	list, err := h.store().Uploads(h.world.T.Context(), protocol.Digest{})
	h.world.must(err, "uploads at %s", h.Node)
	for _, s := range list {
		sum += s.Offset
	}
	return sum
}

// arrived is how many bytes of bodies under way are at a host, durable or not.
func (h *Host) arrived() (sum int64) {
	files, err := filepath.Glob(filepath.Join(h.dir, "node", "sealed", "partial", "*"))
	h.world.must(err, "parts at %s", h.Node)
	for _, name := range files {
		if info, err := os.Stat(name); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// A large body crosses a bad line: a round trip of 300 ms, 2 % of all packets
// lost, and an outage of hours in its middle. LINE_MIB says how large it is.
func TestABadLineWithAnOutage(t *testing.T) {
	size := 12
	if text := os.Getenv("LINE_MIB"); text != "" {
		var err error
		if size, err = strconv.Atoi(text); err != nil || size < 1 {
			t.Fatalf("LINE_MIB=%q is not a number of MiB", text)
		}
	}
	size <<= 20
	Run(t, 11, pair, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		w.Net.Delay(150*time.Millisecond - latency)
		w.Net.Lose(0.02)
		began := time.Now()
		a.Send(Letter{To: []*Host{b}, Size: size})
		const minute = time.Minute
		for b.arrived() < int64(size)/2 {
			if w.Pass(minute / 4); time.Since(began) > 100*time.Hour {
				w.T.Fatalf("after 100 hours %d bytes have arrived", b.arrived())
			}
		}
		w.Net.Part(a, b)
		w.Pass(minute)
		cut := b.arrived()
		outage := 5 * time.Hour
		w.Pass(outage)
		kept := b.durable()
		if kept < cut-512<<10 {
			w.T.Errorf("%d bytes had arrived before the outage, %d are kept", cut, kept)
		}
		before := w.Net.Sent(a)
		w.Net.Heal()
		for !Delivered(w.Status(w.sent[0].Key)) {
			if w.Pass(minute / 4); time.Since(began) > 100*time.Hour {
				w.T.Fatalf("after 100 hours it is %s", w.Status(w.sent[0].Key))
			}
		}
		took := time.Since(began)
		after := w.Net.Sent(a) - before
		w.T.Logf("%d MiB: delivered after %s, of which %s outage; %.1f kB/s while the line was up; cut at %d bytes, went on at %d; sent %.3f times the size in all, %.3f times what was missing after the outage",
			size>>20, took.Round(time.Second), outage, float64(size)/1e3/(took-outage).Seconds(), cut, kept,
			float64(w.Net.Sent(a))/float64(size), float64(after)/float64(int64(size)-kept))
		if missing := int64(size) - kept; after > missing/4*5 {
			w.T.Errorf("%d bytes left after the outage, %d were missing", after, missing)
		}
	})
}
