package vectors

import (
	"fmt"
	"strings"
	"testing"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
)

// The exchange, whole: records by their words, the envelope, the sealed parcel to the last byte, every evidence with its proof, and the
// bodies that went over the wire. The examples of the index judge the same files one by one.
func TestExchange(t *testing.T) {
	r := newReceiver(t, readIndex(t).Now)
	for id, s := range map[string]interface {
		Words() []string
		Digits() string
	}{"xa": r.xa, "xb": r.xb} {
		// R-REC-4: what two people read to each other.
		got := fmt.Sprintf("%s\n%s\n", strings.Join(s.Words(), " "), s.Digits())
		if want := string(read(t, "exchange/words-"+id+".txt")); got != want {
			t.Errorf("words of %s: got %q, want %q", id, got, want)
		}
	}
	env := signed(t, "exchange/envelope.json")
	if err := r.envelopeArrives([][]byte{env.Document, env.Signature}); err != nil {
		t.Errorf("envelope: %v", err)
	}
	// R-SEAL-3, R-PCL-5: header, digests, and every byte inside.
	if err := r.sealed([][]byte{read(t, "exchange/parcel.age"), env.Document}); err != nil {
		t.Errorf("sealed parcel: %v", err)
	}
	var events []evidence.Event
	for _, p := range positive {
		name := "exchange/evidence-" + string(p.event)
		s := signed(t, name+".json")
		if err := r.evidenceSigned([][]byte{s.Document, s.Signature, read(t, name+".tlog-proof")}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		events = append(events, p.event)
	}
	if got := exchange.StatusOf(events); got != exchange.StatusAcknowledged {
		t.Errorf("status: got %s, want %s", got, exchange.StatusAcknowledged)
	}
}

// What the wire carries is the exact text of the files (R-DOC-7).
func TestExchangeOnTheWire(t *testing.T) {
	var page feedPage
	if err := statement.Decode(read(t, "exchange/wire/feed.json"), "comity/feed/v1", protocol.MaxPacket*protocol.MaxFeedPage, &page); err != nil {
		t.Fatal(err)
	}
	put, err := statement.DecodePackets(read(t, "exchange/wire/put.json"), 2*protocol.MaxPacket, 2)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := statement.DecodePackets(read(t, "exchange/wire/patch-answer.json"), protocol.MaxPacket, 1)
	if err != nil {
		t.Fatal(err)
	}
	if string(put[0].Document) != string(read(t, "exchange/envelope.json")) || put[0].Proof != nil {
		t.Error("put: the first packet is not the envelope")
	}
	for i, p := range append(append(put[1:2:2], answer...), page.Packets[1:]...) {
		name := "exchange/evidence-" + string(positive[i].event)
		if string(p.Document) != string(read(t, name+".json")) || string(p.Signature) != string(read(t, name+".json.asc")) ||
			string(p.Proof) != string(read(t, name+".tlog-proof")) {
			t.Errorf("packet %d is not %s", i, name)
		}
	}
	for _, id := range []string{"xa", "xb"} {
		h, err := exchange.DecodeHello(read(t, "exchange/wire/hello-"+id+".json"))
		if err != nil || string(h.Record.Document) != string(read(t, "exchange/trust/"+id+"-record.json")) {
			t.Errorf("hello of %s: %v", id, err)
		}
	}
}
