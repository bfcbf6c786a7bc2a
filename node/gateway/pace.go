package gateway

import (
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

// paced makes a peer wait that asks much and brings nothing, so that it gets no
// more of this node's time than its streams allow.
func paced(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, l *link) {
		if !l.idle.take() {
			pause(r.Context(), idleWait)
		}
		next(w, r, l)
	}
}
