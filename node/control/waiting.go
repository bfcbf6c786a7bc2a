package control

import (
	"context"
	"errors"

	"comity/protocol"
	"comity/protocol/exchange"
	"comity/store"
)

// addWaiting says of each transmission that is still queued why it is, and when
// it is tried next: what the peer's back-pressure means for this parcel.
func (s *Service) addWaiting(ctx context.Context, p *Parcel) error {
	if p.Direction != string(store.Sent) {
		return nil
	}
	for i := range p.Transmissions {
		t := &p.Transmissions[i]
		if t.Status != exchange.StatusQueued && t.Status != exchange.StatusWithdrawing {
			continue
		}
		d, err := s.node.Gateway.Delivery(ctx, protocol.Key{From: p.From, Parcel: p.Parcel, To: t.To})
		if errors.Is(err, store.ErrNotFound) {
			continue // the gateway has not taken it yet
		} else if err != nil {
			return err
		}
		t.Attempts, t.Waits = d.Attempts, d.Why
		if d.Why != "" && !d.Next.IsZero() {
			t.Next = protocol.At(d.Next)
		}
	}
	return nil
}
