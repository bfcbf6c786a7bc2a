package office

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/store"
)

// run runs an office until the test is done with it.
func (w *world) run(a protocol.AuthorityID) (stop func() error) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	o := w.office(a)
	go func() { done <- o.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

// eventually waits until nothing moves any more and asks.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		synctest.Wait()
		if ok() {
			return
		}
		time.Sleep(time.Second) // simulated
	}
	t.Errorf("never: %s", what)
}

func TestRun(t *testing.T) {
	states() // outside of the bubble: it lives longer
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.run(prosecution)
		inbox := func() int {
			all, err := w.office(prosecution).Inbox(t.Context(), store.MessageFilter{})
			if err != nil {
				t.Error(err)
			}
			return len(all)
		}
		// More than are verified at once, one of them wrong.
		for range 3 * maxTaking {
			newForger(t, w).deliver()
		}
		wrong := newForger(t, w)
		wrong.signer = stateOf(central).holder.Subkeys[attestKey]
		k := wrong.deliver()
		eventually(t, "all good ones are in the inbox", func() bool { return inbox() == 3*maxTaking })
		eventually(t, "the wrong one is refused", func() bool { event, _ := w.outcome(k); return event == evidence.ContentHandoverFailure })

		// Trouble passes, and everything is repeated by itself.
		w.nodes["xb"].setFail(errors.New("busy"))
		newForger(t, w).deliver()
		eventually(t, "it is stored although its evidence cannot be filed", func() bool { return inbox() == 3*maxTaking+1 })
		w.nodes["xb"].setFail(nil)
		eventually(t, "everything is filed", func() bool {
			unfiled, err := w.office(prosecution).store.Unfiled(t.Context(), 0)
			return err == nil && len(unfiled) == 0
		})
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestRunSubmitsAgain(t *testing.T) {
	states()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stop := w.run(central)
		w.nodes["xa"].setFail(errors.New("busy"))
		sent, err := w.office(central).Send(t.Context(), request(t), nil)
		if !errors.Is(err, ErrNotTaken) {
			t.Fatal(err)
		}
		synctest.Wait()
		w.nodes["xa"].setFail(nil)
		eventually(t, "it is submitted", func() bool {
			m, err := w.office(central).Message(t.Context(), sent.Name)
			return err == nil && m.To[0].Submitted && m.To[0].Status == exchange.StatusTransmitted
		})
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// An integrity failure of the store stops the office.
func TestRunStops(t *testing.T) {
	w := newWorld(t)
	newForger(t, w).deliver()
	w.clock.pass(time.Hour)
	if _, err := w.office(prosecution).store.Append(t.Context(), []byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	w.clock.pass(-time.Hour)
	if err := w.office(prosecution).Run(t.Context()); !errors.Is(err, store.ErrClock) {
		t.Errorf("got %v, want %v", err, store.ErrClock)
	}
}
