package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"

	"comity/protocol"
)

// R-TCP-2: faults of the network let the other transport be tried; answers of the
// other side, and alerts of either, do not.
func TestBlocked(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"no answer to the handshake", &quic.HandshakeTimeoutError{}, true},
		{"silence on a connection", &quic.IdleTimeoutError{}, true},
		{"no time left for the attempt", context.DeadlineExceeded, true},
		{"the kernel refuses to send", &net.OpError{Op: "write", Net: "udp", Err: os.NewSyscallError("sendmsg", syscall.EPERM)}, true},
		{"refused", refused, true},
		{"no progress", fmt.Errorf("%w: nothing was taken", errStalled), true},
		{"a connection over TCP that broke", fmt.Errorf("%w: %w", errCutOff, os.ErrClosed), true},

		{"a key that is not pinned", errPin, false},
		{"no common protocol", errALPN, false},
		{"our alert over QUIC", &quic.TransportError{ErrorCode: 0x100 + 42}, false},
		{"their alert over QUIC", &quic.TransportError{ErrorCode: 0x100 + 42, Remote: true}, false},
		{"their alert over TCP", &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, false},
		{"their alert under a call over TCP", fmt.Errorf("%w: %w", errCutOff, &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}), false},
		{"our alert over TCP", &net.OpError{Op: "local error", Err: errors.New("tls: bad record")}, false},
		{"another version of QUIC", &quic.VersionNegotiationError{}, false},
		{"a connection that the peer ended", &quic.ApplicationError{Remote: true}, false},
		{"a stateless reset, which arrived", &quic.StatelessResetError{}, false},
		{"an answer", &problem{Status: 403}, false},
		{"another node", protocol.Refuse(protocol.UnknownSender, "the node says that it is xc"), false},
		{"no such name", &net.DNSError{Err: "no such host", Name: "xb.example", IsNotFound: true}, false},
		{"our own trouble", os.ErrPermission, false},
	} {
		if got := blocked(fmt.Errorf("dial xb at 10.0.0.1:7443: %w", c.err)); got != c.want {
			t.Errorf("%s: %v: %t, want %t", c.name, c.err, got, c.want)
		}
	}
	// A pin failure at one endpoint says nothing of the others, but among the
	// causes of one attempt it decides.
	if blocked(errors.Join(refused, errPin)) {
		t.Error("a pin failure was outweighed by a refusal")
	}
}

// lasting is a session that does nothing.
type lasting struct {
	session
	over Transport
}

func (s lasting) transport() Transport { return s.over }
func (lasting) alive() bool            { return true }

// R-TCP-3: when QUIC is tried again beside TCP. An upload that stalls makes it
// later each time, because small calls prove nothing then; one that goes through
// ends that.
func TestWhenQUICIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &link{g: &Gateway{Config: Config{Logger: slog.New(slog.DiscardHandler)}}, turn: newBell(), session: lasting{over: TCP}}
		check := func(when string, want time.Duration) {
			t.Helper()
			if got := l.untilProbe(); got != want {
				t.Errorf("%s: in %s, want %s", when, got, want)
			}
			if got := l.detoured(); got != (want > 0) {
				t.Errorf("%s: detoured is %t", when, got)
			}
		}
		l.takeDetour(errCutOff)
		check("after a failure", detourTime)
		time.Sleep(time.Second)
		l.invited()
		check("when the peer calls over QUIC at once", probePause-time.Second)
		time.Sleep(probePause)
		check("later", 0)
		l.takeDetour(errCutOff)
		time.Sleep(time.Minute)
		l.invited()
		check("when the peer calls over QUIC after a while", 0)
		l.stalls = 1
		l.takeDetour(errStalled)
		l.invited()
		check("after an upload stalled again", 2*detourTime)
		l.stalls = 100
		l.takeDetour(errStalled)
		check("after a hundred", maxDetour)
		l.carried()
		l.takeDetour(errCutOff)
		check("after one went through", detourTime)
		l.endDetour()
		check("when QUIC passed where TCP did not", 0)
	})
}
