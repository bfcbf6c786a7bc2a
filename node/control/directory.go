package control

import (
	"context"
	"time"

	"comity/protocol"
	"comity/protocol/directory"
)

// Listing is one authority as the directory of this node has it.
type Listing struct {
	directory.Listing
	// Own says that its office is that of this node's state.
	Own bool `json:"own"`
	// Stale says that it has not confirmed what it says of itself for twelve months, or never.
	Stale bool `json:"stale"`
	// Open says whether it is open now; nil: it has not told its hours, or this
	// program does not know their time zone.
	Open *bool `json:"open_now"`
}

// listingRequest names one authority.
type listingRequest struct {
	Authority protocol.AuthorityID `json:"authority"`
}

// listing shows one authority of the own record or of an adopted one.
func (s *Service) listing(_ context.Context, in listingRequest) (*Listing, error) {
	state, ok := s.node.Gateway.State(in.Authority.State())
	if !ok {
		return nil, fail(NotFound, `"comity peer list" shows the states whose records are here`, "no record of state %s is here", in.Authority.State())
	}
	for _, l := range directory.OfRecord(state) {
		if l.Authority == in.Authority {
			return s.listingView(l), nil
		}
	}
	return nil, fail(NotFound, `"comity peer list --json" shows the authorities of each state`, "record %d of state %s does not list %s", state.Record().Sequence, state.Record().State, in.Authority)
}

func (s *Service) listingView(l directory.Listing) *Listing {
	v := &Listing{Listing: l, Own: l.State == s.node.Gateway.OwnState().Record().State, Stale: l.Stale(s.now())}
	if l.Particulars != nil && l.Particulars.Hours != nil {
		if zone, err := time.LoadLocation(l.Particulars.Hours.Zone); err == nil {
			open := l.Particulars.Hours.Open(s.now(), zone)
			v.Open = &open
		}
	}
	return v
}

// Listing returns one authority of the directory. NotFound.
func (c *Client) Listing(ctx context.Context, a protocol.AuthorityID) (*Listing, error) {
	return call[*Listing](ctx, c, "/v1/directory/show", listingRequest{a})
}
