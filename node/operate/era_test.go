package operate

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"comity/crypto/keys"
	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/record"
	"comity/store"
)

// A new era that broke off before its commit leaves nothing behind, whichever of
// its files were there: above all the log key stays.
func TestANewEraThatBrokeOff(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node")
	if _, err := Create(t.Context(), plan(dir)); err != nil {
		t.Fatal(err)
	}
	l := Layout{Dir: dir}
	files := []string{l.NodeFile(logKeyFile), l.OfficeFile("xa/central-authority", actKeyFile), l.Record() + ".asc", l.Record()}
	var before [][]byte
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, b)
	}
	for which := 1; which < 1<<len(files); which++ {
		for i, path := range files {
			if which&(1<<i) != 0 {
				if err := keys.WriteNew(path+next, []byte("of an era that was not begun")); err != nil {
					t.Fatal(err)
				}
			}
		}
		n, err := Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatalf("files %03b: %v", which, err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		for i, path := range files {
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before[i]) {
				t.Errorf("files %03b: %s was changed (%v)", which, path, err)
			}
			if _, err := os.Lstat(path + next); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("files %03b: %s%s is still there (%v)", which, path, next, err)
			}
		}
	}
}

// R-OLD-1, R-OLD-4: where a peer has shown a record that this copy has lost, the
// next era follows from that one; where that record is for other keys than the copy
// has, nothing is changed and the error names them.
func TestANewEraFollowsFromTheRecordThatAPeerShows(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node")
	if _, err := Create(t.Context(), plan(dir)); err != nil {
		t.Fatal(err)
	}
	n, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	own := n.Gateway.Own
	node := own.Record().Node.ID
	primary, err := readSecret(&keyring{holder: OfflineHolder, config: n.Config}, filepath.Join(dir, "offline", "state.key"), filepath.Join(dir, "offline", "state.gpg"))
	if err != nil {
		t.Fatal(err)
	}
	log, err := merkle.GenerateLog(protocol.LogOrigin(node, 2))
	if err != nil {
		t.Fatal(err)
	}
	_, ed, pq, err := merkle.GenerateKeypair("comity/witness/" + string(node))
	if err != nil {
		t.Fatal(err)
	}
	show := func(peer protocol.NodeID, change func(*record.Record)) *record.State {
		t.Helper()
		r := *own.Record()
		previous := own.Ref().Digest
		r.Sequence, r.Previous, r.Created = 2, &previous, protocol.At(time.Now().Truncate(time.Second))
		logEd, logPQ := log.VerifierKeys()
		r.Node.Log = record.Log{Origin: log.Origin(), Keys: record.Keypair{Ed25519: logEd, MLDSA44: logPQ}}
		change(&r)
		signed, err := record.SignRecord(&r, primary, r.Created.Time)
		if err == nil {
			err = n.Gateway.Store.NoteShown(t.Context(), store.Shown{Peer: peer, Record: signed})
		}
		if err != nil {
			t.Fatal(err)
		}
		state, err := record.Verify(signed, own)
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	show("xz", func(r *record.Record) { r.Node.Witness = record.Keypair{Ed25519: ed, MLDSA44: pq} })
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	era := Amendment{Dir: dir, Offline: filepath.Join(dir, "offline")}
	var other *OtherKeysError
	if _, err := NewEra(t.Context(), era); !errors.As(err, &other) || other.Record != 2 || other.Peer != "xz" {
		t.Fatalf("for other keys: %v", err)
	}
	if n, err = Open(t.Context(), dir, Options{}); err != nil {
		t.Fatal(err)
	}
	lost := show("xz", func(*record.Record) {})
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	next, err := NewEra(t.Context(), era)
	if err != nil {
		t.Fatal(err)
	}
	if r := next.Record(); r.Sequence != 3 || *r.Previous != lost.Ref().Digest || r.Node.Log.Origin != protocol.LogOrigin(node, 3) {
		t.Errorf("record %d of log %s follows", r.Sequence, r.Node.Log.Origin)
	}
	if n, err = Open(t.Context(), dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if _, err := n.Gateway.Store.RecordByDigest(t.Context(), lost.Ref().Digest); err != nil {
		t.Errorf("the record that was lost: %v", err)
	}
	if err := n.Gateway.Standing().Refusal; err != nil {
		t.Errorf("it still signs nothing: %v", err)
	}
}
