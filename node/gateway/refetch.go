package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"comity/protocol"
	"comity/store"
)

// fetchLost asks for the sealed bytes of parcels that were accepted here and are
// not here any more. One that the peer has not either is told to the operator, and
// asked for again later: its sender may still find it.
func (l *link) fetchLost(ctx context.Context) error {
	lost, err := l.g.Store.Lost(ctx, l.peer)
	if err != nil {
		return err
	}
	var errs []error
	for i := range lost {
		row := &lost[i]
		l.g.wanted.set(row.Key, true)
		err := l.fetchSealed(ctx, row)
		if err == nil {
			l.g.wanted.set(row.Key, false)
			l.g.arrived.of(row.Key.To).ring()
			l.logger().Info("sealed bytes that were lost are here again", "parcel", row.Key.Parcel, "to", row.Key.To)
			continue
		}
		var p *problem
		if errors.As(err, &p) && p.Status == http.StatusGone {
			l.logger().Error("a parcel that was accepted here is lost, and its sender's node does not keep it: ask the sender to send it anew",
				"parcel", row.Key.Parcel, "from", row.Key.From, "to", row.Key.To)
		}
		errs = append(errs, fmt.Errorf("fetch the sealed bytes of %s: %w", row.Key, err))
	}
	return errors.Join(errs...)
}

func (l *link) fetchSealed(ctx context.Context, row *store.Inbound) error {
	spool := l.g.Store.NewSpool()
	defer spool.Discard()
	for spool.Size() < row.Sealed.Size {
		q := url.Values{"from": {string(row.Key.From)}, "parcel": {string(row.Key.Parcel)}, "to": {string(row.Key.To)}}
		q.Set("offset", strconv.FormatInt(spool.Size(), 10))
		call, cancel := context.WithTimeout(ctx, 2*callTimeout)
		_, piece, err := l.call(call, http.MethodGet, "/v1/sealed?"+q.Encode(), nil, protocol.MaxUnsettled)
		cancel()
		if err == nil && len(piece) == 0 {
			err = wrongDigest(spool.Digest(), row.Sealed.Digest)
		}
		if err == nil {
			_, err = spool.Write(piece)
		}
		if err != nil {
			return err
		}
	}
	if spool.Digest() != row.Sealed.Digest {
		return wrongDigest(spool.Digest(), row.Sealed.Digest)
	}
	if err := spool.Keep(); err != nil {
		return err
	}
	outcomes, err := l.g.seq.commit(ctx, store.RestoreSealed{Inbound: *row, Spool: spool})
	if err == nil {
		err = outcomes[0].Err
	}
	return err
}
