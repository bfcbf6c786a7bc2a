package torchwood_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"comity/crypto/merkle"
)

// One of our proofs under a checkpoint that one of our witnesses and litewitness cosigned satisfies torchwood's verifier, with a
// policy that wants both witnesses; and no longer when a witness's lines are missing, or for another leaf. What of ML-DSA-44 stands
// in it, torchwood does not know and passes over.
func TestTheirVerifierReadsOurProofs(t *testing.T) {
	us, log, witness := ours(t)
	them, theirKey := theirs(t, log)
	h := newHistory("honest", 0, 100)
	document, signature := sha256.Sum256([]byte("document")), sha256.Sum256([]byte("signature"))
	leaf := merkle.NewLeaf([merkle.SaltSize]byte{1}, document, signature)
	h.hashes = append(h.hashes, must(merkle.StoredHashes(100, leaf, h))...)
	note := must(log.Checkpoint(101, must(merkle.Root(101, h)), time.Now()))
	body := merkle.Submission{Checkpoint: note}.Marshal()

	ourLines, theirLines := us(body), them(body)
	if ourLines.status != 200 || theirLines.status != 200 {
		t.Fatalf("answers %+v and %+v", ourLines, theirLines)
	}
	ourOnly := must(merkle.WithCosignatures(note, []byte(ourLines.body)))
	both := must(merkle.WithCosignatures(ourOnly, []byte(theirLines.body)))
	if _, err := must(merkle.NewWitness(witness.Ed25519, witness.MLDSA44)).Cosignature(both); err != nil {
		t.Fatal(err)
	}
	proof := func(note []byte) []byte {
		return merkle.Proof{
			Index: 100, Hashes: must(merkle.Prove(101, 100, h)), Checkpoint: note, Salt: [merkle.SaltSize]byte{1}, Document: document, Signature: signature,
		}.Marshal()
	}

	logKey, _ := log.VerifierKeys()
	policy := must(torchwood.ParsePolicy(fmt.Appendf(nil, "log %s\nwitness ours %s\nwitness theirs %s\ngroup both all ours theirs\nquorum both\n",
		logKey, witness.Ed25519, theirKey)))
	if err := torchwood.VerifyProof(policy, tlog.RecordHash(leaf[:]), proof(both)); err != nil {
		t.Errorf("a proof with both cosignatures: %v", err)
	}
	for what, p := range map[string][]byte{
		"none of the witnesses":  proof(note),
		"one of two witnesses":   proof(ourOnly),
		"an altered cosignature": []byte(strings.Replace(string(proof(both)), theirLines.body[60:64], "AAAA", 1)),
	} {
		if err := torchwood.VerifyProof(policy, tlog.RecordHash(leaf[:]), p); err == nil {
			t.Errorf("%s: torchwood accepts the proof", what)
		}
	}
	if err := torchwood.VerifyProof(policy, tlog.RecordHash([]byte("another leaf")), proof(both)); err == nil {
		t.Error("torchwood accepts the proof for another leaf")
	}
}
