package gateway

import (
	"errors"
	"sync"
	"time"

	"comity/protocol"
)

const (
	// circuitAfter is how many answers in a row that ask us to come back later
	// open the circuit. Fewer may concern one parcel only.
	circuitAfter = 3
	// restBase is the first rest at least, doubled with each further one up to
	// restMost. A peer that shows up anew ends it.
	restBase = 5 * time.Second
	restMost = 5 * time.Minute
	// probeWait is how long a parcel waits for another that is under way to try.
	// A probe that was not sent away by then has closed the circuit, although its
	// bytes may still flow for hours.
	probeWait = 5 * time.Second
)

// circuits has a circuit for each sender and recipient. What the peer cannot take of
// one authority now, or for one, it may take of and for another: one that has filled
// its share, there or here, does not keep the others waiting. There are as many as
// pairs of authorities that send and receive, at most.
type circuits struct {
	mu sync.Mutex
	of map[pair]*circuit // guarded by mu
}

type pair struct{ from, to protocol.AuthorityID }

// enter is that of the circuit of a parcel's sender and recipient.
func (c *circuits) enter(k protocol.Key, p protocol.Priority) (leave func(error), err error) {
	c.mu.Lock()
	one := c.of[pair{k.From, k.To}]
	if one == nil {
		if c.of == nil {
			c.of = map[pair]*circuit{}
		}
		one = new(circuit)
		c.of[pair{k.From, k.To}] = one
	}
	c.mu.Unlock()
	return one.enter(p)
}

// forgive closes all: the peer has shown up anew.
func (c *circuits) forgive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.of {
		one.forgive()
	}
}

// state returns the longest rest, and why; 0 when all are closed.
func (c *circuits) state() (rest time.Duration, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.of {
		if r, w := one.state(); r > rest {
			rest, why = r, w
		}
	}
	return rest, why
}

// circuit keeps a peer that asks us to wait from being asked by every parcel in
// the queue. It opens after circuitAfter such answers in a row; when the rest is
// over one parcel tries, and what becomes of it decides for all. An emergency
// may try at any time, one after the other.
//
// It is about answers of a peer that can be reached. For one that cannot, link
// has its own pause.
type circuit struct {
	mu      sync.Mutex
	row     int       // guarded by mu; answers in a row that asked to wait
	rests   int       // guarded by mu; rests in a row
	until   time.Time // guarded by mu; real time when the rest is over; zero: closed
	why     string    // guarded by mu; the peer's sentence
	probing time.Time // guarded by mu; real time when the one began that is under way to try; zero: none is
}

// resting is why a parcel was not tried.
type resting struct {
	after time.Duration
	why   string
}

func (r *resting) Error() string { return r.why }

// enter reports whether a parcel may be tried now; the error is a *resting. When
// it may, leave must be called with what became of it.
func (c *circuit) enter(priority protocol.Priority) (leave func(error), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until.IsZero() {
		return c.left, nil
	}
	rest := time.Until(c.until)
	if !c.probing.IsZero() && time.Since(c.probing) >= probeWait {
		c.reset() // it was not sent away, so others may come too
		return c.left, nil
	}
	if !c.probing.IsZero() || rest > 0 && priority != protocol.Emergency {
		return nil, &resting{max(rest, probeWait), c.why}
	}
	c.probing = time.Now()
	return c.probed, nil
}

// left takes in the outcome of one that went through a closed circuit. Those
// that were under way when it opened say nothing new.
func (c *circuit) left(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := asksToWait(err)
	switch {
	case !c.until.IsZero():
	case p != nil:
		if c.row++; c.row >= circuitAfter {
			c.rest(p)
		}
	case err == nil:
		c.row = 0
	}
}

// probed takes in the outcome of the one that tried.
func (c *circuit) probed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probing = time.Time{}
	if p := asksToWait(err); p != nil && !c.until.IsZero() {
		c.rest(p)
	} else if err == nil {
		c.reset()
	}
	// Anything else, such as a connection that broke, leaves it to the next one.
}

// rest opens the circuit. Called with mu held.
func (c *circuit) rest(p *problem) {
	wait := max(p.retryAfter, min(restBase<<min(c.rests, 16), restMost))
	c.until, c.why = time.Now().Add(wait), p.Detail
	c.rests++
}

// reset closes the circuit. Called with mu held.
func (c *circuit) reset() {
	c.row, c.rests, c.until, c.why, c.probing = 0, 0, time.Time{}, "", time.Time{}
}

// forgive closes the circuit.
func (c *circuit) forgive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reset()
}

// state returns how long the circuit stays open and why; 0 when it is closed.
func (c *circuit) state() (rest time.Duration, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until.IsZero() {
		return 0, ""
	}
	return max(time.Until(c.until), time.Millisecond), c.why
}

// asksToWait returns the answer in which the peer asked us to come back later;
// nil when the error is another.
func asksToWait(err error) *problem {
	var p *problem
	if errors.As(err, &p) && p.transient() {
		return p
	}
	return nil
}
