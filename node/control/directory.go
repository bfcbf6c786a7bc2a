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

// maxHits is how many authorities one answer names.
const maxHits = 200

// FindRequest is a question to the directory, and how many hits are wanted.
type FindRequest struct {
	directory.Question
	Limit int `json:"limit"`
}

// Found is the answer.
type Found struct {
	Hits []Hit `json:"hits"`
	More int   `json:"more"` // hits that were left off
	// Untold counts the authorities that fit but for what they have not told.
	Untold int `json:"untold"`
}

// Hit is one authority of the answer.
type Hit struct {
	Listing
	Errors     int  `json:"typing_errors"`
	UrgentOnly bool `json:"urgent_only"` // it takes the language that was asked for only when it is urgent
	Told       bool `json:"told"`        // it has told all that was asked for
}

// findAuthorities searches the own record and all adopted ones.
func (s *Service) findAuthorities(_ context.Context, in FindRequest) (*Found, error) {
	limit := maxHits
	if in.Limit > 0 {
		limit = min(in.Limit, maxHits)
	}
	hits, more, untold := directory.Find(s.listings, in.Question, s.now(), limit)
	out := &Found{Hits: []Hit{}, More: more, Untold: untold}
	for _, h := range hits {
		out.Hits = append(out.Hits, Hit{Listing: *s.listingView(h.Listing), Errors: h.Errors, UrgentOnly: h.UrgentOnly, Told: h.Told})
	}
	return out, nil
}

// listings yields every authority that this node knows.
func (s *Service) listings(yield func(directory.Listing) bool) {
	for _, state := range s.node.Gateway.States() {
		for _, l := range directory.OfRecord(state) {
			if !yield(l) {
				return
			}
		}
	}
}

// Find searches the directory.
func (c *Client) Find(ctx context.Context, q FindRequest) (*Found, error) {
	return call[*Found](ctx, c, "/v1/directory/find", q)
}

// Listing returns one authority of the directory. NotFound.
func (c *Client) Listing(ctx context.Context, a protocol.AuthorityID) (*Listing, error) {
	return call[*Listing](ctx, c, "/v1/directory/show", listingRequest{a})
}
