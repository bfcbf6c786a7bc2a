package gateway

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"comity/protocol"
)

// busy is what a peer answers that asks to wait.
func busy(after time.Duration) error {
	return &problem{Status: http.StatusServiceUnavailable, Detail: "short of everything", retryAfter: after}
}

// tries goes through the circuit once; it reports whether the parcel was let in.
func (c *circuit) tries(p protocol.Priority, outcome error) bool {
	leave, err := c.enter(p)
	if err == nil {
		leave(outcome)
	}
	return err == nil
}

// R-XCH-6: what the peer cannot take for one authority now, or of one, keeps no other
// waiting.
func TestOneAuthorityDoesNotOpenTheCircuitOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c circuits
		tries := func(from, to protocol.AuthorityID, outcome error) bool {
			leave, err := c.enter(protocol.Key{From: from, To: to}, protocol.Routine)
			if err == nil {
				leave(outcome)
			}
			return err == nil
		}
		for range circuitAfter {
			tries("xa/ministry", "xb/court", busy(time.Minute))
		}
		if tries("xa/ministry", "xb/court", nil) {
			t.Error("one more parcel was tried between the two")
		}
		for _, other := range []pair{{"xa/ministry", "xb/police"}, {"xa/office", "xb/court"}} {
			if !tries(other.from, other.to, nil) {
				t.Errorf("a parcel from %s to %s waits", other.from, other.to)
			}
		}
		if rest, why := c.state(); rest != time.Minute || why != "short of everything" {
			t.Errorf("it rests for %s because of %q", rest, why)
		}
		c.forgive()
		if rest, _ := c.state(); rest != 0 || !tries("xa/ministry", "xb/court", nil) {
			t.Errorf("forgiven, it rests for %s", rest)
		}
	})
}

// R-WIRE-20: a peer that asks to wait again and again is left alone for as long
// as it asked; then one parcel tries, and what becomes of it decides for all.
func TestCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c circuit
		c.tries(protocol.Routine, busy(time.Minute))
		c.tries(protocol.Routine, nil)
		for range circuitAfter {
			if !c.tries(protocol.Routine, busy(time.Minute)) {
				t.Fatal("a few such answers may concern one parcel only")
			}
		}
		if rest, why := c.state(); rest != time.Minute || why != "short of everything" {
			t.Errorf("it rests for %s because of %q", rest, why)
		}
		var r *resting
		if _, err := c.enter(protocol.Urgent); !errors.As(err, &r) || r.after != time.Minute {
			t.Errorf("while it rests: %v", err)
		}
		time.Sleep(time.Minute)
		leave, err := c.enter(protocol.Routine)
		if err != nil {
			t.Fatalf("after the rest: %v", err)
		}
		if c.tries(protocol.Routine, nil) {
			t.Error("a second one was let in while the first tries")
		}
		leave(busy(time.Second))
		if rest, _ := c.state(); rest != 2*restBase {
			t.Errorf("the second rest is %s, want %s", rest, 2*restBase)
		}
		for range 20 {
			rest, _ := c.state()
			time.Sleep(rest)
			if !c.tries(protocol.Routine, busy(0)) {
				t.Fatal("nobody was let in after a rest")
			}
		}
		if rest, _ := c.state(); rest != restMost {
			t.Errorf("after twenty rests it is %s, want %s", rest, restMost)
		}
		time.Sleep(restMost)
		if !c.tries(protocol.Routine, nil) {
			t.Error("nobody was let in after the last rest")
		}
		if !c.tries(protocol.Routine, nil) {
			t.Error("the peer took one, and others are still kept back")
		}
	})
}

// A probe whose connection broke says nothing: the next one tries. One that goes
// on for hours says enough: it was let in.
func TestCircuitProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := func() *circuit {
			c := &circuit{}
			for range circuitAfter {
				c.tries(protocol.Routine, busy(0))
			}
			time.Sleep(restBase)
			return c
		}
		c := open()
		c.tries(protocol.Routine, errors.New("the connection broke"))
		leave, err := c.enter(protocol.Routine)
		if err != nil {
			t.Fatalf("after a probe that says nothing: %v", err)
		}
		time.Sleep(probeWait)
		if !c.tries(protocol.Routine, nil) {
			t.Error("beside a probe that is under way for long, others are kept back")
		}
		leave(busy(0)) // too late to mean anything for others
		if rest, _ := c.state(); rest != 0 {
			t.Errorf("it rests for %s", rest)
		}
	})
}

// An emergency tries at any time, one after the other.
func TestAnEmergencyTriesDuringTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &circuit{}
		for range circuitAfter {
			c.tries(protocol.Routine, busy(time.Minute))
		}
		leave, err := c.enter(protocol.Emergency)
		if err != nil {
			t.Fatalf("an emergency: %v", err)
		}
		if _, err := c.enter(protocol.Emergency); err == nil {
			t.Error("two at once")
		}
		leave(nil)
		if !c.tries(protocol.Routine, nil) {
			t.Error("it was taken, and others are still kept back")
		}
	})
}

// A sick peer's answers under way when the circuit opened do not lengthen the rest.
func TestOneOpeningCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &circuit{}
		var under []func(error)
		for range 10 {
			leave, err := c.enter(protocol.Routine)
			if err != nil {
				t.Fatal(err)
			}
			under = append(under, leave)
		}
		for _, leave := range under {
			leave(busy(0))
		}
		if rest, _ := c.state(); rest != restBase {
			t.Errorf("it rests for %s, want %s", rest, restBase)
		}
		c.forgive()
		if !c.tries(protocol.Routine, nil) {
			t.Error("it has shown up anew")
		}
	})
}
