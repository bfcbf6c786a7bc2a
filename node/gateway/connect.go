package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// connect returns the live session, or makes one. Of many callers one dials.
func (l *link) connect(ctx context.Context) (session, error) {
	if s, err := l.current(); s != nil || err != nil {
		return s, err
	}
	select {
	case l.connecting <- struct{}{}:
		defer func() { <-l.connecting }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s, err := l.current(); s != nil || err != nil {
		return s, err
	}
	s, err := l.open(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, err // the caller gave up; that says nothing of the peer
	}
	if err != nil {
		err = &unconnected{err}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session, l.failure = s, err; err != nil {
		l.retry = time.Now().Add(min(redial<<min(l.failures, 16), redialMax))
		l.failures++
		l.g.Logger.Info("cannot reach a peer", "peer", l.peer, "error", l.plainly(err))
		if Unknown(err) && l.g.Unknown != nil {
			l.g.Unknown(l.peer)
		}
		return nil, err
	}
	l.failures = 0
	l.turn.ring()
	return s, nil
}

// unconnected is why no connection could be made, in contrast to one that broke.
type unconnected struct{ error }

func (u *unconnected) Unwrap() error { return u.error }

// current returns the live session, or the error of an attempt that was made
// just now; neither when it is time to connect.
func (l *link) current() (session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session != nil && l.session.alive() {
		return l.session, nil
	}
	if l.failure != nil && time.Now().Before(l.retry) {
		return nil, l.failure
	}
	return nil, nil
}

// forgive ends the pause after failed attempts to connect.
func (l *link) forgive() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures, l.retry = 0, time.Time{}
}

// open connects over QUIC, and where the network does not let that pass, over
// TCP; the other way round while it is known not to (R-TCP-2).
func (l *link) open(ctx context.Context) (session, error) {
	if l.g.wire.Load() == nil {
		return nil, errOffline
	}
	state, ok := l.g.book.node(l.peer)
	if !ok {
		return nil, fmt.Errorf("no record of %s", l.peer)
	}
	endpoints := state.Record().Node.Endpoints
	if len(endpoints) == 0 {
		return nil, fmt.Errorf("the record of %s lists no endpoint: it must call us", l.peer)
	}
	first, second := QUIC, TCP
	if l.detoured() {
		first, second = TCP, QUIC
	}
	s, left, err := l.try(ctx, first, endpoints)
	if err == nil || len(left) == 0 || l.g.TCP == nil || ctx.Err() != nil {
		return s, err
	}
	s, _, err2 := l.try(ctx, second, left)
	if err2 != nil {
		return nil, errors.Join(err, err2)
	}
	if second == TCP {
		l.takeDetour(err)
	} else {
		l.endDetour()
	}
	return s, nil
}

// try connects over one transport to the first endpoint that answers, and says
// hello: each connection begins with one (R-WIRE-9). left are the endpoints that
// the other transport may reach.
func (l *link) try(ctx context.Context, over Transport, endpoints []string) (_ session, left []string, _ error) {
	var errs []error
	for _, endpoint := range endpoints {
		s, err := l.dial(ctx, over, endpoint)
		if err == nil {
			if err = l.hello(ctx, s); err == nil {
				return s, nil, nil
			}
			s.close()
		}
		if errs = append(errs, err); blocked(err) {
			left = append(left, endpoint)
		}
	}
	return nil, left, errors.Join(errs...)
}

// dial connects to one endpoint and makes sure that it is the peer.
func (l *link) dial(ctx context.Context, over Transport, endpoint string) (session, error) {
	w := l.g.wire.Load()
	if w == nil {
		return nil, errOffline
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if over == TCP {
		s, err := l.dialTCP(ctx, endpoint)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	conn, err := w.dial(ctx, l.peer, endpoint)
	if err != nil {
		return nil, err
	}
	return newQUICSession(l, conn), nil
}

// drop closes the connections; the next call makes a new one.
func (l *link) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session != nil {
		l.session.close()
		l.session = nil
	}
	for _, s := range l.retired {
		s.close()
	}
	l.retired = nil
}
