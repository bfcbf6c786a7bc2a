package vectors

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
	"comity/protocol/withdrawal"
)

// edit is a document with one text replaced, which must stand in it.
func edit(w *writer, document []byte, old, now string) []byte {
	w.t.Helper()
	if !bytes.Contains(document, []byte(old)) {
		w.t.Fatalf("there is no %q in %s", old, document)
	}
	return bytes.Replace(document, []byte(old), []byte(now), 1)
}

// documents writes what every strict document must hold to (section 3 and 4), shown on small formats, and the unsigned carriers.
func (w *writer) documents(o *world) {
	d := withdrawal.Withdrawal{
		Type: withdrawal.Type, Parcel: o.env.Parcel, From: o.env.From, To: o.env.To, Envelope: o.envelope.Ref(),
		Created: o.manifest.Created, Key: o.xa.office.keys.Subkeys[act].Digest(),
	}
	good := must(d.Sign(o.xa.office.keys.Subkeys[act], day))
	w.add("withdrawal-signed", "withdrawal/valid", "", "R-WDR-1", "signed by an act key of the sender", doc(good.Document), part{".json.asc", good.Signature})
	d.Key = o.xa.office.keys.Subkeys[attest].Digest()
	bad := must(d.Sign(o.xa.office.keys.Subkeys[attest], day))
	w.add("withdrawal-signed", "withdrawal/by-attest-key", protocol.WrongRole, "R-WDR-1", "signed by an attest key", doc(bad.Document), part{".json.asc", bad.Signature})

	type c struct {
		name string
		code protocol.Code
		rule string
		why  string
		doc  []byte
	}
	g := good.Document
	body := strings.TrimSuffix(string(g), "\n")
	for _, c := range []c{
		{"compact", "", "R-DOC-2", "white space between tokens is free", compact(g)},
		{"too-large", protocol.TooLarge, "R-DOC-1", "valid but for its size, which is judged first", []byte("{" + strings.Repeat(" ", protocol.MaxWithdrawal) + body[1:] + "\n")},
		{"byte-order-mark", protocol.Malformed, "R-DOC-2", "a byte order mark stands before the object", append([]byte("\xEF\xBB\xBF"), g...)},
		{"no-line-feed", protocol.Malformed, "R-DOC-2", "the final line feed is missing", []byte(body)},
		{"two-line-feeds", protocol.Malformed, "R-DOC-2", "a second line feed follows", append(bytes.Clone(g), '\n')},
		{"two-objects", protocol.Malformed, "R-DOC-2", "a second object follows", append(bytes.Clone(g), g...)},
		{"list", protocol.Malformed, "R-DOC-2", "a list in place of an object", []byte("[" + body + "]\n")},
		{"latin-1", protocol.Malformed, "R-DOC-2", "a byte that is not UTF-8", edit(w, g, "xb/prosecution", "xb/pros\xE9cution")},
		{"comment", protocol.Malformed, "R-DOC-2", "JSON has no comments", edit(w, g, "{", "{ // who takes back what")},
		{"final-comma", protocol.Malformed, "R-DOC-2", "a comma before the closing brace", []byte(strings.TrimSuffix(body, "\n}") + ",\n}\n")},
		{"type-second", protocol.Malformed, "R-DOC-3", "the type is not the first member", edit(w, edit(w, g, "\"type\": \"comity/withdrawal/v1\",\n  ", ""), "\"from\"", "\"type\": \"comity/withdrawal/v1\",\n  \"from\"")},
		{"unknown-type", protocol.Malformed, "R-DOC-3", "another document", edit(w, g, "comity/withdrawal/v1", "comity/recall/v1")},
		{"next-version", protocol.UnsupportedVersion, "R-DOC-3", "a known document in a version to come", edit(w, g, "withdrawal/v1", "withdrawal/v2")},
		{"version-with-zero", protocol.Malformed, "R-DOC-3", "a version has one spelling", edit(w, g, "withdrawal/v1", "withdrawal/v01")},
		{"missing-member", protocol.Malformed, "R-DOC-4", "a member is missing", edit(w, g, "  \"to\": \"xb/prosecution-service\",\n", "")},
		{"unknown-member", protocol.Malformed, "R-DOC-4", "a member that the format does not have", edit(w, g, "\"to\"", "\"urgent\": true,\n  \"to\"")},
		{"twice", protocol.Malformed, "R-DOC-4", "a member stands twice, and two readers might take different ones", edit(w, g, "\"to\"", "\"to\": \"xb/ministry\",\n  \"to\"")},
		{"capital", protocol.Malformed, "R-DOC-4", "names of members have one spelling", edit(w, g, "\"to\"", "\"To\"")},
		{"null", protocol.Malformed, "R-DOC-4", "null where a text is due", edit(w, g, "\"xb/prosecution-service\"", "null")},
		{"escaped-zero", protocol.Malformed, "R-DOC-6", "a text with U+0000", edit(w, g, "xb/prosecution", `xb/\u0000prosecution`)},
		{"half-surrogate", protocol.Malformed, "R-DOC-6", "half a surrogate pair", edit(w, g, "xb/prosecution", `xb/\ud800prosecution`)},
		{"escaped-letters", "", "R-DOC-6", "an escaped letter is that letter", edit(w, g, "xb/prosecution", `xb/\u0070rosecution`)},
		{"authority-capital", protocol.Malformed, "R-NAME-1", "a capital in an authority's name", edit(w, g, "xb/prosecution", "xb/Prosecution")},
		{"authority-homoglyph", protocol.Malformed, "R-NAME-1", "a Cyrillic letter that looks like a Latin one", edit(w, g, "xb/prosecution", "xb/prоsecution")},
		{"authority-no-state", protocol.Malformed, "R-NAME-1", "an authority without its state", edit(w, g, "xb/prosecution-service", "prosecution-service")},
		{"authority-65-bytes", protocol.Malformed, "R-NAME-1", "an authority's name of 65 bytes", edit(w, g, "xb/prosecution-service", "xb/"+strings.Repeat("a", 62))},
		{"authority-two-hyphens", protocol.Malformed, "R-NAME-1", "two hyphens in a row", edit(w, g, "xb/prosecution-service", "xb/prosecution--service")},
		{"uuid-version-4", protocol.Malformed, "R-NAME-2", "a parcel id that is a UUID of version 4", edit(w, g, "-7e4d-", "-4e4d-")},
		{"uuid-capital", protocol.Malformed, "R-NAME-2", "a UUID in capitals", edit(w, g, string(o.env.Parcel), strings.ToUpper(string(o.env.Parcel)))},
		{"time-without-milliseconds", protocol.Malformed, "R-NAME-3", "a time without its three decimals", edit(w, g, ":00.000Z", ":00Z")},
		{"time-with-offset", protocol.Malformed, "R-NAME-3", "a time with an offset in place of Z", edit(w, g, ".000Z", ".000+00:00")},
		{"time-leap-second", protocol.Malformed, "R-NAME-3", "a sixty-first second", edit(w, g, ":00.000Z", ":60.000Z")},
		{"digest-capital", protocol.Malformed, "R-NAME-4", "a digest in capitals", edit(w, g, d.Envelope.Document.String(), strings.ToUpper(d.Envelope.Document.String()))},
		{"digest-zero", protocol.Malformed, "R-WDR-1", "no input has a digest of zeros", edit(w, g, d.Envelope.Document.String(), strings.Repeat("0", 64))},
		{"to-oneself", protocol.Malformed, "R-WDR-1", "from and to are the same authority", edit(w, g, "xb/prosecution-service", "xa/central-authority")},
	} {
		w.add("withdrawal", "withdrawal/"+c.name, c.code, c.rule, c.why, doc(c.doc))
	}
	w.carriers(o)
}

// compact takes the white space out of a document of ours.
func compact(document []byte) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, document); err != nil {
		panic(err)
	}
	return append(bytes.TrimSuffix(b.Bytes(), []byte("\n")), '\n')
}

func (w *writer) carriers(o *world) {
	one := must(statement.EncodePacket(o.events[1]))
	w.add("packet", "packet/with-proof", "", "R-DOC-7", "the exact texts of document, signature and proof", doc(one))
	bare := o.events[1]
	bare.Proof = nil
	w.add("packet", "packet/without-proof", "", "R-DOC-7", "the proof is null", doc(must(statement.EncodePacket(bare))))
	w.add("packet", "packet/no-proof", protocol.Malformed, "R-DOC-4", "the member proof is missing",
		doc(edit(w, must(statement.EncodePacket(bare)), ",\n  \"proof\": null", "")))
	w.add("packet", "packet/long-signature", protocol.Malformed, "R-DOC-6", "a signature longer than its limit",
		doc(edit(w, one, "-----BEGIN", strings.Repeat("-", protocol.MaxSignature)+"BEGIN")))
	w.add("packets", "packets/put", "", "R-ENV-6", "an envelope and its SubmissionAcceptance", part{"=exchange/wire/put.json", nil})
	small := []statement.Packet{{Signed: statement.Signed{Document: []byte("{}\n"), Signature: []byte("-\n")}}}
	w.add("packets", "packets/three", protocol.TooLarge, "R-WIRE-4", "three packets where two are due",
		doc(must(statement.EncodePackets([]statement.Packet{small[0], small[0], small[0]}))))
	w.add("packets", "packets/bare-list", protocol.Malformed, "R-DOC-2", "a list that is not in an object", doc([]byte("[]\n")))

	hello := must(exchange.EncodeHello(&exchange.Hello{Node: "xa", Time: protocol.At(day), Record: o.xa.state.Signed()}))
	w.add("hello", "hello/first", "", "R-WIRE-9", "from a node whose log is still empty", doc(hello))
	w.add("hello", "hello/with-checkpoint", "", "R-WIRE-9", "with the newest checkpoint", part{"=exchange/wire/hello-xa.json", nil})
	w.add("hello", "hello/next-version", protocol.UnsupportedVersion, "R-DOC-3", "a hello of a version to come", doc(edit(w, hello, "hello/v1", "hello/v2")))
	w.add("hello", "hello/node-name", protocol.Malformed, "R-NAME-1", "a node's name with a slash", doc(edit(w, hello, `"node": "xa"`, `"node": "xa/1"`)))
	w.add("hello", "hello/empty-checkpoint-missing", protocol.Malformed, "R-DOC-4", "without a checkpoint the member is null, not absent",
		doc(edit(w, hello, ",\n  \"checkpoint\": null", "")))
}

// transmissions writes envelopes and evidence.
func (w *writer) transmissions(o *world) {
	w.add("envelope-arrives", "envelope/valid", "", "R-ENV-2", "the envelope of the exchange",
		part{"=exchange/envelope.json", nil}, part{"=exchange/envelope.json.asc", nil})
	w.envelopes(o)
	for _, p := range positive {
		name := "=exchange/evidence-" + string(p.event)
		w.add("evidence-signed", "", "", "R-EVID-1", string(p.event)+" with its proof", part{name + ".json", nil}, part{name + ".json.asc", nil}, part{name + ".tlog-proof", nil})
	}
	for _, ev := range evidence.Events() {
		if !ev.Rule().Negative {
			continue
		}
		e := o.about(ev, day.Add(3*time.Hour))
		s := must(e.Sign(o.signer(ev), e.Time.Time))
		w.add("evidence-signed", "evidence/valid-"+string(ev), "", "R-EVID-2", string(ev)+" with its reason", doc(s.Document), part{".json.asc", s.Signature})
	}
	w.evidences(o)
}
