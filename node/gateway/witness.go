package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/store"
)

// This node as a witness of its peers' logs (C2SP tlog-witness). It cosigns a
// checkpoint only when it extends what it cosigned before, and has stored it by
// then: with that, a log that tells two stories needs its witnesses to tell two
// as well.

const (
	submitPath = "/v1/witness/add-checkpoint"
	// sizeType is the answer that tells the size cosigned last, noteType a note or
	// its lines.
	sizeType = "text/x.tlog.size"
	noteType = "text/plain; charset=utf-8"
)

func cosignedPath(origin string) string {
	return "/v1/witness/" + protocol.Sum([]byte(origin)).String() + "/checkpoint"
}

// serveSubmission cosigns a checkpoint of the peer's own log, or says why not.
// Each refusal has the status that the specification gives it (R-WIT-4).
func (g *Gateway) serveSubmission(w http.ResponseWriter, r *http.Request, l *link) {
	body, err := readBody(w, r, protocol.MaxSubmission)
	if err != nil {
		g.answerError(w, r, l.peer, http.StatusBadRequest, err)
		return
	}
	sub, claims, err := merkle.ParseSubmission(body)
	if err != nil {
		g.answerError(w, r, l.peer, http.StatusBadRequest, protocol.Refuse(protocol.Malformed, "%v", err))
		return
	}
	state, ok := g.book.node(l.peer)
	if !ok || state.Record().Node.Log.Origin != claims.Origin {
		answerProblem(w, http.StatusNotFound, "", "not the log of the calling node, as its record here says")
		return
	}
	c, note, err := state.LogVerifier().Bare(sub.Checkpoint)
	if err != nil {
		g.answerError(w, r, l.peer, http.StatusForbidden, protocol.Refuse(protocol.BadSignature, "%v", err))
		return
	}
	if m := state.Record().Node.Marked(state.Record().Node.Log.Keys); m != nil {
		g.answerError(w, r, l.peer, http.StatusForbidden, protocol.Refuse(protocol.KeyCompromised, "the keys of this log are marked compromised since %s: begin a new one", m.Since))
		return
	}
	c.Time = claims.Time // the state is what is compared
	lines, err := l.cosign(r, store.Submission{
		LogState: store.LogState{Node: l.peer, Checkpoint: c, Note: note}, Old: sub.Old, Proof: sub.Proof,
	})
	if err == nil {
		answerText(w, http.StatusOK, noteType, lines)
		return
	}
	l.refuseSubmission(w, r, err)
}

// cosign signs nothing while this node may not sign at all, or may have forgotten
// what it cosigned. A copy from a backup that lacks nothing but cosignatures is not
// noticed by that (THREATS.md).
func (l *link) cosign(r *http.Request, s store.Submission) ([]byte, error) {
	if err := l.g.MayDate(r.Context()); err != nil {
		return nil, err
	}
	if m := l.g.Own.WitnessMark(); m != nil {
		return nil, protocol.Refuse(protocol.KeyCompromised, "the keys with which this node cosigns are marked compromised since %s", m.Since)
	}
	if err := l.mayCosign(r.Context(), s.Checkpoint.Origin); err != nil {
		return nil, err
	}
	return l.g.Store.Cosign(r.Context(), s, l.g.Witness.Cosign)
}

func (l *link) refuseSubmission(w http.ResponseWriter, r *http.Request, err error) {
	var stale *store.StaleError
	switch {
	case errors.As(err, &stale):
		answerText(w, http.StatusConflict, sizeType, fmt.Appendf(nil, "%d\n", stale.Size))
	case errors.Is(err, store.ErrForked):
		l.alarmOfFork()
		l.refuse(r)
		answerProblem(w, http.StatusUnprocessableEntity, "", "the log has signed two states of which neither extends the other; both are kept here")
	case errors.Is(err, merkle.ErrConsistency):
		l.aloud().Warn("a peer's checkpoint was not cosigned: it was not shown to extend the one before", "error", err)
		l.refuse(r)
		answerProblem(w, http.StatusUnprocessableEntity, "", "the proof does not lead from the state cosigned last to this one")
	default:
		l.g.answerError(w, r, l.peer, http.StatusServiceUnavailable, err)
	}
}

// serveCosigned answers what this node cosigned last of a log: also its own log's
// owner asks, who may have lost it (R-WIT-4).
func (g *Gateway) serveCosigned(w http.ResponseWriter, r *http.Request, l *link) {
	origin, err := protocol.ParseDigest(r.PathValue("origin"))
	if err != nil {
		answerProblem(w, http.StatusNotFound, "", "want /v1/witness/H/checkpoint, H the SHA-256 of an origin")
		return
	}
	c, err := g.Store.Cosigned(r.Context(), origin)
	if errors.Is(err, store.ErrNotFound) {
		answerProblem(w, http.StatusNotFound, "", "no checkpoint of this log was cosigned here")
		return
	}
	var whole []byte
	if err == nil {
		whole, err = merkle.WithCosignatures(c.Note, c.Lines)
	}
	if err != nil {
		g.answerError(w, r, l.peer, http.StatusServiceUnavailable, err)
		return
	}
	answerText(w, http.StatusOK, noteType, whole)
}

func answerText(w http.ResponseWriter, status int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec,nolintlint // signature lines and sizes, for a program; the linter sees it only sometimes
}
