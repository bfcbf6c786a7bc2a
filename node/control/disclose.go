package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"comity/protocol"
	"comity/protocol/disclosure"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

// maxRecipientsNamed is how many transmissions a question may fit before it is
// only said that there are many.
const maxRecipientsNamed = protocol.MaxRecipients

// Disclosed is the answer to an auditor's question.
type Disclosed struct {
	// Found says that something matches and is disclosed.
	Found bool `json:"found"`
	// Way and Events are what the file tells; absent when nothing matches.
	Way    *Way             `json:"transmission,omitempty"`
	Events []evidence.Event `json:"events,omitempty"`
	// File is the disclosure, exact text.
	File string `json:"file"`
}

// discloseRequest is the auditor's question and the events that shall answer it;
// none: the first that this node issued. All overrules them.
type discloseRequest struct {
	As     string           `json:"as,omitempty"` // only its parcels; empty: any of the node
	Query  disclosure.Query `json:"query"`
	Events []evidence.Event `json:"events,omitempty"`
	All    bool             `json:"all,omitempty"`
}

// disclose looks for the one transmission and puts its evidence, and nothing
// else, into the file (R-DISC-4, R-DISC-5).
func (s *Service) disclose(ctx context.Context, in discloseRequest) (*Disclosed, error) {
	if err := in.Query.Validate(); err != nil {
		return nil, fail(Usage, "name the envelope, the sealed bytes, or parcel, sender and recipient together", "%s", plainly(err))
	}
	party, err := s.only(in.As)
	if err != nil {
		return nil, err
	}
	k, err := s.sought(ctx, in.Query, party)
	if err != nil {
		return nil, err
	}
	answer := &Disclosed{}
	var packets []statement.Packet
	if k != nil {
		way := wayOf(*k)
		if packets, answer.Events, err = s.answers(ctx, *k, in); err != nil {
			return nil, err
		}
		answer.Found, answer.Way = true, &way
		// Noted before the file leaves.
		if err := s.node.Gateway.Store.NoteAct(ctx, store.Act{
			Kind: store.ActDisclose, Subject: "parcel " + string(k.Parcel), Detail: fmt.Sprintf("from %s to %s: %s", k.From, k.To, joined(answer.Events)),
		}); err != nil {
			return nil, err
		}
	}
	file, err := disclosure.Encode(in.Query, packets)
	answer.File = string(file)
	return answer, err
}

// sought returns the one transmission that fits the question; nil: none. With a party
// it is one of that authority.
func (s *Service) sought(ctx context.Context, q disclosure.Query, party protocol.AuthorityID) (*protocol.Key, error) {
	what := soughtBy(q)
	what.Party = party
	list, err := s.node.Gateway.Store.Matching(ctx, what, maxRecipientsNamed)
	switch {
	case err != nil || len(list) == 0:
		return nil, err
	case len(list) == 1:
		return &list[0], nil
	}
	var to []string
	for _, k := range list {
		to = append(to, string(k.To))
	}
	slices.Sort(to)
	to = slices.Compact(to)
	if len(to) == 1 {
		return nil, fail(Ambiguous, "give the envelope's digest, or --parcel and --from too", "the question fits %d parcels to %s", len(list), to[0])
	}
	return nil, fail(Ambiguous, "ask for one of them with --to; each answer is a file of its own",
		"the question fits %d transmissions, and an answer must not tell of another one than was asked for: to %s", len(list), strings.Join(to, ", "))
}

// joined puts names in a row.
func joined[T ~string](names []T) string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = string(n)
	}
	return strings.Join(texts, ", ")
}

func soughtBy(q disclosure.Query) (s store.Sought) {
	if q.Envelope != nil {
		s.Envelope = *q.Envelope
	}
	if q.Sealed != nil {
		s.Sealed = *q.Sealed
	}
	if q.Parcel != nil {
		s.Parcel = *q.Parcel
	}
	if q.From != nil {
		s.From = *q.From
	}
	if q.To != nil {
		s.To = *q.To
	}
	return s
}

// answers chooses the evidence: the first that this node issued, unless events
// were named.
func (s *Service) answers(ctx context.Context, k protocol.Key, in discloseRequest) (packets []statement.Packet, events []evidence.Event, err error) {
	all, err := s.node.Gateway.Store.ProofsOf(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	var here []evidence.Event
	for _, e := range all {
		here = append(here, e.Event)
		chosen := in.All || slices.Contains(in.Events, e.Event)
		if len(in.Events) == 0 && !in.All {
			chosen = e.Own && len(packets) == 0
		}
		p := e.Packet
		if e.Witnessed != nil {
			p.Proof = e.Witnessed // somebody else than the log says when
		}
		if chosen && p.Proof != nil {
			packets, events = append(packets, p), append(events, e.Event)
		}
	}
	for _, e := range in.Events {
		if !slices.Contains(events, e) {
			return nil, nil, fail(NotFound, "choose from what is here: "+joined(here), "there is no %s of this parcel here", e)
		}
	}
	if len(packets) == 0 {
		return nil, nil, fail(NotFound, "", "no evidence of this parcel with a proof is here")
	}
	return packets, events, nil
}

// recordsRequest names records, by digest, that are wanted beside the newest of
// each state.
type recordsRequest struct {
	Records []protocol.Digest `json:"records"`
}

// records are introductions, exact texts.
type records struct {
	Introductions []string `json:"introductions"`
}

func (s *Service) records(ctx context.Context, in recordsRequest) (*records, error) {
	g := s.node.Gateway.Store
	list, err := g.Records(ctx)
	if err != nil {
		return nil, err
	}
	for _, digest := range in.Records {
		r, err := g.RecordByDigest(ctx, digest)
		if errors.Is(err, store.ErrNotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		list = append(list, *r)
	}
	out := &records{Introductions: []string{}}
	for _, r := range list {
		file, err := record.EncodeIntroduction(r.Signed)
		if err != nil {
			return nil, err
		}
		out.Introductions = append(out.Introductions, string(file))
	}
	return out, nil
}

// Disclose answers an auditor's question about one parcel. events choose the
// evidence; none: the first that this node issued. Ambiguous when the question
// fits several transmissions. With as, it tells only of parcels of that authority.
func (c *Client) Disclose(ctx context.Context, as string, q disclosure.Query, events []evidence.Event, all bool) (*Disclosed, error) {
	return call[*Disclosed](ctx, c, "/v1/disclose", discloseRequest{As: as, Query: q, Events: events, All: all})
}

// Records returns, as introductions, the newest record of each state that the
// node has adopted, and those of the digests given that it has.
func (c *Client) Records(ctx context.Context, wanted []protocol.Digest) ([]string, error) {
	out, err := call[*records](ctx, c, "/v1/records", recordsRequest{wanted})
	if err != nil {
		return nil, err
	}
	return out.Introductions, nil
}
