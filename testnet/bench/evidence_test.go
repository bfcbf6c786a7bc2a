//go:build linux

package bench

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// costOfEvidence lets parcels cross between two nodes, many at once and then one
// after the other, and tells what evidence took beside the sealed bodies.
func costOfEvidence(tb testing.TB, table *Table, s Sizes) metrics {
	a, b := countedPair(tb)
	path := filepath.Join(tb.TempDir(), "evidence.bin")
	must(tb, 0, os.WriteFile(path, make([]byte, s.Small), 0o600))
	carry(tb, a, b, path, 1, 1) // makes the connections, and the first pages of tables

	found := metrics{}
	crowd := weighed(tb, a, b, path, s.Witnessed, s.AtOnce)
	tellWire(tb, table, a, crowd, found)
	tellRest(table, crowd, found)
	alone := weighed(tb, a, b, path, s.Lone, 1)
	table.Title(fmt.Sprintf("the same for parcels that come alone, each with checkpoints and cosignatures of its own; mean of %d", s.Lone))
	table.Add("on the wire, but the sealed body", alone.each(int64(alone.wire+alone.last)-alone.sealed), "bytes", "")
	table.Add("at rest, both sides, but the sealed body", alone.each(alone.kept()), "bytes", "")
	found["alone-wire-bytes"], found["alone-rest-bytes"] = alone.each(int64(alone.wire+alone.last)-alone.sealed), alone.each(alone.kept())

	table.Title("the steps of which evidence is made, one after the other, for each second of processor time")
	maps.Copy(found, evidenceRates(tb, table, a, b, crowd.transmissions, s.Step))
	return found
}

// weighing is what some parcels took.
type weighing struct {
	*transmissions
	rest [2]map[share]int64 // by which the databases of the sender and of the recipient have grown
}

func weighed(tb testing.TB, a, b *countedNode, path string, count, atOnce int) *weighing {
	tb.Helper()
	before := [2]map[share]int64{a.atRest(tb), b.atRest(tb)}
	w := &weighing{transmissions: carry(tb, a, b, path, count, atOnce)}
	w.rest = [2]map[share]int64{a.atRest(tb), b.atRest(tb)}
	for side, grown := range w.rest {
		for of := range grown {
			grown[of] -= before[side][of]
		}
		delete(grown, elsewhere)
	}
	return w
}

// each is a sum's part of one parcel.
func (w *weighing) each(sum int64) float64 { return float64(sum) / float64(len(w.keys)) }

// kept is all that both sides keep for evidence.
func (w *weighing) kept() (sum int64) {
	for _, side := range w.rest {
		for _, bytes := range side {
			sum += bytes
		}
	}
	return sum
}

func tellWire(tb testing.TB, table *Table, a *countedNode, w *weighing, found metrics) {
	tb.Helper()
	k := w.keys[len(w.keys)-1]
	table.Title(fmt.Sprintf("evidence on the wire, in bytes of UDP payload both ways: %d parcels at once, acknowledged, witnessed; each", len(w.keys)))
	out, err := a.Gateway.Store.Outbound(tb.Context(), k)
	must(tb, 0, err)
	documents := len(out.Envelope.Document) + len(out.Envelope.Signature)
	table.Add("envelope with its signature", float64(documents), "bytes", "")
	for _, event := range positive {
		ev, err := a.Gateway.Store.EvidenceOf(tb.Context(), k, event)
		must(tb, 0, err)
		documents += weight(ev.Packet)
		table.Add(string(event), float64(weight(ev.Packet)), "bytes", "document %d, signature %d, proof %d", len(ev.Document), len(ev.Signature), len(ev.Proof))
		found[string(event)+"-bytes"] = float64(weight(ev.Packet))
	}
	wire := w.each(int64(w.wire) - w.sealed)
	table.Add("these together", float64(documents), "bytes", "")
	table.Add("until acknowledged, but the sealed body", wire, "bytes", "with HTTP, TLS and QUIC around, feeds and acknowledgements; the sealed body has %.0f", w.each(w.sealed))
	table.Add("cosignatures and cosigned proofs after that", w.each(int64(w.last)), "bytes", "each side shows the other all six under a cosigned checkpoint")
	table.Add("in all", wire+w.each(int64(w.last)), "bytes", "")
	found["wire-bytes"], found["cosigned-wire-bytes"] = wire, w.each(int64(w.last))
}

func tellRest(table *Table, w *weighing, found metrics) {
	table.Title(fmt.Sprintf("evidence at rest, in pages of the databases: the same %d parcels; each", len(w.keys)))
	for _, of := range slices.Sorted(maps.Keys(w.rest[0])) {
		sender, recipient := w.each(w.rest[0][of]), w.each(w.rest[1][of])
		if sender+recipient == 0 {
			continue
		}
		table.Add(string(of), sender+recipient, "bytes", "sender %.0f, recipient %.0f", sender, recipient)
	}
	table.Add("in all, but the sealed body", w.each(w.kept()), "bytes", "")
	found["rest-bytes"] = w.each(w.kept())
}
