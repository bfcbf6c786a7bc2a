package control

import (
	"context"
	"errors"
	"slices"
	"strings"

	"comity/node/office"
	"comity/protocol"
	"comity/store"
)

// minAbbreviation is the shortest part of a parcel id that names a parcel: the
// first characters of a UUIDv7 are a time, so fewer would fit too many.
const minAbbreviation = 6

// found is one message and its office.
type found struct {
	office  *office.Office
	message *office.Message
	// whole says that message has its evidence; lists are without.
	whole bool
}

// find returns the message that a person means by a parcel id or by its first
// or last characters, in the office named or, without a name, in the only one of
// this node. What another office has is not there.
func (s *Service) find(ctx context.Context, as, ref string) (*found, error) {
	o, err := s.office(as)
	if err != nil {
		return nil, err
	}
	wanted := strings.ToLower(strings.TrimSpace(ref))
	if id := protocol.ParcelID(""); id.UnmarshalText([]byte(wanted)) == nil {
		return s.byID(ctx, o, id)
	}
	if len(strings.ReplaceAll(wanted, "-", "")) < minAbbreviation || strings.Trim(wanted, "0123456789abcdef-") != "" {
		return nil, fail(Usage, `"comity inbox" and "comity sent" show the ids`,
			"%q names no parcel: give its id, or at least %d characters of its beginning or end", ref, minAbbreviation)
	}
	var hits []*found
	err = s.each(ctx, o, func(m *office.Message) {
		// R-XCH-5: a test parcel stands in nobody's way; its full id finds it.
		if id := string(m.Name.Parcel); !m.Test && abbreviates(wanted, id) {
			hits = append(hits, &found{office: o, message: m})
		}
	})
	switch {
	case err != nil:
		return nil, err
	case len(hits) == 0:
		return nil, s.absent(ctx, o, wanted)
	case len(hits) == 1:
		return hits[0], nil
	}
	return nil, fail(Ambiguous, "give more of its characters", "%q fits %d parcels, among them %s and %s",
		ref, len(hits), hits[0].message.Name.Parcel, hits[1].message.Name.Parcel)
}

func noParcel(ref string) *Error {
	return fail(NotFound, `"comity inbox" and "comity sent" show the ids; what has just arrived is shown once it is verified`, "there is no parcel %s here", ref)
}

// absent says that there is no such parcel or, of one that an office has lost with
// its node, what is left of it.
func (s *Service) absent(ctx context.Context, o *office.Office, ref string) error {
	lost, err := s.lost(ctx, o)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(lost, func(p Parcel) bool { return abbreviates(ref, string(p.Parcel)) }); i >= 0 {
		return fail(NotFound, `"comity show `+string(lost[i].Parcel)+`" shows that, and "comity log disclose" proves it to an auditor`,
			"the office of %s has lost the parcel %s with its node: only the envelope and the evidence are here again", o.Authority(), lost[i].Parcel)
	}
	return noParcel(ref)
}

// abbreviates reports whether part is the beginning or the end of a parcel id,
// with or without its hyphens.
func abbreviates(part, id string) bool {
	plain, short := strings.ReplaceAll(id, "-", ""), strings.ReplaceAll(part, "-", "")
	return strings.HasPrefix(id, part) || strings.HasSuffix(id, part) ||
		!strings.Contains(part, "-") && (strings.HasPrefix(plain, short) || strings.HasSuffix(plain, short))
}

func (s *Service) byID(ctx context.Context, o *office.Office, id protocol.ParcelID) (*found, error) {
	name, err := o.Locate(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, s.absent(ctx, o, string(id))
	} else if err != nil {
		return nil, err
	}
	m, err := o.Message(ctx, name)
	if err != nil {
		return nil, err
	}
	return &found{o, m, true}, nil
}
