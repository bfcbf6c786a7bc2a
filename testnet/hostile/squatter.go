package hostile

import (
	"context"
	"net/http"
	"slices"

	"comity/protocol"
	"comity/protocol/evidence"
)

// Squatter occupies what is others': ids of their parcels in their name, their
// addresses, and one of its own ids with two contents (R-WIRE-4, R-EVID-6).
var Squatter = Program{
	Name: "squatter", Does: "uses other senders' parcel ids and addresses, and its own id twice",
	Step: func(ctx context.Context, s *Session) error {
		var id protocol.ParcelID
		if len(s.Honest) > 0 {
			id = s.Honest[s.step%len(s.Honest)]
		}
		switch s.step % 3 {
		case 0: // in the name of an honest sender
			m, err := s.offered([]byte("squatted"), func(o *offer) {
				o.env.From = s.Other
				if id != "" {
					o.env.Parcel = id
				}
			})
			if err != nil {
				return err
			}
			a, err := s.call(ctx, http.MethodPut, m.path, nil, m.put)
			if err == nil && a.accepted() {
				return untrue("took an envelope in another state's name: %d", a.Status)
			}
			return err
		case 1: // bytes at an address that it never announced
			m, err := s.offered([]byte("squatted"), nil)
			if err != nil {
				return err
			}
			a, err := s.call(ctx, http.MethodGet, m.path, nil, nil)
			if err == nil && a.accepted() {
				return untrue("answered about an envelope that this peer never offered: %d", a.Status)
			}
			return err
		}
		return s.twice(ctx)
	},
}

// twice offers two contents under one id: at most one may be accepted.
func (s *Session) twice(ctx context.Context) error {
	var id protocol.ParcelID
	receipts := 0
	for _, content := range []string{"one content", "another content"} {
		m, err := s.offered([]byte(content), func(o *offer) {
			if id == "" {
				id = o.env.Parcel
			}
			o.env.Parcel = id
		})
		if err != nil {
			return err
		}
		if a, err := s.call(ctx, http.MethodPut, m.path, nil, m.put); err != nil || !a.accepted() {
			return err
		}
		a, err := s.call(ctx, http.MethodPatch, m.path, appending(), m.body)
		if err != nil {
			return err
		}
		if slices.Contains(a.events(), evidence.RelayAcceptance) {
			receipts++
		}
	}
	if receipts > 1 {
		return untrue("two contents under one id, and a receipt for both")
	}
	return nil
}
