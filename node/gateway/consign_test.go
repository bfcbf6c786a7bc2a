package gateway_test

import (
	"sync/atomic"
	"testing"
	"time"

	"comity/node/gateway"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// R-OLD-4, I2: a parcel that was accepted before the backup and not consigned yet may
// have been consigned and answered after it. The restored node hands it to no office
// before the sender's node has told; then everything that was signed stands again.
func TestARestoredNodeConsignsNothingBeforeItHasAsked(t *testing.T) {
	var packets atomic.Pointer[[]statement.Packet]
	r := &restored{node: newNode(t, "xb", []protocol.AuthorityID{prosecution, court}), peer: newReceiverOf(t, "xa", central, nil)}
	copies := tellsOf(&packets)
	r.peer.copies.Store(&copies)
	r.pin(r.peer.party)
	r.h = &hostile{party: r.peer.party, t: t, to: r.node, over: gateway.QUIC}
	r.h.connect()
	o := r.h.offering(1000)
	m := r.h.make(o)
	r.h.put(m)
	r.h.accepted(o, r.h.patch(m, o.body))
	k := o.env.Key()
	held := append(must(statement.DecodePackets(m.put, 1<<20, 2)), r.events(k)[evidence.RelayAcceptance].Packet)
	r.before = r.newEra()
	if all := must(r.Consign(t.Context(), k.To, digest("the office's TLS key"), nil, 64)); len(all) != 0 {
		t.Errorf("it consigned %d parcels before it had asked", len(all))
	}
	arrived := r.Arrivals(k.To)
	for _, event := range []evidence.Event{evidence.ContentConsignment, evidence.ContentHandover, evidence.ConsignmentAcceptance} {
		ev := r.before.evidence(o.env, m.ref, event, time.Now())
		held = append(held, r.before.packet(must(ev.Sign(r.before.secret(k.To, event), time.Now())), time.Now()))
	}
	packets.Store(&held)
	until(t, "all was read", func() bool { return !r.recovering() })
	until(t, "the office is told to ask again", func() bool {
		select {
		case <-arrived:
			return true
		default:
			return false
		}
	})
	until(t, "the node says so", func() bool { return !r.Recovering(k.From.State()) })
	if _, back := r.events(k)[evidence.ConsignmentAcceptance]; !back {
		t.Error("the office's answer was not taken back")
	}
	all := must(r.Consign(t.Context(), k.To, digest("the office's TLS key"), nil, 64))
	if len(all) != 1 || len(all[0].Earlier) != 2 {
		t.Errorf("afterwards it consigned %+v", all)
	}
}
