package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/quic-go/quic-go"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/store"
)

// Officers read sentences of the transport's errors, and no requests and addresses.
func TestExcuses(t *testing.T) {
	l := &link{peer: "xb"}
	call := func(err error) error {
		return &url.Error{Op: "Patch", URL: "https://xb/v1/parcels/7b64", Err: fmt.Errorf("say hello to xb: %w", err)}
	}
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	silent := "xb does not answer"
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"no answer to the hello", call(context.DeadlineExceeded), silent},
		{"no answer to the handshake", errors.Join(&quic.HandshakeTimeoutError{}, refused), silent},
		{"silence in the handshake", call(&unconnected{errors.Join(&quic.IdleTimeoutError{}, refused)}), silent},
		{"no such name", &net.DNSError{Err: "no such host", Name: "xb.example", IsNotFound: true}, silent},
		{"nothing had left", &brokeOff{refused, 0, 0}, silent},
		{"a stateless reset", fmt.Errorf("PATCH /v1/parcels/7b64: %w", &quic.StatelessResetError{}), "the connection to xb broke"},
		{"a connection over TCP", call(errCutOff), "the connection to xb broke"},
		{"busy", call(&problem{Status: 503, Detail: `"come back"`}), `xb asks to wait: "come back"`},
		{"our database", call(fmt.Errorf("connecting: %w", errors.Join(store.ErrUnreachable, refused))), "the database of this node does not answer"},
		{"our own sentence", call(errors.New("no endpoint")), "say hello to xb: no endpoint"},
	} {
		if got := l.excuse(&store.Outbound{}, c.err); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	large := &store.Outbound{Sealed: envelope.Sealed{Size: protocol.MaxWhole + 1}}
	if got := l.excuse(large, &brokeOff{errors.New("reset"), 0, 1}); !strings.HasSuffix(got, "broke; it goes on where it stopped") {
		t.Errorf("a large body: %q", got)
	}
}

// The log and the list of peers say so when a peer is there and must be waited for.
func TestABusyPeerRuns(t *testing.T) {
	l := &link{peer: "xd"}
	err := fmt.Errorf("say hello to xd: %w", &problem{Status: 503, Detail: `"trouble at this node"`})
	const want = `xd runs, but asks to come back later: "trouble at this node"`
	if got := sentence(l.plainly(err)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if words, ok := AsksToWait(err); !ok || words != `"trouble at this node"` {
		t.Errorf("AsksToWait: %q, %v", words, ok)
	}
	if got := sentence(l.plainly(errPin)); got != errPin.Error() {
		t.Errorf("another error: %q", got)
	}
}

// The transport tells only as text that a peer does not know our key.
func TestRefusedByThePeer(t *testing.T) {
	for text, want := range map[string]bool{
		"CRYPTO_ERROR 0x12a (remote): tls: bad certificate":              true,
		"dial: remote error: tls: bad certificate":                       true,
		"CRYPTO_ERROR 0x12a (local): tls: the key of xb is not pinned":   false,
		"timeout: no recent network activity":                            false,
		"CRYPTO_ERROR 0x150 (remote): tls: unsupported protocol version": false,
	} {
		if got := Refused(errors.New(text)); got != want {
			t.Errorf("Refused(%q) = %v, want %v", text, got, want)
		}
	}
}
