package merkle_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"comity/crypto/merkle"
)

var update = flag.Bool("update", false, "make new golden files in testdata, with new keys")

// The golden log has five leaves, numberedEvidence(0) to (4); the proof is of
// leaf 2. Its secret keys were never stored.
const (
	goldenSize  = 5
	goldenIndex = 2
)

func golden(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeGolden(t *testing.T) {
	t.Helper()
	s, tree := newLog(t, origin), newTree(t, goldenSize)
	ed25519, mldsa44 := s.VerifierKeys()
	p := mustProve(t, s, goldenSize, goldenIndex, tree)
	for name, b := range map[string][]byte{
		"log.vkeys":           []byte(ed25519 + "\n" + mldsa44 + "\n"),
		"checkpoint.note":     p.Checkpoint,
		"evidence.tlog-proof": p.Marshal(),
	} {
		write(t, name, b)
	}
	writeGoldenCosigned(t, p.Checkpoint)
}

func writeGoldenCosigned(t *testing.T, signed []byte) {
	t.Helper()
	c := newCosigner(t, witnessName)
	ed25519, mldsa44 := c.VerifierKeys()
	write(t, "witness.vkeys", []byte(ed25519+"\n"+mldsa44+"\n"))
	write(t, "cosigned.note", with(t, signed, mustCosign(t, c, signed, cosignedAt)))
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join("testdata", name), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Files written by an earlier version must verify for ever: they are evidence.
func TestGoldenFiles(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	keys := strings.Split(string(golden(t, "log.vkeys")), "\n")
	v, err := merkle.NewVerifier(origin, keys[0], keys[1])
	if err != nil {
		t.Fatal(err)
	}
	signed := golden(t, "checkpoint.note")
	want := merkle.Checkpoint{
		Origin: origin, Size: goldenSize, Root: mustRoot(t, goldenSize, newTree(t, goldenSize)),
		Time: signedAt.Truncate(time.Second),
	}
	if got, err := v.Checkpoint(signed); err != nil || got != want {
		t.Errorf("checkpoint.note = %+v, %v, want %+v", got, err, want)
	}
	text, e := golden(t, "evidence.tlog-proof"), numberedEvidence(goldenIndex)
	p, c, err := v.Proof(text, e.document, e.signature)
	if err != nil || c != want {
		t.Fatalf("evidence.tlog-proof = %+v, %v, want %+v", c, err, want)
	}
	if p.Index != goldenIndex || p.Salt != e.salt || !bytes.Equal(p.Checkpoint, signed) || !bytes.Equal(p.Marshal(), text) {
		t.Errorf("evidence.tlog-proof = %+v", p)
	}
}

// The same of a cosigned checkpoint.
func TestGoldenCosignature(t *testing.T) {
	keys := strings.Split(string(golden(t, "witness.vkeys")), "\n")
	w, err := merkle.NewWitness(keys[0], keys[1])
	if err != nil {
		t.Fatal(err)
	}
	cosigned := golden(t, "cosigned.note")
	want := merkle.Cosignature{Witness: witnessName, Time: cosignedAt.Truncate(time.Second)}
	if got, err := w.Cosignature(cosigned); err != nil || got != want {
		t.Errorf("cosigned.note = %+v, %v, want %+v", got, err, want)
	}
	if signed := golden(t, "checkpoint.note"); !bytes.HasPrefix(cosigned, signed) {
		t.Error("cosigned.note does not begin with checkpoint.note")
	}
}
