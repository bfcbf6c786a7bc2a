package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"comity/node/office"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/store"
)

// Withdraw takes a letter of h back from everyone it went to, as its officer
// does, and tells the oracle.
func (h *Host) Withdraw(id protocol.ParcelID) []office.Withdrawal {
	h.world.T.Helper()
	all, err := h.withdraw(id)
	h.world.must(err, "withdraw %s at %s", id, h.Node)
	return all
}

// TryWithdraw does so at a node in trouble: what the act left behind is known
// when the node can be asked again.
func (h *Host) TryWithdraw(id protocol.ParcelID) {
	h.world.T.Helper()
	if _, err := h.withdraw(id); err != nil && !h.mayRefuse(err) {
		h.world.T.Fatalf("withdraw %s at %s: %v", id, h.Node, err)
	}
}

func (h *Host) withdraw(id protocol.ParcelID) ([]office.Withdrawal, error) {
	h.world.withdrawn[id] = true
	return h.office().Withdraw(h.world.T.Context(), store.Name{From: h.Office, Parcel: id})
}

// tookBack reports whether a letter ended by its withdrawal.
func (w *World) tookBack(k protocol.Key) bool {
	w.T.Helper()
	return w.withdrawn[k.Parcel] && w.Status(k) == exchange.StatusWithdrawn
}

// checkTookBack: a letter ends by its withdrawal only if its office withdrew it,
// and never in both outcomes (R-WDR-3, R-WDR-5, R-WDR-6).
func (w *World) checkTookBack(row *store.Outbound, by evidence.Event, p Promise) error {
	switch {
	case !w.withdrawn[p.Key.Parcel] || !row.Outgoing().Withdrawn:
		return fmt.Errorf("R-WDR-6: %s says that it was withdrawn, and nobody did", by)
	case by == evidence.RelayFailure && row.Offered:
		return errors.New("R-WDR-3: it failed as withdrawn before it was offered, and it was offered")
	}
	return w.neverBoth(p)
}

// neverBoth looks into both nodes for an acceptance of what was withdrawn, and
// into the recipient's office for the message.
func (w *World) neverBoth(p Promise) error {
	ctx := w.T.Context()
	for _, h := range []*Host{w.officeHost(p.Key.From), w.officeHost(p.Key.To)} {
		if h.running == nil {
			continue
		}
		all, err := h.running.Gateway.Evidence(ctx, p.Key)
		if err != nil {
			return err
		}
		for _, a := range all {
			if a.Parsed.Event == evidence.RelayAcceptance {
				return fmt.Errorf("both outcomes: withdrawn, and %s has a RelayAcceptance of %s", h.Node, a.Parsed.Time)
			}
		}
	}
	to := w.officeHost(p.Key.To)
	if to.running == nil {
		return nil
	}
	list, err := to.office().Inbox(ctx, store.MessageFilter{Test: store.WithTests})
	if err == nil && count(list, p) > 0 {
		err = fmt.Errorf("both outcomes: withdrawn, and it is in the inbox of %s", to.Node)
	}
	return err
}

// checkRefused: what was withdrawn has its withdrawal beside it, and no bytes of
// it are held here.
func (h *Host) checkRefused(ctx context.Context, row *store.Inbound) error {
	all, err := h.running.Gateway.Evidence(ctx, row.Key)
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.Said().TookBack() && (len(row.Withdrawal.Document) == 0 || row.Keeps) {
			return errors.New("R-WDR-5: withdrawn, without the withdrawal or with the bytes")
		}
	}
	return nil
}

// EndedOnce makes sure that every letter that was withdrawn has ended, in
// exactly one way, and that both nodes say the same of it.
func (w *World) EndedOnce() {
	w.T.Helper()
	w.Check()
	for _, p := range w.sent {
		if !w.withdrawn[p.Key.Parcel] {
			continue
		}
		events := map[evidence.Event]bool{}
		tookBack := false
		for _, h := range []*Host{w.officeHost(p.Key.From), w.officeHost(p.Key.To)} {
			all, err := h.running.Gateway.Evidence(w.T.Context(), p.Key)
			w.must(err, "evidence of %s at %s", p.Key, h.Node)
			for _, a := range all {
				events[a.Parsed.Event] = true
				tookBack = tookBack || a.Said().TookBack()
			}
		}
		switch s := w.Status(p.Key); {
		case tookBack == events[evidence.RelayAcceptance] && (tookBack || !events[evidence.RelayFailure]):
			w.T.Errorf("%s: withdrawn %v, evidence %v: want exactly one outcome", p.Key, tookBack, events)
		case tookBack != (s == exchange.StatusWithdrawn):
			w.T.Errorf("%s: withdrawn %v, and its sender reads %s", p.Key, tookBack, s)
		}
	}
}

// withdrawSometime withdraws a random letter of the host, if it has any.
func (h *Host) withdrawSometime() {
	w := h.world
	if h.running == nil || h.skew.Load() != 0 || h.astray { // what a wrong clock dates, nobody takes
		return
	}
	var own []protocol.ParcelID
	for _, p := range w.sent {
		if p.Key.From == h.Office && !p.Test {
			own = append(own, p.Key.Parcel)
		}
	}
	if len(own) > 0 {
		h.TryWithdraw(own[w.Rand.IntN(len(own))])
	}
}

// shortly is a random time of a few round trips.
func (w *World) shortly() time.Duration { return time.Duration(w.Rand.Int64N(int64(12 * latency))) }
