package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/store"
)

// This node as a monitor of its peers' logs: every two states of a log that it
// ever saw must belong to one history (R-WIT-7). A log may show its witnesses one
// story and somebody else another; who saw both can prove it.

const (
	// maxComparisons is how often the states of one log are compared at once, and
	// comparisonsPerSecond how often more after that.
	maxComparisons       = 10
	comparisonsPerSecond = 1.0 / 60
	// seenGather lets states that are seen in a burst be compared together.
	seenGather = time.Second
	// maxCompared is how many states one comparison takes; each needs a tile.
	maxCompared = 256
	// maxTops is how many of the largest states are tried as the one that the others
	// are compared with: of those that the node's tiles do not lead to, the others
	// must not wait for ever.
	maxTops = 4
	// gossipEvery is how often a witness is asked what it saw of other logs, and
	// gossipPause the least time between two times.
	gossipEvery = time.Hour
	gossipPause = time.Minute
)

// monitor is the loop that compares what was seen of the peer's log.
func (l *link) monitor(ctx context.Context) {
	may := newBucket(maxComparisons, comparisonsPerSecond)
	timer := time.NewTimer(againAfterMax)
	defer timer.Stop()
	if err := l.sightHeld(ctx); err != nil && ctx.Err() == nil {
		l.logger().Error("cannot note what is known of a peer's log", "error", err)
	}
	for wait := againAfter; ctx.Err() == nil; {
		seen, back := l.sighted.wait(), l.renewed.wait()
		if err := l.compareStates(ctx); err == nil {
			wait = againAfter
		} else if ctx.Err() == nil {
			l.logger().Debug("cannot compare the states of a peer's log", "error", err)
			timer.Reset(max(wait, retryAfter(err)))
			wait = min(2*wait, againAfterMax)
		}
		for !may.take() && ctx.Err() == nil {
			pause(ctx, may.wait())
		}
		select {
		case <-seen:
			pause(ctx, seenGather)
		case <-timer.C:
		case <-back:
			pause(ctx, recheckPause)
		case <-ctx.Done():
		}
	}
}

// compareStates compares until nothing waits any more. nil says only that nothing
// is left to do: a fork is an alarm, not an error.
func (l *link) compareStates(ctx context.Context) error {
	state, ok := l.g.book.node(l.peer)
	if !ok {
		return fmt.Errorf("no record of %s", l.peer)
	}
	for {
		f, err := l.g.Store.Following(ctx, state.Record().Node.Log.Origin, maxCompared)
		switch {
		case err != nil:
			return err
		case f.Fork != nil:
			l.alarmOfFork()
			return nil
		case len(f.Seen) == 0:
			return nil
		}
		if err := l.compareSome(ctx, f); err != nil {
			return err
		}
	}
}

// compareSome compares what waits with the largest state that the node's tiles
// lead to, and with the head so far.
func (l *link) compareSome(ctx context.Context, f store.Following) (err error) {
	tiles := l.readTiles(ctx)
	for _, top := range topsOf(f) {
		var compared []store.LogState
		var fork *store.LogState
		compared, fork, err = compareWith(top, f, tiles)
		switch {
		case errors.Is(err, merkle.ErrTile) || isStatus(err, http.StatusNotFound):
			continue // this one is not of the history that the tiles tell
		case err != nil:
			return err
		case fork != nil:
			return l.g.Store.AddFork(ctx, *fork, top)
		case len(compared) == 0 && top.Checkpoint == f.Head.Checkpoint:
			continue // nothing came of it
		}
		return l.g.Store.Follow(ctx, f.Head, top, compared)
	}
	return errors.Join(errNotLed, err)
}

// errNotLed says that the states that wait must wait on.
var errNotLed = errors.New("the tiles of the log lead to none of the states that wait")

// topsOf returns the states to compare the others with, the largest first: none
// smaller than the head, and the head itself when all else fails.
func topsOf(f store.Following) []store.LogState {
	var tops []store.LogState
	for _, s := range f.Seen {
		if len(tops) < maxTops && (f.Head.Note == nil || s.Checkpoint.Size > f.Head.Checkpoint.Size) {
			tops = append(tops, s)
		}
	}
	if f.Head.Note != nil {
		tops = append(tops, f.Head)
	}
	return tops
}

// compareWith computes, from hashes that lead to the root of top, the root that
// the log had at the size of each smaller state. fork is one that has another.
// merkle.ErrTile: the tiles do not lead to top.
func compareWith(top store.LogState, f store.Following, tiles func(merkle.Tile) ([]byte, error)) (compared []store.LogState, fork *store.LogState, err error) {
	r := merkle.TiledLog(top.Checkpoint.Size, top.Checkpoint.Root, tiles)
	for _, s := range append([]store.LogState{f.Head}, f.Seen...) {
		if s.Note == nil || s.Checkpoint.Size >= top.Checkpoint.Size {
			continue // the same size would have been a fork when it was seen
		}
		root, err := merkle.Root(s.Checkpoint.Size, r)
		if err != nil {
			return nil, nil, err
		}
		if root != s.Checkpoint.Root {
			return nil, &s, nil
		}
		compared = append(compared, s)
	}
	return compared, nil, nil
}

// readTiles fetches tiles of the peer's log, each once. What they are worth is
// for the reader to find out.
func (l *link) readTiles(ctx context.Context) func(merkle.Tile) ([]byte, error) {
	known := map[merkle.Tile][]byte{}
	return func(t merkle.Tile) ([]byte, error) {
		if b, ok := known[t]; ok {
			return b, nil
		}
		call, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		_, b, err := l.call(call, http.MethodGet, "/v1/log/tile/"+t.String(), nil, merkle.TileWidth*int64(len(merkle.Hash{})))
		if err != nil {
			return nil, fmt.Errorf("read tile %s of the log of %s: %w", t, l.peer, err)
		}
		known[t] = b
		return b, nil
	}
}

// sight notes a state of the peer's log that it showed by itself, and has it
// compared.
func (l *link) sight(ctx context.Context, c merkle.Checkpoint, bare []byte) error {
	forked, err := l.g.Store.See(ctx, store.LogState{Node: l.peer, Checkpoint: c, Note: bare})
	if forked {
		l.alarmOfFork()
	}
	l.sighted.ring()
	return err
}

// gossip is the loop that asks the peer, as a witness, what it cosigned of other
// peers' logs: a log that tells each of two peers its own story is caught by the
// first of them that hears of the other's (R-WIT-7).
func (l *link) gossip(ctx context.Context) {
	for ctx.Err() == nil {
		back := l.renewed.wait()
		if err := l.askAboutOthers(ctx); err != nil && ctx.Err() == nil {
			l.logger().Debug("cannot ask a witness about other logs", "error", err)
		}
		pause(ctx, gossipPause)
		pauseUnless(ctx, back, gossipEvery)
	}
}

func (l *link) askAbout(ctx context.Context, other protocol.NodeID) error {
	state, ok := l.g.book.node(other)
	if !ok {
		return nil
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, note, err := l.call(call, http.MethodGet, cosignedPath(state.Record().Node.Log.Origin), nil, merkle.MaxCheckpoint)
	if err != nil {
		return err
	}
	c, bare, err := state.LogVerifier().Bare(note)
	if err != nil {
		return nil //nolint:nilerr // not a word of that log
	}
	return l.g.link(other).sight(ctx, c, bare)
}

// sightHeld notes the state that an earlier version of this program kept: it
// compared none.
func (l *link) sightHeld(ctx context.Context) error {
	state, ok := l.g.book.node(l.peer)
	_, note, err := l.g.Store.PeerCheckpoint(ctx, l.peer)
	if err != nil || !ok || note == nil {
		return err
	}
	c, bare, err := state.LogVerifier().Bare(note)
	if err != nil {
		return nil //nolint:nilerr // of an earlier log of the peer
	}
	return l.sight(ctx, c, bare)
}

// uncompared says for how long states of a peer's log wait to be compared; 0: not
// for long.
func (g *Gateway) uncompared(f store.Following) time.Duration {
	if age := g.Now().Sub(f.Since); !f.Since.IsZero() && age > protocol.MaxUncompared {
		return age
	}
	return 0
}
