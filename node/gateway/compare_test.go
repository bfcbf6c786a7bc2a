package gateway_test

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/record"
)

// R-OLD-2: a peer learns what is held of it: the newest checkpoint that came with
// anything it signed, and none before the first.
func TestWhatIsHeldOfAPeer(t *testing.T) {
	h, _ := besiege(t)
	ask := func() *exchange.Held {
		t.Helper()
		held, err := exchange.DecodeHeld(h.do(http.MethodGet, "/v1/held", nil, nil).body)
		if err != nil {
			t.Fatal(err)
		}
		if held.Record.Digest() != h.state.Signed().Digest() {
			t.Error("another record than was pinned")
		}
		return held
	}
	if held := ask(); held.Checkpoint != nil {
		t.Errorf("before anything came, it holds %s", *held.Checkpoint)
	}
	o := h.offering(1000)
	m := h.make(o)
	h.put(m)
	if r := h.patch(m, o.body); r.status != http.StatusOK {
		t.Fatalf("not accepted: %d %s", r.status, r.body)
	}
	held := ask()
	if held.Checkpoint == nil {
		t.Fatal("it took evidence with a proof and holds no checkpoint")
	}
	if _, err := h.state.LogVerifier().Checkpoint([]byte(*held.Checkpoint)); err != nil {
		t.Error(err)
	}
}

// R-OLD-1: a restarted node whose peer holds no more than itself works at once; one
// whose peer shows a checkpoint that its log does not contain stops, and does not
// ask again when it is started the next time.
func TestARestartedNodeComparesItsLog(t *testing.T) {
	a, b := pair(t)
	r := a.submit(newLetter(central, 1000, b.party, prosecution))
	b.await(r[0].Key, "RelayAcceptance")
	b.restart()
	began := time.Now()
	a.submit(newLetter(central, 1000, b.party, prosecution))
	r = b.submit(newLetter(prosecution, 1000, a.party, central))
	a.await(r[0].Key, "RelayAcceptance")
	if took := time.Since(began); took > protocol.CompareWait {
		t.Errorf("it took %s although the peer was there", took)
	}
	// What a peer could only hold if this log had been longer.
	c, err := a.state.LogVerifier().Checkpoint(must(a.db.Checkpoint(t.Context())))
	if err != nil {
		t.Fatal(err)
	}
	note := must(a.log.Checkpoint(c.Size+7, c.Root, time.Now()))
	longer := must(a.state.LogVerifier().Checkpoint(note))
	if err := b.db.SetPeerCheckpoint(t.Context(), a.id, longer, note); err != nil {
		t.Fatal(err)
	}
	a.restart()
	if err := a.wait(); !errors.Is(err, gateway.ErrOlderCopy) {
		t.Fatalf("it ended with %v", err)
	}
	a.halt()
	a.listen(a.conn.LocalAddr().String())
	a.open() // and does not run: nobody can be asked
	defer a.run()
	l := newLetter(central, 1000, b.party, prosecution)
	if _, err := a.Submit(t.Context(), l.Submission, sealed{bytes.NewReader(l.body)}); !errors.Is(err, gateway.ErrOlderCopy) {
		t.Errorf("opened again, it took a letter: %v", err)
	}
}

// R-OLD-1: a node that starts when its peer has published a record meanwhile asks that peer first and adopts then; it does not sit through
// CompareWait because the leaf for the record waits for the answer, and the answer for the hello that brought the record.
func TestANodeStartsAfterItsPeerPublished(t *testing.T) {
	a, b := pair(t)
	r := a.submit(newLetter(central, 1000, b.party, prosecution))
	a.await(r[0].Key, "RelayAcceptance")
	b.halt()
	a.halt()
	a.state = must(record.Verify(a.next(func(r *record.Record) { r.Name[0].Text = "State xa, as it is called now" }), a.state))
	a.start()
	began := time.Now()
	b.start()
	for range 2 { // both ways: who calls, and who is called
		r = b.submit(newLetter(prosecution, 1000, a.party, central))
		b.await(r[0].Key, "RelayAcceptance")
	}
	if took := time.Since(began); took > protocol.CompareWait {
		t.Errorf("it took %s although the peer was there", took)
	}
	until(t, "b to adopt the record", func() bool {
		held, _ := b.State("xa")
		return held.Record().Sequence == 2
	})
}

// R-OLD-1: an older copy of a node that starts when its peer has published a record meanwhile signs nothing, not even the leaf for that.
func TestAnOlderCopyAdoptsNothing(t *testing.T) {
	a, b := pair(t)
	b.halt()
	backup := t.TempDir()
	if err := os.CopyFS(backup, os.DirFS(b.dir)); err != nil {
		t.Fatal(err)
	}
	b.start()
	r := b.submit(newLetter(prosecution, 1000, a.party, central))
	b.await(r[0].Key, "RelayAcceptance")
	b.halt()
	a.halt()
	a.state = must(record.Verify(a.next(func(r *record.Record) { r.Name[0].Text = "State xa, as it is called now" }), a.state))
	a.start()
	b.dir = backup
	b.listen(b.conn.LocalAddr().String())
	b.open()
	before := must(b.db.Size(t.Context()))
	b.run()
	if err := b.wait(); !errors.Is(err, gateway.ErrOlderCopy) {
		t.Errorf("it ended with %v", err)
	}
	if after := must(b.db.Size(t.Context())); after != before {
		t.Errorf("it signed %d leaves", after-before)
	}
}
