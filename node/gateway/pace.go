package gateway

import (
	"context"
	"net/http"
	"time"
)

const (
	// maxIdle is how many calls a peer may make at once that bring nothing new: a
	// hello, a look at what it has read, a question, an announcement without bytes,
	// what is refused or was known. An honest peer makes few, but has as many as
	// protocol.MaxStreams under way before it is known what they bring.
	maxIdle = 400
	// idlePerSecond is how many more it may make after that.
	idlePerSecond = 20
	// idleWait is how long each waits beyond that. It costs this node a timer, and
	// the peer one of the streams that it has.
	idleWait = time.Second
)

// pace makes a peer wait that asks much and brings nothing, so that it gets no
// more of this node's time than its streams allow.
func (l *link) pace(ctx context.Context) {
	if !l.idle.take() {
		pause(ctx, idleWait)
	}
}

// paced does so with calls over TCP. Over QUIC each stream is paced before it is
// known whether it brings a call at all: see reception.
func paced(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, l *link) {
		if r.ProtoMajor != 3 {
			// A call that is given up at once waits as long.
			l.pace(context.WithoutCancel(r.Context()))
		}
		next(w, r, l)
	}
}
