package vectors

import (
	"bytes"
	"errors"
	"time"

	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/bundle"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// mark is one on keys, since an hour after the day began and announced an hour later.
func mark(keys record.Keypair) record.Mark {
	return record.Mark{Keys: keys, Compromised: record.Compromised{Since: protocol.At(day.Add(time.Hour)), Announced: protocol.At(day.Add(2 * time.Hour))}}
}

func newWitness(id protocol.NodeID) record.Keypair {
	_, ed, pq, err := merkle.GenerateKeypair("comity/witness/" + string(id))
	return record.Keypair{Ed25519: ed, MLDSA44: must(pq, err)}
}

func newLogKeys(id protocol.NodeID, era int64) record.Keypair {
	ed, pq := must(merkle.GenerateLog(protocol.LogOrigin(id, era))).VerifierKeys()
	return record.Keypair{Ed25519: ed, MLDSA44: pq}
}

// announced is the record that follows c's, of a day later, with marks and without authorities.
func (c *country) announced(marks ...record.Mark) []byte {
	d := c.next()
	d.at = day.Add(24 * time.Hour)
	d.Created = protocol.At(d.at)
	d.Node.Compromised = marks
	return must(record.EncodeIntroduction(d.sign(&d.Record, d.stateKey)))
}

// marks writes records in which keys of logs and witnesses are marked.
func (w *writer) marks() {
	xa := newCountry("xa", "State of Xa", "دولة إكسا", newOffice("xa/central-authority", "xa", "Central Authority", "السلطة المركزية", pgp.Ed25519))
	xa.draft.Authorities = nil // to keep the files small
	xa.state = must(record.Verify(must(record.SignRecord(&xa.draft, xa.primary.Primary, made)), nil))
	first := doc(must(record.EncodeIntroduction(xa.state.Signed())))
	old, log := newWitness("xa"), xa.draft.Node.Log.Keys

	bare := clone(xa.draft)
	bare.Created, bare.Node.Compromised = protocol.At(day.Add(24*time.Hour)), []record.Mark{mark(old)}
	g := compact(must(statement.Encode(&bare)))
	list := string(g[bytes.Index(g, []byte(`,"compromised":[`)):bytes.Index(g, []byte(`},"authorities"`))])
	w.add("record", "marks/valid", "", "R-REC-11", "keys of a witness that the node had before are marked", doc(g))
	for _, c := range []struct{ name, rule, why, old, now string }{
		{"none", "R-DOC-4", "a list without marks, where none is the absence of the member", list, `,"compromised":[]`},
		{"null", "R-DOC-4", "an optional member that is null", list, `,"compromised":null`},
		{"announced-before", "R-REC-11", "announced before it happened", `"announced":"2026-03-02T12`, `"announced":"2026-03-02T10`},
		{"announced-after-the-record", "R-REC-11", "announced after the record that announces it", `"announced":"2026-03-02T12`, `"announced":"2026-03-09T12`},
		{"without-since", "R-DOC-4", "no time since when", `"since":"2026-03-02T11:00:00.000Z",`, ""},
	} {
		w.add("record", "marks/"+c.name, protocol.Malformed, c.rule, c.why, doc(edit(w, g, c.old, c.now)))
	}

	chain := func(name string, code protocol.Code, why string, marks ...record.Mark) {
		w.add("record-chain", "marks/"+name, code, "R-REC-11", why, part{"=marks/first.json", nil}, part{".json", xa.announced(marks...)})
	}
	w.file("marks/first.json", first.data)
	chain("old-witness", "", "keys of a witness that the node had before", mark(old))
	chain("witness-and-log", "", "the keys of witness and log that the record still lists", mark(xa.draft.Node.Witness), mark(log))
	chain("other-witness", protocol.Malformed, "the witness of another node", mark(newWitness("xb")))
	chain("other-log", protocol.Malformed, "the log of another node", mark(newLogKeys("xb", 1)))
	chain("log-to-come", protocol.Malformed, "a log that the node has not had", mark(newLogKeys("xa", 2)))
	chain("one-key", protocol.Malformed, "one key of the two", mark(record.Keypair{Ed25519: old.Ed25519}))
	chain("mixed", protocol.Malformed, "a key of the witness beside one of the log", mark(record.Keypair{Ed25519: old.Ed25519, MLDSA44: log.MLDSA44}))
	chain("twice", protocol.Malformed, "one key in two marks", mark(old), mark(old))

	marked := must(record.DecodeIntroduction(xa.announced(mark(old))))
	d := xa.next()
	digest := marked.Digest()
	d.Sequence, d.Previous, d.at = 3, &digest, day.Add(48*time.Hour)
	d.Created = protocol.At(d.at)
	third := func(name string, code protocol.Code, why string, marks ...record.Mark) {
		d.Node.Compromised = marks
		w.add("record-chain", "marks/"+name, code, "R-REC-11", why,
			part{"=marks/first.json", nil}, part{"=marks/second.json", nil}, part{".json", must(record.EncodeIntroduction(d.sign(&d.Record, d.stateKey)))})
	}
	w.file("marks/second.json", must(record.EncodeIntroduction(marked)))
	third("taken-back", protocol.Policy, "a mark of the record before is gone")
	earlier := mark(old)
	earlier.Since = protocol.At(day)
	third("corrected", "", "the theft was earlier than was thought", earlier)
}

// recordChain: each of the records follows from the one before, the first as one that a person has confirmed.
func recordChain(files [][]byte) error {
	var prev *record.State
	for _, f := range files {
		sg, err := record.DecodeIntroduction(f)
		if err != nil {
			return err
		}
		if prev, err = record.Verify(sg, prev); err != nil {
			return err
		}
	}
	return nil
}

// judged writes one bundle that a third state has witnessed, and auditors who know more or less of stolen keys.
func (w *writer) judged() {
	o := newWorld()
	xc := newCountry("xc", "State of Xc", "دولة إكسج", newOffice("xc/court", "xc", "Court", "محكمة", pgp.Ed25519))
	note := o.xa.checkpoint(day.Add(3 * time.Hour))
	note = must(merkle.WithCosignatures(note, must(xc.witness.Cosign(note, day.Add(3*time.Hour)))))
	proof := must(merkle.ParseProof(o.events[0].Proof, merkle.MaxProof))
	proof.Hashes, proof.Checkpoint = must(merkle.Prove(o.xa.size, proof.Index, o.xa.leaves)), note
	var b bytes.Buffer
	if err := bundle.Write(&b, &bundle.Contents{
		Language: bundle.English, Offset: bundle.UTC, Envelope: o.envelope,
		Evidence: []bundle.Evidence{{Packet: o.events[0], Cosigned: proof.Marshal()}},
		Records:  []statement.Signed{o.xa.state.Signed(), o.xb.state.Signed(), xc.state.Signed()},
	}); err != nil {
		w.t.Fatal(err)
	}
	w.file("judged/bundle.tar", b.Bytes())
	anchor := func(name string, introduction []byte) part {
		w.file("judged/"+name+".json", introduction)
		return part{"=judged/" + name + ".json", nil}
	}
	next := func(c *country, change func(*record.Record)) []byte {
		d := c.newDraft()
		digest := c.state.Ref().Digest
		d.Sequence, d.Previous, d.at = 2, &digest, day.Add(24*time.Hour)
		d.Created, d.Authorities = protocol.At(d.at), c.draft.Authorities
		change(&d.Record)
		return must(record.EncodeIntroduction(d.sign(&d.Record, d.stateKey)))
	}
	stolen := func(keys record.Keypair, since time.Duration) func(*record.Record) {
		return func(r *record.Record) {
			r.Node.Compromised = []record.Mark{{Keys: keys, Compromised: record.Compromised{Since: protocol.At(day.Add(since)), Announced: protocol.At(day.Add(5 * time.Hour))}}}
		}
	}
	intro := func(c *country) []byte { return must(record.EncodeIntroduction(c.state.Signed())) }
	log := o.xa.draft.Node.Log.Keys
	xa, xb, court := anchor("xa", intro(o.xa)), anchor("xb", intro(o.xb)), anchor("xc", intro(xc))
	logAfter := anchor("xa-log-after", next(o.xa, stolen(log, 4*time.Hour)))
	logBefore := anchor("xa-log-before", next(o.xa, stolen(log, time.Hour)))
	nodeKeyAfter := anchor("xa-node-after", next(o.xa, func(r *record.Record) {
		r.Node.Keys[1].Compromised = &record.Compromised{Since: protocol.At(day.Add(4 * time.Hour)), Announced: protocol.At(day.Add(5 * time.Hour))}
	}))
	witness := anchor("xc-witness", next(xc, stolen(xc.draft.Node.Witness, 4*time.Hour)))
	for _, c := range []struct {
		code    protocol.Code
		rule    string
		why     string
		anchors []part
	}{
		{"", "R-BND-8", "no key is marked; a third state witnessed it at 13:00", []part{xa, xb, court}},
		{"", "R-BND-8", "the node's key was stolen at 14:00, and the witness had seen it before", []part{nodeKeyAfter, xb, court}},
		{protocol.KeyCompromised, "R-BND-8", "the same, and nothing says who the witness is: contested", []part{nodeKeyAfter, xb}},
		{protocol.KeyCompromised, "R-BND-11", "the same, and the keys of the witness were stolen, too: contested, whatever it dates", []part{nodeKeyAfter, xb, witness}},
		{"", "R-BND-11", "the keys of the witness were stolen: it counts for nothing, and the evidence is no worse for it", []part{xa, xb, witness}},
		{"", "R-BND-11", "the log's keys were stolen at 14:00, and the witness had seen its leaf before", []part{logAfter, xb, court}},
		{protocol.KeyCompromised, "R-BND-11", "the log's keys were stolen at 11:00, before the witness saw its leaf: contested", []part{logBefore, xb, court}},
		{protocol.KeyCompromised, "R-BND-11", "the log's keys were stolen at 14:00, and those of the witness, too: contested", []part{logAfter, xb, witness}},
	} {
		w.add("bundle-judged", "", c.code, c.rule, c.why, append([]part{{"=judged/bundle.tar", nil}}, c.anchors...)...)
	}
}

// bundleJudged: an auditor who holds these introductions judges a bundle; contested and invalid are key-compromised.
func bundleJudged(files [][]byte) error {
	anchors := map[string][]byte{}
	for _, f := range files[1:] {
		sg, err := record.DecodeIntroduction(f)
		if err != nil {
			return err
		}
		r, err := record.Parse(sg.Document)
		if err != nil {
			return err
		}
		anchors[string(r.State)+".json"] = f
	}
	trust, err := bundle.ParseTrust(anchors)
	if err != nil {
		return err
	}
	report, err := bundle.Verify(bytes.NewReader(files[0]), int64(len(files[0])), trust, bundle.Options{})
	switch {
	case err != nil:
		return err
	case report.Verdict != bundle.Valid:
		return protocol.Refuse(protocol.KeyCompromised, "%s", report.Conclusion())
	case !report.Trusted:
		return errors.New(report.Conclusion())
	}
	return nil
}
