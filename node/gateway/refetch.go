package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/hashicorp/go-retryablehttp"

	"comity/protocol"
	"comity/store"
)

// minPiece is how many bytes a piece brings at least, unless fewer are left: what any
// line carries while a piece is waited for.
const minPiece = protocol.MinTrickle

// fetchLost asks for the sealed bytes of parcels that were accepted here and are
// not here any more. One that the peer has not either is told to the operator, and
// asked for again later: its sender may still find it.
func (l *link) fetchLost(ctx context.Context) error {
	lost, err := l.g.Store.Lost(ctx, l.peer)
	if err != nil {
		return err
	}
	l.letGo(lost)
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

// letGo gives the offices those parcels of the peer that waited for their bytes and are
// not among the lost ones: the commit that stored the bytes seemed to fail.
func (l *link) letGo(lost []store.Inbound) {
	still := make(map[protocol.Key]bool, len(lost))
	for i := range lost {
		still[lost[i].Key] = true
	}
	for _, k := range l.g.wanted.drop(func(k protocol.Key) bool { return k.From.State() == l.peer.State() && !still[k] }) {
		l.g.arrived.of(k.To).ring()
	}
}

// half is what came of a body before it broke off. A link keeps one at most, so that
// a peer cannot have us hold files open, and only while the node runs.
type half struct {
	at    address
	spool *store.Spool
}

// takeUp returns the spool that a body goes on with.
func (l *link) takeUp(at address) *store.Spool {
	if h := l.half; h != nil && h.at == at {
		l.half = nil
		return h.spool
	}
	return l.g.Store.NewSpool()
}

// layDown keeps what came for the next time, where that may be of use: the reason
// why no more came lies with the line.
func (l *link) layDown(at address, spool *store.Spool, why error) {
	if _, broken := spool.Write(nil); broken == nil && protocol.CodeOf(why) == "" && l.half == nil && spool.Size() >= minPiece {
		l.half = &half{at, spool}
		return
	}
	l.giveUp(at, spool)
}

func (l *link) giveUp(at address, spool *store.Spool) {
	spool.Discard()
	l.g.uploads.room.removed(at)
}

// fetchSealed fetches the sealed bytes of one parcel, piece by piece. What came
// stands when a piece breaks off, also over an outage of the line; a peer whose
// pieces bring too little is left for now.
func (l *link) fetchSealed(ctx context.Context, row *store.Inbound) (err error) {
	at, size := address{l.peer, row.Envelope.Digest()}, row.Sealed.Size
	spool := l.takeUp(at)
	defer func() { l.layDown(at, spool, err) }()
	if err := l.g.uploads.room.reserve(at, row.Key.To, spool.Size(), size-spool.Size()); err != nil {
		return err
	}
	defer l.g.uploads.room.giveBack(at)
	for spool.Size() < size {
		came, err := l.fetchPiece(ctx, row, spool)
		if came < min(minPiece, size-spool.Size()+came) || ctx.Err() != nil {
			return errors.Join(err, fmt.Errorf("a piece brought %d bytes of %d", came, size))
		}
		l.g.uploads.room.settled(at, row.Key.To, spool.Size(), size-spool.Size())
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

// fetchPiece asks for the bytes that follow and returns how many came.
func (l *link) fetchPiece(ctx context.Context, row *store.Inbound, to *store.Spool) (came int64, err error) {
	offset, most := to.Size(), min(row.Sealed.Size-to.Size(), protocol.MaxUnsettled)
	q := url.Values{"from": {string(row.Key.From)}, "parcel": {string(row.Key.Parcel)}, "to": {string(row.Key.To)}}
	q.Set("offset", strconv.FormatInt(offset, 10))
	call, cancel := context.WithTimeout(ctx, protocol.MaxTrickle)
	defer cancel()
	req, err := retryablehttp.NewRequestWithContext(call, http.MethodGet, "https://"+string(l.peer)+"/v1/sealed?"+q.Encode(), nil)
	if err != nil {
		return 0, err
	}
	resp, err := l.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, readProblem(resp)
	}
	came, err = io.Copy(to, io.LimitReader(resp.Body, most))
	if extra, _ := resp.Body.Read(make([]byte, 1)); err == nil && extra > 0 {
		return 0, protocol.Refuse(protocol.SizeMismatch, "a piece of more than %d bytes", most)
	}
	return came, err
}
