package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"comity/protocol"
)

// Limits and times of HTTP/2. The windows are those of QUIC.
const (
	// tcpFrame is the largest frame that is read: a large body comes in large pieces.
	tcpFrame = 1 << 20
	// pingAfter and pingTimeout end a connection whose other side is gone.
	pingAfter   = keepAlive
	pingTimeout = idleTimeout - keepAlive
	// lazyTimeout ends the connection of a peer that asks nothing on it.
	lazyTimeout = 5 * time.Minute
)

// http2Config is that of both sides.
func http2Config(window int64) *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          protocol.MaxStreams,
		StrictMaxConcurrentRequests:   true,
		MaxReadFrameSize:              tcpFrame,
		MaxReceiveBufferPerConnection: int(window),
		MaxReceiveBufferPerStream:     int(window / 2),
		SendPingTimeout:               pingAfter,
		PingTimeout:                   pingTimeout,
		WriteByteTimeout:              protocol.MaxIdleBody,
	}
}

// http2Only leaves out HTTP/1.1.
func http2Only() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP2(true)
	return p
}

// tcpSession is a session over HTTP/2 on TLS on TCP.
type tcpSession struct {
	l      *link
	client *http.ClientConn
}

// dialTCP connects to one endpoint and makes sure that it is the peer (R-TCP-1).
func (l *link) dialTCP(ctx context.Context, endpoint string) (*tcpSession, error) {
	g := l.g
	addr, err := g.Resolve(ctx, endpoint)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", endpoint, err)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		raw, err := dialer.DialContext(ctx, "tcp", addr.String())
		if err != nil {
			return nil, err
		}
		conn := tls.Client(raw, g.tlsConfig(l.peer, alpnTCP))
		if err := conn.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
		return conn, nil
	}
	t := &http.Transport{
		DialTLSContext: dial, Protocols: http2Only(), HTTP2: http2Config(g.memory.window()),
		DisableCompression: true, MaxResponseHeaderBytes: maxHeadersFrame,
	}
	client, err := t.NewClientConn(ctx, "https", addr.String())
	if err != nil {
		return nil, fmt.Errorf("dial %s at %s over TCP: %w", l.peer, endpoint, err)
	}
	return &tcpSession{l, client}, nil
}

func (s *tcpSession) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.client.RoundTrip(r)
	if err != nil && r.Context().Err() == nil {
		err = fmt.Errorf("%w: %w", errCutOff, err)
	}
	return resp, err
}

func (s *tcpSession) transport() Transport { return TCP }

func (s *tcpSession) alive() bool { return s.client.Err() == nil }

func (s *tcpSession) close() { _ = s.client.Close() }

// retire closes the session when all that is under way has ended.
func (s *tcpSession) retire() {
	idle := func(c *http.ClientConn) {
		if c.InFlight() == 0 {
			_ = c.Close()
		}
	}
	s.client.SetStateHook(idle)
	idle(s.client)
}

// begin lets the HTTP/2 client copy the body, which it does in pieces as large
// as the peer's frames.
func (s *tcpSession) begin(ctx context.Context, method, path string, fields [][2]string, body io.ReaderAt, size int64) (transfer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	t := &tcpTransfer{cancel: cancel, sent: make(chan struct{}), done: make(chan struct{})}
	target := &url.URL{Scheme: "https", Host: string(s.l.peer), Path: path}
	req := (&http.Request{Method: method, URL: target, Header: http.Header{}}).WithContext(ctx)
	for _, f := range fields {
		req.Header.Set(f[0], f[1])
	}
	req.ContentLength = size
	if req.Body = http.NoBody; size > 0 {
		req.Body = newPatientReader(body, size, t)
	} else {
		close(t.sent)
	}
	go func() {
		defer close(t.done)
		if t.resp, t.err = s.RoundTrip(req); t.err != nil && ctx.Err() != nil { //nolint:bodyclose // by answer's caller, or abandon
			t.err = context.Cause(ctx)
		}
	}()
	select {
	case <-t.sent:
	case <-t.done:
	}
	return t, nil
}

// tcpTransfer is a request over HTTP/2 that runs in a goroutine of its own.
type tcpTransfer struct {
	cancel context.CancelCauseFunc
	sent   chan struct{} // closed when all of the body was handed over
	done   chan struct{} // closed when there is an answer or an error
	resp   *http.Response
	err    error
}

func (t *tcpTransfer) answer(wait time.Duration) (*http.Response, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-t.done:
	case <-timer.C:
		t.abandon()
		return nil, os.ErrDeadlineExceeded
	}
	if t.err != nil {
		t.cancel(nil)
		return nil, t.err
	}
	t.resp.Body = &lastBody{t.resp.Body, func() { t.cancel(nil) }}
	return t.resp, nil
}

func (t *tcpTransfer) abandon() {
	t.cancel(nil)
	<-t.done
	if t.err == nil {
		_ = t.resp.Body.Close()
	}
}

// lastBody is the body of an answer with which its request ends.
type lastBody struct {
	io.ReadCloser
	end func()
}

func (b *lastBody) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}

// patientReader hands a body over and gives the other side a bounded time to
// take each piece, as patientWriter does over QUIC.
type patientReader struct {
	body     io.ReaderAt
	at, size int64
	t        *tcpTransfer
	timer    *time.Timer
}

func newPatientReader(body io.ReaderAt, size int64, t *tcpTransfer) *patientReader {
	late := func() { t.cancel(fmt.Errorf("the peer takes no more of the body: %w", os.ErrDeadlineExceeded)) }
	return &patientReader{body: body, size: size, t: t, timer: time.AfterFunc(answerTimeout, late)}
}

// Read returns io.EOF together with the last bytes, so that the end of the
// request leaves with them.
func (r *patientReader) Read(p []byte) (int, error) {
	r.timer.Reset(answerTimeout)
	n := int(min(int64(len(p)), r.size-r.at))
	m, err := r.body.ReadAt(p[:n], r.at)
	r.at += int64(m)
	if err != nil && (!errors.Is(err, io.EOF) || m != n) {
		return m, fmt.Errorf("read the body: %w", err)
	}
	if r.at < r.size {
		return m, nil
	}
	if r.timer.Stop(); m > 0 { // from here on the wait for the answer is bounded
		close(r.t.sent)
	}
	return m, io.EOF
}

func (r *patientReader) Close() error {
	r.timer.Stop()
	return nil
}
