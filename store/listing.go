package store

import (
	"context"
	"time"

	"comity/protocol"
)

// Listing is an authority that is not on the network, as somebody imported it.
type Listing struct {
	Authority protocol.AuthorityID
	Document  []byte    // comity/listing/v1, exact bytes
	Imported  time.Time // filled when stored
}

// ImportListings puts listings into the directory, all or none: each takes the
// place of the one of its authority. With whole set, all others go. It refuses
// (TooLarge) when more than protocol.MaxListings would be kept.
func (g *Gateway) ImportListings(ctx context.Context, list []Listing, whole bool) error {
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		if whole {
			if _, err := t.exec(ctx, `DELETE FROM listing`); err != nil {
				return err
			}
		}
		for _, l := range list {
			if _, err := t.exec(ctx, `INSERT INTO listing (authority, document, imported_us) VALUES ($1, $2, $3)
ON CONFLICT (authority) DO UPDATE SET document = excluded.document, imported_us = excluded.imported_us`,
				l.Authority, string(l.Document), t.now.UnixMicro()); err != nil {
				return err
			}
		}
		var kept int64
		if _, err := t.find(ctx, []any{&kept}, `SELECT count(*) FROM listing`); err != nil {
			return err
		}
		if kept > protocol.MaxListings {
			return protocol.Refuse(protocol.TooLarge, "%d authorities that are not on the network, at most %d are kept", kept, protocol.MaxListings)
		}
		return nil
	})
	return wrap("importing listings", err)
}

// Listings returns all of them, by the name of the authority.
func (g *Gateway) Listings(ctx context.Context) (list []Listing, err error) {
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collect(ctx, t, func(scan func(...any) error) (l Listing, err error) {
			var imported int64
			err = scan(&l.Authority, &l.Document, &imported)
			l.Imported = instant(&imported)
			return l, err
		}, `SELECT authority, document, imported_us FROM listing ORDER BY authority`)
		return err
	})
	return list, wrap("reading the listings", err)
}
