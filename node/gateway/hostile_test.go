package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"comity/crypto/keys"
	"comity/crypto/pgp"
	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// hostile is a peer that speaks the wire by itself and says what a test wants.
type hostile struct {
	*party
	t    testing.TB
	to   *node
	over gateway.Transport
	conn *quic.Conn // nil over TCP
	http http.RoundTripper
}

// clientTLS is how an honest peer dials.
func (p *party) clientTLS() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{must(keys.ParseTLS(p.pem))}, InsecureSkipVerify: true, NextProtos: []string{"h3"},
		CurvePreferences: []tls.CurveID{tls.X25519MLKEM768},
	}
}

func dial(t testing.TB, config *tls.Config, to *node) (*quic.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := quic.DialAddr(ctx, to.conn.LocalAddr().String(), config, &quic.Config{})
	if err == nil {
		t.Cleanup(func() { _ = conn.CloseWithError(0, "") })
	}
	return conn, err
}

// dialTCP dials as dial does, over TCP and for HTTP/2.
func dialTCP(t testing.TB, config *tls.Config, to *node) (*tls.Conn, error) {
	t.Helper()
	return shake(t, config, must(net.Dial("tcp", to.tcp.Addr().String())))
}

// shake ends the handshake on a connection.
func shake(t testing.TB, config *tls.Config, raw net.Conn) (*tls.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	t.Cleanup(func() { _ = raw.Close() })
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return conn, nil
}

// http2 speaks HTTP/2 on a connection.
func http2(t testing.TB, conn *tls.Conn) http.RoundTripper {
	t.Helper()
	tr := &http.Transport{
		Protocols:      new(http.Protocols),
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}
	tr.Protocols.SetHTTP2(true)
	client, err := tr.NewClientConn(t.Context(), "https", "xb:7443")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// besiege makes node b, which knows state xa, and a hostile peer in xa's name.
func besiege(t testing.TB, options ...option) (*hostile, *node) {
	t.Helper()
	return besiegeOver(t, gateway.QUIC, options...)
}

// onBoth runs a test over each of the two transports.
func onBoth(t *testing.T, test func(t *testing.T, over gateway.Transport)) {
	t.Helper()
	for _, over := range []gateway.Transport{gateway.QUIC, gateway.TCP} {
		t.Run(string(over), func(t *testing.T) { test(t, over) })
	}
}

func besiegeOver(t testing.TB, over gateway.Transport, options ...option) (*hostile, *node) {
	t.Helper()
	b := newNode(t, "xb", []protocol.AuthorityID{prosecution, court}, options...)
	h := &hostile{party: newParty("xa", "127.0.0.1:1", central), t: t, to: b, over: over}
	b.pin(h.party)
	h.connect()
	return h, b
}

func (h *hostile) connect() {
	h.t.Helper()
	config := h.clientTLS()
	if h.over == gateway.TCP {
		config.NextProtos = []string{"h2"}
		conn, err := dialTCP(h.t, config, h.to)
		if err != nil {
			h.t.Fatal(err)
		}
		h.http = http2(h.t, conn)
		return
	}
	conn, err := dial(h.t, config, h.to)
	if err != nil {
		h.t.Fatal(err)
	}
	h.conn, h.http = conn, (&http3.Transport{}).NewClientConn(conn)
}

// reply is a peer's answer.
type reply struct {
	status int
	code   protocol.Code
	body   []byte
	header http.Header
}

func (r reply) packets(t testing.TB) []statement.Packet {
	t.Helper()
	list, err := statement.DecodePackets(r.body, 1<<20, 64)
	if err != nil {
		t.Fatalf("answer %d %s: %v", r.status, r.body, err)
	}
	return list
}

func (h *hostile) do(method, path string, header http.Header, body []byte) reply {
	h.t.Helper()
	r, err := h.try(method, path, header, bytes.NewReader(body), int64(len(body)))
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (h *hostile) try(method, path string, header http.Header, body io.Reader, length int64) (reply, error) {
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	req := must(http.NewRequestWithContext(ctx, method, "https://xb"+path, body))
	req.ContentLength = length
	if header != nil {
		req.Header = header
	}
	resp, err := h.http.RoundTrip(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	r := reply{status: resp.StatusCode, body: data, header: resp.Header}
	var p struct{ Code protocol.Code }
	if resp.Header.Get("Content-Type") == "application/problem+json" && json.Unmarshal(data, &p) == nil {
		r.code = p.Code
	}
	return r, err
}

func appendHeader() http.Header {
	h := http.Header{}
	h.Set("Content-Type", "application/partial-upload")
	h.Set("Upload-Offset", "0")
	h.Set("Upload-Complete", "?1")
	return h
}

// offering is one envelope with what travels with it, to be spoilt by a test.
type offering struct {
	env        *envelope.Envelope
	key        *pgp.Secret // signs the envelope
	signed     func(*statement.Signed)
	submission func(*evidence.Evidence)
	packets    func([]statement.Packet) []statement.Packet
	path       string // empty: the right one
	body       []byte
}

func (h *hostile) offering(size int) *offering {
	r := h.to.offices[prosecution].identity.Recipient()
	body := sealTo(size, r)
	now := time.Now()
	return &offering{
		key: h.party.node.Subkeys[0], body: body,
		env: &envelope.Envelope{
			Type: envelope.Type, Parcel: parcelID(), From: central, To: prosecution, RecipientKey: r.Digest(), Priority: protocol.Routine,
			Sealed:   envelope.Sealed{Size: int64(len(body)), Digest: protocol.Sum(body), Recipients: 1},
			Manifest: statement.Ref{Document: digest("manifest"), Signature: digest("signature")},
			Created:  protocol.At(now), Expires: protocol.At(now.Add(time.Hour)),
			Records: envelope.Records{From: h.state.Ref(), To: h.to.state.Ref()},
		},
	}
}

// made is an offering as bytes.
type made struct {
	path string
	put  []byte
	ref  statement.Ref
}

// make signs without the checks of our own code: hostile writers do not use it.
func (h *hostile) make(o *offering) made {
	h.t.Helper()
	now := time.Now()
	s := must(statement.Sign(o.env, protocol.MaxEnvelope, o.key, now))
	if o.signed != nil {
		o.signed(&s)
	}
	ev := h.evidence(o.env, s.Ref(), evidence.SubmissionAcceptance, now)
	if o.submission != nil {
		o.submission(ev)
	}
	packets := []statement.Packet{{Signed: s}, h.packet(must(statement.Sign(ev, protocol.MaxEvidence, h.party.node.Subkeys[0], now)), now)}
	if o.packets != nil {
		packets = o.packets(packets)
	}
	m := made{path: "/v1/parcels/" + s.Digest().String(), put: must(statement.EncodePackets(packets)), ref: s.Ref()}
	if o.path != "" {
		m.path = o.path
	}
	return m
}

func (h *hostile) put(m made) reply { h.t.Helper(); return h.do(http.MethodPut, m.path, nil, m.put) }

func (h *hostile) patch(m made, body []byte) reply {
	h.t.Helper()
	return h.do(http.MethodPatch, m.path, appendHeader(), body)
}

// untouched fails the test unless the node has no trace of the transmission:
// no evidence, no used id (R-EVID-7).
func (h *hostile) untouched(name string, k protocol.Key) {
	h.t.Helper()
	if all := h.to.events(k); len(all) != 0 {
		h.t.Errorf("%s: evidence was issued: %v", name, all)
	}
	if _, err := h.to.Envelope(h.t.Context(), k); err == nil {
		h.t.Errorf("%s: the id was used up", name)
	}
}
