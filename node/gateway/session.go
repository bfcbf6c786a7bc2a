package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"comity/protocol"
	"comity/protocol/statement"
)

// Transport is what a connection to a peer runs on.
type Transport string

// QUIC is the transport of choice; TCP is for networks that drop or refuse UDP
// (R-TCP-2).
const (
	QUIC Transport = "quic"
	TCP  Transport = "tcp"
)

// session is one connection to the peer on which both said hello. It is safe
// for concurrent use.
type session interface {
	http.RoundTripper // for small calls
	// begin sends a request whose body may be large. It returns when all of the
	// body was handed over, or the peer has answered before. Whatever ends ctx
	// ends the request.
	begin(ctx context.Context, method, path string, fields [][2]string, body io.ReaderAt, size int64) (transfer, error)
	transport() Transport
	alive() bool
	// close cuts off what is under way.
	close()
}

// transfer is one request with a large body, under way. Its owner calls answer,
// and then closes the body of what it returns, or else abandon.
type transfer interface {
	// answer waits for the final answer. After an error the request is over.
	answer(wait time.Duration) (*http.Response, error)
	// abandon gives the request up in both directions.
	abandon()
}

// finish waits for the answer and reads its packets; an answer other than 2xx
// is a *problem.
func (l *link) finish(ctx context.Context, t transfer, wait time.Duration) (status int, packets []statement.Packet, err error) {
	resp, err := t.answer(wait)
	if err != nil {
		return 0, nil, fmt.Errorf("read the answer: %w", err)
	}
	held := l.memory.hold()
	defer held.free()
	resp.Body = weighed{resp.Body, ctx, held}
	data, err := readReply(resp, maxAnswer)
	if err != nil || len(data) == 0 {
		return resp.StatusCode, nil, err
	}
	packets, err = statement.DecodePackets(data, maxAnswer, protocol.MaxFeedPage)
	return resp.StatusCode, packets, err
}

// begin sends a request with a large body over the live session, or a new one.
func (l *link) begin(ctx context.Context, method, path string, fields [][2]string, body io.ReaderAt, size int64) (transfer, error) {
	s, err := l.connect(ctx)
	if err != nil {
		return nil, err
	}
	t, err := s.begin(ctx, method, path, fields, body, size)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return t, nil
}

// quicSession is a session over HTTP/3.
type quicSession struct {
	l      *link
	conn   *quic.Conn
	client *http3.ClientConn
}

func newQUICSession(l *link, conn *quic.Conn) *quicSession {
	t := &http3.Transport{DisableCompression: true, MaxResponseHeaderBytes: maxHeadersFrame}
	return &quicSession{l: l, conn: conn, client: t.NewClientConn(conn)}
}

func (s *quicSession) RoundTrip(r *http.Request) (*http.Response, error) {
	return s.client.RoundTrip(r)
}

func (s *quicSession) transport() Transport { return QUIC }

func (s *quicSession) alive() bool { return s.conn.Context().Err() == nil }

func (s *quicSession) close() {
	_ = s.conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
}
