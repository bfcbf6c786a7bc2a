package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"comity/protocol"
)

// ErrClock says that this node does not know what time it is. Nothing that
// rests on a time is signed or decided for good; it is tried again.
var ErrClock = errors.New("this node's clock cannot be trusted now; set it right, or have the peers set theirs")

// clock notices that the wall clock was set while the process ran: a step makes
// it run away from the monotonic one. Evidence signed under a wrong date, and
// refusals that rest on one, could never be taken back.
type clock struct {
	wall  func() time.Time
	last  time.Time // when this node last signed before the process began; zero: never
	began time.Time // carries the monotonic reading

	mu        sync.Mutex
	believed  time.Time // guarded by mu; wall time at the moment below
	at        time.Time // guarded by mu; carries the monotonic reading
	confirmed bool      // guarded by mu; peers agreed with it since the process began
}

func newClock(wall func() time.Time) *clock {
	return &clock{wall: wall, believed: wall(), at: time.Now(), began: time.Now()}
}

// steady returns ErrClock while the wall clock has stepped since it was last
// believed.
func (c *clock) steady() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	step := c.wall().Sub(c.believed) - time.Since(c.at)
	if step.Abs() > protocol.MaxSkew {
		return fmt.Errorf("%w: it jumped by %s", ErrClock, step.Round(time.Second))
	}
	return nil
}

// believe takes the wall clock as right from here on: peers agree with it.
func (c *clock) believe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.believed, c.at, c.confirmed = c.wall(), time.Now(), true
}

func (c *clock) isConfirmed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.confirmed
}

// clockFresh is how long a peer's word about the time counts.
const clockFresh = time.Hour

// certain returns ErrClock unless the time is known well enough to decide for
// good that something came too late: the clock is steady, and of the peers
// heard lately no more disagree with it than agree. One peer with a wrong clock
// alone does not stop us.
func (g *Gateway) certain() error {
	if err := g.clock.steady(); err != nil {
		return err
	}
	if agree, disagree := g.votes(); len(disagree) > agree {
		return fmt.Errorf("%w: %d peers disagree with it and %d agree", ErrClock, len(disagree), agree)
	}
	return nil
}

// votes counts the peers heard lately that agree with this node's clock, and
// gives the times of those that do not.
func (g *Gateway) votes() (agree int, disagree []time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.Now()
	for _, l := range g.links {
		switch theirs, fresh := l.opinion(); {
		case !fresh:
		case theirs.Sub(now).Abs() > protocol.MaxSkew:
			disagree = append(disagree, theirs)
		default:
			agree++
		}
	}
	return agree, disagree
}

// mayDate returns ErrClock unless this node may put a date under a signature
// (R-TIME-1). A clock that peers have confirmed since the process began, and that
// did not step, is right whoever disagrees later. Until then
//
//   - more peers that disagree than agree stop it. A single one, which may itself be
//     wrong, does only when its clock stands nearer to the time at which this node
//     last signed: a clock that is wrong by months seldom does. It only delays, for
//     MaxDissent, and beyond MaxLeap of that time for MaxLoneDissent: otherwise a
//     lone peer whose clock is behind could stop a node that was down for longer;
//   - where no peer says anything, the node must have signed within MaxLeap.
//
// So a date that is far off is signed by nobody's word alone, but of a node that was
// down for more than MaxLeap, that a lone peer contradicts, and that nobody sets
// right for a day.
func (g *Gateway) mayDate() error {
	if err := g.clock.steady(); err != nil || g.clock.isConfirmed() {
		return err
	}
	last := g.clock.last
	leap := g.Now().Sub(last) > protocol.MaxLeap
	patience := protocol.MaxDissent
	if leap {
		patience = protocol.MaxLoneDissent
	}
	agree, disagree := g.votes()
	switch {
	case len(disagree) == 1 && agree == 0 && time.Since(g.clock.began) > patience:
		return nil
	case len(disagree) > agree && (len(disagree) > 1 || last.IsZero() || nearer(disagree[0], g.Now(), last)):
		return fmt.Errorf("%w: %d peers disagree with it and %d agree", ErrClock, len(disagree), agree)
	case agree == 0 && len(disagree) == 0 && !last.IsZero() && g.Conn != nil && leap:
		return fmt.Errorf("%w: it says %s, this node last signed at %s, and no peer says what time it is", ErrClock, protocol.At(g.Now()), protocol.At(last))
	}
	return nil
}

// nearer reports whether a is nearer to what than b.
func nearer(a, b, what time.Time) bool { return a.Sub(what).Abs() < b.Sub(what).Abs() }

// MayDate waits until this node has heard its peers or waited for them long
// enough, and returns an error while it must not date anything: offices ask
// before they sign (R-TIME-1).
func (g *Gateway) MayDate(ctx context.Context) error {
	if err := g.seq.mayCommit(ctx); err != nil {
		return err
	}
	return g.mayDate()
}

// Standing is whether this node may sign now, for its operator to see.
type Standing struct {
	// Refusal is why nothing is signed, until somebody acts or a peer says more; nil:
	// nothing stands in the way.
	Refusal error
	// Compared is how many peers have said what they hold of this node's log since
	// it started; Waits that it signs nothing before one does, or CompareWait is over.
	Compared int
	Waits    bool
}

// Standing tells whether this node may sign now.
func (g *Gateway) Standing() Standing {
	var s Standing
	_, s.Compared = g.comparison.count()
	if s.Refusal = g.seq.failure(); s.Refusal == nil {
		s.Refusal = g.mayDate()
	}
	s.Waits = g.comparison.waits()
	return s
}

// ClockConfirmed reports whether peers agree with this node's clock now, and more
// of them than disagree.
func (g *Gateway) ClockConfirmed() bool {
	agree, disagree := g.votes()
	return agree > len(disagree) && g.clock.steady() == nil
}

// opinion is the peer's clock as it stands now, and whether it said so lately.
func (l *link) opinion() (theirs time.Time, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	since := time.Since(l.told)
	return l.theirs.Add(since), !l.told.IsZero() && since < clockFresh
}

// skew returns the peer's clock minus ours: as last seen, and as ours stands now.
func (l *link) skew() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told.IsZero() {
		return 0
	}
	return l.theirs.Add(time.Since(l.told)).Sub(l.g.Now())
}

// tell takes in what time it is for the peer, measured at every exchange
// (R-TIME-2).
func (l *link) tell(ctx context.Context, theirs time.Time) {
	offset := theirs.Sub(l.g.Now())
	l.mu.Lock()
	l.told, l.theirs = time.Now(), theirs
	l.mu.Unlock()
	l.noteClock(ctx, offset)
	if offset.Abs() > protocol.MaxSkew {
		l.aloud().Warn("our clocks differ", "skew", offset.Round(time.Second))
		return
	}
	if agree, disagree := l.g.votes(); agree >= len(disagree) {
		l.g.clock.believe()
	}
}

// timeHeader carries the clock of whoever sends the headers.
const timeHeader = "Comity-Time"

// readTime takes in the time in a peer's headers; one that does not read is none.
func (l *link) readTime(ctx context.Context, h http.Header) {
	var theirs protocol.Time
	if text := h.Get(timeHeader); text != "" && theirs.UnmarshalText([]byte(text)) == nil {
		l.tell(ctx, theirs.Time)
	}
}

// stampTime writes this node's own.
func (g *Gateway) stampTime(h http.Header) { h.Set(timeHeader, protocol.At(g.Now()).String()) }
