package control

import (
	"context"
	"slices"
	"strings"

	"comity/node/office"
	"comity/protocol"
	"comity/store"
)

// After a node was restored from an old backup, its gateway has fetched back what its
// peers hold: envelopes and evidence. What an office had written is in no peer's hands
// but the recipient's, and sealed. So of these parcels people see what is known.

// lost returns the parcels that an office had sent and has lost with its node.
func (s *Service) lost(ctx context.Context, o *office.Office) ([]Parcel, error) {
	rows, err := s.node.Gateway.Store.SentBefore(ctx, o.Authority())
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var names []store.Name
	for _, row := range rows {
		names = append(names, store.Name{From: row.Key.From, Parcel: row.Key.Parcel})
	}
	here, err := o.Among(ctx, names)
	if err != nil {
		return nil, err
	}
	var all []Parcel
	for i, row := range rows {
		if _, kept := here[names[i]]; kept {
			continue
		}
		to := Transmission{To: row.Key.To, Status: row.State.Status()}
		if n := len(all); n > 0 && all[n-1].Parcel == row.Key.Parcel { // to several: their rows stand together
			all[n-1].Transmissions = append(all[n-1].Transmissions, to)
			continue
		}
		all = append(all, Parcel{
			Parcel: row.Key.Parcel, Direction: string(store.Sent), From: row.Key.From, Priority: row.Priority, Created: stamp(row.Created),
			Stored: stamp(row.Created), Lost: true, Transmissions: []Transmission{to},
		})
	}
	return all, nil
}

// awaited are the parcels that an office had received and lost, and whose bytes no
// peer has given again yet.
func (s *Service) awaited(ctx context.Context, o *office.Office) (all []Way, err error) {
	g := s.node.Gateway
	if _, era, err := protocol.ParseLogOrigin(g.OwnState().Record().Node.Log.Origin); err != nil || era == 1 {
		return nil, err
	}
	peers, err := g.Store.Peers(ctx)
	for _, p := range peers {
		if err != nil {
			break
		}
		var rows []store.Inbound
		rows, err = g.Store.Lost(ctx, p.Node)
		for _, row := range rows {
			if row.Key.To == o.Authority() && !row.Test {
				all = append(all, wayOf(row.Key))
			}
		}
	}
	return all, err
}

// lostParcel finds one of them as find does, and tells it with its evidence. found is
// the error of find, which stands when there is none.
func (s *Service) lostParcel(ctx context.Context, in parcelRequest, found error) (*Parcel, error) {
	if CodeOf(found) != NotFound {
		return nil, found
	}
	o, err := s.office(in.As)
	if err != nil {
		return nil, err
	}
	all, err := s.lost(ctx, o)
	if err != nil {
		return nil, err
	}
	wanted := strings.ToLower(strings.TrimSpace(in.Parcel))
	hits := slices.DeleteFunc(all, func(p Parcel) bool { return !abbreviates(wanted, string(p.Parcel)) })
	if len(hits) != 1 {
		return nil, found
	}
	p := &hits[0]
	for i := range p.Transmissions {
		t := &p.Transmissions[i]
		if err := s.addKnown(ctx, t, protocol.Key{From: p.From, Parcel: p.Parcel, To: t.To}); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// addKnown adds the evidence that stands at the node.
func (s *Service) addKnown(ctx context.Context, t *Transmission, k protocol.Key) error {
	known, err := s.node.Gateway.Evidence(ctx, k)
	if err != nil {
		return err
	}
	witnesses, err := s.witnesses(ctx, k)
	for _, e := range known {
		view := evidenceView(e)
		view.Witnesses = witnesses[e.Digest()]
		t.Evidence = append(t.Evidence, view)
	}
	return err
}
