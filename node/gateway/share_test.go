package gateway_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/evidence"
)

// R-WIRE-20, R-EVID-7: what is not authentic is counted, and beyond a limit the
// peer is asked to come back before anything of its is looked at. Other peers do
// not notice.
func TestAFlooderIsAskedToComeBack(t *testing.T) {
	h, b := besiege(t)
	c := newNode(t, "xc", []protocol.AuthorityID{"xc/ministry"})
	b.pin(c.party)
	c.pin(b.party)
	bad := h.offering(100)
	bad.key = h.party.node.Primary
	m := h.make(bad)
	status := 0
	for range protocol.MaxFaults + 20 {
		r := h.put(m)
		if status = r.status; status == http.StatusTooManyRequests {
			if r.header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
			break
		}
	}
	if status != http.StatusTooManyRequests {
		t.Fatalf("after %d refused offers: %d", protocol.MaxFaults+20, status)
	}
	h.untouched("the flood", bad.env.Key())
	k := c.submit(newLetter("xc/ministry", 100, b.party, prosecution))[0].Key
	c.await(k, evidence.RelayAcceptance)

	peers, err := b.Peers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range peers {
		if flooder := p.Node == h.id; flooder != (p.Refused >= protocol.MaxFaults) || flooder != (p.Limited > 0) {
			t.Errorf("%s: %d refused, %d asked to come back", p.Node, p.Refused, p.Limited)
		}
	}
}

// R-WIRE-20: a refused request counts by the size of its body, so a few megabytes of
// rubbish use up what a peer has; of the next ones nothing is read.
func TestMegabytesOfRubbish(t *testing.T) { onBoth(t, testMegabytesOfRubbish) }

func testMegabytesOfRubbish(t *testing.T, over gateway.Transport) {
	h, _ := besiegeOver(t, over)
	rubbish := []byte(`{"type":"comity/hello/v1","node":"` + strings.Repeat("x", 4<<20) + "\"}\n")
	const most = protocol.MaxFaults/(4<<20/protocol.FaultSize) + 1
	for range most {
		if r := h.do(http.MethodPost, "/v1/hello", nil, rubbish); r.status != http.StatusBadRequest {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	body := bytes.NewReader(rubbish)
	r, err := h.try(http.MethodPost, "/v1/hello", nil, io.MultiReader(body), int64(len(rubbish)))
	if err != nil || r.status != http.StatusTooManyRequests {
		t.Fatalf("after %d bodies of rubbish: %d, %v", most, r.status, err)
	}
	// Over TCP all of it fits into the window that a stream begins with.
	if left := len(rubbish) - body.Len(); over == gateway.QUIC && left > 3<<20 {
		t.Errorf("%d bytes of a body left that nobody reads", left)
	}
}

// R-WIRE-20: a parcel refused for good costs a row and a leaf for ever, so beyond
// a limit the peer is asked to come back, and nothing is stored.
func TestRejectionsAreLimited(t *testing.T) {
	h, b := besiege(t)
	var last *offering
	refused := 0
	for range protocol.MaxRejections + 5 {
		last = h.offering(100)
		last.env.To = "xb/ministry"
		r := h.put(h.make(last))
		if r.status == http.StatusTooManyRequests {
			break
		}
		if r.status != http.StatusOK {
			t.Fatalf("%d %s", r.status, r.body)
		}
		refused++
	}
	if refused < protocol.MaxRejections || refused == protocol.MaxRejections+5 {
		t.Fatalf("%d parcels were refused for good, want %d at first", refused, protocol.MaxRejections)
	}
	h.untouched("one too many", last.env.Key())
	good := h.make(h.offering(100))
	if r := h.put(good); r.status != http.StatusCreated {
		t.Errorf("a parcel in order: %d %s", r.status, r.body)
	}
	if r, err := b.CheckLog(t.Context()); err != nil || r.Evidence != int64(refused) {
		t.Errorf("%d leaves, %v; want %d", r.Evidence, err, refused)
	}
}
