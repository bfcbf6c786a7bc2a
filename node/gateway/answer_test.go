package gateway

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// oneConn is a listener with one connection.
type oneConn struct {
	net.Conn
	given chan net.Conn
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c, ok := <-l.given; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l *oneConn) Addr() net.Addr { return l.LocalAddr() }

func (l *oneConn) Close() error { return nil }

// answered serves one answer of size bytes over HTTP/2 to a peer of which read says
// how it reads, and returns what became of it, and when.
func answered(t *testing.T, size int, read func(io.Reader)) (after time.Duration, err error) {
	t.Helper()
	near, far := net.Pipe()
	given := make(chan net.Conn, 1)
	given <- far
	plain := new(http.Protocols)
	plain.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	server := &http.Server{
		Protocols: plain, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			defer close(done)
			began := time.Now()
			_, err = (&answer{ResponseWriter: w, stamp: func(http.Header) {}}).Write(make([]byte, size))
			after = time.Since(began)
		}),
	}
	go func() { _ = server.Serve(&oneConn{far, given}) }()
	client := &http.Transport{
		Protocols: plain, HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 16 << 10},
		DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil },
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://xb/", nil)
	resp, failed := client.RoundTrip(req)
	if failed != nil {
		t.Fatal(failed)
	}
	read(resp.Body)
	<-done
	_ = resp.Body.Close()
	_ = near.Close()
	close(given)
	_ = server.Close()
	synctest.Wait()
	return after, err
}

// I9: a peer that asks and does not read cannot keep an answer here; one that
// reads slowly gets its answer.
func TestAnAnswerThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, size := range []int{100 << 10, 1 << 20} {
			if after, err := answered(t, size, func(io.Reader) {}); err == nil || after > callTimeout {
				t.Errorf("%d bytes that nobody reads: %v after %s; want an end after %s", size, err, after, callTimeout)
			}
		}
	})
}

func TestAnAnswerOverASlowLine(t *testing.T) {
	slowly := func(pause time.Duration) func(io.Reader) {
		return func(r io.Reader) {
			buf := make([]byte, 16<<10)
			for {
				time.Sleep(pause)
				if _, err := r.Read(buf); err != nil {
					return
				}
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		if after, err := answered(t, 400<<10, slowly(time.Second)); err != nil || after <= callTimeout/2 {
			t.Errorf("%v after %s; want the whole answer", err, after)
		}
		if after, err := answered(t, 4<<20, slowly(time.Second)); err == nil || after > longestAnswer {
			t.Errorf("more than anybody waits for: %v after %s, want an end after %s", err, after, longestAnswer)
		}
	})
}
