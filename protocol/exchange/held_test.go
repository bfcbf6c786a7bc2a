package exchange_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"comity/protocol/exchange"
	"comity/protocol/statement"
)

func heldSeeds() [][]byte {
	note := "comity/log/xa/1\n3\nroot\n\n— comity/log/xa/1 sig\n"
	var all [][]byte
	for _, h := range []exchange.Held{
		{Record: statement.Signed{Document: []byte("{}\n"), Signature: []byte("sig\n")}, Checkpoint: &note},
		{Record: statement.Signed{Document: []byte("{}\n"), Signature: []byte("sig\n")}},
	} {
		b, err := exchange.EncodeHeld(&h)
		if err != nil {
			panic(err)
		}
		all = append(all, b)
	}
	return all
}

// R-DOC-4: what a peer says that it holds is read strictly, like every document.
func FuzzDecodeHeld(f *testing.F) {
	for _, b := range heldSeeds() {
		f.Add(b)
	}
	f.Add([]byte(`{"type": "comity/held/v1", "record": null, "checkpoint": null}` + "\n"))
	f.Add([]byte(`{"type": "comity/held/v2"}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := exchange.DecodeHeld(b)
		if err != nil {
			return
		}
		again, err := exchange.EncodeHeld(h)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := exchange.DecodeHeld(again)
		if err != nil || !cmp.Equal(h, back) {
			t.Fatalf("written and read again: %v, %s", err, cmp.Diff(h, back))
		}
	})
}

func TestHeldIsStrict(t *testing.T) {
	for _, b := range heldSeeds() {
		if _, err := exchange.DecodeHeld(b); err != nil {
			t.Error(err)
		}
		if _, err := exchange.DecodeHeld(append(b, '\n')); err == nil {
			t.Error("a line more was taken")
		}
	}
	if _, err := exchange.DecodeHeld([]byte(`{"type": "comity/held/v1", "record": {"document": "", "signature": ""}}` + "\n")); err == nil {
		t.Error("a missing checkpoint was taken; null says that there is none")
	}
}
