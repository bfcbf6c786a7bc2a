package sim

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/exchange"
	"comity/store"
)

// Status is where a letter stands, as its sender sees it.
func (w *World) Status(k protocol.Key) exchange.Status {
	w.T.Helper()
	from := w.officeHost(k.From)
	row, err := from.store().Outbound(w.T.Context(), k)
	w.must(err, "status of %s", k)
	all, err := from.running.Gateway.Evidence(w.T.Context(), k)
	w.must(err, "evidence of %s", k)
	said := make([]exchange.Said, len(all))
	for i, a := range all {
		said[i] = a.Said()
	}
	return exchange.StatusFrom(said, row.Outgoing().Expires, row.Outgoing().Withdrawn)
}

// Await lets time go by, asking the oracle on the way, until every letter has
// reached the status or a later one, and fails the test when the time is over.
// One that its office withdrew may have ended so instead.
func (w *World) Await(within time.Duration, reached func(exchange.Status) bool) {
	w.T.Helper()
	deadline := time.Now().Add(within)
	step := 100 * time.Millisecond
	for {
		w.tend()
		missing := w.missing(reached)
		if missing == "" {
			w.Check()
			return
		}
		if time.Now().After(deadline) {
			w.T.Fatalf("after %s: %s", within, missing)
		}
		w.Pass(step)
		if step *= 2; step > time.Hour {
			step = time.Hour
		}
		w.Check()
	}
}

// missing names a letter that has not got as far, or is at an office only.
func (w *World) missing(reached func(exchange.Status) bool) string {
	w.T.Helper()
	for _, h := range w.Hosts {
		if h.running == nil {
			if !h.away {
				return fmt.Sprintf("%s does not start", h.Node)
			}
			continue
		}
		w.must(h.adopt(w.T.Context()), "what %s took", h.Node)
		all, err := h.office().SentMessages(w.T.Context(), store.MessageFilter{Test: store.WithTests})
		w.must(err, "letters of %s", h.Node)
		for _, m := range all {
			for _, to := range m.To {
				if !to.Submitted {
					return fmt.Sprintf("%s to %s is not submitted", m.Name.Parcel, to.To)
				}
			}
		}
	}
	for _, p := range w.sent {
		if s := w.Status(p.Key); !reached(s) && !w.tookBack(p.Key) {
			return fmt.Sprintf("%s is %s", p.Key, s)
		}
	}
	return ""
}

// AwaitHandover lets time go by until every letter was taken in by its
// recipient's office and its sender knows it.
func (w *World) AwaitHandover(within time.Duration) {
	w.T.Helper()
	w.Await(within, Delivered)
	for deadline := time.Now().Add(within); ; w.Pass(time.Minute) {
		w.tend()
		missing := ""
		for _, p := range w.sent {
			row, err := w.officeHost(p.Key.From).store().Outbound(w.T.Context(), p.Key)
			w.must(err, "look at %s", p.Key)
			if row.State != exchange.HandedOver && !w.tookBack(p.Key) {
				missing = fmt.Sprintf("%s is %s", p.Key, row.State)
			}
		}
		if missing == "" {
			w.Check()
			return
		}
		if time.Now().After(deadline) {
			w.T.Fatalf("after %s more, %s", within, missing)
		}
	}
}

// Delivered reports whether the recipient's office was handed the parcel.
func Delivered(s exchange.Status) bool {
	return s == exchange.StatusDelivered || s == exchange.StatusAcknowledged
}

// Ended reports whether the parcel was accepted by the peer or ended otherwise.
func Ended(s exchange.Status) bool { return s != exchange.StatusQueued }

// openAll has every recipient open what was delivered and compares it with
// what was sent: the promise that matters in the end.
func (w *World) openAll() {
	w.T.Helper()
	ctx := w.T.Context()
	for _, p := range w.sent {
		to := w.officeHost(p.Key.To)
		if p.Test || to.running == nil {
			continue
		}
		row, err := to.store().Inbound(ctx, p.Key)
		if err != nil || row.State != exchange.HandedOver {
			continue
		}
		_, file, err := to.office().OpenFile(ctx, store.Name{From: p.Key.From, Parcel: p.Key.Parcel}, 1)
		// A clock that was set right is believed when a peer has agreed with it.
		for deadline := time.Now().Add(2 * time.Hour); errors.Is(err, gateway.ErrClock) && time.Now().Before(deadline); {
			w.Pass(time.Minute)
			_, file, err = to.office().OpenFile(ctx, store.Name{From: p.Key.From, Parcel: p.Key.Parcel}, 1)
		}
		w.must(err, "open %s", p.Key)
		sum := sha256.New()
		_, err = file.WriteTo(sum)
		w.must(errors.Join(err, file.Close()), "read %s", p.Key)
		if protocol.Digest(sum.Sum(nil)) != p.Attachment {
			w.T.Errorf("oracle: %s: the opened file is not the one that was attached", p.Key)
		}
	}
}
