package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"comity/protocol"
	"comity/protocol/statement"
)

// linkTransport sends a call over the link's connection.
type linkTransport link

func (t *linkTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	l := (*link)(t)
	s, err := l.connect(r.Context())
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context()) // the caller's stays as it is
	l.g.stampTime(r.Header)
	resp, err := s.RoundTrip(r)
	if err == nil {
		l.readTime(r.Context(), resp.Header)
	}
	return resp, err
}

// call makes one small call and returns the body of a 2xx answer. Anything else
// is an error: a *problem when the peer answered. ctx must have an end.
func (l *link) call(ctx context.Context, method, path string, body []byte, limit int64) (int, []byte, error) {
	var raw any // nil, not an empty body
	if body != nil {
		raw = body
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, method, "https://"+string(l.peer)+path, raw)
	if err != nil {
		return 0, nil, err
	}
	switch {
	case path == submitPath:
		req.Header.Set("Content-Type", noteType)
	case body != nil:
		req.Header.Set("Content-Type", "application/json")
	}
	since := l.listen()
	resp, err := l.http.Do(req)
	var status int
	var data []byte
	if err == nil {
		status = resp.StatusCode
		held := l.memory.hold()
		defer held.free()
		resp.Body = weighed{resp.Body, ctx, held}
		data, err = readReply(resp, limit)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		l.doubt(since)
	}
	return status, data, err
}

// readReply reads and closes an answer.
func readReply(resp *http.Response, limit int64) ([]byte, error) {
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, readProblem(resp)
	}
	var data bytes.Buffer
	if size := resp.ContentLength; size > 0 && size <= limit {
		data.Grow(int(size) + bytes.MinRead) // in one piece; ReadFrom looks for the end behind it
	}
	n, err := data.ReadFrom(io.LimitReader(resp.Body, limit+1))
	if err == nil && n > limit {
		err = protocol.Refuse(protocol.TooLarge, "an answer of more than %d bytes", limit)
	}
	return data.Bytes(), err
}

// callPackets makes a call that is answered with packets; an answer without
// body has none.
func (l *link) callPackets(ctx context.Context, method, path string, body []byte) (int, []statement.Packet, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	status, data, err := l.call(ctx, method, path, body, maxAnswer)
	if err != nil || len(data) == 0 {
		return status, nil, err
	}
	packets, err := statement.DecodePackets(data, maxAnswer, protocol.MaxFeedPage)
	return status, packets, err
}

// Pong is what a ping found.
type Pong struct {
	Trip time.Duration // the round trip
	Skew time.Duration // the peer's clock minus ours
	Over Transport
}

// Ping says hello. A peer that is called over TCP is first tried over QUIC again.
func (g *Gateway) Ping(ctx context.Context, peer protocol.NodeID) (*Pong, error) {
	if _, ok := g.book.node(peer); !ok {
		return nil, fmt.Errorf("peer %q is not pinned", peer)
	}
	l := g.link(peer)
	// A person asks now: an attempt from just before, which the peer refused
	// because it had not pinned us yet, is not the answer.
	pong, err := l.ping(ctx)
	if err != nil && ctx.Err() == nil {
		pong, err = l.ping(ctx)
	}
	return pong, err
}

func (l *link) ping(ctx context.Context) (*Pong, error) {
	l.forgive()
	l.circuits.forgive()
	l.tryQUIC(ctx)
	s, err := l.connect(ctx)
	if err != nil {
		return nil, err
	}
	call, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	start, since := time.Now(), l.listen()
	if err := l.hello(call, s); err != nil {
		if errors.Is(call.Err(), context.DeadlineExceeded) {
			l.doubt(since) // a session from before UDP was blocked
		}
		return nil, err
	}
	return &Pong{Trip: time.Since(start), Skew: l.skew(), Over: s.transport()}, nil
}
