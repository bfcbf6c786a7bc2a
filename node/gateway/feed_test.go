package gateway_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// about makes a packet of the hostile peer about a parcel that was sent to it.
func (h *hostile) about(k protocol.Key, event evidence.Event, change func(*evidence.Evidence)) statement.Packet {
	h.t.Helper()
	signed, err := h.to.Envelope(h.t.Context(), k)
	env := must(envelope.Parse(must(signed, err).Document))
	ev := h.evidence(env, signed.Ref(), event, time.Now())
	key := h.secret(k.To, event)
	if change != nil {
		change(ev)
	}
	return h.packet(must(statement.Sign(ev, protocol.MaxEvidence, key, time.Now())), time.Now())
}

// Evidence that a peer hands over is verified in full (R-EVID-1, R-EVID-2,
// R-EVID-3, R-EVID-11); pushing it twice is 204 both times (R-WIRE-7).
func TestPushedEvidence(t *testing.T) {
	b := newNode(t, "xb", []protocol.AuthorityID{prosecution})
	h := &hostile{party: newParty("xa", "127.0.0.1:1", central, "xa/court"), t: t, to: b}
	other := newParty("xc", "127.0.0.1:1", "xc/ministry")
	b.pin(h.party, other)
	h.connect()
	k := b.submit(newLetter(prosecution, 100, h.party, central))[0].Key
	elsewhere := b.submit(newLetter(prosecution, 100, other, "xc/ministry"))[0].Key
	push := func(p ...statement.Packet) reply {
		return h.do(http.MethodPost, "/v1/evidence", nil, must(statement.EncodePackets(p)))
	}
	for _, c := range []struct {
		name   string
		packet statement.Packet
		code   protocol.Code
	}{
		{"signed with the wrong role", h.about(k, evidence.ConsignmentAcceptance, func(ev *evidence.Evidence) {
			ev.Issuer.Key = h.offices[central].keys.Subkeys[1].Digest()
		}), ""},
		{"in the name of another authority", h.about(k, evidence.ConsignmentAcceptance, func(ev *evidence.Evidence) {
			ev.Issuer.Name = "xa/court"
		}), protocol.WrongRole},
		{"of the sender's side", h.about(k, evidence.RelayAcceptance, func(ev *evidence.Evidence) {
			ev.Event = evidence.SubmissionAcceptance
		}), protocol.WrongRole},
		{"positive with a reason", h.about(k, evidence.RelayAcceptance, func(ev *evidence.Evidence) {
			ev.Reason = evidence.NewReason(protocol.Policy, "and yet")
		}), protocol.Malformed},
		{"negative without reason", h.about(k, evidence.RelayRejection, func(ev *evidence.Evidence) { ev.Reason = nil }), protocol.Malformed},
		{"of another envelope", h.about(k, evidence.RelayAcceptance, func(ev *evidence.Evidence) {
			ev.Envelope.Document = digest("another")
		}), protocol.WrongParcel},
		{"of a parcel never sent", h.about(k, evidence.RelayAcceptance, func(ev *evidence.Evidence) { ev.Parcel = parcelID() }), protocol.WrongParcel},
		{"of a parcel for another node", h.about(elsewhere, evidence.RelayAcceptance, func(ev *evidence.Evidence) {
			ev.To, ev.Record = central, h.state.Ref()
		}), protocol.WrongParcel},
		{"with the proof of another", func() statement.Packet {
			p := h.about(k, evidence.RelayAcceptance, nil)
			p.Proof = h.about(k, evidence.ContentConsignment, nil).Proof
			return p
		}(), protocol.BadSignature},
		{"without proof", func() statement.Packet {
			p := h.about(k, evidence.RelayAcceptance, nil)
			p.Proof = nil
			return p
		}(), protocol.BadSignature},
	} {
		got := push(c.packet)
		if got.status != 422 && got.status != 400 || c.code != "" && got.code != c.code {
			t.Errorf("evidence %s: %d %s %s, want 422 %s", c.name, got.status, got.code, got.body, c.code)
		}
	}
	if all := b.events(k); len(all) != 1 {
		t.Errorf("bad evidence was stored: %v", all)
	}
	good := h.about(k, evidence.RelayAcceptance, nil)
	bad := h.about(k, evidence.ContentConsignment, func(ev *evidence.Evidence) { ev.Parcel = parcelID() })
	if got := push(bad, good); got.status != 422 {
		t.Errorf("a bad one and a good one: %d", got.status)
	}
	if _, ok := b.events(k)[evidence.RelayAcceptance]; !ok {
		t.Error("the good one beside a bad one was not stored")
	}
	for range 2 {
		if got := push(good); got.status != 204 {
			t.Errorf("again: %d %s", got.status, got.body)
		}
	}
	second := h.about(k, evidence.RelayAcceptance, func(ev *evidence.Evidence) { ev.Time = protocol.At(time.Now().Add(time.Second)) })
	if got := push(second); got.status != 409 || got.code != protocol.Equivocation {
		t.Errorf("R-EVID-11: a second RelayAcceptance: %d %s", got.status, got.body)
	}
}

// R-WIRE-6: the feed has a cursor, waits when there is nothing, and shows a
// peer only what concerns it; so does the status query.
func TestFeed(t *testing.T) {
	h, b := besiege(t)
	spy := &hostile{party: newParty("xc", "127.0.0.1:1", "xc/ministry"), t: t, to: b}
	b.pin(spy.party)
	spy.connect()
	type page struct {
		Type    string
		Next    int64
		Packets []json.RawMessage
	}
	read := func(h *hostile, after int64, wait int) (p page) {
		got := h.do(http.MethodGet, "/v1/evidence?after="+strconv.FormatInt(after, 10)+"&wait="+strconv.Itoa(wait), nil, nil)
		if err := json.Unmarshal(got.body, &p); err != nil || p.Type != "comity/feed/v1" {
			t.Fatalf("%d %s", got.status, got.body)
		}
		return p
	}
	if p := read(h, 0, 0); len(p.Packets) != 0 || p.Next != 0 {
		t.Errorf("an empty feed: %+v", p)
	}
	waiting := make(chan page, 1)
	go func() { waiting <- read(h, 0, 50) }()
	var path string
	for range 3 {
		o := h.offering(100)
		m := h.make(o)
		h.put(m)
		h.patch(m, o.body)
		path = m.path
	}
	first := <-waiting
	if len(first.Packets) == 0 {
		t.Error("the long poll came back empty")
	}
	all := read(h, 0, 0)
	rest := read(h, first.Next, 0)
	if len(all.Packets) != 3 || len(first.Packets)+len(rest.Packets) != 3 || read(h, all.Next, 0).Next != all.Next {
		t.Errorf("all %d, first %d, rest %d", len(all.Packets), len(first.Packets), len(rest.Packets))
	}
	if p := read(spy, 0, 0); len(p.Packets) != 0 {
		t.Errorf("another peer reads %d evidences", len(p.Packets))
	}
	if got := spy.do(http.MethodGet, path, nil, nil); got.status != 404 {
		t.Errorf("another peer asks for a status: %d", got.status)
	}
	if got := h.do(http.MethodGet, "/v1/parcels/"+digest("unknown").String(), nil, nil); got.status != 404 {
		t.Errorf("status of nothing: %d", got.status)
	}
	for _, query := range []string{"", "?after=-1&wait=0", "?after=x&wait=0", "?after=0&wait=-1", "?after=0"} {
		if got := h.do(http.MethodGet, "/v1/evidence"+query, nil, nil); got.status != 400 {
			t.Errorf("feed%s: %d", query, got.status)
		}
	}
}
