package control

import (
	"context"
	"slices"
	"strings"
	"time"

	"comity/node/office"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

// A node may host several authorities. Whatever an officer asks is about one of
// them: its office alone is looked into, and what the others have is not there, not
// even as a hint. Only what the node itself tells its operator, such as the report of
// exceptions and the audit, may be about all of them.

// reachable are the authorities that the caller can name: on the socket of an office
// there is no other.
func (s *Service) reachable() []protocol.AuthorityID {
	if s.party != "" {
		return []protocol.AuthorityID{s.party}
	}
	return s.node.Config.Authorities
}

// Choose finds the authority that a person means among those hosted: by its full
// name, by the part after the slash, or, when there is only one, without a name. Usage.
func Choose(hosted []protocol.AuthorityID, as string) (protocol.AuthorityID, error) {
	var names []string
	for _, id := range hosted {
		if as == string(id) || as == id.Name() || as == "" && len(hosted) == 1 {
			return id, nil
		}
		names = append(names, string(id))
	}
	slices.Sort(names)
	hint := "name one with --as: " + strings.Join(names, ", ")
	if as == "" {
		return "", fail(Usage, hint, "this node hosts %d authorities, and each sees only its own", len(names))
	}
	return "", fail(Usage, hint, "this node does not host an authority %q", as)
}

// office finds the office that a person means.
func (s *Service) office(as string) (*office.Office, error) {
	id, err := Choose(s.reachable(), as)
	if err != nil {
		return nil, err
	}
	return s.node.Offices[id], nil
}

// offices are those that a report is about: the one named or, for the operator, all.
func (s *Service) offices(as string) ([]*office.Office, error) {
	if as != "" {
		o, err := s.office(as)
		return []*office.Office{o}, err
	}
	var all []*office.Office
	for _, id := range s.reachable() {
		all = append(all, s.node.Offices[id])
	}
	return all, nil
}

// only is the one authority that a report is about; empty: all of the node.
func (s *Service) only(as string) (protocol.AuthorityID, error) {
	if as == "" {
		return s.party, nil
	}
	o, err := s.office(as)
	if err != nil {
		return "", err
	}
	return o.Authority(), nil
}

// Hosted is an authority of this node's record, with what it takes up of the node.
type Hosted struct {
	Authority
	Entry int64         `json:"entry"`      // number of its entry
	Until protocol.Time `json:"keys_until"` // the end of its newest keys, whichever comes first
	// Here says that its office runs here; otherwise nothing is counted.
	Here       bool  `json:"here"`
	Queued     int64 `json:"queued"`                // parcels that wait to be delivered, once for each recipient
	QueueShare int64 `json:"queue_share,omitempty"` // of them at most; absent: it is alone
	Kept       int64 `json:"kept_bytes"`            // sealed parcels on the disk, sent and received
	MayTake    int64 `json:"may_take_bytes"`        // more of them
}

// HostedList is the list of them, in the order of the record.
type HostedList struct {
	Authorities []Hosted `json:"authorities"`
}

// hostedRequest names one authority; empty: all.
type hostedRequest struct {
	As string `json:"as,omitempty"`
}

func (s *Service) hosted(ctx context.Context, in hostedRequest) (*HostedList, error) {
	only, err := s.only(in.As)
	if err != nil {
		return nil, err
	}
	takes, err := s.node.Gateway.Consumptions(ctx)
	if err != nil {
		return nil, err
	}
	list := &HostedList{Authorities: []Hosted{}}
	for _, m := range s.node.Gateway.OwnState().Members() {
		if only != "" && m.ID() != only {
			continue
		}
		a, c := m.Document(), takes[m.ID()]
		_, here := s.node.Offices[m.ID()]
		list.Authorities = append(list.Authorities, Hosted{
			Authority: Authority{ID: a.ID, Name: nameIn(a.Name)}, Entry: a.Sequence, Until: protocol.At(keysUntil(a)), Here: here,
			Queued: c.Queued, QueueShare: c.QueueShare, Kept: c.Kept, MayTake: c.MayTake,
		})
	}
	return list, nil
}

// keysUntil is when the newest key of one of an authority's roles ends first.
func keysUntil(a *record.Authority) time.Time {
	newest := map[evidence.Role]time.Time{}
	for _, k := range a.Keys {
		if k.Valid.Until.After(newest[k.Role]) {
			newest[k.Role] = k.Valid.Until.Time
		}
	}
	const sealing = evidence.Role("sealing")
	for _, r := range a.Recipients {
		if r.Valid.Until.After(newest[sealing]) {
			newest[sealing] = r.Valid.Until.Time
		}
	}
	var first time.Time
	for _, until := range newest {
		if first.IsZero() || until.Before(first) {
			first = until
		}
	}
	return first
}

// Hosted lists the authorities of the node or, with as, that one.
func (c *Client) Hosted(ctx context.Context, as string) (*HostedList, error) {
	return call[*HostedList](ctx, c, "/v1/authorities", hostedRequest{as})
}

// checkShares warns of an authority that has filled its share of the node, or soon
// has. One that is alone has no share.
func (s *Service) checkShares(ctx context.Context, each func(Check)) {
	const name = "shares"
	list, err := s.hosted(ctx, hostedRequest{})
	if err != nil {
		each(warn(name, "run this again when the database is in order", "cannot be counted"))
		return
	}
	if len(list.Authorities) < 2 {
		return
	}
	fine := true
	for _, a := range list.Authorities {
		var c Check
		switch {
		case !a.Here:
			c = warn(name, `go on with "comity authority add `+string(a.ID)+` --name NAME --offline FOLDER"; until then what arrives for it waits`, "%s stands in the record, and its office does not run here", a.ID)
		case a.Queued*5 >= a.QueueShare*4:
			c = warn(name, `see why they wait: "comity peer list"; queue_share in comity.toml gives it more places`, "%s: %d parcels wait to be delivered, and its share of the queue is %d", a.ID, a.Queued, a.QueueShare)
		case a.MayTake == 0:
			c = warn(name, "make room on the disk: it can neither send nor receive", "%s has taken up its share of the disk", a.ID)
		default:
			continue
		}
		fine = false
		each(c)
	}
	if fine {
		each(good(name, "each of the %d authorities has room in the queue and on the disk", len(list.Authorities)))
	}
}
