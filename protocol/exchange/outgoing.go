package exchange

import (
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
)

// Outgoing is one parcel on its way to one recipient, as the sending node
// stores it.
type Outgoing struct {
	State   State
	Expires time.Time
	// Offered is set, durably, before the envelope first leaves the node: from
	// then on only the peer can say what became of it.
	Offered bool
	// Withdrawn is set once the sending authority's withdrawal is stored.
	Withdrawn bool
	Attempts  int
	Next      time.Time // not before this, unless the peer shows up
}

// Event is something that happened to an outgoing transmission.
type Event interface{ event() }

type (
	// Due says that Next has come, or that the peer has just shown up.
	Due struct{}
	// Unreachable says that an attempt ended without an answer.
	Unreachable struct{}
	// Busy says that the peer answered with a transient trouble (429, 503) and,
	// perhaps, when to come back.
	Busy struct{ After time.Duration }
	// Withdraw says that the sending authority takes the parcel back.
	Withdraw struct{}
	// StatusNone says that the peer, asked for evidence, holds none.
	StatusNone struct{}
	// Learned says that verified evidence arrived.
	Learned struct {
		Event evidence.Event
		Time  time.Time
	}
)

func (Due) event()         {}
func (Unreachable) event() {}
func (Busy) event()        {}
func (Withdraw) event()    {}
func (StatusNone) event()  {}
func (Learned) event()     {}

// Action is what the node does next.
type Action interface{ action() }

type (
	// Deliver offers the envelope and sends the sealed bytes. The returned
	// state must be durable before the first byte leaves.
	Deliver struct{}
	// TakeBack hands the withdrawal to the peer, which decides (R-WDR-5).
	TakeBack struct{}
	// AskStatus asks the peer for the evidence that it holds (R-EVID-9).
	AskStatus struct{}
	// Fail issues the RelayFailure.
	Fail struct {
		Code protocol.Code
		Text string
	}
)

func (Deliver) action()   {}
func (TakeBack) action()  {}
func (AskStatus) action() {}
func (Fail) action()      {}

// Retry times. The first retry comes within seconds, later ones within an
// hour; a peer that shows up ends the wait (R-XCH-1, R-XCH-2).
const (
	RetryBase = 2 * time.Second
	RetryCap  = time.Hour
	// FailGrace is how long after expiry, beyond the allowed skew, the node goes
	// on asking an unreachable peer before it says RelayFailure.
	FailGrace = 10 * time.Minute
)

// Step returns what o becomes and what to do. random is uniform in [0,1) and
// spreads the retries of many parcels.
func (o Outgoing) Step(e Event, now time.Time, random float64) (Outgoing, []Action) {
	if l, ok := e.(Learned); ok {
		return o.learn(l), nil
	}
	if o.State.Settled() {
		return o, nil
	}
	over := now.After(o.Expires.Add(protocol.MaxSkew))
	switch e := e.(type) {
	case Withdraw:
		return o.withdraw(now)
	case Due:
		switch {
		case !over && now.Before(o.Expires) && o.Withdrawn:
			return o, []Action{TakeBack{}} // R-WDR-4: no offer and no bytes any more
		case !over && now.Before(o.Expires):
			o.Offered = true
			return o, []Action{Deliver{}}
		case !over:
			// Between expiry and expiry + skew the peer's clock may still say
			// yes to nothing new, but evidence may be on its way: wait.
			o.Next = o.Expires.Add(protocol.MaxSkew + time.Second)
			return o, nil
		default:
			// Asked also when the envelope was never offered: whoever can be
			// reached and agrees about the time makes the failure certain.
			return o, []Action{AskStatus{}}
		}
	case Unreachable:
		if over && now.After(o.Expires.Add(protocol.MaxSkew+FailGrace)) {
			return o, []Action{o.fail(protocol.PeerUnreachable)}
		}
		return o.retry(now, 0, random), nil
	case Busy:
		if over && now.After(o.Expires.Add(protocol.MaxSkew+FailGrace)) {
			return o, []Action{o.failed(protocol.PeerUnreachable, "the peer answered until the end that it could not serve")}
		}
		return o.retry(now, e.After, random), nil
	case StatusNone:
		if over {
			return o, []Action{o.fail(protocol.NotAccepted)}
		}
		return o.retry(now, 0, random), nil
	}
	return o, nil
}

// learn moves to the state that the evidence proves. A RelayAcceptance dated
// after the envelope expired proves a fault of the peer, not a delivery in
// time: it does not lift a RelayFailure (R-EVID-10).
func (o Outgoing) learn(l Learned) Outgoing {
	if o.State == Failed && isLate(l.Event, l.Time, o.Expires) {
		return o
	}
	o.State = o.State.After(l.Event)
	return o
}

// isLate reports whether this is an acceptance of a parcel that had expired.
func isLate(e evidence.Event, at, expires time.Time) bool {
	return e == evidence.RelayAcceptance && at.After(expires.Add(protocol.MaxSkew))
}

// withdraw ends what never left at once (R-WDR-3). What the peer may have seen
// is the peer's to decide, and it is asked now (R-WDR-4).
func (o Outgoing) withdraw(now time.Time) (Outgoing, []Action) {
	if o.Withdrawn {
		return o, nil
	}
	o.Withdrawn = true
	if !o.Offered {
		return o, []Action{Fail{Code: protocol.Withdrawn, Text: "the sending authority withdrew the parcel before its envelope was ever offered"}}
	}
	o.Attempts, o.Next = 0, now
	return o, nil
}

func (o Outgoing) fail(code protocol.Code) Fail {
	text := "the peer could not be reached after the parcel had expired, and no acceptance had come before"
	if code == protocol.NotAccepted {
		text = "the peer was asked and holds no acceptance of this parcel"
	}
	return o.failed(code, text)
}

// failed adds what an officer who withdrew the parcel must know: that the
// withdrawal was not what ended it.
func (o Outgoing) failed(code protocol.Code, text string) Fail {
	if o.Withdrawn {
		text += "; a withdrawal was pending, and the peer never answered it"
	}
	return Fail{Code: code, Text: text}
}

func (o Outgoing) retry(now time.Time, atLeast time.Duration, random float64) Outgoing {
	wait := max(Backoff(o.Attempts, RetryBase, RetryCap, random), min(atLeast, RetryCap))
	o.Attempts++
	o.Next = now.Add(wait)
	// Never sleep past the moment when something must be decided.
	if end := o.Expires.Add(protocol.MaxSkew + time.Second); now.Before(end) && o.Next.After(end) {
		o.Next = end
	}
	return o
}

// Backoff returns how long to wait before attempt+1: uniform between zero and
// base·2^attempt, never above limit ("full jitter").
func Backoff(attempt int, base, limit time.Duration, random float64) time.Duration {
	ceiling := limit
	if attempt < 30 && base<<attempt < limit {
		ceiling = base << attempt
	}
	return time.Duration(random * float64(ceiling))
}
