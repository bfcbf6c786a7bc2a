package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"comity/crypto/merkle"
	"comity/store"
)

const (
	// maxReads is how many parts of the log a peer may read at once, and
	// readsPerSecond how many more after that; what goes beyond waits, as with
	// maxIdle. Apart from that, so that whoever audits the log slows none of its own
	// deliveries down.
	maxReads       = 256
	readsPerSecond = 20
)

// leisurely gives reading of the log a pace of its own, instead of that of other
// calls.
func leisurely(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, l *link) {
		l.idle.give()
		if !l.reads.take() {
			pause(r.Context(), idleWait)
		}
		next(w, r, l)
	}
}

// serveCheckpoint shows the state of the log (R-TILE-1).
func (g *Gateway) serveCheckpoint(w http.ResponseWriter, r *http.Request, l *link) {
	note, err := g.published(r.Context())
	switch {
	case err != nil:
		g.answerError(w, r, l.peer, http.StatusServiceUnavailable, err)
	case note == nil:
		answerProblem(w, http.StatusNotFound, "", "this log is empty")
	default:
		answerFile(w, l, "text/plain; charset=utf-8", "no-cache", note)
	}
}

// published is the checkpoint that this node shows to readers of its log: the
// newest one that was cosigned, with all cosignatures; while none was, the newest.
func (g *Gateway) published(ctx context.Context) ([]byte, error) {
	note, _, err := g.Store.CosignedCheckpoint(ctx)
	if err != nil || note != nil {
		return note, err
	}
	return g.Store.Checkpoint(ctx)
}

// serveTile shows hashes of the log's tree (R-TILE-2). There is no address for
// the leaves themselves: how many of what kind there are is nobody's business
// (R-TILE-3).
func (g *Gateway) serveTile(w http.ResponseWriter, r *http.Request, l *link) {
	tile, err := merkle.ParseTile(r.PathValue("tile"))
	if err != nil {
		answerProblem(w, http.StatusNotFound, "", "want /v1/log/tile/L/N, or .p/W behind it, as in tlog-tiles")
		return
	}
	b, err := g.Store.Tile(r.Context(), tile)
	switch {
	case errors.Is(err, store.ErrNotFound):
		answerProblem(w, http.StatusNotFound, "", "this log has no such tile yet")
	case err != nil:
		g.answerError(w, r, l.peer, http.StatusServiceUnavailable, err)
	default:
		answerFile(w, l, "application/octet-stream", "max-age=31536000, immutable", b)
	}
}

// answerFile answers with bytes as they are.
func answerFile(w http.ResponseWriter, l *link, kind, caching string, b []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", caching)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	if _, err := w.Write(b); err != nil { //nolint:gosec,nolintlint // hashes and a note, for a program; the linter sees it only sometimes
		l.aloud().Info("a part of the log did not reach the peer", "error", err)
	}
}
