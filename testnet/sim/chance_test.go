package sim

import (
	"time"
)

// chance is a story of random events: letters, faults that begin and end, deaths,
// time that passes. In the end all is healthy, and every letter must arrive.
func chance(w *World) {
	for range 16 {
		w.event()
		w.Pass(time.Duration(w.Rand.Int64N(int64(time.Hour) >> w.Rand.IntN(16))))
		w.Check()
	}
	w.recover()
	w.AwaitHandover(72 * time.Hour)
	w.EndedOnce()
}

// event is one thing that happens.
func (w *World) event() {
	from, to := w.two()
	switch n := w.Rand.IntN(34); {
	case n < 12:
		if from.running != nil {
			from.Try(Letter{To: []*Host{to}, Size: w.Rand.IntN(150_000), Test: w.Rand.IntN(8) == 0})
		}
	case n < 15:
		w.weather(from, to)
	case n < 17:
		w.Net.Calm()
	case n < 18:
		from.Stop()
	case n < 19:
		from.Restart()
	case n < 20:
		from.Start()
	case n < 21:
		from.Kill(KilledIdle, w.Rand.IntN(2) == 0)
		from.away = w.Rand.IntN(2) == 0
	case n < 22:
		w.killInUpload(from, to)
	case n < 29:
		from.sicken()
		if from.running != nil && w.Rand.IntN(4) > 0 { // so that there is something to write
			from.Try(Letter{To: []*Host{to}, Size: w.Rand.IntN(150_000)})
		}
	case n < 30:
		from.disk.Fill(w.Rand.IntN(2) == 0)
	case n < 32:
		from.setWrong()
	default:
		from.withdrawSometime()
	}
}

func (w *World) two() (from, to *Host) {
	order := w.Rand.Perm(len(w.Hosts))
	return w.Hosts[order[0]], w.Hosts[order[1]]
}

// weather makes the network bad in one way.
func (w *World) weather(from, to *Host) {
	switch w.Rand.IntN(6) {
	case 0:
		w.Net.Lose(w.Rand.Float64() * 0.3)
	case 1:
		w.Net.Double(w.Rand.Float64() * 0.2)
	case 2:
		w.Net.Jitter(time.Duration(1 + w.Rand.IntN(500)*int(time.Millisecond)))
	case 3:
		w.Net.Cut(from, to)
	case 4:
		w.Net.Part(from, to)
	case 5:
		w.Net.Drip(from, 2000+w.Rand.Float64()*40_000)
	}
}

// sicken lets one fault strike soon.
func (h *Host) sicken() {
	faults := []struct {
		at    Point
		fault Fault
		soon  int
	}{
		{AtCommit, CommitLost, 6},
		{AtCommit, CommitKept, 6},
		{AtCommit, CommitUnknown, 6},
		{AtCommit, KilledBefore, 12},
		{AtCommit, KilledAfter, 12},
		{AtCommit, PowerCut, 12},
		{AtWrite, WriteLost, 30},
		{AtWrite, WriteKept, 30},
		{AtWrite, KilledAtWrite, 60},
		{AtSync, SyncFailed, 4},
		{AtSync, KilledAtSync, 6},
		{AtSync, PowerCutAtSync, 6},
	}
	f := faults[h.world.Rand.IntN(len(faults))]
	h.disk.Strike(f.at, h.world.Rand.IntN(f.soon), f.fault)
}

// setWrong sets the clock by an hour or a year, or right again.
func (h *Host) setWrong() {
	w := h.world
	step, kind := time.Hour, ClockHour
	if w.Rand.IntN(2) == 0 {
		step, kind = 366*24*time.Hour, ClockYear
	}
	if h.skew.Load() != 0 {
		h.SetClock(0)
		return
	}
	if w.Rand.IntN(2) == 0 {
		step = -step
	}
	w.Tally.Count(kind, 1)
	h.SetClock(step)
}

// killInUpload sends some MiB over a thin line and kills an end on the way.
func (w *World) killInUpload(from, to *Host) {
	if from.running == nil || to.running == nil || from.troubled() || to.troubled() {
		return
	}
	w.Net.Calm()
	w.Net.Drip(to, 300_000)
	size := 1<<20 + w.Rand.IntN(2<<20)
	from.Try(Letter{To: []*Host{to}, Size: size})
	enough := size / (2 + w.Rand.IntN(8))
	for range 100 {
		if w.Pass(200 * time.Millisecond); w.Net.dripped(to) > enough {
			victim := []*Host{from, to}[w.Rand.IntN(2)]
			victim.Kill(KilledInUpload, w.Rand.IntN(2) == 0)
			break
		}
	}
	w.Pass(time.Second)
	w.Net.Drip(to, 0)
}

// recover ends all trouble.
func (w *World) recover() {
	w.Net.Calm()
	for _, h := range w.Hosts {
		h.disk.Heal()
		h.SetClock(0)
		h.Start()
	}
}
