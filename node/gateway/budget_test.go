package gateway

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"comity/protocol"
)

// I7, I9: whatever peers send, what they make us hold has a bound, and one peer
// cannot use up what is another's.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newBudget(100)
		one, other, third := all.account(60), all.account(60), all.account(60) // half of all is the most
		a, b := one.hold(), other.hold()
		grow := func(h *hold, n int64) (time.Duration, error) {
			began := time.Now()
			err := h.grow(t.Context(), n)
			return time.Since(began), err
		}
		if _, err := grow(a, 50); err != nil {
			t.Fatalf("within the share: %v", err)
		}
		if waited, err := grow(one.hold(), 1); !errors.Is(err, errNoMemory) || waited != budgetPatience {
			t.Errorf("beyond the share of a peer: %v after %s", err, waited)
		}
		if _, err := grow(b, 50); err != nil {
			t.Errorf("the other peer's share: %v", err)
		}
		if _, err := grow(third.hold(), 1); !errors.Is(err, errNoMemory) {
			t.Errorf("beyond what there is in all: %v", err)
		}
		if waited, err := grow(b, 51); !errors.Is(err, errNoMemory) || waited != 0 {
			t.Errorf("more than there ever is: %v after %s", err, waited)
		}
		time.AfterFunc(time.Second, a.free)
		c := third.hold()
		if waited, err := grow(c, 1); err != nil || waited != time.Second {
			t.Errorf("after another has ended: %v after %s", err, waited)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := other.hold().grow(ctx, 50); !errors.Is(err, context.Canceled) {
			t.Errorf("of a caller that gave up: %v", err)
		}
		a.free()
		b.free()
		b.free()
		c.free()
		if all.used != 0 || one.used != 0 || other.used != 0 {
			t.Errorf("%d, %d and %d are held after the end", all.used, one.used, other.used)
		}
	})
}

// Whatever bodies take, and however many peers send them, small calls are served.
func TestBodiesLeaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newBudget(heldAtMost())
		one, other, third := all.account(protocol.MaxHeldOfPeer), all.account(protocol.MaxHeldOfPeer), all.account(protocol.MaxHeldOfPeer)
		var bodies []*hold
		for _, a := range []*account{one, other} {
			for {
				h := a.holdBody()
				if h.grow(t.Context(), (pipeDepth+1)*pieceSize) != nil {
					break
				}
				bodies = append(bodies, h)
			}
		}
		for name, a := range map[string]*account{"of the same peer": one, "of another": third} {
			h := a.hold()
			began := time.Now()
			if err := h.grow(t.Context(), 1<<20); err != nil || time.Since(began) != 0 {
				t.Errorf("a small call %s beside %d bodies: %v after %s", name, len(bodies), err, time.Since(began))
			}
			h.free()
		}
		for _, h := range bodies {
			h.free()
		}
		if all.bodies != 0 || one.bodies != 0 || other.bodies != 0 || all.used != 0 {
			t.Errorf("%d, %d and %d bytes of bodies are held after the end", all.bodies, one.bodies, other.bodies)
		}
	})
}

// A body is paid for as it is read.
func TestABodyIsWeighed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newBudget(200 * bodyCost).account(100 * bodyCost)
		h := a.hold()
		got, err := io.ReadAll(weighed{io.NopCloser(strings.NewReader(strings.Repeat("x", 101))), t.Context(), h})
		if !errors.Is(err, errNoMemory) {
			t.Errorf("%d bytes, %v; want an end before the whole body", len(got), err)
		}
		h.free()
		if got, err := io.ReadAll(weighed{io.NopCloser(strings.NewReader(strings.Repeat("x", 100))), t.Context(), h}); err != nil || len(got) != 100 || a.used != 100*bodyCost {
			t.Errorf("%d bytes, %v, %d held", len(got), err, a.used)
		}
	})
}

func TestBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(3, 0.5)
		for i, want := range []bool{true, true, true, false} {
			if b.take() != want {
				t.Errorf("take %d: %v", i, !want)
			}
		}
		if wait := b.wait().Truncate(time.Millisecond); wait != 2*time.Second {
			t.Errorf("wait %s, want 2s", wait)
		}
		time.Sleep(2 * time.Second)
		if b.wait() != 0 || !b.take() || b.take() {
			t.Error("after two seconds there is one, and no more")
		}
		b.spend(5)
		if wait := b.wait().Truncate(time.Millisecond); wait != 8*time.Second { // a debt of three, and one to come
			t.Errorf("five were spent and none was there: wait %s, want as for a debt of what the bucket holds", wait)
		}
		time.Sleep(time.Hour)
		came := 0
		for b.take() {
			came++
		}
		if came != 3 {
			t.Errorf("%d came in an hour, want as many as fit", came)
		}
	})
}

// I7: a node with little memory gives smaller windows.
func TestWindowsFollowTheMemory(t *testing.T) {
	for most, want := range map[int64]int64{protocol.MaxHeld: 16 << 20, protocol.MaxHeldOfPeer: 8 << 20} {
		window := newBudget(most).window()
		if window != want {
			t.Errorf("of %d bytes: a window of %d, want %d", most, window, want)
		}
		if q, h := quicConfig(window), http2Config(window); q.MaxConnectionReceiveWindow != uint64(want) || int64(h.MaxReceiveBufferPerConnection) != want {
			t.Errorf("windows of %d and %d, want %d", q.MaxConnectionReceiveWindow, h.MaxReceiveBufferPerConnection, want)
		}
	}
}
