package store

import (
	"context"
	"fmt"
	"strings"

	"comity/protocol"
)

// Sought is what an auditor knows of a transmission. Zero fields are not asked
// for; one beside Party must be set.
type Sought struct {
	Envelope, Sealed protocol.Digest
	Parcel           protocol.ParcelID
	From, To         protocol.AuthorityID
	// Party is one of the two, when only transmissions of one authority may be told.
	Party protocol.AuthorityID
}

// Matching returns the transmissions, sent and received, that fit all that is
// sought, at most limit, without order. It reads whole tables when only digests
// are given: it is for questions that people ask.
func (g *Gateway) Matching(ctx context.Context, s Sought, limit int) (list []protocol.Key, err error) {
	if s == (Sought{Party: s.Party}) {
		return nil, factError("nothing is sought")
	}
	c := &conditions{}
	for _, one := range []struct {
		column string
		digest protocol.Digest
	}{{"envelope_digest", s.Envelope}, {"sealed_digest", s.Sealed}} {
		if !one.digest.IsZero() {
			c.add(one.column, "=", one.digest[:])
		}
	}
	for _, one := range []struct{ column, value string }{{"parcel", string(s.Parcel)}, {"sender", string(s.From)}, {"recipient", string(s.To)}} {
		if one.value != "" {
			c.add(one.column, "=", one.value)
		}
	}
	if s.Party != "" {
		c.args = append(c.args, string(s.Party))
		c.text = append(c.text, fmt.Sprintf("(sender = $%[1]d OR recipient = $%[1]d)", len(c.args)))
	}
	where := strings.Join(c.text, " AND ")
	c.args = append(c.args, limit)
	err = g.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = collectPlain(ctx, t, func(scan func(...any) error) (k protocol.Key, err error) {
			return k, scan(&k.From, &k.Parcel, &k.To)
		}, fmt.Sprintf(`SELECT sender, parcel, recipient FROM outbound WHERE %s
UNION SELECT sender, parcel, recipient FROM inbound WHERE %s LIMIT $%d`, where, where, len(c.args)), c.args...)
		return err
	})
	return list, wrap("looking for a transmission", err)
}
