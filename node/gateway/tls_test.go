package gateway_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/quic-go/quic-go/http3"

	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/record"
)

func (h *hostile) hello(change func(*exchange.Hello)) reply {
	h.t.Helper()
	hello := &exchange.Hello{Node: h.id, Time: protocol.At(time.Now()), Record: h.state.Signed()}
	change(hello)
	return h.do(http.MethodPost, "/v1/hello", nil, must(exchange.EncodeHello(hello)))
}

// R-REC-9, I9: a state that publishes one record after the other does not fill the disk
// of a peer with them; the latest is adopted later.
func TestRecordsWithoutEnd(t *testing.T) {
	h, b := besiege(t)
	for range 3 * protocol.MaxRenewals {
		next := must(record.Verify(h.next(func(*record.Record) {}), h.state))
		h.state, h.document = next, *next.Record()
		if got := h.hello(func(*exchange.Hello) {}); got.status != http.StatusOK {
			t.Fatalf("hello: %d %s", got.status, got.body)
		}
	}
	if n := len(must(b.db.RecordVersions(t.Context(), "xa"))); n != 1+protocol.MaxRenewals {
		t.Errorf("%d records are kept of %d, want the first and %d", n, 1+3*protocol.MaxRenewals, protocol.MaxRenewals)
	}
}

// R-WIRE-9, R-REC-3, R-REC-9: a newer record that follows is adopted; one that
// does not, and a node under another name, are not.
func TestHello(t *testing.T) {
	h, b := besiege(t)
	sequence := func() int64 {
		s, _ := b.State("xa")
		return s.Record().Sequence
	}
	got := h.hello(func(*exchange.Hello) {})
	answer, err := exchange.DecodeHello(got.body)
	if got.status != 200 || err != nil || answer.Node != "xb" || answer.Checkpoint == nil ||
		!cmp.Equal(answer.Record, b.state.Signed()) {
		t.Errorf("hello: %d %v %+v", got.status, err, answer)
	}
	if got := h.hello(func(m *exchange.Hello) { m.Node = "xc" }); got.status == 200 {
		t.Error("a node under another name was taken in")
	}
	thief := newParty("xa", "127.0.0.1:1", central)
	stolen := thief.next(func(r *record.Record) {})
	if got := h.hello(func(m *exchange.Hello) { m.Record = stolen }); got.status != 200 || sequence() != 1 {
		t.Errorf("another key's record: %d, sequence %d", got.status, sequence())
	}
	claim := h.next(func(r *record.Record) { r.Node.TLS[0].SPKI = b.spki() })
	if h.hello(func(m *exchange.Hello) { m.Record = claim }); sequence() != 1 {
		t.Error("R-WIRE-1: a record that claims our own TLS key was adopted")
	}
	next := h.next(func(r *record.Record) { r.Node.Endpoints = []string{"127.0.0.1:2"} })
	if h.hello(func(m *exchange.Hello) { m.Record = next }); sequence() != 2 {
		t.Errorf("a record that follows: sequence %d, want 2", sequence())
	}
	if h.hello(func(*exchange.Hello) {}); sequence() != 2 {
		t.Error("an older record was adopted")
	}
	b.restart()
	if sequence() != 2 {
		t.Error("the adopted record was forgotten")
	}
}

// Nothing is decided while the clocks differ (R-ENV-4, R-EVID-8).
func TestClocksThatDiffer(t *testing.T) {
	h, _ := besiege(t)
	wrong := func(m *exchange.Hello) { m.Time = protocol.At(time.Now().Add(protocol.MaxSkew + time.Hour)) }
	h.hello(wrong)
	o := h.offering(100)
	m := h.make(o)
	if got := h.put(m); got.status != 503 || got.code != protocol.ClockSkew {
		t.Errorf("%d %s", got.status, got.body)
	}
	h.untouched("with another clock", o.env.Key())
	h.hello(func(*exchange.Hello) {})
	if got := h.put(m); got.status != 201 {
		t.Errorf("after the clock was set: %d %s", got.status, got.body)
	}
}

// R-WIRE-1, R-WIRE-2, R-WIRE-3, R-TCP-1: who may connect, and how, on either
// transport.
func TestTLS(t *testing.T) { onBoth(t, testTLS) }

func testTLS(t *testing.T, over gateway.Transport) {
	h, b := besiegeOver(t, over)
	config := func(of *party, change func(*tls.Config)) *tls.Config {
		c := of.clientTLS()
		if over == gateway.TCP {
			c.NextProtos = []string{"h2"}
		}
		if change != nil {
			change(c)
		}
		return c
	}
	refusals := map[string]*tls.Config{
		"a key that no record lists": config(newParty("xa", "127.0.0.1:1"), nil),
		"the node's own key":         config(b.party, nil),
		"no key":                     config(h.party, func(c *tls.Config) { c.Certificates = nil }),
		"classic key exchange":       config(h.party, func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256} }),
		"another protocol":           config(h.party, func(c *tls.Config) { c.NextProtos = []string{"h3"} }),
	}
	if over == gateway.QUIC {
		refusals["another protocol"].NextProtos = []string{"h2"}
	} else {
		refusals["TLS 1.2"] = config(h.party, func(c *tls.Config) { c.MaxVersion, c.CurvePreferences = tls.VersionTLS12, nil })
		refusals["HTTP/1.1"] = config(h.party, func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} })
		refusals["no protocol"] = config(h.party, func(c *tls.Config) { c.NextProtos = nil })
	}
	for name, c := range refusals {
		if err := talk(t, over, c, b); err == nil {
			t.Errorf("%s: the node talks", name)
		} else if !strings.Contains(err.Error(), "CRYPTO_ERROR") && !strings.Contains(err.Error(), "tls: ") {
			t.Errorf("%s: %v, want a TLS refusal", name, err)
		}
	}

	cache := &countingCache{}
	honest := config(h.party, func(c *tls.Config) { c.ClientSessionCache = cache })
	var state tls.ConnectionState
	if over == gateway.TCP {
		conn := must(dialTCP(t, honest, b))
		state, h.http = conn.ConnectionState(), http2(t, conn)
	} else {
		conn := must(dial(t, honest, b))
		if conn.ConnectionState().Used0RTT {
			t.Error("0-RTT")
		}
		state, h.http = conn.ConnectionState().TLS, (&http3.Transport{}).NewClientConn(conn)
	}
	if state.Version != tls.VersionTLS13 || state.CurveID != tls.X25519MLKEM768 {
		t.Errorf("connected with %+v", state)
	}
	got := h.hello(func(*exchange.Hello) {})
	if cache.tickets != 0 || got.status != 200 || got.header.Get("Alt-Svc") != "" {
		t.Errorf("%d: %d tickets, Alt-Svc %q; want none", got.status, cache.tickets, got.header.Get("Alt-Svc"))
	}
}

// talk connects and waits for the first word of the node: the client's side of
// the handshake ends before the node has looked at its key.
func talk(t *testing.T, over gateway.Transport, config *tls.Config, to *node) error {
	t.Helper()
	if over == gateway.TCP {
		conn, err := dialTCP(t, config, to)
		if err == nil {
			_, err = conn.Read(make([]byte, 1))
		}
		return err
	}
	conn, err := dial(t, config, to)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err = conn.AcceptUniStream(ctx)
	return err
}

type countingCache struct{ tickets int }

func (c *countingCache) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
func (c *countingCache) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		c.tickets++
	}
}
