package vectors

import (
	"fmt"
	"strings"
	"time"

	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// feedPage is a page of the evidence feed (SPEC.md, section 12).
type feedPage struct {
	Type    string             `json:"type"`
	Next    int64              `json:"next"`
	Packets []statement.Packet `json:"packets"`
}

// exchange writes the transmission as "comity parcel export" would, and what went over the wire.
func (w *writer) exchange(o *world) {
	file := func(name string, b []byte) { w.file("exchange/"+name, b) }
	pair := func(name string, s statement.Signed) {
		file(name, s.Document)
		file(name+".asc", s.Signature)
	}
	file("parcel.age", o.sealed)
	file("identity.txt", o.xb.office.identity.File(made))
	pair("envelope.json", o.envelope)
	for i, p := range o.events {
		name := "evidence-" + string(positive[i].event)
		pair(name+".json", p.Signed)
		file(name+".tlog-proof", p.Proof)
	}
	for _, c := range []*country{o.xa, o.xb} {
		id, ed, pq := string(c.draft.State), c.draft.Node.Log.Keys.Ed25519, c.draft.Node.Log.Keys.MLDSA44
		pair("trust/"+id+"-record.json", c.state.Signed())
		file("trust/"+id+"-state.gpg", c.primary.Certificate.Bytes())
		file("trust/"+id+"-node.gpg", c.node.Certificate.Bytes())
		file("trust/"+strings.ReplaceAll(string(c.office.entry.ID), "/", "-")+".gpg", c.office.keys.Certificate.Bytes())
		file("trust/"+id+"-log.vkey", []byte(ed+"\n"+pq+"\n"))
		file("introduction-"+id+".json", must(record.EncodeIntroduction(c.state.Signed())))
		file("words-"+id+".txt", fmt.Appendf(nil, "%s\n%s\n", strings.Join(c.state.Words(), " "), c.state.Digits()))
		note := string(c.checkpoint(day.Add(-time.Minute)))
		h := exchange.Hello{Node: c.draft.Node.ID, Time: protocol.At(day), Record: c.state.Signed(), Checkpoint: &note}
		file("wire/hello-"+id+".json", must(exchange.EncodeHello(&h)))
	}
	file("wire/put.json", must(statement.EncodePackets([]statement.Packet{{Signed: o.envelope}, o.events[0]})))
	file("wire/patch-answer.json", must(statement.EncodePackets(o.events[1:2])))
	file("wire/feed.json", must(statement.Encode(feedPage{"comity/feed/v1", 46, o.events[1:]})))
}
