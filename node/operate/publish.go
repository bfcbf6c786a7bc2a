package operate

import (
	"context"
	"errors"
	"slices"

	"comity/protocol"
	"comity/protocol/record"
)

// PublishPlan says what Publish needs; the offline keys are those of the state and of
// the authority.
type PublishPlan struct {
	Amendment
	Entry *EntryFile
}

// Publish makes the state's next record with another entry of one authority: the
// authority's offline key signs the entry, the state's the record, and the record
// becomes a leaf. Whoever publishes confirms the entry as of now, changed or not.
// Peers adopt the record at the next contact. The node must not run.
func Publish(ctx context.Context, p PublishPlan) (_ *record.State, err error) {
	c, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	entry, err := c.signEntry(p.Entry)
	if err != nil {
		return nil, err
	}
	signed, state, err := c.next(c.Gateway.Own, func(r *record.Record) {
		r.Authorities = slices.Clone(r.Authorities)
		for i, m := range c.Gateway.Own.Members() {
			if m.ID() == p.Entry.Authority {
				r.Authorities[i] = entry
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return state, c.publish(ctx, signed, state, nil)
}

// signEntry makes and signs the authority's next entry.
func (c *amendment) signEntry(file *EntryFile) (record.Entry, error) {
	a := file.Authority
	m, ok := c.Gateway.Own.Authority(a)
	if !ok {
		return record.Entry{}, protocol.Refuse(protocol.UnknownSender, "the record of this node does not list %s", a)
	}
	next, err := file.apply(*m.Document(), c.at)
	if err != nil {
		return record.Entry{}, err
	}
	primary, err := readSecret(c.keys, primaryKey(c.offline, a), c.Layout.OfficeFile(a, certificateFile))
	if err != nil {
		return record.Entry{}, err
	}
	return record.SignAuthority(next, primary, c.at)
}
