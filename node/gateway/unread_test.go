package gateway_test

import (
	"bytes"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// I7: a peer that asks for what was decided, as if it had bytes to send, and then
// reads no answer, takes nothing from the others, even on a small node.
func TestUnreadAnswersTakeNothingFromOthers(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(120 << 20))
	h, b := besiege(t)
	other := &hostile{party: newParty("xc", "127.0.0.1:2", "xc/ministry"), t: t, to: b}
	b.pin(h.party, other.party)
	other.connect()
	o := h.offering(1000)
	m := h.make(o)
	if r := h.put(m); r.status != http.StatusCreated {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := h.patch(m, o.body); r.status != http.StatusOK {
		t.Fatalf("%d %s", r.status, r.body)
	}
	h.askAndNotRead(32, [][2]string{
		{":method", http.MethodPatch},
		{":scheme", "https"},
		{":authority", "xb"},
		{":path", m.path},
		{"content-type", "application/partial-upload"},
		{"content-length", strconv.Itoa(protocol.MaxWhole)},
		{"upload-offset", "0"},
		{"upload-complete", "?1"},
	})
	for range 3 {
		if r := other.do(http.MethodPost, "/v1/hello", nil, []byte("{}")); r.status == http.StatusTooManyRequests {
			t.Fatalf("the other peer's hello: %d %s", r.status, r.body)
		}
		if r := h.do(http.MethodGet, m.path, nil, nil); r.status != http.StatusOK {
			t.Fatalf("its own question on another connection: %d %s", r.status, r.body)
		}
	}
}

// I7: a peer whose record is large pays for the answers in which it asks for it, and does
// not read: the others have their share.
func TestUnreadRecordsTakeOnlyTheirOwnShare(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(120 << 20))
	h, b := besiege(t)
	other := &hostile{party: newParty("xc", "127.0.0.1:2", "xc/ministry"), t: t, to: b}
	b.pin(other.party)
	other.connect()
	next := h.next(func(*record.Record) {})
	doc := slices.Concat([]byte("{"), bytes.Repeat([]byte(" "), 3<<20), next.Document[1:]) // white space is free
	h.state = must(record.Verify(statement.Signed{Document: doc, Signature: must(h.top.Primary.Sign(doc, h.made))}, h.state))
	if got := h.hello(func(*exchange.Hello) {}); got.status != http.StatusOK {
		t.Fatalf("hello: %d %s", got.status, got.body)
	}
	const path = "/v1/held"
	if got := h.do(http.MethodGet, path, nil, nil); got.status != http.StatusOK || len(got.body) < len(doc) {
		t.Fatalf("what is held: %d, %d bytes", got.status, len(got.body))
	}
	h.askAndNotRead(12, [][2]string{{":method", http.MethodGet}, {":scheme", "https"}, {":authority", "xb"}, {":path", path}})
	if got := h.do(http.MethodGet, path, nil, nil); got.status != http.StatusTooManyRequests {
		t.Errorf("one more, with 12 unread: %d, want %d", got.status, http.StatusTooManyRequests)
	}
	if got := other.do(http.MethodGet, path, nil, nil); got.status != http.StatusOK {
		t.Errorf("the other peer: %d %s", got.status, got.body)
	}
}

// askAndNotRead makes requests on a connection that takes next to nothing.
func (h *hostile) askAndNotRead(count int, header [][2]string) {
	h.t.Helper()
	conn, err := quic.DialAddr(h.t.Context(), h.to.conn.LocalAddr().String(), h.clientTLS(),
		&quic.Config{InitialStreamReceiveWindow: 512, MaxStreamReceiveWindow: 512})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.CloseWithError(0, "") })
	(&http3.Transport{}).NewClientConn(conn) // says the settings
	var block bytes.Buffer
	fields := qpack.NewEncoder(&block)
	for _, f := range header {
		if err := fields.WriteField(qpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			h.t.Fatal(err)
		}
	}
	head := append(quicvarint.Append(quicvarint.Append(nil, 1), uint64(block.Len())), block.Bytes()...)
	for range count {
		s, err := conn.OpenStreamSync(h.t.Context())
		if err != nil {
			h.t.Fatal(err)
		}
		if _, err := s.Write(head); err != nil {
			h.t.Fatal(err)
		}
		if _, err := s.Read(make([]byte, 1)); err != nil { // the answer has begun
			h.t.Fatal(err)
		}
	}
}
