package control

import (
	"cmp"
	"context"
	"slices"
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
	// Listed says that its state rests on the word of a federation's stewards: nobody
	// compared the words of any of its records.
	Listed bool `json:"on_the_stewards_word"`
	// Open says whether it is open now; nil: it has not told its hours, or this
	// program does not know their time zone.
	Open *bool `json:"open_now"`
}

// listingRequest names one authority.
type listingRequest struct {
	Authority protocol.AuthorityID `json:"authority"`
}

// listing shows one authority of the directory.
func (s *Service) listing(ctx context.Context, in listingRequest) (*Listing, error) {
	all, err := s.directory(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range all {
		if l.Authority == in.Authority {
			word, err := s.onTheirWord(ctx)
			return s.listingView(l, word), err
		}
	}
	if state, ok := s.node.Gateway.State(in.Authority.State()); ok {
		return nil, fail(NotFound, `"comity directory find --state `+string(in.Authority.State())+`" shows the authorities of that state`, "record %d of state %s does not list %s", state.Record().Sequence, state.Record().State, in.Authority)
	}
	return nil, fail(NotFound, `"comity directory find" searches all authorities that are known here`, "no record of state %s is here, and no imported listing of %s", in.Authority.State(), in.Authority)
}

// directory returns every authority that this node knows, by name: those of the
// own record and of adopted ones, then of the imported ones those that no record
// lists.
func (s *Service) directory(ctx context.Context) ([]directory.Listing, error) {
	imported, err := s.imported(ctx)
	if err != nil {
		return nil, err
	}
	var all []directory.Listing
	for _, state := range s.node.Gateway.States() {
		all = append(all, directory.OfRecord(state)...)
	}
	for id, l := range imported {
		if !s.onNetwork(id) {
			all = append(all, l.Listing)
		}
	}
	slices.SortFunc(all, func(a, b directory.Listing) int { return cmp.Compare(a.Authority, b.Authority) })
	return all, nil
}

// listingView shows an authority. onTheirWord are the states that rest on stewards.
func (s *Service) listingView(l directory.Listing, onTheirWord []protocol.StateID) *Listing {
	v := &Listing{
		Listing: l, Own: l.State == s.node.Gateway.OwnState().Record().State, Stale: l.Stale(s.now()),
		Listed: l.Network != nil && slices.Contains(onTheirWord, l.State),
	}
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

// findAuthorities searches the directory.
func (s *Service) findAuthorities(ctx context.Context, in FindRequest) (*Found, error) {
	limit := maxHits
	if in.Limit > 0 {
		limit = min(in.Limit, maxHits)
	}
	all, err := s.directory(ctx)
	if err != nil {
		return nil, err
	}
	word, err := s.onTheirWord(ctx)
	if err != nil {
		return nil, err
	}
	hits, more, untold := directory.Find(slices.Values(all), in.Question, s.now(), limit)
	out := &Found{Hits: []Hit{}, More: more, Untold: untold}
	for _, h := range hits {
		out.Hits = append(out.Hits, Hit{Listing: *s.listingView(h.Listing, word), Errors: h.Errors, UrgentOnly: h.UrgentOnly, Told: h.Told})
	}
	return out, nil
}

// Find searches the directory.
func (c *Client) Find(ctx context.Context, q FindRequest) (*Found, error) {
	return call[*Found](ctx, c, "/v1/directory/find", q)
}

// Listing returns one authority of the directory. NotFound.
func (c *Client) Listing(ctx context.Context, a protocol.AuthorityID) (*Listing, error) {
	return call[*Listing](ctx, c, "/v1/directory/show", listingRequest{a})
}
