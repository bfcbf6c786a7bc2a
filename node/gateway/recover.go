package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"comity/protocol"
	"comity/protocol/era"
	"comity/protocol/exchange"
	"comity/protocol/statement"
	"comity/store"
)

const (
	// recoverPause is how long a node waits before it asks again for what it has
	// lost, at first; doubled up to recoverPauseMax.
	recoverPause    = time.Second
	recoverPauseMax = time.Hour
	// maxBarren is how many parcels a peer may show in one reading that bring nothing
	// and are not those that are here already. It is for what does not verify.
	maxBarren = 200
	// restoredNext is when a parcel that was sent and lost is looked at: by then the
	// peer's feed has told what became of it.
	restoredNext = time.Hour
)

// keySet is a set of transmissions. It is safe for concurrent use.
type keySet struct {
	mu   sync.Mutex
	keys map[protocol.Key]bool // guarded by mu
}

func (s *keySet) set(k protocol.Key, in bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !in:
		delete(s.keys, k)
	case s.keys == nil:
		s.keys = map[protocol.Key]bool{k: true}
	default:
		s.keys[k] = true
	}
}

// drop takes out those of which gone says so, and returns them.
func (s *keySet) drop(gone func(protocol.Key) bool) (dropped []protocol.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.keys {
		if gone(k) {
			dropped = append(dropped, k)
			delete(s.keys, k)
		}
	}
	return dropped
}

func (s *keySet) some() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys) > 0
}

func (s *keySet) has(k protocol.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[k]
}

// loadLost reads, before anything of a peer is let in, what is still to be fetched
// from it.
func (l *link) loadLost(ctx context.Context) error {
	still, _, _, err := l.g.Store.Recovering(ctx, l.peer)
	if err != nil {
		return err
	}
	l.recovering.Store(still)
	if err := l.loadDoubts(ctx); err != nil {
		return err
	}
	lost, err := l.g.Store.Lost(ctx, l.peer)
	for _, row := range lost {
		l.g.wanted.set(row.Key, true)
	}
	return err
}

// loadDoubts reads which parcels of the peer are in doubt.
func (l *link) loadDoubts(ctx context.Context) error {
	doubts, err := l.g.Store.Doubts(ctx, l.peer)
	for _, d := range doubts {
		l.unsure.set(d.Key, true)
	}
	return err
}

// whole lets a peer's parcels in only when all that it holds of this node was
// fetched: which ids are used is not known before (R-OLD-4).
func whole(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, l *link) {
		if l.recovering.Load() {
			const why = "this node has begun a new log, after a restore or with new keys, and fetches first what you hold of its evidence"
			later := &comeBack{http.StatusServiceUnavailable, 10 * time.Second, why}
			l.g.answerError(w, r, l.peer, http.StatusServiceUnavailable, later)
			return
		}
		next(w, r, l)
	}
}

// recover is the loop that fetches, after a restore, what the peer holds of this
// node's evidence, and then the sealed bytes that are lost. It ends when nothing
// is missing any more. Each peer has its own: none waits for another.
func (l *link) recover(ctx context.Context) {
	defer func() {
		if h := l.half; h != nil {
			l.giveUp(h.at, h.spool)
		}
	}()
	for wait := recoverPause; ctx.Err() == nil; wait = min(2*wait, recoverPauseMax) {
		rung := l.renewed.wait()
		err := l.recoverCopies(ctx)
		if err == nil {
			err = errors.Join(l.askDoubts(ctx), l.fetchLost(ctx))
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		l.tellMissing(err)
		if pauseUnless(ctx, rung, wait) {
			pause(ctx, recheckPause) // a peer that makes connections in a loop must not make us work in one
		}
	}
}

// tellMissing logs that a peer is still to be asked. After new log keys alone nothing
// was lost, and nobody has to be warned.
func (l *link) tellMissing(err error) {
	if l.g.restored.Load() {
		l.logger().Warn("what was lost with the node is not all fetched yet", "error", err)
		return
	}
	l.logger().Info("with new log keys, nothing is taken from a peer before it has shown what it holds of this node's evidence", "error", err)
}

// tellLost logs, when the first evidence comes back that was not here, that the node was
// restored before it began its log: where that had only new keys, nobody knew.
func (l *link) tellLost() {
	if l.g.restored.CompareAndSwap(false, true) {
		l.logger().Warn("this node got new log keys after it was restored from an older copy: a peer holds evidence of it that was lost, and gives it back")
	}
}

// wasRestored reports whether one of the node's logs was lost.
func wasRestored(ctx context.Context, g *store.Gateway) (lost bool, err error) {
	all, err := g.Eras(ctx)
	for i := 0; err == nil && !lost && i < len(all); i++ {
		lost, err = FollowsLost(all[i])
	}
	return lost, err
}

// FollowsLost reports whether the log before an era was lost with the node, and not only
// given up for new keys: then peers had shown a later state of it, or a newer record, when
// the era began, or evidence after that (R-OLD-4).
func FollowsLost(e store.BegunEra) (bool, error) {
	if e.ShownBy != "" {
		return true, nil
	}
	s, err := era.Parse(e.Statement.Document) // all that tells where an earlier program began it
	if err != nil {
		return false, fmt.Errorf("%w: the statement of an era: %w", store.ErrIntegrity, err)
	}
	return len(s.Shown) > 0, nil
}

// recoverCopies takes back all that the peer holds, and lets its parcels in.
func (l *link) recoverCopies(ctx context.Context) error {
	still, received, sent, err := l.g.Store.Recovering(ctx, l.peer)
	if err == nil && still {
		err = l.readCopies(ctx, received, sent)
	}
	// What is stored may have seemed to fail: so this is asked, not whether it was read just now.
	if err != nil || !l.recovering.Load() {
		return err
	}
	l.g.heardOut.Store(l.g.Now().UnixMicro())
	l.recovering.Store(false)
	l.logger().Info("all that a peer holds of this node's evidence is here, and parcels are taken from it")
	l.g.letOn()
	return l.flush(ctx)
}

// readCopies reads both lists of the peer from where they were read before, and stores
// that there is nothing more.
func (l *link) readCopies(ctx context.Context, received, sent int64) error {
	// A page may be stored although that seemed to fail.
	if err := l.loadDoubts(ctx); err != nil {
		return err
	}
	at := store.Page{Peer: l.peer, Received: received, Sent: sent}
	found := 0
	for _, s := range []struct {
		side
		cursor *int64
	}{{l.receivedSide(), &at.Received}, {l.sentSide(), &at.Sent}} {
		fresh, err := l.readSide(ctx, s.side, &at, s.cursor)
		if found += fresh; err != nil {
			return err
		}
	}
	if err := l.askAboutOthers(ctx); err != nil { // R-WIT-9
		return err
	}
	if found > 0 {
		l.logger().Info("evidence that was lost with the node was fetched back", "parcels", found)
	}
	return l.g.Store.EndRecovery(ctx, l.peer)
}

// side is one of the two lists that a peer has of this node's parcels.
type side struct {
	of   string // as it is asked for
	sent bool
	take func(context.Context, []statement.Packet) (fresh bool, err error)
}

func (l *link) receivedSide() side { return side{copiesReceived, false, l.restoreReceived} }
func (l *link) sentSide() side     { return side{copiesSent, true, l.restoreSent} }

// errEndless says that a peer shows more parcels than there can be.
var errEndless = errors.New("it shows one parcel after another and none of them brings anything")

// barrenAtMost is how many parcels of a list may bring nothing: each parcel of an
// honest peer is here already or brings something; of others it takes maxBarren.
func (l *link) barrenAtMost(ctx context.Context, s side) (int64, error) {
	known, err := l.g.Store.Known(ctx, l.peer, s.sent)
	return known + maxBarren, err
}

// readSide reads one list to its end, page by page, from where the cursor stands,
// and returns how many parcels brought something that was lost.
func (l *link) readSide(ctx context.Context, s side, at *store.Page, cursor *int64) (found int, err error) {
	barren, err := l.barrenAtMost(ctx, s)
	if err != nil {
		return 0, err
	}
	for {
		page, err := l.askCopies(ctx, s.of, *cursor)
		if err != nil || len(page.Packets) == 0 {
			return found, err
		}
		groups := byEnvelope(page.Packets)
		fresh, doubts, err := l.takePage(ctx, s, groups, *cursor)
		if err != nil {
			return found, err
		}
		at.Doubts, *cursor = doubts, page.Next
		if err := l.g.Store.SetRecovered(ctx, *at); err != nil {
			return found, err
		}
		for _, d := range doubts { // now that it is stored: a page that is not is read again
			l.unsure.set(d.Key, true)
		}
		found += fresh
		if barren -= int64(len(groups) - fresh - len(doubts)); barren < 0 {
			l.raise(errEndless)
			return found, errEndless
		}
	}
}

// takePage takes back the parcels of a page that begins behind place. One that
// cannot be verified for a reason on this side is in doubt once that is stored (R-OLD-7);
// what is no word of this node is told, and passed over.
func (l *link) takePage(ctx context.Context, s side, groups [][]statement.Packet, place int64) (fresh int, doubts []store.Doubt, err error) {
	for _, group := range groups {
		isFresh, err := s.take(ctx, group)
		k, ours := l.keyOf(group, s.sent)
		switch {
		case errors.As(err, &notYet{}) && ours:
			if l.unsure.has(k) {
				continue
			}
			l.logger().Warn("what a peer holds in this node's name cannot be verified yet: its id is used, and it is asked for again", "parcel", k.Parcel, "error", err)
			doubts = append(doubts, store.Doubt{Key: k, Sent: s.sent, After: place})
		case err != nil && protocol.CodeOf(err) == "":
			return fresh, doubts, err // our own trouble
		case err != nil:
			l.raise(fmt.Errorf("it holds something in this node's name that does not verify: %w", err))
		case isFresh:
			fresh++
		}
	}
	return fresh, doubts, nil
}

func (l *link) askCopies(ctx context.Context, of string, after int64) (*exchange.Copies, error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, data, err := l.call(call, http.MethodGet, fmt.Sprintf("/v1/copies?of=%s&after=%d", of, after), nil, maxAnswer)
	if err != nil {
		return nil, err
	}
	page, err := exchange.DecodeCopies(data, after)
	if err != nil {
		return nil, fmt.Errorf("read a page of copies: %w", err)
	}
	return page, nil
}
