package gateway_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/evidence"
)

// Bytes that are not what the envelope says are refused for good (R-ENV-2), and
// nothing of them is kept.
func TestBytesRefusedForGood(t *testing.T) {
	h, b := besiege(t)
	for _, size := range []int{100, 1 << 20} {
		for _, c := range []struct {
			name  string
			spoil func(*offering)
			code  protocol.Code
		}{
			{"another digest", func(o *offering) { o.body[len(o.body)-1] ^= 1 }, protocol.DigestMismatch},
			{"fewer bytes", func(o *offering) { o.body = o.body[:len(o.body)-1] }, protocol.SizeMismatch},
			{"more bytes", func(o *offering) { o.body = append(o.body, 0) }, protocol.SizeMismatch},
			{"more recipients announced", func(o *offering) { o.env.Sealed.Recipients = 2 }, protocol.BadHeader},
			{"more recipients than announced", func(o *offering) {
				o.body = sealTo(100, b.offices[prosecution].identity.Recipient(), b.offices[court].identity.Recipient())
				o.env.Sealed.Size, o.env.Sealed.Digest = int64(len(o.body)), protocol.Sum(o.body)
			}, protocol.BadHeader},
			{"a classic recipient", func(o *offering) {
				o.body = bytes.Replace(o.body, []byte("-> mlkem768x25519"), []byte("-> X25519 pqpqpqp"), 1)
				o.env.Sealed.Digest = protocol.Sum(o.body)
			}, protocol.BadHeader},
			{"no age file", func(o *offering) {
				o.body = bytes.Repeat([]byte("no age file\n"), len(o.body)/12+1)[:len(o.body)]
				o.env.Sealed.Digest = protocol.Sum(o.body)
			}, protocol.BadHeader},
		} {
			o := h.offering(size)
			c.spoil(o)
			m := h.make(o)
			if got := h.put(m); got.status != 201 {
				t.Fatalf("%s: offer: %d %s", c.name, got.status, got.body)
			}
			got := h.patch(m, o.body)
			if got.status != 200 {
				t.Errorf("%s: %d %s", c.name, got.status, got.body)
				continue
			}
			h.rejected(c.name, o, m, got, c.code)
			if _, err := b.Sealed(t.Context(), o.env.Sealed.Digest); err == nil {
				t.Errorf("%s: the bytes were kept", c.name)
			}
		}
	}
}

// R-WIRE-5, R-WIRE-8: requests that are not appends as this version takes them.
func TestAppendsThatAreNone(t *testing.T) {
	h, b := besiege(t)
	o := h.offering(100)
	m := h.make(o)
	if got := h.put(m); got.status != 201 {
		t.Fatalf("offer: %d %s", got.status, got.body)
	}
	for name, c := range map[string]struct {
		header, value string
		status        int
	}{
		"another type":    {"Content-Type", "application/octet-stream", 415},
		"without type":    {"Content-Type", "", 415},
		"a later offset":  {"Upload-Offset", "7", 409},
		"no offset":       {"Upload-Offset", "", 400},
		"not complete":    {"Upload-Complete", "?0", 400},
		"complete or not": {"Upload-Complete", "", 400},
	} {
		header := appendHeader()
		header.Set(c.header, c.value)
		if c.value == "" {
			header.Del(c.header)
		}
		if got := h.do(http.MethodPatch, m.path, header, o.body); got.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, c.status)
		}
	}
	if got, err := h.try(http.MethodPatch, m.path, appendHeader(), struct{ io.Reader }{bytes.NewReader(o.body)}, -1); err != nil || got.status != 411 {
		t.Errorf("without length: %v, %d", err, got.status)
	}
	h.untouched("after wrong appends", o.env.Key())
	if got := h.patch(made{path: "/v1/parcels/" + digest("never offered").String()}, o.body); got.status != 404 {
		t.Errorf("bytes without an envelope: %d, want 404", got.status)
	}
	if got := h.patch(m, o.body); got.status != 200 {
		t.Errorf("a right append after all: %d %s", got.status, got.body)
	}
	if _, ok := b.events(o.env.Key())[evidence.RelayAcceptance]; !ok {
		t.Error("no RelayAcceptance")
	}
}

// R-WIRE-8: bytes that overtake their envelope wait for it.
func TestBytesOvertakeTheirEnvelope(t *testing.T) {
	onBoth(t, testBytesOvertakeTheirEnvelope)
}

func testBytesOvertakeTheirEnvelope(t *testing.T, over gateway.Transport) {
	h, _ := besiegeOver(t, over)
	o := h.offering(100)
	m := h.make(o)
	sent := make(chan reply, 1)
	go func() {
		got, _ := h.try(http.MethodPatch, m.path, appendHeader(), bytes.NewReader(o.body), int64(len(o.body)))
		sent <- got
	}()
	time.Sleep(50 * time.Millisecond) // whichever comes first, the outcome is the same
	h.put(m)
	if got := <-sent; got.status != 200 || len(got.packets(t)) != 1 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// A repeat, of envelope or bytes, gets the stored evidence, byte for byte
// (R-EVID-5); another envelope under the same key is equivocation and gets none
// (R-EVID-6, R-XCH-3, R-XCH-4), also after a restart.
func TestRepeatAndEquivocation(t *testing.T) {
	h, b := besiege(t)
	o := h.offering(100)
	m := h.make(o)
	h.put(m)
	first := h.patch(m, o.body)
	if first.status != 200 {
		t.Fatalf("%d %s", first.status, first.body)
	}
	second := h.offering(100)
	second.env.Parcel = o.env.Parcel
	other := h.make(second)
	for _, when := range []string{"at once", "after a restart"} {
		for name, got := range map[string]reply{
			"envelope": h.put(m), "bytes": h.patch(m, o.body), "status": h.do(http.MethodGet, m.path, nil, nil),
		} {
			if got.status != 200 || !bytes.Equal(got.body, first.body) {
				t.Errorf("%s, %s: %d, other bytes than the first time", when, name, got.status)
			}
		}
		if got := h.put(other); got.status != 409 || got.code != protocol.Equivocation {
			t.Errorf("%s: equivocation: %d %s", when, got.status, got.body)
		}
		b.restart()
		h.connect()
	}
	report, err := b.CheckLog(t.Context())
	if err != nil || report.Evidence != 1 {
		t.Errorf("%d evidences, %v; want the one", report.Evidence, err)
	}
}

// Two different envelopes under one key, both announced before either's bytes.
func TestEquivocationThatRaces(t *testing.T) {
	h, b := besiege(t)
	one, two := h.offering(100), h.offering(100)
	two.env.Parcel = one.env.Parcel
	m1, m2 := h.make(one), h.make(two)
	h.put(m1)
	h.put(m2)
	if got := h.patch(m1, one.body); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got := h.patch(m2, two.body); got.status != 409 || got.code != protocol.Equivocation {
		t.Errorf("R-EVID-6: %d %s", got.status, got.body)
	}
	if ev := b.events(one.env.Key())[evidence.RelayAcceptance]; ev.Parsed == nil || ev.Parsed.Envelope.Document != m1.ref.Document {
		t.Errorf("R-XCH-3: the second took effect: %+v", ev.Parsed)
	}
}

// slowBody gives its first part, then nothing until it is closed.
type slowBody struct {
	first io.Reader
	until chan struct{}
}

func (s *slowBody) Read(p []byte) (int, error) {
	if n, err := s.first.Read(p); err == nil {
		return n, nil
	}
	<-s.until
	return 0, io.ErrUnexpectedEOF
}

// A hanging append is ended when the peer sends again.
func TestAHangingAppendIsPreempted(t *testing.T) {
	onBoth(t, testAHangingAppendIsPreempted)
}

func testAHangingAppendIsPreempted(t *testing.T, over gateway.Transport) {
	h, b := besiegeOver(t, over)
	o := h.offering(300 << 10)
	m := h.make(o)
	h.put(m)
	slow := &slowBody{bytes.NewReader(o.body[:100<<10]), make(chan struct{})}
	hung := make(chan reply, 1)
	go func() {
		got, _ := h.try(http.MethodPatch, m.path, appendHeader(), slow, int64(len(o.body)))
		hung <- got
	}()
	// Two appends at once: whichever is second ends the first.
	time.Sleep(50 * time.Millisecond)
	if got := h.patch(m, o.body); got.status != 200 {
		t.Errorf("the second append: %d %s", got.status, got.body)
	}
	close(slow.until)
	<-hung
	if _, ok := b.events(o.env.Key())[evidence.RelayAcceptance]; !ok {
		t.Error("no RelayAcceptance")
	}
}
