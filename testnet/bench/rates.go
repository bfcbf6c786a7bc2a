//go:build linux

package bench

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/protocol/evidence"
	"comity/store"
)

// rate is how often f succeeds, one call after the other, in a second of this
// process's processor time, and in a second.
func rate(tb testing.TB, during time.Duration, f func() error) (computed, passed float64) {
	tb.Helper()
	count, begin, used := 0, time.Now(), processor(tb)
	for time.Since(begin) < during || processor(tb) == used {
		must(tb, 0, f())
		count++
	}
	return float64(count) / (processor(tb) - used).Seconds(), float64(count) / time.Since(begin).Seconds()
}

// processor is the processor time of this process so far.
func processor(tb testing.TB) time.Duration {
	tb.Helper()
	var used syscall.Rusage
	must(tb, 0, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// evidenceRates measures the steps of which evidence is made, one after the other,
// with the keys, documents and logs of two nodes that have carried parcels: t.
func evidenceRates(tb testing.TB, table *Table, a, b *countedNode, t *transmissions, during time.Duration) metrics {
	tb.Helper()
	ctx, k := tb.Context(), t.keys[0]
	held, err := a.Gateway.Store.EvidenceOf(ctx, k, evidence.RelayAcceptance)
	must(tb, 0, err)
	parsed, err := evidence.Parse(held.Document)
	must(tb, 0, err)
	ref, peer := held.Ref(), b.Gateway.OwnState()
	key := b.Gateway.NodeKey
	now := time.Now()

	found := metrics{}
	add := func(name, what, remark string, f func() error) {
		computed, passed := rate(tb, during, f)
		found[name] = computed
		table.Add(what, computed, "per s", "%.0f by the clock%s", passed, remark)
	}
	add("signed/s", "evidence written and signed by a node", "; Ed25519, OpenPGP version 4", func() error {
		_, err := parsed.Sign(key, now)
		return err
	})
	add("signatures-verified/s", "evidence read and its signature verified", "", func() error {
		_, err := peer.VerifyEvidence(held.Signed, now)
		return err
	})
	note, err := b.Gateway.Store.Checkpoint(ctx)
	must(tb, 0, err)
	state, err := peer.LogVerifier().Checkpoint(note)
	must(tb, 0, err)
	add("checkpoints/s", "checkpoint signed", "; Ed25519 and ML-DSA-44, verified before it leaves", func() error {
		_, err := b.Gateway.Log.Checkpoint(state.Size, state.Root, now)
		return err
	})
	add("proofs-made/s", "proof made", fmt.Sprintf("; leaf and hashes read from the store, log of %d leaves", state.Size), func() error {
		_, err := a.Gateway.Store.EvidenceOf(ctx, k, evidence.SubmissionAcceptance)
		return err
	})
	add("proofs/s", "proof verified under a checkpoint seen before", "", func() error {
		_, _, err := peer.LogVerifier().Proof(held.Proof, ref.Document, ref.Signature)
		return err
	})
	log := peer.Record().Node.Log
	add("new-proofs/s", "proof verified with its checkpoint", "; both signatures of the log", func() error {
		fresh, err := merkle.NewVerifier(log.Origin, log.Keys.Ed25519, log.Keys.MLDSA44)
		if err == nil {
			_, _, err = fresh.Proof(held.Proof, ref.Document, ref.Signature)
		}
		return err
	})
	var lines []byte
	add("cosignatures/s", "cosignature made", "; both keys, verified before it leaves", func() (err error) {
		lines, err = a.Gateway.Witness.Cosign(note, now)
		return err
	})
	whole, err := merkle.WithCosignatures(note, lines)
	must(tb, 0, err)
	add("cosignatures-verified/s", "cosignature verified", "; both keys", func() error {
		_, err := a.Gateway.Witness.Witness().Cosignature(whole)
		return err
	})
	same := store.Submission{LogState: store.LogState{Node: b.id, Checkpoint: state, Note: note}, Old: state.Size}
	add("refreshed/s", "checkpoint cosigned and stored by a witness", "; compared with the one before, made, durable", func() error {
		_, err := a.Gateway.Store.Cosign(ctx, same, a.Gateway.Witness.Cosign)
		return err
	})
	return found
}
