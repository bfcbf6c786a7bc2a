package store

import (
	"context"
	"fmt"

	"comity/protocol"
	"comity/store/schema"
)

// Office is the store of one authority's office. It is safe for concurrent use.
type Office struct {
	v      *vault
	writes *group
	self   protocol.AuthorityID
}

var officeKind = kind{
	name: "office", file: "office.db", bodies: "parcels", application: 0x434d544f, // "CMTO"
	schema: schema.Office, chain: "journal", head: journalHead,
}

// CreateOffice makes an empty store for the authority in c.Dir. ErrExists.
func CreateOffice(ctx context.Context, c Config, self protocol.AuthorityID) error {
	return create(ctx, c, officeKind, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO office (one, authority) VALUES (1, $1)`, self)
		return err
	})
}

// OpenOffice opens it. Errors as OpenGateway; ErrForeign also when the store
// belongs to another authority.
func OpenOffice(ctx context.Context, c Config, self protocol.AuthorityID) (*Office, error) {
	v, err := openVault(ctx, c, officeKind)
	if err != nil {
		return nil, err
	}
	err = v.read(ctx, func(ctx context.Context, t *tx) error {
		var owner protocol.AuthorityID
		if err := require(t.find(ctx, []any{&owner}, `SELECT authority FROM office`)); err != nil {
			return err
		}
		if owner != self {
			return fmt.Errorf("%w: it belongs to %s, not to %s", ErrForeign, owner, self)
		}
		return nil
	})
	if err == nil {
		err = v.remember(ctx)
	}
	if err != nil {
		v.close()
		return nil, fmt.Errorf("opening the office database: %w", err)
	}
	return &Office{v: v, writes: &group{d: v.database}, self: self}, nil
}

// Close waits for running transactions and closes the database.
func (o *Office) Close() error { return o.v.close() }

// NewSpool starts a spool in the office's store.
func (o *Office) NewSpool() *Spool { return newSpool(o.v.bodies) }

// Sealed opens sealed bytes that the office keeps. ErrNotFound, ErrGone.
func (o *Office) Sealed(ctx context.Context, digest protocol.Digest) (*Sealed, error) {
	return o.v.sealed(ctx, digest)
}

// unneededByOffice holds for sealed bytes that no message can open any longer.
const unneededByOffice = `NOT EXISTS (SELECT 1 FROM message WHERE message.sealed_digest = sealed.digest AND message.slip IS NOT NULL)`

// Sweep deletes sealed bytes of messages whose slips were destroyed, and what
// discarded spools left. It returns how many bodies it removed.
func (o *Office) Sweep(ctx context.Context, limit int) (int, error) {
	return o.v.sweep(ctx, unneededByOffice, limit)
}
