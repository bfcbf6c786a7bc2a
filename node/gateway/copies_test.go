package gateway_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/evidence"
)

// R-OLD-3, R-OLD-6, R-WDR-3: who asks for copies learns nothing of a parcel that it
// never accepted. What is queued can still be withdrawn.
func TestCopiesOfWhatWasNeverAccepted(t *testing.T) {
	a := newNode(t, "xa", []protocol.AuthorityID{central})
	other := newParty("xb", "127.0.0.1:1", prosecution)
	a.pin(other)
	withdrawn := a.submit(newLetter(central, 1000, other, prosecution))[0].Key
	queued := a.submit(newLetter(central, 1000, other, prosecution))[0].Key
	a.withdraw(a.takenBack(withdrawn))
	if _, ok := a.events(withdrawn)[evidence.RelayFailure]; !ok {
		t.Fatal("what was never offered did not end at once")
	}
	h := &hostile{party: other, t: t, to: a, over: gateway.QUIC}
	h.connect()
	page := h.do(http.MethodGet, "/v1/copies?of=received&after=0", nil, nil)
	for name, k := range map[string]protocol.Key{"withdrawn": withdrawn, "queued": queued} {
		if page.status != http.StatusOK || strings.Contains(string(page.body), string(k.Parcel)) {
			t.Errorf("copies (status %d) tell of a parcel that is %s", page.status, name)
		}
		q := url.Values{"from": {string(k.From)}, "parcel": {string(k.Parcel)}, "to": {string(k.To)}, "offset": {"0"}}
		if r := h.do(http.MethodGet, "/v1/sealed?"+q.Encode(), nil, nil); r.status != http.StatusNotFound {
			t.Errorf("sealed bytes of a parcel that is %s: status %d and %d bytes, want 404", name, r.status, len(r.body))
		}
	}
	k := url.Values{"from": {string(queued.From)}, "parcel": {string(queued.Parcel)}, "to": {string(queued.To)}, "offset": {"0"}}
	for part, wrong := range map[string]string{"from": "\x00", "parcel": "\x00", "to": "xb/\xff", "offset": "-1"} {
		q := maps.Clone(k)
		q[part] = []string{wrong}
		if r := h.do(http.MethodGet, "/v1/sealed?"+q.Encode(), nil, nil); r.status != http.StatusBadRequest {
			t.Errorf("%s is %q: status %d, want 400", part, wrong, r.status)
		}
	}
}
