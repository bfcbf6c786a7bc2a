package gateway

import (
	"net/http"
	"os"
	"time"

	"comity/protocol"
)

const (
	// answerPiece is how much of an answer a peer must take within callTimeout:
	// nearly every answer is smaller, and a page of the feed may cross a slow line.
	answerPiece = 64 << 10
	// longestAnswer is when the last byte must be taken: as long as our own node
	// waits for a page of the feed.
	longestAnswer = protocol.MaxFeedWait + callTimeout
)

// answer is the writer of all answers. A peer that asks and then does not read
// would otherwise keep the handler, and the memory that it holds, for ever: its
// connection looks alive all the while (I9).
type answer struct {
	http.ResponseWriter
	stamp func(http.Header) // says what time it is here, before the first byte
	began time.Time         // zero: nothing was written
	late  error             // why the rest is not written any more
}

// Unwrap lets http.ResponseController find what is below.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	a.allow()
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (n int, err error) {
	for first := true; first || len(p) > 0; first = false {
		if a.allow(); a.late != nil {
			return n, a.late
		}
		piece := p[:min(len(p), answerPiece)]
		m, err := a.ResponseWriter.Write(piece)
		if n += m; err != nil {
			a.late = err
			return n, err
		}
		p = p[len(piece):]
	}
	return n, nil
}

// allow gives the next piece its time. The server sends the end after the handler
// has returned, so that is when it is called last.
func (a *answer) allow() {
	if a.late != nil {
		return
	}
	now := time.Now()
	if a.began.IsZero() {
		a.began = now
		a.stamp(a.Header())
	}
	end := a.began.Add(longestAnswer)
	if until := now.Add(callTimeout); until.Before(end) {
		end = until
	}
	if !now.Before(end) {
		a.late = os.ErrDeadlineExceeded
		return
	}
	a.late = http.NewResponseController(a.ResponseWriter).SetWriteDeadline(end)
}
