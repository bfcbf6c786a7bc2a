package control

import (
	"context"
	"slices"

	"comity/node/office"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/store"
)

// page is how many messages are read at once.
const page = 100

// each calls f for every message of an office, page by page, tests included:
// whoever knows the id of a test parcel may look at it.
func (s *Service) each(ctx context.Context, o *office.Office, f func(*office.Message)) error {
	for _, list := range []func(context.Context, store.MessageFilter) ([]office.Message, error){o.Inbox, o.SentMessages} {
		filter := store.MessageFilter{Test: store.WithTests, Limit: page}
		for {
			rows, err := list(ctx, filter)
			if err != nil {
				return err
			}
			for i := range rows {
				f(&rows[i])
				filter.Before = rows[i].Ordinal
			}
			if len(rows) < page {
				break
			}
		}
	}
	return nil
}

// listRequest chooses the messages of a list.
type listRequest struct {
	As    string `json:"as,omitempty"`
	Limit int    `json:"limit,omitempty"` // 0: MaxList
	// New leaves out what was opened already.
	New bool `json:"new,omitempty"`
}

// Parcels is a list, the newest first. Test parcels are never in it (R-XCH-5).
type Parcels struct {
	Parcels []Parcel `json:"parcels"`
	// More says that the list was cut at its limit.
	More bool `json:"more"`
	// Awaited are received parcels whose bytes were lost with the node and are not
	// here again; in the inbox.
	Awaited []Way `json:"awaited,omitempty"`
	// Locked names the office if nothing new can appear in it until its passphrase
	// is given.
	Locked []protocol.AuthorityID `json:"locked,omitempty"`
}

func (s *Service) inbox(ctx context.Context, in listRequest) (*Parcels, error) {
	o, err := s.office(in.As)
	if err != nil {
		return nil, err
	}
	list, err := s.list(ctx, o, in, o.Inbox)
	if err != nil {
		return nil, err
	}
	list.Awaited, err = s.awaited(ctx, o)
	return list, err
}

func (s *Service) sent(ctx context.Context, in listRequest) (*Parcels, error) {
	o, err := s.office(in.As)
	if err != nil {
		return nil, err
	}
	list, err := s.list(ctx, o, in, o.SentMessages)
	if err != nil {
		return nil, err
	}
	lost, err := s.lost(ctx, o)
	list.Parcels = append(list.Parcels, lost...)
	list.order(in.limit())
	return list, err
}

type lister func(context.Context, store.MessageFilter) ([]office.Message, error)

func (s *Service) list(ctx context.Context, o *office.Office, in listRequest, next lister) (*Parcels, error) {
	limit := in.limit()
	list := &Parcels{Parcels: []Parcel{}}
	if slices.Contains(s.lockedOffices(), o.Authority()) {
		list.Locked = append(list.Locked, o.Authority())
	}
	filter := store.MessageFilter{Unopened: in.New, Limit: page}
	for len(list.Parcels) <= limit {
		rows, err := next(ctx, filter)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			list.Parcels = append(list.Parcels, listView(&rows[i]))
			filter.Before = rows[i].Ordinal
		}
		if len(rows) < page {
			break
		}
	}
	list.order(limit)
	for i := range list.Parcels {
		if err := s.addWaiting(ctx, &list.Parcels[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (in *listRequest) limit() int {
	if in.Limit <= 0 || in.Limit > MaxList {
		return MaxList
	}
	return in.Limit
}

// order puts the newest first and cuts the list at its limit.
func (l *Parcels) order(limit int) {
	slices.SortStableFunc(l.Parcels, func(a, b Parcel) int { return b.Stored.Compare(a.Stored.Time) })
	if len(l.Parcels) > limit {
		l.Parcels, l.More = l.Parcels[:limit], true
	}
}

// listView is a message without its files and evidence.
func listView(m *office.Message) Parcel {
	p := Parcel{
		Parcel: m.Name.Parcel, Direction: string(m.Direction), From: m.Name.From, Case: m.Case, Sequence: m.Sequence, Kind: m.Kind,
		Priority: m.Priority, Test: m.Test, Message: m.Digest, Created: stamp(m.Created), Stored: stamp(m.Stored),
		FileCount: len(m.Files), Bytes: m.Size, Opened: stamp(m.Opened), Answered: stamp(m.Answered),
	}
	for _, t := range m.To {
		view := Transmission{To: t.To, Status: t.Status, Withdrawn: stamp(t.Withdrawn)}
		if t.Status == exchange.StatusWithdrawing {
			view.Expires = stamp(m.Expires)
		}
		p.Transmissions = append(p.Transmissions, view)
	}
	if m.Direction == store.Received {
		p.State = stateOf(m)
	}
	return p
}

// stateOf is where a received message stands for the people of its office.
func stateOf(m *office.Message) string {
	switch status := m.To[0].Status; {
	case status == exchange.StatusAcknowledged || status == exchange.StatusDeclined:
		return string(status)
	case !m.Opened.IsZero():
		return "opened"
	}
	return "new"
}

// parcelRequest names a parcel.
type parcelRequest struct {
	As     string `json:"as,omitempty"`
	Parcel string `json:"parcel"`
}

func (s *Service) parcel(ctx context.Context, in parcelRequest) (*Parcel, error) {
	f, err := s.find(ctx, in.As, in.Parcel)
	if err != nil {
		return s.lostParcel(ctx, in, err)
	}
	return s.full(ctx, f)
}

// full is a message with its files and all evidence.
func (s *Service) full(ctx context.Context, f *found) (*Parcel, error) {
	m, err := f.office.Message(ctx, f.message.Name)
	if err != nil {
		return nil, err
	}
	return s.wholeView(ctx, m)
}

// wholeView is what full tells of a message with its evidence.
func (s *Service) wholeView(ctx context.Context, m *office.Message) (*Parcel, error) {
	p := listView(m)
	p.Files = filesOf(m.Files)
	for i, t := range m.To {
		witnesses, err := s.witnesses(ctx, protocol.Key{From: p.From, Parcel: p.Parcel, To: p.Transmissions[i].To})
		if err != nil {
			return nil, err
		}
		for _, e := range t.Evidence {
			view := evidenceView(e)
			view.Witnesses = witnesses[e.Digest()]
			p.Transmissions[i].Evidence = append(p.Transmissions[i].Evidence, view)
		}
	}
	return &p, s.addWaiting(ctx, &p)
}

// witnesses returns who has witnessed each evidence about a transmission, by its
// digest.
func (s *Service) witnesses(ctx context.Context, k protocol.Key) (map[protocol.Digest][]Cosignature, error) {
	all, err := s.node.Gateway.ProofsOf(ctx, k)
	by := map[protocol.Digest][]Cosignature{}
	for _, p := range all {
		for _, w := range p.Witnesses {
			by[p.Digest()] = append(by[p.Digest()], Cosignature{w.Node, protocol.At(w.Time)})
		}
	}
	return by, err
}

// progressOf says whether the evidence of a transmission has reached a status,
// and if not, whether it never will.
func progressOf(all []Evidence, until exchange.Status) (reached, over bool) {
	has := map[evidence.Event]bool{}
	for _, e := range all {
		has[e.Event] = true
	}
	over = has[evidence.SubmissionRejection] || has[evidence.RelayRejection] || has[evidence.ContentHandoverFailure] ||
		has[evidence.RelayFailure] && !has[evidence.RelayAcceptance] // R-EVID-10
	answered := has[evidence.ConsignmentAcceptance] || has[evidence.ConsignmentRejection]
	handed := has[evidence.ContentHandover] || has[evidence.ContentAccessTracking] || answered
	switch until {
	case exchange.StatusTransmitted:
		return has[evidence.RelayAcceptance] || handed, over
	case exchange.StatusDelivered:
		// Not at ContentConsignment: the office may still find it broken.
		return handed, over
	default:
		return has[evidence.ConsignmentAcceptance], over || has[evidence.ConsignmentRejection]
	}
}

// exportRequest says where the client writes. The path stands in the office's journal, and
// is absolute.
type exportRequest struct {
	parcelRequest
	Path string `json:"path"`
}

func (s *Service) export(ctx context.Context, in exportRequest) (*Parcel, error) {
	f, err := s.find(ctx, in.As, in.Parcel)
	if err != nil {
		return nil, err
	}
	if err := f.office.Export(ctx, f.message.Name, in.Path); err != nil {
		return nil, unwritable(err)
	}
	return s.full(ctx, f)
}

// Inbox lists received parcels of one authority; as may be empty when the node has
// no other. unread leaves out what was opened.
func (c *Client) Inbox(ctx context.Context, as string, unread bool, limit int) (*Parcels, error) {
	return call[*Parcels](ctx, c, "/v1/inbox", listRequest{As: as, New: unread, Limit: limit})
}

// Sent lists sent parcels likewise.
func (c *Client) Sent(ctx context.Context, as string, limit int) (*Parcels, error) {
	return call[*Parcels](ctx, c, "/v1/sent", listRequest{As: as, Limit: limit})
}

// Parcel returns one parcel with its files and all evidence. ref is its id or a
// part of it.
func (c *Client) Parcel(ctx context.Context, as, ref string) (*Parcel, error) {
	return call[*Parcel](ctx, c, "/v1/parcel", parcelRequest{As: as, Parcel: ref})
}

// Export writes what stock tools need to check a parcel into a new folder. path
// must be absolute.
func (c *Client) Export(ctx context.Context, as, ref, path string) (*Parcel, error) {
	in := exportRequest{parcelRequest{As: as, Parcel: ref}, path}
	if c.local {
		return call[*Parcel](ctx, c, "/v1/export", in)
	}
	return c.takeExport(ctx, in)
}
