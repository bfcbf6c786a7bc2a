package gateway_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/record"
)

// R-TIME-2: clocks are compared at every exchange, not only when nodes meet: each
// request and each answer says what time it is, and nonsense says nothing.
func TestClocksAreComparedAtEveryExchange(t *testing.T) {
	h, b := besiege(t)
	skew := func() time.Duration {
		t.Helper()
		all, err := b.Peers(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return all[0].Skew.Round(time.Minute)
	}
	say := func(header http.Header) {
		t.Helper()
		r := h.do(http.MethodGet, "/v1/held", header, nil)
		var theirs protocol.Time
		if err := theirs.UnmarshalText([]byte(r.header.Get("Comity-Time"))); err != nil {
			t.Fatalf("the answer does not say what time it is: %v", err)
		}
		if off := time.Since(theirs.Time); off.Abs() > time.Minute {
			t.Errorf("the answer's time is off by %s", off)
		}
	}
	say(nil)
	if got := skew(); got != 0 {
		t.Errorf("a request without a time made a skew of %s", got)
	}
	for _, want := range []time.Duration{time.Hour, -48 * time.Hour, 0} {
		say(http.Header{"Comity-Time": {protocol.At(time.Now().Add(want)).String()}})
		if got := skew(); got != want {
			t.Errorf("a peer's clock differs by %s, seen is %s", want, got)
		}
		say(http.Header{"Comity-Time": {"yesterday"}})
		if got := skew(); got != want {
			t.Errorf("nonsense changed %s to %s", want, got)
		}
	}
}

// R-TIME-1: a clock that is set back while the node runs is waited for. What comes
// meanwhile, and would be written with a date before the last one, is put off; it does not
// stop the node.
func TestAClockThatIsSetBackStopsNothing(t *testing.T) {
	clock := &shifted{}
	h, b := besiege(t, at(clock.now))
	next := h.next(func(r *record.Record) { r.Node.Endpoints = []string{"127.0.0.1:2"} })
	sequence := func() int64 {
		s, _ := b.State("xa")
		return s.Record().Sequence
	}
	clock.forward(-time.Hour)
	h.hello(func(hello *exchange.Hello) { hello.Record = next })
	if s := b.Standing(); !errors.Is(s.Refusal, gateway.ErrClock) || sequence() != 1 {
		t.Errorf("while the clock is an hour behind: record %d, %v", sequence(), s.Refusal)
	}
	clock.forward(time.Hour)
	h.hello(func(hello *exchange.Hello) { hello.Record = next })
	if s := b.Standing(); s.Refusal != nil || sequence() != 2 {
		t.Errorf("when it is right again: record %d, %v", sequence(), s.Refusal)
	}
	o := h.offering(100)
	m := h.make(o)
	h.put(m)
	h.accepted(o, h.patch(m, o.body))
}
