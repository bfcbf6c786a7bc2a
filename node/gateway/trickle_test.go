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

// R-ENV-8: a body whose last byte comes after its envelope has expired is refused, also
// when all bytes before were in time and the peer was silent for a while.
func TestALastByteThatIsLate(t *testing.T) {
	const size = 1000
	take := func(lives time.Duration) (err error) {
		synctest.Test(t, func(*testing.T) {
			g := &Gateway{Config: Config{Now: time.Now}, clock: newClock(time.Now)}
			o := &offer{env: &envelope.Envelope{Expires: protocol.At(time.Now().Add(lives))}}
			late := io.MultiReader(io.LimitReader(drops{0, size - 1}, size-1), io.LimitReader(drops{50 * time.Second, 1}, 1))
			body := &patientBody{body: late, control: http.NewResponseController(allowing{httptest.NewRecorder()})}
			err = g.receive(o, piece{offset: 1, length: size, last: true}, body, io.Discard)
		})
		return err
	}
	if err := take(30 * time.Second); protocol.CodeOf(err) != protocol.Expired {
		t.Errorf("the last byte came 20s after the end: %v, want %s", err, protocol.Expired)
	}
	if err := take(time.Minute); err != nil {
		t.Errorf("the last byte came 10s before the end: %v", err)
	}
}
