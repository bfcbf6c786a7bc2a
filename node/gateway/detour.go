package gateway

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/quic-go/quic-go"

	"comity/protocol"
)

// Times of the detour over TCP.
const (
	// quicPatience is how long an attempt over QUIC waits for a first sign of
	// life when TCP could be tried instead. A firewall that drops UDP says nothing,
	// and one that refuses it is not heard either: the kernel does not hand ICMP
	// to a socket that talks to many peers.
	quicPatience = 3 * time.Second
	// stallTimeout is how long an upload over QUIC may make no progress before it
	// goes on over TCP. The connection may look alive all the while: where the
	// path's MTU has shrunk, small packets arrive and large ones vanish.
	stallTimeout = 20 * time.Second
	// detourTime is how long a peer is called over TCP before QUIC is tried again;
	// doubled up to maxDetour with each upload in a row that stalls, because then
	// an attempt that succeeds has shown little.
	detourTime = 5 * time.Minute
	maxDetour  = time.Hour
	// probePause is the least time between two attempts that a peer can cause.
	probePause = 10 * time.Second
)

// errStalled says that a request over QUIC made no progress. It is worth another
// attempt at once, which goes over TCP.
var errStalled = errors.New("no progress over QUIC")

// errCutOff says that a connection over TCP ended under a request.
var errCutOff = errors.New("the connection ended")

// blocked reports whether an attempt to connect failed on its way, so that the
// other transport may pass (R-TCP-2). What the other side said or showed is an
// answer, and would be the same on any transport: a TLS alert of either side,
// above all about a key, is never a reason to try another one.
func blocked(err error) bool {
	var refusal *protocol.Refusal
	var answer *problem
	var name *net.DNSError
	if errors.Is(err, errPin) || errors.Is(err, errALPN) || errors.As(err, &refusal) || errors.As(err, &answer) || errors.As(err, &name) {
		return false
	}
	var end *quic.TransportError
	if errors.As(err, &end) && end.ErrorCode.IsCryptoError() {
		return false
	}
	var fault *net.OpError
	if errors.As(err, &fault) {
		return fault.Op != "remote error" && fault.Op != "local error" // so crypto/tls names alerts
	}
	var silent *quic.HandshakeTimeoutError
	var idle *quic.IdleTimeoutError
	return errors.As(err, &silent) || errors.As(err, &idle) || errors.Is(err, errStalled) || errors.Is(err, errCutOff) ||
		errors.Is(err, context.DeadlineExceeded)
}

// detoured reports whether the peer is to be called over TCP first.
func (l *link) detoured() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.detour)
}

// takeDetour remembers for a while that UDP does not pass to this peer.
func (l *link) takeDetour(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.avoidUDP(why)
}

// avoidUDP is takeDetour with mu held.
func (l *link) avoidUDP(why error) {
	l.probed = time.Now()
	l.detour = l.probed.Add(min(detourTime<<min(l.stalls, 16), maxDetour))
	l.logger().Warn("UDP does not pass to a peer: calling it over TCP", "error", why)
}

// endDetour remembers that UDP passes.
func (l *link) endDetour() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.detour = time.Time{}
}

// stalled ends a QUIC session that looks alive and carries nothing, when there is
// another way.
func (l *link) stalled(s *quicSession) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.g.TCP == nil || !s.alive() {
		return
	}
	l.avoidUDP(errStalled)
	l.stalls++
	s.close() // last: whoever connects again must find the detour
}

// carried says that a large body went through over QUIC.
func (l *link) carried() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stalls = 0
}

// silence is what had arrived over the live QUIC session when a call began.
type silence struct {
	over  *quicSession // nil: there was none
	bytes uint64
}

func (l *link) listen() silence {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.session.(*quicSession)
	if !ok {
		return silence{}
	}
	return silence{s, s.conn.ConnectionStats().BytesReceived}
}

// doubt ends a session over which nothing at all has arrived since a call began
// that was not answered. When anything did, UDP passes: the peer is slow, and
// what else is under way goes on.
func (l *link) doubt(since silence) {
	if s := since.over; s != nil && s.conn.ConnectionStats().BytesReceived == since.bytes {
		l.stalled(s)
	}
}

// patience is how long an upload may make no progress over QUIC. Where there is
// nothing else to turn to, waiting is the better choice.
func (s *quicSession) patience() time.Duration {
	if s.l.g.TCP == nil {
		return answerTimeout
	}
	return stallTimeout
}

// invited says that the peer has called over QUIC, so UDP may pass again. After
// a stall that says nothing: a call is small.
func (l *link) invited() {
	l.mu.Lock()
	if next := l.probed.Add(probePause); l.stalls == 0 && next.Before(l.detour) {
		l.detour = next
	}
	l.mu.Unlock()
	l.turn.ring()
}

// probe is the loop that brings a link back from TCP to QUIC (R-TCP-3).
func (l *link) probe(ctx context.Context) {
	for ctx.Err() == nil {
		rung := l.turn.wait()
		timer := time.NewTimer(l.untilProbe())
		select {
		case <-timer.C:
			l.tryQUIC(ctx)
		case <-rung:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// untilProbe is when QUIC should be tried again beside a session over TCP.
func (l *link) untilProbe() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.overTCP() {
		return detourTime // one that begins rings
	}
	return max(time.Until(l.detour), 0)
}

// overTCP reports whether the live session is one over TCP. Called with mu held.
func (l *link) overTCP() bool {
	return l.session != nil && l.session.alive() && l.session.transport() == TCP
}

// tryQUIC tries QUIC beside a live session over TCP, which goes on meanwhile. If
// it passes, new requests take it; those under way end where they began.
func (l *link) tryQUIC(ctx context.Context) {
	select {
	case l.connecting <- struct{}{}:
		defer func() { <-l.connecting }()
	case <-ctx.Done():
		return
	}
	l.mu.Lock()
	over := l.overTCP()
	l.mu.Unlock()
	if !over {
		return
	}
	state, ok := l.g.book.node(l.peer)
	if !ok {
		return
	}
	s, _, err := l.try(ctx, QUIC, state.Record().Node.Endpoints)
	if err != nil {
		if ctx.Err() == nil {
			l.takeDetour(err)
		}
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.probed, l.detour = time.Now(), time.Time{}
	if old, ok := l.session.(*tcpSession); ok {
		l.retired = append(slices.DeleteFunc(l.retired, func(s *tcpSession) bool { return !s.alive() }), old)
		old.retire()
	}
	l.session = s
	l.logger().Info("UDP passes to a peer again: calling it over QUIC")
}
