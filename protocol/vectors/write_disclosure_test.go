package vectors

import (
	"strings"

	"comity/protocol"
	"comity/protocol/disclosure"
	"comity/protocol/envelope"
	"comity/protocol/statement"
)

// disclosures writes answers about the transmission of exchange/ (section "Disclosure"). It needs nothing but its files.
func (w *writer) disclosures(signed statement.Signed, events []statement.Packet) {
	env := must(envelope.Parse(signed.Document))
	digest, other := signed.Digest(), protocol.Sum([]byte("another envelope"))
	byEnvelope := disclosure.Query{Envelope: &digest}
	byName := disclosure.Query{Parcel: &env.Parcel, From: &env.From, To: &env.To}
	write := func(q disclosure.Query, packets ...statement.Packet) []byte {
		return must(statement.Encode(disclosure.Disclosure{Type: disclosure.Type, Query: q, Packets: append([]statement.Packet{}, packets...)}))
	}
	bare, swapped, forged := events[1], events[1], events[1]
	bare.Proof = nil
	swapped.Proof = events[2].Proof
	forged.Document = edit(w, forged.Document, "2026-03-02T10:00:02.310Z", "2026-03-02T10:00:03.310Z")
	for _, c := range []struct {
		name string
		code protocol.Code
		rule string
		why  string
		data []byte
	}{
		{"by-envelope", "", "R-DISC-2", "asked for by the envelope's digest, answered with one evidence", write(byEnvelope, events[1])},
		{"by-name", "", "R-DISC-2", "asked for by parcel, from and to, answered with all evidence", write(byName, events...)},
		{"nothing", "", "R-DISC-4", "nothing is disclosed: the question and no more", write(disclosure.Query{Sealed: &other})},
		{"no-question", protocol.Malformed, "R-DISC-1", "it does not say what was asked", write(disclosure.Query{}, events[1])},
		{"half-a-name", protocol.Malformed, "R-DISC-1", "a parcel id alone names no transmission", write(disclosure.Query{Parcel: &env.Parcel, From: &env.From}, events[1])},
		{"zero-digest", protocol.Malformed, "R-DISC-1", "the envelope asked for is zero", edit(w, write(byEnvelope), digest.String(), strings.Repeat("0", 64))},
		{"without-proof", protocol.Malformed, "R-DISC-2", "evidence without the proof of its leaf", write(byEnvelope, bare)},
		{"twice", protocol.Malformed, "R-DISC-2", "one event twice", write(byEnvelope, events[1], events[1])},
		{"another-transmission", protocol.WrongParcel, "R-DISC-2", "answers another question", write(disclosure.Query{Envelope: &other}, events[1])},
		{"no-evidence", protocol.Malformed, "R-DISC-2", "an envelope in place of evidence", write(byEnvelope, statement.Packet{Signed: signed, Proof: events[1].Proof})},
		{"another-leaf", protocol.BadSignature, "R-DISC-3", "the proof is that of another leaf", write(byEnvelope, swapped)},
		{"altered", protocol.BadSignature, "R-DISC-3", "the evidence was altered by one second", write(byEnvelope, forged)},
		{"further-member", protocol.Malformed, "R-DOC-4", "a member more", edit(w, write(byEnvelope, events[1]), `"query"`, `"note": "", "query"`)},
	} {
		w.add("disclosure", "disclosure/"+c.name, c.code, c.rule, c.why, doc(c.data))
	}
}
