package gateway_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"syscall"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/protocol/exchange"
	"comity/store/sickdisk"
)

// R-EVID-8: our own trouble is 503, never a RelayRejection, and nothing leaves
// before its commit (R-EVID-4).
func TestCommitFailures(t *testing.T) {
	h, b := besiege(t)
	for _, c := range []struct {
		name    string
		written bool
		times   int
		err     error
		status  int
	}{
		{"full", false, 1000, syscall.ENOSPC, 503},
		{"failed once and not written", false, 1, errDisk, 200},
		{"failed once but written", true, 1, errDisk, 200},
	} {
		o := h.offering(100)
		m := h.make(o)
		h.put(m)
		left := c.times
		b.disk.Set(func() (bool, error) {
			if left--; left < 0 {
				return true, nil
			}
			return c.written, c.err
		})
		got := h.patch(m, o.body)
		b.disk.Heal()
		if got.status != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, got.status, got.body, c.status)
		}
		if got.status == 503 {
			h.untouched(c.name, o.env.Key())
			if got.header.Get("Retry-After") == "" {
				t.Errorf("%s: no Retry-After", c.name)
			}
		}
		// The peer comes back and is answered, with one and the same evidence.
		again := h.patch(m, o.body)
		if again.status != 200 || len(again.packets(t)) != 1 {
			t.Errorf("%s: afterwards: %d %s", c.name, again.status, again.body)
		}
		if c.status == 200 && !bytes.Equal(again.body, got.body) {
			t.Errorf("%s: two evidences", c.name)
		}
	}
}

// I1: the database goes away inside a commit that was written, and is asked again in
// vain. The peer comes back and is answered with the evidence; the office, whom
// nobody told of the parcel, must not sleep on until another one comes.
func TestAParcelBehindAFailedCommitIsToldOf(t *testing.T) {
	h, b := besiege(t)
	o := h.offering(100)
	m := h.make(o)
	h.put(m)
	arrived := b.Arrivals(prosecution)
	b.disk.Set(func() (bool, error) {
		b.disk.OnWrite(func(sickdisk.Write) error { return errDisk })
		return true, errDisk
	})
	if got := h.patch(m, o.body); got.status != 503 {
		t.Fatalf("without a database: %d %s", got.status, got.body)
	}
	b.disk.Heal()
	if _, err := b.db.Inbound(t.Context(), o.env.Key()); err != nil {
		t.Fatalf("the commit was not written: %v", err)
	}
	if got := h.put(m); got.status != 200 || len(got.packets(t)) != 1 {
		t.Fatalf("offered again: %d", got.status)
	}
	select {
	case <-arrived:
	default:
		t.Error("the parcel was accepted, and its office does not hear of it")
	}
	waiting, err := b.Consign(t.Context(), prosecution, digest("office"), nil, 10)
	if err != nil || len(waiting) != 1 {
		t.Errorf("%d parcels wait, %v", len(waiting), err)
	}
}

// A commit that stays unknown stops the node; nothing is signed after it.
func TestACommitThatStaysUnknownStopsTheNode(t *testing.T) {
	h, b := besiege(t)
	o := h.offering(100)
	m := h.make(o)
	h.put(m)
	b.disk.Set(func() (bool, error) { return false, errDisk })
	if got, err := h.try(http.MethodPatch, m.path, appendHeader(), bytes.NewReader(o.body), int64(len(o.body))); err == nil && got.status != 503 {
		t.Errorf("R-EVID-4: answered %d %s", got.status, got.body)
	}
	if err := b.wait(); err == nil {
		t.Error("Run ended without an error")
	}
	b.disk.Heal()
	h.untouched("after the failure", o.env.Key())
}

var errDisk = errors.New("the disk does not answer")

// What this node cannot store of a peer's hello is its own trouble, and no alarm
// about the peer.
func TestOwnTroubleDoesNotAccuseAPeer(t *testing.T) {
	log := &pages{}
	h, b := besiege(t, func(n *node) { n.said = slog.New(slog.NewTextHandler(log, nil)) })
	hello := func(size int64) {
		t.Helper()
		note := string(must(h.log.Checkpoint(size, merkle.Hash{byte(size)}, time.Now())))
		h.hello(func(hello *exchange.Hello) { hello.Checkpoint = &note })
	}
	const accused = "call its operator"
	b.disk.OnWrite(func(sickdisk.Write) error { return errDisk })
	hello(5)
	if log.lines(accused) > 0 || log.lines("trouble at this node") == 0 {
		t.Errorf("the peer was accused %d times; own trouble was told %d times", log.lines(accused), log.lines("trouble at this node"))
	}
	b.disk.Heal()
	hello(5)
	hello(4)
	if n := log.lines(accused); n != 1 {
		t.Errorf("an older copy was told %d times, want once", n)
	}
}
