package gateway

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"comity/protocol"
)

// errClock says that this node does not know what time it is. Nothing that
// rests on a time is signed or decided for good; it is tried again.
var errClock = errors.New("this node's clock cannot be trusted now; set it, and restart the node if no peer confirms it")

// clock notices that the wall clock was set while the process ran: a step makes
// it run away from the monotonic one. Evidence signed under a wrong date, and
// refusals that rest on one, could never be taken back.
type clock struct {
	wall func() time.Time

	mu       sync.Mutex
	believed time.Time // guarded by mu; wall time at the moment below
	at       time.Time // guarded by mu; carries the monotonic reading
}

func newClock(wall func() time.Time) *clock {
	return &clock{wall: wall, believed: wall(), at: time.Now()}
}

// steady returns errClock while the wall clock has stepped since it was last
// believed.
func (c *clock) steady() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	step := c.wall().Sub(c.believed) - time.Since(c.at)
	if step.Abs() > protocol.MaxSkew {
		return fmt.Errorf("%w: it jumped by %s", errClock, step.Round(time.Second))
	}
	return nil
}

// believe takes the wall clock as right from here on: a peer's clock agrees.
func (c *clock) believe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.believed, c.at = c.wall(), time.Now()
}

// clockFresh is how long a peer's word about the time counts.
const clockFresh = time.Hour

// certain returns errClock unless the time is known well enough to decide for
// good that something came too late: the clock is steady, and of the peers
// heard lately no more disagree with it than agree. One peer with a wrong clock
// alone does not stop us.
func (g *Gateway) certain() error {
	if err := g.clock.steady(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	agree, disagree := 0, 0
	for _, l := range g.links {
		switch offset, fresh := l.opinion(); {
		case !fresh:
		case offset.Abs() > protocol.MaxSkew:
			disagree++
		default:
			agree++
		}
	}
	if disagree > agree {
		return fmt.Errorf("%w: %d peers disagree with it and %d agree", errClock, disagree, agree)
	}
	return nil
}

// opinion is the peer's clock minus ours, and whether it said so lately.
func (l *link) opinion() (offset time.Duration, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.offset, !l.told.IsZero() && time.Since(l.told) < clockFresh
}
