package store

import (
	"context"
	"time"

	"comity/protocol"
)

// Line is one of the lines in which parcels wait for a peer. Whoever stands in
// one waits for nobody in another.
type Line struct {
	Rank   int  // protocol.Priority.Rank
	Large  bool // more sealed bytes than protocol.MaxSmall
	Sender protocol.AuthorityID
}

// Candidate is a row that is due, by its name alone.
type Candidate struct {
	Line
	Key     protocol.Key
	ordinal int64
}

const (
	nextLine = `SELECT priority_rank, large, sender FROM outbound
WHERE peer = $1 AND next_us IS NOT NULL AND (priority_rank, large, sender) > ($2, $3, $4)
ORDER BY priority_rank, large, sender LIMIT 1`
	dueRows = `SELECT ordinal, parcel, recipient FROM outbound
WHERE peer = $1 AND priority_rank = $2 AND large = $3 AND sender = $4 AND next_us <= $5 ORDER BY next_us LIMIT $6`
	dueRow = outboundColumns + ` WHERE o.ordinal = $1`
)

// Due returns those of the peer's outbound rows whose Next has come that choose
// picks, in its order. choose sees the front of each line, at most limit rows of
// it, the longest waiting first; lines of a higher priority come first, then
// those of small parcels. A nil choose takes the first ones, limit in all.
//
// Rows in busy are passed over by their names alone: a delivery under way leaves
// its row due, and its envelope need not be read again for that.
func (g *Gateway) Due(ctx context.Context, peer protocol.NodeID, now time.Time, busy map[protocol.Key]bool, limit int, choose func([]Candidate) []Candidate) ([]Outbound, error) {
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	if choose == nil {
		choose = func(all []Candidate) []Candidate { return all[:min(limit, len(all))] }
	}
	var due []Outbound
	err := g.v.read(ctx, func(ctx context.Context, t *tx) error {
		all, err := candidates(ctx, t, peer, now, busy, limit)
		if err != nil {
			return err
		}
		for _, c := range choose(all) {
			rows, err := collect(ctx, t, scanOutbound, dueRow, c.ordinal)
			if err != nil {
				return err
			}
			due = append(due, rows...)
		}
		return nil
	})
	return due, wrap("reading what is due to "+string(peer), err)
}

// candidates reads the front of each line. It walks the index from line to line,
// so the rows behind the front cost nothing.
func candidates(ctx context.Context, t *tx, peer protocol.NodeID, now time.Time, busy map[protocol.Key]bool, limit int) (all []Candidate, err error) {
	line, large := Line{Rank: -1}, 0
	for {
		found, err := t.find(ctx, []any{&line.Rank, &large, &line.Sender}, nextLine, peer, line.Rank, large, line.Sender)
		if err != nil || !found {
			return all, err
		}
		line.Large = large != 0
		names, err := collect(ctx, t, func(scan func(...any) error) (Candidate, error) {
			c := Candidate{Line: line, Key: protocol.Key{From: line.Sender}}
			err := scan(&c.ordinal, &c.Key.Parcel, &c.Key.To)
			return c, err
		}, dueRows, peer, line.Rank, large, line.Sender, now.UnixMicro(), limit+len(busy))
		if err != nil {
			return nil, err
		}
		front := 0
		for _, c := range names {
			if front < limit && !busy[c.Key] {
				all = append(all, c)
				front++
			}
		}
	}
}
