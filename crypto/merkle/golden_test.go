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
		if err := os.WriteFile(filepath.Join("testdata", name), b, 0o644); err != nil {
			t.Fatal(err)
		}
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
