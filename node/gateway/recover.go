package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

const (
	// recoverPause is how long a node waits before it asks again for what it has
	// lost, at first; doubled up to recoverPauseMax.
	recoverPause    = time.Second
	recoverPauseMax = time.Hour
	// restoredNext is when a parcel that was sent and lost is looked at: by then the
	// peer's feed has told what became of it.
	restoredNext = time.Hour
)

// wanted are the parcels that were accepted here and whose sealed bytes are lost:
// they wait for them before any office gets them.
type wanted struct {
	mu   sync.Mutex
	keys map[protocol.Key]bool // guarded by mu
}

func (w *wanted) set(k protocol.Key, missing bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if missing {
		w.keys[k] = true
	} else {
		delete(w.keys, k)
	}
}

func (w *wanted) has(k protocol.Key) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.keys[k]
}

// loadLost reads, when the node is opened, what it is still to fetch from a peer.
func (l *link) loadLost(ctx context.Context) error {
	still, _, _, err := l.g.Store.Recovering(ctx, l.peer)
	if err != nil {
		return err
	}
	l.recovering.Store(still)
	lost, err := l.g.Store.Lost(ctx, l.peer)
	for _, row := range lost {
		l.g.wanted.set(row.Key, true)
	}
	return err
}

// whole lets a peer's parcels in only when all that it holds of this node was
// fetched: which ids are used is not known before (R-OLD-4).
func whole(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, l *link) {
		if l.recovering.Load() {
			const why = "this node was restored from a backup, and fetches first what you hold of its evidence"
			later := &comeBack{http.StatusServiceUnavailable, 10 * time.Second, why}
			l.g.answerError(w, r, l.peer, http.StatusServiceUnavailable, later)
			return
		}
		next(w, r, l)
	}
}

// recover is the loop that fetches, after a restore, what the peer holds of this
// node's evidence, and then the sealed bytes that are lost. It ends when nothing
// is missing any more.
func (l *link) recover(ctx context.Context) {
	for wait := recoverPause; ctx.Err() == nil; wait = min(2*wait, recoverPauseMax) {
		rung := l.renewed.wait()
		err := l.recoverCopies(ctx)
		if err == nil {
			err = l.fetchLost(ctx)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		l.logger().Warn("what was lost with the node is not all fetched yet", "error", err)
		timer := time.NewTimer(wait)
		select {
		case <-rung:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// recoverCopies takes back all that the peer holds.
func (l *link) recoverCopies(ctx context.Context) error {
	still, received, sent, err := l.g.Store.Recovering(ctx, l.peer)
	if err != nil || !still {
		return err
	}
	found := 0
	for _, side := range []struct {
		of    string
		after *int64
		take  func(context.Context, []statement.Packet) (bool, error)
	}{{copiesReceived, &received, l.restoreReceived}, {copiesSent, &sent, l.restoreSent}} {
		for {
			page, err := l.askCopies(ctx, side.of, *side.after)
			if err != nil {
				return err
			}
			if len(page.Packets) == 0 {
				break
			}
			for _, group := range byEnvelope(page.Packets) {
				fresh, err := side.take(ctx, group)
				if err != nil && protocol.CodeOf(err) == "" {
					return err // our own trouble
				}
				if err != nil {
					l.raise(fmt.Errorf("it holds something in this node's name that does not verify: %w", err))
				}
				if fresh {
					found++
				}
			}
			*side.after = page.Next
			if err := l.g.Store.SetRecovered(ctx, l.peer, received, sent, false); err != nil {
				return err
			}
		}
	}
	if err := l.g.Store.SetRecovered(ctx, l.peer, received, sent, true); err != nil {
		return err
	}
	l.recovering.Store(false)
	l.logger().Info("all that a peer holds of this node's evidence is here again, and parcels are taken from it", "parcels", found)
	l.g.changes.ring()
	return l.flush(ctx)
}

func (l *link) askCopies(ctx context.Context, of string, after int64) (*copiesPage, error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, data, err := l.call(call, http.MethodGet, fmt.Sprintf("/v1/copies?of=%s&after=%d", of, after), nil, maxAnswer)
	if err != nil {
		return nil, err
	}
	page := new(copiesPage)
	if err := statement.Decode(data, copiesType, maxAnswer, page); err != nil {
		return nil, fmt.Errorf("read a page of copies: %w", err)
	}
	if len(page.Packets) > protocol.MaxFeedPage || len(page.Packets) > 0 && page.Next <= after {
		return nil, protocol.Refuse(protocol.Malformed, "a page of %d packets that leads from %d to %d", len(page.Packets), after, page.Next)
	}
	return page, nil
}

// byEnvelope divides a page into its parcels.
func byEnvelope(packets []statement.Packet) (groups [][]statement.Packet) {
	for _, p := range packets {
		if _, err := envelope.Parse(p.Document); err == nil || len(groups) == 0 {
			groups = append(groups, nil)
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], p)
	}
	return groups
}

// restoreReceived takes back a parcel that the peer sent. fresh says that
// something of it was lost here.
func (l *link) restoreReceived(ctx context.Context, group []statement.Packet) (fresh bool, err error) {
	state, ok := l.g.book.node(l.peer)
	if !ok {
		return false, fmt.Errorf("no record of %s", l.peer)
	}
	env, err := state.VerifyEnvelope(group[0].Signed, l.g.Now())
	if err != nil {
		return false, err
	}
	fact := store.RestoreInbound{Inbound: (&offer{peer: l.peer, env: env, signed: group[0].Signed}).inbound()}
	for _, p := range group[1:] {
		ev, err := l.verifyCopy(ctx, state, env, group[0].Ref(), p)
		if err != nil {
			return false, err
		}
		if ev.Event == evidence.SubmissionAcceptance {
			fact.Submission = ev
		} else {
			fact.Evidence = append(fact.Evidence, ev)
		}
	}
	if len(fact.Evidence) == 0 {
		return false, nil // this node had not decided about it
	}
	l.g.wanted.set(env.Key(), true) // no office gets it before its bytes are here
	outcomes, err := l.g.seq.commit(ctx, fact)
	if err == nil {
		err = outcomes[0].Err
	}
	if sealed, gone := l.g.Store.Sealed(ctx, env.Sealed.Digest); gone == nil {
		l.g.wanted.set(env.Key(), false)
		err = errors.Join(err, sealed.Close())
	}
	return err == nil && !outcomes[0].Repeat, err
}

// restoreSent takes back a parcel that this node sent to the peer.
func (l *link) restoreSent(ctx context.Context, group []statement.Packet) (fresh bool, err error) {
	env, err := l.g.Own.VerifyEnvelope(group[0].Signed, l.g.Now())
	if err != nil {
		return false, err
	}
	in := (&offer{peer: l.peer, env: env, signed: group[0].Signed}).inbound()
	fact := store.RestoreOutbound{Outbound: store.Outbound{
		Key: in.Key, Peer: l.peer, Envelope: in.Envelope, Sealed: in.Sealed, Priority: in.Priority, Test: in.Test, Created: in.Created, Expires: in.Expires,
		Next: l.g.Now().Add(restoredNext),
	}}
	for _, p := range group[1:] {
		ev, err := l.verifyCopy(ctx, l.g.Own, env, group[0].Ref(), p)
		if err != nil {
			return false, err
		}
		if ev.Event == evidence.SubmissionAcceptance {
			fact.Outbound.Evidence = ev
		}
	}
	if len(fact.Outbound.Evidence.Document) == 0 {
		return false, protocol.Refuse(protocol.Malformed, "an envelope of this node without its SubmissionAcceptance")
	}
	outcomes, err := l.g.seq.commit(ctx, fact)
	if err == nil {
		err = outcomes[0].Err
	}
	return err == nil && !outcomes[0].Repeat, err
}

// verifyCopy verifies one evidence of a page in full, as if it had just come: the
// sender's acceptance by the record given, all else as this node's own word.
func (l *link) verifyCopy(ctx context.Context, sender *record.State, env *envelope.Envelope, ref statement.Ref, p statement.Packet) (store.Evidence, error) {
	none := store.Evidence{}
	claims, err := evidence.Parse(p.Document)
	if err != nil {
		return none, err
	}
	issuer := l.g.Own
	if claims.Event.Rule().Sender {
		issuer = sender
	}
	ev, by, err := l.g.verifyEvidence(ctx, issuer, p.Signed)
	if err != nil {
		return none, err
	}
	if _, err := provenBy(by, issuer, p); err != nil {
		return none, protocol.Refuse(protocol.BadSignature, "proof of the %s: %v", ev.Event, err)
	}
	return store.Evidence{Packet: p, Event: ev.Event, Time: ev.Time.Time}, ev.About(env, ref)
}
