package store

import (
	"context"
	"fmt"
	"strings"

	"comity/protocol"
	"comity/protocol/exchange"
)

// MaxPage is the longest page of a list, so that no list is held whole.
const MaxPage = 1000

// Tests says what to do with test parcels.
type Tests int

// The ways.
const (
	WithoutTests Tests = iota // the default (R-XCH-5)
	WithTests
	OnlyTests
)

func (t Tests) condition() string {
	switch t {
	case WithTests:
		return "test IN (0, 1)"
	case OnlyTests:
		return "test = 1"
	default:
		return "test = 0"
	}
}

// Filter chooses rows of a list. Zero fields choose all; test parcels are left
// out unless Test says otherwise.
type Filter struct {
	Peer   protocol.NodeID
	From   protocol.AuthorityID
	To     protocol.AuthorityID
	Parcel protocol.ParcelID
	States []exchange.State
	Test   Tests
	Before int64 // only rows with a smaller Ordinal: the cursor of the next page
	Limit  int   // 0 means MaxPage
}

// conditions builds the end of a list's query. Values are always arguments;
// only our own words become text.
type conditions struct {
	text []string
	args []any
}

// add adds "column op $n".
func (c *conditions) add(column, op string, value any) {
	c.args = append(c.args, value)
	c.text = append(c.text, fmt.Sprintf("%s %s $%d", column, op, len(c.args)))
}

// end returns the WHERE, ORDER and LIMIT of a list, newest first.
func (c *conditions) end(ordinal string, limit int) string {
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	c.args = append(c.args, limit)
	return fmt.Sprintf(" WHERE %s ORDER BY %s DESC LIMIT $%d", strings.Join(c.text, " AND "), ordinal, len(c.args))
}

func (f *Filter) conditions() *conditions {
	c := &conditions{text: []string{f.Test.condition()}}
	if f.Peer != "" {
		c.add("peer", "=", f.Peer)
	}
	if f.From != "" {
		c.add("sender", "=", f.From)
	}
	if f.To != "" {
		c.add("recipient", "=", f.To)
	}
	if f.Parcel != "" {
		c.add("parcel", "=", f.Parcel)
	}
	if len(f.States) > 0 {
		in := placeholders(len(c.args)+1, len(f.States))
		for _, s := range f.States {
			c.args = append(c.args, s)
		}
		c.text = append(c.text, "state IN ("+in+")")
	}
	if f.Before > 0 {
		c.add("ordinal", "<", f.Before)
	}
	return c
}

// collectPlain is collect for a query whose text depends on a filter: it is not
// prepared, so that the number of prepared statements stays bounded.
func collectPlain[T any](ctx context.Context, t *tx, scan func(func(...any) error) (T, error), query string, args ...any) ([]T, error) {
	rows, err := t.plain(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}
