package directory

import (
	"comity/protocol"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// Types of the documents in which listings of authorities that are not on the
// network are kept and handed on. They are no part of the protocol and nobody has
// signed them.
const (
	ListingType  = "comity/listing/v1"
	ListingsType = "comity/listings/v1"
)

// entry is a listing in a document.
type entry struct {
	Authority   protocol.AuthorityID `json:"authority"`
	StateName   []record.Name        `json:"state_name" max:"16"`
	Name        []record.Name        `json:"name" max:"16"`
	Confirmed   *protocol.Time       `json:"confirmed"`
	Particulars record.Particulars   `json:"particulars"`
}

func entryOf(l *Listing) entry {
	e := entry{Authority: l.Authority, StateName: l.StateName, Name: l.Name}
	if !l.Confirmed.IsZero() {
		e.Confirmed = &l.Confirmed
	}
	if l.Particulars != nil {
		e.Particulars = *l.Particulars
	}
	return e
}

// listing checks an entry as a record's would be, and makes the listing.
func (e *entry) listing() (Listing, error) {
	l := Listing{Authority: e.Authority, State: e.Authority.State(), StateName: e.StateName, Name: e.Name, Particulars: &e.Particulars}
	if e.Confirmed != nil {
		l.Confirmed = *e.Confirmed
	}
	for _, names := range [][]record.Name{e.StateName, e.Name} {
		if err := record.ValidateNames("authority "+string(e.Authority), names); err != nil {
			return l, err
		}
	}
	return l, e.Particulars.Validate()
}

// Encode writes one listing as a document of its own.
func (l *Listing) Encode() ([]byte, error) {
	return statement.Encode(&struct {
		Type string `json:"type"`
		entry
	}{ListingType, entryOf(l)})
}

// Decode reads what Encode wrote. Errors are *protocol.Refusal.
func Decode(doc []byte) (Listing, error) {
	var d struct {
		Type string `json:"type"`
		entry
	}
	if err := statement.Decode(doc, ListingType, protocol.MaxAuthorityEntry, &d); err != nil {
		return Listing{}, err
	}
	return d.listing()
}

// listings is the file with many.
type listings struct {
	Type     string  `json:"type"`
	Listings []entry `json:"listings" max:"10000"`
}

// WriteJSON writes listings into one file, in their order.
func WriteJSON(all []Listing) ([]byte, error) {
	f := listings{Type: ListingsType}
	for i := range all {
		f.Listings = append(f.Listings, entryOf(&all[i]))
	}
	return statement.Encode(&f)
}

// ReadJSON reads what WriteJSON wrote: then writing it again gives the same bytes.
// Errors are *protocol.Refusal; nothing of a file with an error is to be used.
func ReadJSON(data []byte) ([]Listing, error) {
	var f listings
	if err := statement.Decode(data, ListingsType, protocol.MaxListings*protocol.MaxAuthorityEntry, &f); err != nil {
		return nil, err
	}
	all := make([]Listing, len(f.Listings))
	for i := range f.Listings {
		var err error
		if all[i], err = f.Listings[i].listing(); err != nil {
			return nil, err
		}
	}
	return once(all)
}

// once refuses an authority that is listed twice: nobody could say which is right.
func once(all []Listing) ([]Listing, error) {
	seen := make(map[protocol.AuthorityID]bool, len(all))
	for _, l := range all {
		if seen[l.Authority] {
			return nil, protocol.Refuse(protocol.Malformed, "the authority %s is listed twice", l.Authority)
		}
		seen[l.Authority] = true
	}
	return all, nil
}
