//go:build linux

package bench

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/testnet/local"
)

// found is what the benchmarks measured, printed at the end.
var found Table

func TestMain(m *testing.M) {
	if MainIsSink() {
		return
	}
	code := local.Main(m)
	fmt.Print(&found)
	os.Exit(code)
}

// TestSmoke measures everything with tiny sizes. It looks at no figure.
func TestSmoke(t *testing.T) {
	var table Table
	s := SmokeSizes()
	machine(t, &table, s)
	small(t, &table, s)
	large(t, &table, s)
	history(t, &table, s)
	costOfEvidence(t, &table, s)
	others(t, &table, s)
	t.Log(&table)
}

// BenchmarkMachine measures what the machine can do without us.
func BenchmarkMachine(b *testing.B) {
	for b.Loop() {
		report(b, machine(b, &found, FullSizes(b)))
	}
}

// BenchmarkSmall measures small parcels between two processes.
func BenchmarkSmall(b *testing.B) {
	for b.Loop() {
		report(b, small(b, &found, FullSizes(b)))
	}
}

// BenchmarkLarge measures a large parcel between two processes, and bare streams
// between two processes in turn with it.
func BenchmarkLarge(b *testing.B) {
	for b.Loop() {
		report(b, large(b, &found, FullSizes(b)))
	}
}

// BenchmarkHistory measures small parcels between nodes with a long log and a
// long queue, in turn with new ones.
func BenchmarkHistory(b *testing.B) {
	for b.Loop() {
		report(b, history(b, &found, FullSizes(b)))
	}
}

// BenchmarkEvidence measures what evidence adds to a parcel: bytes on the wire and
// at rest, and the steps of which it is made.
func BenchmarkEvidence(b *testing.B) {
	for b.Loop() {
		report(b, costOfEvidence(b, &found, FullSizes(b)))
	}
}

// BenchmarkOthers lets two nodes and other programs move the same files in turn,
// as far as the others are installed.
func BenchmarkOthers(b *testing.B) {
	for b.Loop() {
		report(b, others(b, &found, FullSizes(b)))
	}
}

func report(b *testing.B, m metrics) {
	b.Helper()
	for unit, figure := range m {
		b.ReportMetric(figure, unit)
	}
	b.ReportMetric(0, "ns/op") // one operation is the whole story: its time says nothing
}

func machine(tb testing.TB, table *Table, s Sizes) metrics {
	dir := tb.TempDir()
	hash := hashing(s.Hashing)
	syncs, err := syncing(dir, s.Syncs)
	must(tb, 0, err)
	write, err := writing(dir, s.Large)
	must(tb, 0, err)
	table.Title("the machine")
	table.Add("SHA-256, one core", hash, "MB/s", "")
	table.Add("append of 4 KiB and fdatasync, one by one", syncs, "per s", "")
	table.Add("write and fsync a file", write, "MB/s", "%d MiB", s.Large>>20)
	return metrics{"sha256-MB/s": hash, "fsyncs/s": syncs, "write-MB/s": write}
}

// pair are two running nodes that know each other.
func pair(tb testing.TB) (*local.Network, *local.Node, *local.Node) {
	w := local.New(tb)
	a, b := w.Create("xa"), w.Create("xb")
	w.Introduce(a, b)
	a.Start()
	b.Start()
	// The first parcel also makes the connection: it is not counted.
	a.Await(a.Send(local.Letter{To: []*local.Node{b}, Files: []string{w.File("first.bin", 100)}}), exchange.StatusDelivered)
	return w, a, b
}

func small(tb testing.TB, table *Table, s Sizes) metrics {
	w, a, b := pair(tb)
	l := local.Letter{To: []*local.Node{b}, Files: []string{w.File("small.bin", s.Small)}}

	alone := func(until exchange.Status) float64 {
		var took []float64
		for range s.Alone {
			begin := time.Now()
			a.Await(a.Send(l), until)
			took = append(took, float64(time.Since(begin).Microseconds())/1e3)
		}
		return median(took)
	}
	relayed, handed := alone(exchange.StatusTransmitted), alone(exchange.StatusDelivered)

	many := crowd(tb, a, b, l, s.Crowd, s.AtOnce)
	perParcel := float64(many.cpu.Microseconds()) / 1e3 / float64(s.Crowd)
	peaks := [2]float64{mib(a, tb), mib(b, tb)}

	table.Title(fmt.Sprintf("small parcels: one attachment of %d bytes, signed, sealed, durable at both ends, evidence verified", s.Small))
	table.Add("one at a time, until RelayAcceptance is here", relayed, "ms", "median of %d, %.0f per s", s.Alone, 1e3/relayed)
	table.Add("one at a time, until ContentHandover is here", handed, "ms", "median of %d, %.0f per s", s.Alone, 1e3/handed)
	table.Add(fmt.Sprintf("%d at once, sent", s.AtOnce), many.sent, "per s", "%d parcels, SubmissionAcceptance each", s.Crowd)
	table.Add(fmt.Sprintf("%d at once, until RelayAcceptance is here", s.AtOnce), many.relayed, "per s", "")
	table.Add(fmt.Sprintf("%d at once, until ContentHandover is signed", s.AtOnce), many.handed, "per s", "")
	table.Add("processor, both sides and both offices", perParcel, "ms", "per parcel")
	table.Add("peak memory, sender", peaks[0], "MiB", "")
	table.Add("peak memory, recipient", peaks[1], "MiB", "")
	return metrics{
		"alone-relay-ms": relayed, "alone-handover-ms": handed, "relayed/s": many.relayed, "handed-over/s": many.handed,
		"cpu-ms/parcel": perParcel, "sender-MiB": peaks[0], "recipient-MiB": peaks[1],
	}
}

// rates are parcels per second, from the first Send until all have got so far,
// and the processor time of both nodes until the evidence has settled.
type rates struct {
	sent, relayed, handed float64
	cpu                   time.Duration
}

// crowd sends count letters, atOnce at a time. While they are under way it only
// asks now and then how long the queue is, because a
// watcher of every parcel would be measured with them; what the evidence says is
// read at the end.
func crowd(tb testing.TB, from, to *local.Node, l local.Letter, count, atOnce int) rates {
	tb.Helper()
	used := from.Process().CPU(tb) + to.Process().CPU(tb)
	// The question reads the whole queue, and would be measured if it came often.
	const pollQueue = 50 * time.Millisecond
	begin := time.Now()
	held, errs := from.SendMany(count, atOnce, l, nil)
	if len(errs) > 0 {
		tb.Fatal(errs[0])
	}
	sent := time.Since(begin)
	for from.Waiting(to) > 0 {
		time.Sleep(pollQueue)
	}
	relayed := time.Since(begin)
	// The office at the other side works them off in the order in which they came.
	from.Await(held[len(held)-1], exchange.StatusDelivered)
	used = from.Process().CPU(tb) + to.Process().CPU(tb) - used
	var last time.Time
	for _, id := range held {
		from.Await(id, exchange.StatusDelivered)
		if at := times(tb, from, id)[evidence.ContentHandover]; at.After(last) {
			last = at
		}
	}
	rate := func(d time.Duration) float64 { return float64(count) / d.Seconds() }
	return rates{rate(sent), rate(relayed), rate(last.Sub(begin)), used}
}

func mib(n *local.Node, tb testing.TB) float64 {
	return float64(n.Process().PeakMemory(tb)) / (1 << 20)
}

func large(tb testing.TB, table *Table, s Sizes) metrics {
	w, a, b := pair(tb)
	_, sink := startSink(tb)
	l := local.Letter{To: []*local.Node{b}, Files: []string{w.File("large.bin", s.Large)}}
	var client, bare, whole, office, wire, intake, cpu []float64
	a.Process().ForgetPeak(tb)
	b.Process().ForgetPeak(tb)
	for range s.Rounds {
		speed, err := bareStream(context.Background(), sink, s.Large, byLargeWrites)
		bare = append(bare, must(tb, speed, err))
		speed, err = bareStream(context.Background(), sink, s.Large, byClient)
		client = append(client, must(tb, speed, err))
		used := a.Process().CPU(tb) + b.Process().CPU(tb)
		begin := time.Now()
		id := a.Send(l)
		a.Await(id, exchange.StatusDelivered)
		took := time.Since(begin)
		used = a.Process().CPU(tb) + b.Process().CPU(tb) - used
		at := times(tb, a, id)
		whole = append(whole, perSecond(s.Large, took))
		office = append(office, perSecond(s.Large, at[evidence.SubmissionAcceptance].Sub(begin)))
		wire = append(wire, perSecond(s.Large, at[evidence.RelayAcceptance].Sub(at[evidence.SubmissionAcceptance])))
		intake = append(intake, perSecond(s.Large, at[evidence.ContentHandover].Sub(at[evidence.RelayAcceptance])))
		cpu = append(cpu, used.Seconds()/(float64(s.Large)/1e9))
	}
	peaks := [2]float64{mib(a, tb), mib(b, tb)}
	table.Title(fmt.Sprintf("one large parcel: an attachment of %d MiB, medians of %d rounds in turn with bare streams", s.Large>>20, s.Rounds))
	table.Add("bare HTTP/3 between two processes, http.Client", median(client), "MB/s", "")
	table.Add("bare HTTP/3 between two processes, large writes", median(bare), "MB/s", "")
	table.Add("hash, sign, seal, store, submit", median(office), "MB/s", "until SubmissionAcceptance")
	table.Add("wire alone", median(wire), "MB/s", "until RelayAcceptance: sent, hashed, durable; %.2f of the bare stream", median(wire)/median(bare))
	table.Add("take in", median(intake), "MB/s", "until ContentHandover: opened, every file verified")
	table.Add("whole way, attached to verified", median(whole), "MB/s", "the three one after the other; %.2f of the bare stream", median(whole)/median(bare))
	table.Add("processor, both sides and both offices", median(cpu), "s", "per GB")
	table.Add("peak memory, sender", peaks[0], "MiB", "")
	table.Add("peak memory, recipient", peaks[1], "MiB", "")
	return metrics{
		"client-MB/s": median(client), "bare-MB/s": median(bare), "whole-MB/s": median(whole), "wire-MB/s": median(wire),
		"wire/bare": median(wire) / median(bare), "sender-MiB": peaks[0], "recipient-MiB": peaks[1],
	}
}

// history lets a pair of new nodes, and a pair with a long log and a long queue
// at both sides, move small files in turn.
func history(tb testing.TB, table *Table, s Sizes) metrics {
	w := local.New(tb)
	down := w.Create("xc")
	young, old := [2]*local.Node{w.Create("xa"), w.Create("xb")}, [2]*local.Node{w.Create("xd"), w.Create("xe")}
	w.Introduce(young[0], young[1])
	w.Introduce(old[0], old[1], down)
	begin := time.Now()
	for _, n := range old {
		must(tb, n, fillHistory(n, down, s.Leaves, s.Queued))
	}
	filling := time.Since(begin)
	rates, costs := map[*nodes][]float64{}, map[*nodes][]float64{}
	var pairs []*nodes
	for _, p := range [][2]*local.Node{young, old} {
		p[0].Start()
		p[1].Start()
		pairs = append(pairs, &nodes{tb: tb, from: p[0], to: p[1], atOnce: s.AtOnce})
	}
	for round := range s.Rounds + 1 {
		files := make([]string, s.Files)
		for i := range files {
			files[i] = w.File(fmt.Sprintf("history-%d-%04d.bin", round, i), s.Small)
		}
		for _, p := range pairs {
			begin, used := time.Now(), p.cpu()
			_, err := p.move(files)
			must(tb, 0, err)
			if round > 0 { // the first also makes the connection and fills the caches
				rates[p] = append(rates[p], float64(len(files))/time.Since(begin).Seconds())
				costs[p] = append(costs[p], float64((p.cpu()-used).Microseconds())/1e3/float64(len(files)))
			}
		}
	}
	fresh, aged := median(rates[pairs[0]]), median(rates[pairs[1]])
	cost, agedCost := median(costs[pairs[0]]), median(costs[pairs[1]])
	table.Title(fmt.Sprintf("small parcels, %d at once, until the recipient's office has verified them: medians of %d rounds in turn", s.AtOnce, s.Rounds))
	table.Add("two new nodes", fresh, "per s", "%.2f ms of processor each", cost)
	table.Add(fmt.Sprintf("with %d leaves and %d queued", s.Leaves, s.Queued), aged, "per s", "%.2f of two new nodes; %.2f ms of processor each, %.2f of two new nodes",
		aged/fresh, agedCost, agedCost/cost)
	table.Add("filling the two stores", filling.Seconds(), "s", "")
	table.Add("peak memory, sender with a history", mib(old[0], tb), "MiB", "")
	return metrics{"history/new": aged / fresh, "history/new-cpu": agedCost / cost}
}

// others moves small files, then a large one, with nodes and peers in turn.
func others(tb testing.TB, table *Table, s Sizes) metrics {
	w, a, b := pair(tb)
	found := metrics{}
	one := func(what string, count int, bytes int64, atOnce int) {
		c := newContest(tb, &nodes{tb: tb, from: a, to: b, atOnce: atOnce}, bytes)
		for round := range s.Rounds {
			files := make([]string, count)
			for i := range files {
				files[i] = w.File(fmt.Sprintf("file-%d-%d-%04d.bin", bytes, round, i), bytes)
			}
			c.round(files)
			for _, path := range files {
				os.Remove(path)
			}
		}
		table.Title(fmt.Sprintf("the same %d %s of %d KiB with each program, opened and synced at the other side; medians of %d rounds in turn",
			count, what, bytes>>10, s.Rounds))
		for name, figure := range c.tell(tb, table) {
			found[strings.ReplaceAll(what, " ", "-")+"-"+name] = figure
		}
	}
	one("small files", s.Files, s.Small, s.AtOnce)
	one("large file", 1, s.Large, 1)
	tellLacks(table)
	return found
}
