package control

import (
	"context"
	"errors"
	"slices"
	"strings"

	"comity/node/office"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/store"
)

// minAbbreviation is the shortest part of a parcel id that names a parcel: the
// first characters of a UUIDv7 are a time, so fewer would fit too many.
const minAbbreviation = 6

// page is how many messages are read at once.
const page = 100

// found is one message and the office that has it.
type found struct {
	office  *office.Office
	message *office.Message // without evidence, as lists have it
}

// find returns the message that a person means by a parcel id or by its first
// or last characters, in the office named or, without a name, in any of them.
func (s *Service) find(ctx context.Context, as, ref string) (*found, error) {
	offices, err := s.offices(as)
	if err != nil {
		return nil, err
	}
	wanted := strings.ToLower(strings.TrimSpace(ref))
	if id := protocol.ParcelID(""); id.UnmarshalText([]byte(wanted)) == nil {
		return s.byID(ctx, offices, id)
	}
	if len(strings.ReplaceAll(wanted, "-", "")) < minAbbreviation || strings.Trim(wanted, "0123456789abcdef-") != "" {
		return nil, fail(Usage, `"comity inbox" and "comity sent" show the ids`,
			"%q names no parcel: give its id, or at least %d characters of its beginning or end", ref, minAbbreviation)
	}
	var hits []*found
	for _, o := range offices {
		err := s.each(ctx, o, func(m *office.Message) {
			// R-XCH-5: a test parcel stands in nobody's way; its full id finds it.
			if id := string(m.Name.Parcel); !m.Test && abbreviates(wanted, id) {
				hits = append(hits, &found{o, m})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	switch len(hits) {
	case 0:
		return nil, noParcel(ref)
	case 1:
		return hits[0], nil
	}
	return nil, fail(Ambiguous, "give more of its characters", "%q fits %d parcels, among them %s and %s",
		ref, len(hits), hits[0].message.Name.Parcel, hits[1].message.Name.Parcel)
}

func noParcel(ref string) *Error {
	return fail(NotFound, `"comity inbox" and "comity sent" show the ids; what has just arrived is shown once it is verified`, "there is no parcel %s here", ref)
}

// abbreviates reports whether part is the beginning or the end of a parcel id,
// with or without its hyphens.
func abbreviates(part, id string) bool {
	plain, short := strings.ReplaceAll(id, "-", ""), strings.ReplaceAll(part, "-", "")
	return strings.HasPrefix(id, part) || strings.HasSuffix(id, part) ||
		!strings.Contains(part, "-") && (strings.HasPrefix(plain, short) || strings.HasSuffix(plain, short))
}

func (s *Service) byID(ctx context.Context, offices []*office.Office, id protocol.ParcelID) (*found, error) {
	for _, o := range offices {
		name, err := o.Locate(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		m, err := o.Message(ctx, name)
		if err != nil {
			return nil, err
		}
		return &found{o, m}, nil
	}
	return nil, noParcel(string(id))
}

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

// offices returns the office named, or all.
func (s *Service) offices(as string) ([]*office.Office, error) {
	if as != "" {
		o, err := s.office(as)
		return []*office.Office{o}, err
	}
	var all []*office.Office
	for _, id := range s.node.Config.Authorities {
		all = append(all, s.node.Offices[id])
	}
	return all, nil
}

// listRequest chooses the messages of a list.
type listRequest struct {
	As    string `json:"as,omitempty"`
	Limit int    `json:"limit,omitempty"` // 0: maxList
	// New leaves out what was opened already.
	New bool `json:"new,omitempty"`
}

// Parcels is a list, the newest first. Test parcels are never in it (R-XCH-5).
type Parcels struct {
	Parcels []Parcel `json:"parcels"`
	// More says that the list was cut at its limit.
	More bool `json:"more"`
}

func (s *Service) inbox(ctx context.Context, in listRequest) (*Parcels, error) {
	return s.list(ctx, in, func(o *office.Office) lister { return o.Inbox })
}

func (s *Service) sent(ctx context.Context, in listRequest) (*Parcels, error) {
	return s.list(ctx, in, func(o *office.Office) lister { return o.SentMessages })
}

type lister func(context.Context, store.MessageFilter) ([]office.Message, error)

func (s *Service) list(ctx context.Context, in listRequest, of func(*office.Office) lister) (*Parcels, error) {
	offices, err := s.offices(in.As)
	if err != nil {
		return nil, err
	}
	limit := in.Limit
	if limit <= 0 || limit > maxList {
		limit = maxList
	}
	list := &Parcels{Parcels: []Parcel{}}
	for _, o := range offices {
		filter := store.MessageFilter{Unopened: in.New, Limit: page}
		for count := 0; count <= limit; {
			rows, err := of(o)(ctx, filter)
			if err != nil {
				return nil, err
			}
			for i := range rows {
				list.Parcels = append(list.Parcels, listView(&rows[i]))
				filter.Before = rows[i].Ordinal
			}
			if count += len(rows); len(rows) < page {
				break
			}
		}
	}
	slices.SortStableFunc(list.Parcels, func(a, b Parcel) int { return b.Stored.Compare(a.Stored.Time) })
	if len(list.Parcels) > limit {
		list.Parcels, list.More = list.Parcels[:limit], true
	}
	return list, nil
}

// listView is a message without its files and evidence.
func listView(m *office.Message) Parcel {
	p := Parcel{
		Parcel: m.Name.Parcel, Direction: string(m.Direction), From: m.Name.From, Case: m.Case, Sequence: m.Sequence, Kind: m.Kind,
		Priority: m.Priority, Test: m.Test, Message: m.Digest, Created: stamp(m.Created), Stored: stamp(m.Stored),
		FileCount: len(m.Files), Bytes: m.Size, Opened: stamp(m.Opened), Answered: stamp(m.Answered),
	}
	for _, t := range m.To {
		p.Transmissions = append(p.Transmissions, Transmission{To: t.To, Status: t.Status})
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
		return nil, err
	}
	return s.full(ctx, f)
}

// full is a message with its files and all evidence.
func (s *Service) full(ctx context.Context, f *found) (*Parcel, error) {
	m, err := f.office.Message(ctx, f.message.Name)
	if err != nil {
		return nil, err
	}
	p := listView(m)
	p.Files = filesOf(m.Files)
	for i, t := range m.To {
		for _, e := range t.Evidence {
			p.Transmissions[i].Evidence = append(p.Transmissions[i].Evidence, evidenceView(e))
		}
	}
	return &p, nil
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

// answerRequest is an officer's formal answer.
type answerRequest struct {
	parcelRequest
	Reason string `json:"reason,omitempty"`
}

func (s *Service) acknowledge(ctx context.Context, in parcelRequest) (*Evidence, error) {
	f, err := s.find(ctx, in.As, in.Parcel)
	if err != nil {
		return nil, err
	}
	return answered(f.office.Acknowledge(ctx, f.message.Name))
}

func (s *Service) decline(ctx context.Context, in answerRequest) (*Evidence, error) {
	f, err := s.find(ctx, in.As, in.Parcel)
	if err != nil {
		return nil, err
	}
	return answered(f.office.Decline(ctx, f.message.Name, in.Reason))
}

func answered(a exchange.Attested, err error) (*Evidence, error) {
	if err != nil {
		return nil, err
	}
	view := evidenceView(a)
	return &view, nil
}

// exportRequest says where to write. The path is written by the process of the
// node, so it must be absolute.
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
		return nil, err
	}
	return s.full(ctx, f)
}

// Inbox lists received parcels of one authority, or of all when as is empty.
// unread leaves out what was opened.
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

// Acknowledge signs the officer's formal acknowledgement. A repeat returns the
// evidence that was signed first.
func (c *Client) Acknowledge(ctx context.Context, as, ref string) (*Evidence, error) {
	return call[*Evidence](ctx, c, "/v1/acknowledge", parcelRequest{As: as, Parcel: ref})
}

// Decline signs the officer's formal rejection; its sender reads the reason.
func (c *Client) Decline(ctx context.Context, as, ref, reason string) (*Evidence, error) {
	return call[*Evidence](ctx, c, "/v1/decline", answerRequest{parcelRequest{As: as, Parcel: ref}, reason})
}

// Export writes what stock tools need to check a parcel into a new folder. path
// must be absolute.
func (c *Client) Export(ctx context.Context, as, ref, path string) (*Parcel, error) {
	return call[*Parcel](ctx, c, "/v1/export", exportRequest{parcelRequest{As: as, Parcel: ref}, path})
}
