package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/hashicorp/go-retryablehttp"

	"comity/protocol"
	"comity/protocol/statement"
)

const (
	// maxMoves is how often in one attempt a peer may want an append to begin
	// elsewhere.
	maxMoves = 3
	// wayForward is how much further than ever before an attempt must have begun for
	// the one before it to count as progress: what is durable at the peer, not what
	// left here. Progress ends the growing of the pauses, so that a large body
	// crosses a bad line in as many pieces as it needs.
	wayForward = 1 << 20
	// maxStood is of how many bodies it is remembered how far they came.
	maxStood = 4096
)

// sendInTurn waits for the answer to the envelope before it sends the bytes. Of
// an envelope that the peer may have seen before it asks first what is there
// already (R-WIRE-11).
func (l *link) sendInTurn(ctx context.Context, path string, offer []byte, body io.ReaderAt, size int64, again bool) ([]statement.Packet, error) {
	if again && size > protocol.MaxWhole {
		offset, whole, err := l.askOffset(ctx, path)
		var p *problem
		switch {
		case err == nil && whole:
			_, packets, err := l.callPackets(ctx, http.MethodGet, path, nil)
			return packets, err
		case err == nil:
			return l.patch(ctx, path, body, size, offset)
		case !errors.As(err, &p) || p.Status != http.StatusNotFound:
			return nil, err
		}
	}
	if status, packets, err := l.callPackets(ctx, http.MethodPut, path, offer); err != nil || status == http.StatusOK {
		return packets, err
	}
	return l.patch(ctx, path, body, size, 0)
}

// askOffset asks the peer how much of a body it has. whole: it has decided about it.
func (l *link) askOffset(ctx context.Context, path string) (offset int64, whole bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodHead, "https://"+string(l.peer)+path, nil)
	if err != nil {
		return 0, false, err
	}
	resp, err := l.http.Do(req)
	if err != nil {
		return 0, false, err
	}
	if _, err := readReply(resp, 0); err != nil {
		return 0, false, err
	}
	offset, err = strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || offset < 0 {
		return 0, false, fmt.Errorf("the peer answered without a usable Upload-Offset: %s", protocol.Quote([]byte(resp.Header.Get("Upload-Offset"))))
	}
	return offset, resp.Header.Get("Upload-Complete") == "?1", nil
}

// patch sends a body from offset to its end. When the peer wants it from another
// place, it gets it from there.
func (l *link) patch(ctx context.Context, path string, body io.ReaderAt, size, offset int64) ([]statement.Packet, error) {
	for moves := 0; ; moves++ {
		packets, err := l.patchFrom(ctx, path, body, size, offset)
		var p *problem
		if moves == maxMoves || !errors.As(err, &p) || p.Status != http.StatusConflict || p.Code != "" || p.offset < 0 || p.offset == offset {
			return packets, err
		}
		offset = p.offset
	}
}

func (l *link) patchFrom(ctx context.Context, path string, body io.ReaderAt, size, offset int64) ([]statement.Packet, error) {
	if offset > size {
		return nil, fmt.Errorf("the peer says that it has %d bytes of a body of %d", offset, size)
	}
	if offset > 0 {
		l.logger().Info("goes on with a body", "path", path, "offset", offset, "size", size)
	}
	rest := &remainder{body: body, offset: offset}
	t, err := l.begin(ctx, http.MethodPatch, path, uploadHeaders(offset, size), rest, size-offset)
	var packets []statement.Packet
	if err == nil {
		_, packets, err = l.finish(ctx, t, answerTimeout)
	}
	var p *problem
	if err != nil && !errors.As(err, &p) {
		sent := rest.read.Load()
		l.logger().Info("a body broke off", "path", path, "offset", offset, "sent", sent, "size", size)
		err = &brokeOff{err, offset, sent}
	}
	return packets, err
}

// remainder is a body from offset on, and how much of it was read to be sent.
type remainder struct {
	body   io.ReaderAt
	offset int64
	read   atomic.Int64
}

func (r *remainder) giveWay() {
	if y, ok := r.body.(yielder); ok {
		y.giveWay()
	}
}

func (r *remainder) ReadAt(p []byte, at int64) (int, error) {
	n, err := r.body.ReadAt(p, r.offset+at)
	r.read.Store(at + int64(n))
	return n, err
}

// brokeOff is an append that ended without an answer: where it began, because all
// before that is durable at the peer, and how many bytes had left.
type brokeOff struct {
	error
	from, sent int64
}

func (e *brokeOff) Unwrap() error { return e.error }

// forward reports whether a body has come forward since it was last asked: whether
// the attempt that ended now began further on than any before it.
func (l *link) forward(k protocol.Key, broke *brokeOff) bool {
	best, _ := l.stood.get(k)
	if broke.from < best+wayForward {
		return false
	}
	l.stood.set(k, broke.from)
	return true
}
