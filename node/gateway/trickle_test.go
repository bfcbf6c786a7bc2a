package gateway

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
)

// allowing is an answer that lets deadlines be set, and keeps none.
type allowing struct{ http.ResponseWriter }

func (allowing) SetReadDeadline(time.Time) error { return nil }

// drops is a body that brings so many bytes after each pause.
type drops struct {
	pause time.Duration
	bytes int
}

func (d drops) Read(p []byte) (int, error) {
	time.Sleep(d.pause)
	return min(d.bytes, len(p)), nil
}

// I9, R-WIRE-5: a body that trickles does not hold its place for ever, and one over
// a slow line that many share comes to its end.
func TestABodyThatTrickles(t *testing.T) {
	const size = 1 << 20
	take := func(d drops) (after time.Duration, err error) {
		synctest.Test(t, func(*testing.T) {
			g := &Gateway{Config: Config{Now: time.Now}}
			o := &offer{env: &envelope.Envelope{Expires: protocol.At(time.Now().Add(protocol.MaxLifetime))}}
			body := &patientBody{body: io.LimitReader(d, size), control: http.NewResponseController(allowing{httptest.NewRecorder()})}
			began := time.Now()
			err = g.receive(o, piece{offset: 1, length: size, last: true}, body, io.Discard) // its header came before
			after = time.Since(began)
		})
		return after, err
	}
	const least = 2 * protocol.MaxTrickle
	if after, err := take(drops{50 * time.Second, 1}); !errors.Is(err, errBrokeOff) || after > least {
		t.Errorf("a byte every 50s: %v after %s; want an end within %s", err, after, least)
	}
	if after, err := take(drops{time.Second, 60}); err != nil || after < least {
		t.Errorf("60 bytes a second: %v after %s; want all of it", err, after)
	}
}
