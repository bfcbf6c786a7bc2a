package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"comity/protocol"
	"comity/protocol/statement"
	"comity/store"
)

// feedType is the first member of a feed page.
const feedType = "comity/feed/v1"

// feedPage is one answer of the evidence feed (R-WIRE-6).
type feedPage struct {
	Type    string             `json:"type"`
	Next    int64              `json:"next"`
	Packets []statement.Packet `json:"packets"`
}

const (
	// maxPush is how many evidences one push carries: a peer may have several
	// pushes open at once, and each is held whole.
	maxPush = 8
	// followPause is how long a node waits after a failed poll, at first;
	// doubled up to followPauseMax.
	followPause    = time.Second
	followPauseMax = 5 * time.Minute
	// pollFresh is how recently a peer must have asked for its feed to need no push.
	pollFresh = protocol.MaxFeedWait + 15*time.Second
	// pushGather lets evidence that comes in a burst leave in one call.
	pushGather = 200 * time.Millisecond
)

// serveFeed gives a peer the evidence that concerns it, in order, and waits for
// some when there is none: a node that admits no inbound flow hears of
// everything on its own connections (R-WIRE-6).
func (w *wire) serveFeed(rw http.ResponseWriter, r *http.Request, l *link) {
	g := w.g
	after, err1 := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	seconds, err2 := strconv.ParseInt(r.URL.Query().Get("wait"), 10, 64)
	if err1 != nil || err2 != nil || after < 0 || seconds < 0 {
		answerProblem(rw, http.StatusBadRequest, protocol.Malformed, "want after=N and wait=seconds, both from 0")
		return
	}
	select {
	case l.polls <- struct{}{}:
		defer func() { <-l.polls }()
	default:
		g.answerError(rw, r, l.peer, http.StatusTooManyRequests, errTooManyCalls)
		return
	}
	further := l.notePoll(after)
	if end, err := g.Store.FeedEnd(r.Context(), l.peer); err != nil {
		g.answerError(rw, r, l.peer, http.StatusServiceUnavailable, err)
		return
	} else if after > end {
		answerProblem(rw, http.StatusConflict, "", "the feed ends before this position: read it again from 0")
		return
	}
	timer := time.NewTimer(time.Duration(min(seconds, int64(protocol.MaxFeedWait/time.Second))) * time.Second)
	defer timer.Stop()
	for last := false; ; {
		rung := g.feeds.of(l.peer).wait()
		entries, err := g.Store.Feed(r.Context(), l.peer, after, protocol.MaxFeedPage)
		if err != nil {
			g.answerError(rw, r, l.peer, http.StatusServiceUnavailable, err)
			return
		}
		if len(entries) > 0 && further {
			l.idle.give()
		}
		if len(entries) > 0 || last {
			g.answerPage(rw, r, l.peer, entries, after)
			return
		}
		select {
		case <-rung:
		case <-timer.C:
			last = true
		case <-w.stopping:
			last = true
		case <-r.Context().Done():
			return
		}
	}
}

func (g *Gateway) answerPage(w http.ResponseWriter, r *http.Request, peer protocol.NodeID, entries []store.FeedEntry, after int64) {
	page := feedPage{Type: feedType, Next: after, Packets: []statement.Packet{}}
	for _, e := range entries {
		page.Next = e.Position
		page.Packets = append(page.Packets, e.Evidence.Packet)
	}
	body, err := statement.EncodeCarrier(page, statement.SizeOf(page.Packets))
	if err != nil {
		g.answerError(w, r, peer, http.StatusServiceUnavailable, err)
		return
	}
	held := g.link(peer).memory.hold() // a peer that reads slowly makes us hold it
	defer held.free()
	if err := held.grow(r.Context(), int64(len(body))); err != nil {
		g.answerError(w, r, peer, http.StatusTooManyRequests, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if _, err := w.Write(body); err != nil {
		g.link(peer).aloud().Info("a feed page did not reach the peer", "error", err)
	}
}

// servePush takes evidence that a peer hands over by itself (R-WIRE-7).
func (g *Gateway) servePush(w http.ResponseWriter, r *http.Request, l *link) {
	peer := l.peer
	body, err := readBody(w, r, maxPush*protocol.MaxPacket)
	if err != nil {
		g.answerError(w, r, peer, http.StatusBadRequest, err)
		return
	}
	packets, err := statement.DecodePackets(body, maxPush*protocol.MaxPacket, maxPush)
	if err == nil {
		_, err = g.takeForeign(r.Context(), peer, packets)
	}
	if err != nil {
		g.answerError(w, r, peer, http.StatusUnprocessableEntity, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// notePoll remembers that the peer asks, and from where. It reports whether the
// peer asks for more than it was given before.
func (l *link) notePoll(after int64) (further bool) {
	wall := l.g.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	further = l.polled.IsZero() || after > l.asked
	l.polled = time.Now()
	l.heard, l.contact = l.polled, wall
	l.asked = max(l.asked, after)
	return further
}

// polling reports whether the peer reads its feed by itself, and how far it is
// known to have read.
func (l *link) polling() (bool, int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.polled.IsZero() && time.Since(l.polled) < pollFresh, l.asked
}

// follow is the loop that reads the peer's feed, on our own connection. It also
// is what notices that the peer is back when nothing is due.
func (l *link) follow(ctx context.Context) {
	if l.g.Ready(ctx) != nil {
		return // an older copy has forgotten what the evidence is about
	}
	wait := followPause
	for ctx.Err() == nil {
		rung := l.due.wait()
		began := time.Now()
		if l.recovering.Load() { // it may speak of parcels that are not known here again yet
			pause(ctx, followPause)
			continue
		}
		more, err := l.readPage(ctx)
		switch {
		case err == nil && more:
			wait = followPause
			continue
		case err == nil:
			// A peer that does not wait before it says "nothing" must not keep us busy.
			wait = followPause
			pause(ctx, followPause-time.Since(began))
			continue
		case ctx.Err() == nil:
			l.logger().Debug("cannot read the peer's feed", "error", err)
		}
		pause(ctx, retryAfter(err))
		if pauseUnless(ctx, rung, wait) { // something changed: the peer may be back
			pause(ctx, followPause)
		}
		wait = min(2*wait, followPauseMax)
	}
}

// readPage reads one page and stores its evidence and the new cursor in one
// commit. Evidence that does not verify is logged and passed over: it will not
// get better, and must not hold up the rest.
func (l *link) readPage(ctx context.Context) (more bool, err error) {
	after, err := l.g.Store.FeedCursor(ctx, l.peer)
	if err != nil {
		return false, err
	}
	call, cancel := context.WithTimeout(ctx, protocol.MaxFeedWait+callTimeout)
	defer cancel()
	if err := l.greetAgain(call); err != nil {
		return false, err
	}
	path := fmt.Sprintf("/v1/evidence?after=%d&wait=%d", after, int(protocol.MaxFeedWait/time.Second))
	_, data, err := l.call(call, http.MethodGet, path, nil, maxAnswer)
	var p *problem
	if errors.As(err, &p) && p.Status == http.StatusConflict && after > 0 {
		// Who adopts a record that names another log begins anew (R-OLD-5): the hello
		// above, or one that the peer said meanwhile, may have brought it.
		if now, err := l.g.Store.FeedCursor(ctx, l.peer); err != nil || now < after {
			return false, err
		}
		l.suspect(fmt.Errorf("its evidence feed ends before %d, up to which it was read: %w", after, errPeerOlder))
		return false, l.g.Store.RewindFeed(ctx, l.peer)
	}
	if err != nil {
		return false, err
	}
	l.mu.Lock()
	l.heard, l.contact = time.Now(), l.g.Now()
	l.mu.Unlock()
	var page feedPage
	if err := statement.Decode(data, feedType, maxAnswer, &page); err != nil {
		return false, fmt.Errorf("read a page of the feed: %w", err)
	}
	if len(page.Packets) == 0 {
		return false, nil
	}
	if len(page.Packets) > protocol.MaxFeedPage || page.Next <= after {
		return false, protocol.Refuse(protocol.Malformed, "a feed page of %d packets that leads from %d to %d", len(page.Packets), after, page.Next)
	}
	_, err = l.g.takeForeign(ctx, l.peer, page.Packets, store.AdvanceFeed{Peer: l.peer, Cursor: page.Next})
	if protocol.CodeOf(err) != "" && !errors.As(err, &notYet{}) {
		err = nil
	}
	return true, err
}

// push is the loop that hands new evidence to a peer that does not read its
// feed, because it cannot reach us. It is a courtesy: the feed keeps everything,
// so a failed push is only logged. After a restart it begins again where the
// peer is known to have read; what it had is idempotent (R-WIRE-7).
func (l *link) push(ctx context.Context) {
	pause(ctx, pollFresh) // a peer that polls has done so by then
	var pushed int64
	for ctx.Err() == nil {
		rung := l.g.feeds.of(l.peer).wait()
		for ctx.Err() == nil {
			polls, read := l.polling()
			pushed = max(pushed, read)
			if polls {
				break
			}
			next, err := l.pushPage(ctx, pushed)
			if err != nil && ctx.Err() == nil {
				l.logger().Debug("cannot push evidence", "error", err)
			}
			if err != nil {
				pause(ctx, retryAfter(err))
			}
			if err != nil || next == pushed {
				break
			}
			pushed = next
		}
		select {
		case <-rung:
			pause(ctx, pushGather)
		case <-ctx.Done():
		}
	}
}

func (l *link) pushPage(ctx context.Context, after int64) (int64, error) {
	entries, err := l.g.Store.Feed(ctx, l.peer, after, maxPush)
	if err != nil || len(entries) == 0 {
		return after, err
	}
	packets := make([]statement.Packet, len(entries))
	for i, e := range entries {
		packets[i] = e.Evidence.Packet
	}
	body, err := statement.EncodePackets(packets)
	if err != nil {
		return after, err
	}
	if _, _, err := l.callPackets(ctx, http.MethodPost, "/v1/evidence", body); err != nil {
		return after, err
	}
	return entries[len(entries)-1].Position, nil
}
