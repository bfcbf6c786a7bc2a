package gateway_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"comity/crypto/keys"
)

// I9: a peer that asks in vain hundreds of times is made to wait; one that
// brings parcels is not.
func TestAPeerThatAsksInVainIsMadeToWait(t *testing.T) {
	h, _ := besiege(t)
	unknown := "/v1/parcels/" + digest("nothing").String()
	ask := func() time.Duration {
		began := time.Now()
		if r := h.do(http.MethodGet, unknown, nil, nil); r.status != http.StatusNotFound {
			t.Fatalf("answered %d", r.status)
		}
		return time.Since(began)
	}
	first := ask()
	slowest := time.Duration(0)
	for range 2000 {
		if slowest = max(slowest, ask()); slowest > 20*first && slowest > time.Second {
			return
		}
	}
	t.Errorf("2000 questions in vain, and none waited: the first took %s, the slowest %s", first, slowest)
}

// I9: streams that are reset at once, or carry no request, are paced like calls in
// vain: a peer may begin no other in place of one that has to wait.
func TestStreamsThatAreNoCallsArePaced(t *testing.T) {
	h, _ := besiege(t)
	for name, spoil := range map[string]func(*quic.Stream){
		"reset at once": func(s *quic.Stream) {
			_, _ = s.Write([]byte{1})
			s.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
			s.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
		},
		"cut short": func(s *quic.Stream) {
			_, _ = s.Write([]byte{1, 200})
			_ = s.Close()
		},
	} {
		var slowest time.Duration
		for range 2000 {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			s, err := h.conn.OpenStreamSync(ctx)
			cancel()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if spoil(s); time.Since(began) > slowest {
				slowest = time.Since(began)
			}
			if slowest > 500*time.Millisecond {
				break
			}
		}
		if slowest <= 500*time.Millisecond {
			t.Errorf("2000 streams %s, and none waited: the slowest took %s", name, slowest)
		}
	}
	m := h.make(h.offering(100))
	if r := h.put(m); r.status != http.StatusCreated {
		t.Errorf("a parcel in order after it: %d %s", r.status, r.body)
	}
}

// R-WIRE-1: whoever knocks with unknown keys again and again is turned away
// before the handshake; a pinned peer from the same address still gets in.
func TestStrangersAreTurnedAway(t *testing.T) {
	h, b := besiege(t)
	now := time.Now()
	stranger := newParty("xc", "127.0.0.1:1", "xc/court")
	stranger.pem = must(keys.GenerateTLS("xc", now.Add(-time.Hour), now.Add(time.Hour)))
	// Several at once, because only more than come in a second are kept off, and a
	// busy machine is slow at coming.
	var came, turned atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for n := came.Add(1); n <= 200 || turned.Load() == 0 && n <= 5000; n = came.Add(1) {
				conn, err := dial(t, stranger.clientTLS(), b)
				var e *quic.TransportError
				switch {
				case err == nil: // a client is through before the node has judged its key
					<-conn.Context().Done()
				case errors.As(err, &e) && e.ErrorCode == quic.ConnectionRefused:
					turned.Add(1)
				}
			}
		})
	}
	all.Wait()
	if turned.Load() == 0 {
		t.Errorf("%d strangers came, and none was turned away before the handshake", came.Load())
	}
	for { // each second one may try
		if conn, err := dial(t, h.clientTLS(), b); err == nil {
			h.conn, h.http = conn, (&http3.Transport{}).NewClientConn(conn)
			break
		}
	}
	if r := h.do(http.MethodGet, "/v1/evidence?after=0&wait=0", nil, nil); r.status != http.StatusOK {
		t.Errorf("a pinned peer from the same address is answered %d", r.status)
	}
}
