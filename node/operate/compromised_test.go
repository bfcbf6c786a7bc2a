package operate

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/record"
)

// R-REC-11: the next record marks the stolen keys of the witness and names new
// ones, with which the node goes on cosigning; everything else stays.
func TestReplaceWitness(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node")
	p := plan(dir)
	first, err := Create(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	offline, now, since := filepath.Join(dir, "offline"), p.Now.Add(time.Hour), p.Now.Add(time.Minute)
	replace := func(since time.Time) error {
		_, err := ReplaceWitness(t.Context(), CompromisedPlan{Amendment: Amendment{Dir: dir, Offline: offline, Now: func() time.Time { return now }}, Since: since})
		return err
	}
	old := first.Record().Node
	before, err := os.ReadFile(filepath.Join(dir, "node", witnessKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := replace(now.Add(time.Minute)); !errors.Is(err, ErrNotYet) {
		t.Errorf("a theft to come: %v", err)
	}
	if after, err := os.ReadFile(filepath.Join(dir, "node", witnessKeyFile)); err != nil || !bytes.Equal(before, after) || own(t, dir).Ref() != first.Ref() {
		t.Errorf("a refused announcement changed something: %v", err)
	}
	if err := replace(since); err != nil {
		t.Fatal(err)
	}
	second := own(t, dir)
	if _, err := record.Verify(second.Signed(), first); err != nil {
		t.Errorf("the record does not follow: %v", err)
	}
	n := second.Record().Node
	want := record.Compromised{Since: protocol.At(since), Announced: protocol.At(now.Truncate(time.Second))}
	if m := n.Marked(old.Witness); m == nil || *m != want || second.WitnessMark() != nil || n.Witness == old.Witness || n.Log != old.Log {
		t.Errorf("marked %v, want %v; the present keys are marked: %v", m, want, second.WitnessMark())
	}
	node, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if ed, pq := node.Gateway.Witness.VerifierKeys(); (record.Keypair{Ed25519: ed, MLDSA44: pq}) != n.Witness {
		t.Error("the node cosigns with other keys than its record names")
	}
	if err := node.Close(); err != nil {
		t.Fatal(err)
	}
	// Stolen once more: both marks stay.
	now = now.Add(time.Hour)
	if err := replace(now.Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	if third := own(t, dir).Record().Node; len(third.Compromised) != 2 || third.Marked(old.Witness) == nil || third.Marked(n.Witness) == nil {
		t.Errorf("the third record marks %+v", third.Compromised)
	}
}

// New keys are protected as the old ones were.
func TestReplaceWitnessOfAProtectedNode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node")
	p := plan(dir)
	if _, err := Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "node", witnessKeyFile)
	file := filepath.Join(filepath.Dir(dir), "passphrase")
	if err := os.WriteFile(file, []byte("a passphrase of many words\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pass, err := seal.NewPassphrase("a passphrase of many words")
	if err != nil {
		t.Fatal(err)
	}
	paths, err := (Layout{Dir: dir}).Secrets(NodeHolder)
	if err == nil {
		_, err = (&Change{Holder: NodeHolder, Paths: paths, New: pass}).Run()
	}
	if err != nil {
		t.Fatal(err)
	}
	from := &Passphrases{Files: map[Holder]string{NodeHolder: file}}
	if _, err := ReplaceWitness(t.Context(), CompromisedPlan{Amendment: Amendment{Dir: dir, Offline: filepath.Join(dir, "offline"), Now: func() time.Time { return p.Now.Add(time.Hour) }, Passphrases: from}, Since: p.Now}); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || !seal.Protected(data) {
		t.Errorf("the new key file is protected: %t, %v", seal.Protected(data), err)
	}
	n, err := Open(t.Context(), dir, Options{Passphrases: from})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if n.Locked[NodeHolder] != nil {
		t.Errorf("the node does not open: %v", n.Locked[NodeHolder])
	}
}
