package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"comity/protocol"
)

// A witness that was restored from a backup has forgotten the states that it
// cosigned last. Their logs' own nodes would tell it whatever suits them, and new
// keys would know no more than the old ones. But what it forgot other witnesses
// have seen: they are asked first.

// recallPause is when a peer may ask again for a cosignature meanwhile.
const recallPause = 10 * time.Second

// mayCosign returns a *comeBack for a checkpoint of the peer's log while this node,
// in a new era of its own, has not asked all others what they cosigned of that log,
// or has not compared what they showed (R-WIT-9). A peer that is away, or that lets
// nobody compare, holds it up for MaxUncompared at most: then it is told of.
func (l *link) mayCosign(ctx context.Context, origin string) error {
	g := l.g
	if g.eraBegan.IsZero() || g.Now().Sub(g.eraBegan) > protocol.MaxUncompared {
		return nil
	}
	if g.recoversAny() {
		return &comeBack{http.StatusServiceUnavailable, recallPause, "this node has begun a new log, after a restore or with new keys, and asks its other peers first what they cosigned of your log"}
	}
	f, err := g.Store.Following(ctx, origin, 0)
	if err != nil {
		return err
	}
	if f.Fork == nil && !f.Since.IsZero() && !f.Since.After(time.UnixMicro(g.heardOut.Load())) {
		return &comeBack{http.StatusServiceUnavailable, recallPause, "this node has begun a new log, after a restore or with new keys, and compares first what its other peers cosigned of your log"}
	}
	return nil
}

// recoversAny reports whether anything is still to be fetched from any peer.
func (g *Gateway) recoversAny() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.links {
		if l.recovering.Load() {
			return true
		}
	}
	return false
}

// askAboutOthers asks the peer, as a witness, what it cosigned of the logs of all
// other peers.
func (l *link) askAboutOthers(ctx context.Context) (err error) {
	for _, other := range l.g.book.peers() {
		if other == l.peer {
			continue
		}
		if failed := l.askAbout(ctx, other); failed != nil && !isStatus(failed, http.StatusNotFound) {
			err = errors.Join(err, failed)
		}
	}
	return err
}
