package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
	"comity/store"
)

const (
	// gatherDue lets what is submitted and what ends in a burst share one look at
	// the queue. A parcel that finds the link idle does not wait for it.
	gatherDue = 5 * time.Millisecond
	// maxSleep bounds the sleep of a delivery loop, in case the wall clock jumps.
	maxSleep = time.Minute
	// unreadPause is the pause after the queue could not be read.
	unreadPause = 5 * time.Second
)

// deliver is the loop that empties the peer's queue: emergencies first, each
// authority in its turn. Each peer has its own: one that is down delays no other
// (R-XCH-6). It never reads more than it can begin, so that an urgent parcel
// waits for no others that were read before it.
func (l *link) deliver(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for ctx.Err() == nil {
		rung, ended := l.due.wait(), l.flying.ended.wait()
		// Taken before the query: a row whose delivery ends between the two is
		// stale here, and is not taken for one that is still to be begun.
		busy, load := l.flying.snapshot()
		// Counted by choose: rows that were due and may not begin yet.
		waiting := 0
		choose := func(all []store.Candidate) []store.Candidate {
			begin := load.choose(all)
			waiting = len(all) - len(begin)
			return begin
		}
		var rows []store.Outbound
		if !load.full() {
			var err error
			if rows, err = l.g.Store.Due(ctx, l.peer, l.g.Now(), busy, frontMost, choose); err != nil {
				l.logger().Error("cannot read the queue", "error", err)
				// When something is due is perhaps still to be read: it would always be now.
				pause(ctx, unreadPause)
				continue
			}
		}
		for _, row := range rows {
			ctx := l.flying.add(ctx, row.Key, lineOf(row))
			wg.Go(func() {
				defer l.flying.remove(row.Key)
				l.step(ctx, row)
			})
		}
		idle := len(busy)+len(rows) == 0
		if waiting == 0 && !idle && !load.full() {
			ended = l.flying.landed() // all that was due is under way: a free place serves nothing
		}
		l.sleep(ctx, rung, ended, idle)
		if !l.flying.empty() {
			pause(ctx, gatherDue)
		}
	}
}

func lineOf(row store.Outbound) store.Line {
	large := row.Sealed.Size > protocol.MaxSmall && !row.Outgoing().Withdrawn
	return store.Line{Rank: row.Priority.Rank(), Large: large, Sender: row.Key.From}
}

// sleep waits until something may be due, or a delivery has ended. A link that
// is not idle asks only for what falls due later: those under way are due
// themselves, and so are those that wait for a place.
func (l *link) sleep(ctx context.Context, rung, ended <-chan struct{}, idle bool) {
	wait, after := maxSleep, time.Time{}
	if !idle {
		after = l.g.Now()
	}
	if next, err := l.g.Store.NextDue(ctx, l.peer, after); err == nil && !next.IsZero() {
		wait = min(max(next.Sub(l.g.Now()), time.Millisecond), maxSleep)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-rung:
	case <-ended:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// step asks the state machine what to do with one due row, and does it.
func (l *link) step(ctx context.Context, row store.Outbound) {
	o, actions := row.Outgoing().Step(exchange.Due{}, l.g.Now(), uniform())
	if len(actions) == 0 {
		l.remember(ctx, attemptOf(row, o, ""))
		return
	}
	var err error
	switch a := actions[0].(type) {
	case exchange.Deliver:
		var leave func(error)
		if leave, err = l.circuits.enter(row.Key, row.Priority); err != nil {
			break
		}
		// Durable before the first byte leaves: a crash in between must not let
		// the node believe that the envelope was never offered (R-EVID-9).
		again := row.Offered
		if !row.Keeps { // fetched back after a restore: the peer has the bytes
			err = l.askWhatBecame(ctx, row)
			leave(err)
			break
		}
		if err = l.offeredDurably(ctx, &row); err == nil {
			if err = l.send(ctx, row, again); errors.Is(err, errStalled) {
				err = l.send(ctx, row, true) // at once, over TCP
			}
		}
		leave(err)
	case exchange.TakeBack:
		// Outside the circuit: it is small, worth less with every minute, and has a
		// limit of its own at the peer, which says nothing about parcels.
		err = l.takeBack(ctx, row)
	case exchange.AskStatus:
		err = l.askStatus(ctx, row)
	case exchange.Fail:
		err = l.fail(ctx, row, a)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, errSettled) {
		l.tryLater(ctx, row, err)
	}
}

// askWhatBecame asks the peer about a parcel that it was once offered and whose
// bytes are not here any more.
func (l *link) askWhatBecame(ctx context.Context, row store.Outbound) error {
	_, packets, err := l.callPackets(ctx, http.MethodGet, "/v1/parcels/"+row.Envelope.Digest().String(), nil)
	if err != nil {
		return err
	}
	return l.learn(ctx, row, packets)
}

// offeredDurably notes that the envelope leaves now. The store never takes the
// note back. What was withdrawn since the row was read must not leave any more:
// the answer is then errSettled (R-WDR-3, R-WDR-4).
func (l *link) offeredDurably(ctx context.Context, row *store.Outbound) error {
	if row.Offered {
		now, err := l.g.Store.Outbound(ctx, row.Key)
		if err == nil && (now.State.Settled() || now.Outgoing().Withdrawn) {
			err = errSettled
		}
		return err
	}
	if _, err := l.connect(ctx); err != nil {
		return err // no peer, no offer: nothing to note
	}
	outcomes, err := l.g.seq.commit(ctx, store.Attempt{Key: row.Key, Offered: true, Attempts: row.Attempts})
	switch {
	case err != nil:
		return err
	case outcomes[0].Err != nil:
		return outcomes[0].Err
	case outcomes[0].Repeat:
		return errSettled
	}
	row.Offered = true
	return nil
}

// send offers the envelope and sends the bytes, and takes in the evidence. again
// says that the peer may have seen the envelope before.
func (l *link) send(ctx context.Context, row store.Outbound, again bool) error {
	offer, err := l.offerBody(ctx, row)
	if err != nil {
		return err
	}
	path := "/v1/parcels/" + row.Envelope.Digest().String()
	sealed, err := l.g.Store.Sealed(ctx, row.Sealed.Digest)
	if err != nil {
		return fmt.Errorf("open the sealed bytes: %w", err)
	}
	defer sealed.Close()
	var packets []statement.Packet
	if line := lineOf(row); line.Large {
		body := polite{sealed, ctx, l.flying, line.Rank}
		packets, err = l.sendInTurn(ctx, path, offer, body, sealed.Size(), again)
	} else {
		packets, err = l.sendTogether(ctx, path, offer, sealed, sealed.Size())
	}
	if err != nil {
		return err
	}
	return l.learn(ctx, row, packets)
}

// offerBody is the body of the PUT.
func (l *link) offerBody(ctx context.Context, row store.Outbound) ([]byte, error) {
	packets, err := l.offerPackets(ctx, row)
	if err != nil {
		return nil, err
	}
	return statement.EncodePackets(packets)
}

// offerPackets are the envelope and our SubmissionAcceptance with its proof
// (R-ENV-6).
func (l *link) offerPackets(ctx context.Context, row store.Outbound) ([]statement.Packet, error) {
	if p, ok := l.g.offers.get(row.Key); ok {
		return []statement.Packet{{Signed: row.Envelope}, p}, nil
	}
	ev, err := l.g.Store.EvidenceOf(ctx, row.Key, evidence.SubmissionAcceptance)
	if err != nil {
		return nil, err
	}
	return []statement.Packet{{Signed: row.Envelope}, ev.Packet}, nil
}

// sendTogether lets the bytes leave right behind their envelope; the peer makes
// bytes that overtake wait (R-WIRE-8). The answer to the bytes decides, unless
// the envelope alone was answered with evidence or refused.
func (l *link) sendTogether(ctx context.Context, path string, offer []byte, sealed io.ReaderAt, size int64) ([]statement.Packet, error) {
	put, err := l.begin(ctx, http.MethodPut, path, offerHeaders(len(offer)), bytes.NewReader(offer), int64(len(offer)))
	if err != nil {
		return nil, err
	}
	body, err := l.begin(ctx, http.MethodPatch, path, uploadHeaders(0, size), sealed, size)
	if err != nil {
		put.abandon()
		return nil, err
	}
	status, packets, err := l.finish(ctx, put, callTimeout)
	if err != nil || status == http.StatusOK {
		body.abandon()
		return packets, err
	}
	_, packets, err = l.finish(ctx, body, answerTimeout)
	var p *problem
	if errors.As(err, &p) && p.Status == http.StatusNotFound {
		return l.patch(ctx, path, sealed, size, 0) // the envelope was lost on the way for too long, and has arrived since
	}
	return packets, err
}

// learn stores the evidence that answered a delivery or a status query. An
// answer that proves nothing about this parcel is a failed attempt.
func (l *link) learn(ctx context.Context, row store.Outbound, packets []statement.Packet) error {
	states, err := l.g.takeForeign(ctx, l.peer, packets)
	if err != nil {
		return err
	}
	state, ok := states[row.Key]
	if !ok { // all of it was known
		now, err := l.g.Store.Outbound(ctx, row.Key)
		if err != nil {
			return err
		}
		state = now.State
	}
	if !state.Settled() {
		return errors.New("the peer answered without evidence of acceptance or rejection")
	}
	return nil
}

// askStatus asks what the peer holds about an expired parcel (R-EVID-9).
func (l *link) askStatus(ctx context.Context, row store.Outbound) error {
	path := "/v1/parcels/" + row.Envelope.Digest().String()
	status, packets, err := l.callPackets(ctx, http.MethodGet, path, nil)
	if status == http.StatusNotFound {
		_, actions := row.Outgoing().Step(exchange.StatusNone{}, l.g.Now(), 0)
		for _, a := range actions {
			if f, ok := a.(exchange.Fail); ok {
				if err := l.g.certain(); err != nil {
					return err
				}
				return l.fail(ctx, row, f)
			}
		}
	}
	if err != nil {
		return err
	}
	return l.learn(ctx, row, packets)
}
