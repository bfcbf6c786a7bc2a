package vectors

import (
	"slices"
	"time"

	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// draft is a record with its one entry, before both are signed. A case changes a member and sees what a receiver says.
type draft struct {
	record.Record
	entry              record.Authority
	stateKey, entryKey *pgp.Secret
	at                 time.Time
}

func (c *country) newDraft() *draft {
	d := &draft{Record: clone(c.draft), entry: c.office.entry, stateKey: c.primary.Primary, entryKey: c.office.keys.Primary, at: made}
	d.Record.Authorities = nil
	d.entry.Keys, d.entry.Recipients = slices.Clone(d.entry.Keys), slices.Clone(d.entry.Recipients)
	return d
}

// next is the draft of the record that follows c's.
func (c *country) next() *draft {
	d := c.newDraft()
	digest := c.state.Ref().Digest
	d.at = day
	d.Sequence, d.Previous, d.Created = 2, &digest, protocol.At(day)
	d.entry.Sequence, d.entry.Created = 2, protocol.At(day)
	return d
}

// introduction signs a draft as it is, since hostile writers do not use our checks, and without white space, to keep the files small.
func (d *draft) introduction() []byte {
	e := d.sign(&d.entry, d.entryKey)
	d.Record.Authorities = append(d.Record.Authorities, record.Entry{Document: string(e.Document), Signature: string(e.Signature)})
	return must(record.EncodeIntroduction(d.sign(&d.Record, d.stateKey)))
}

func (d *draft) sign(v any, key *pgp.Secret) statement.Signed {
	document := compact(must(statement.Encode(v)))
	return statement.Signed{Document: document, Signature: must(key.Sign(document, d.at))}
}

func (w *writer) records(o *world) {
	w.add("introduction", "", "", "R-REC-4", "the introduction of xa", part{"=exchange/introduction-xa.json", nil})
	w.add("record-first", "", "", "R-REC-1", "the introduction of xa, to be confirmed by its words", part{"=exchange/introduction-xa.json", nil})
	intro := read(w.t, "exchange/introduction-xb.json")
	w.add("introduction", "introduction/next-version", protocol.UnsupportedVersion, "R-DOC-3", "an introduction of a version to come", doc(edit(w, intro, "introduction/v1", "introduction/v2")))
	w.add("introduction", "introduction/record-alone", protocol.Malformed, "R-DOC-3", "a record that is not in an introduction", part{"=exchange/trust/xa-record.json", nil})
	w.add("record", "", "", "R-DOC-2", "the record of xa alone", part{"=exchange/trust/xa-record.json", nil})
	w.plainRecords(o)
	w.entries(o)
	w.firstRecords(o)
	w.nextRecords(o)
}

func (w *writer) plainRecords(o *world) {
	bare := clone(o.xa.draft) // without its authority, to keep the files small
	bare.Authorities = nil
	g := must(statement.Encode(&bare))
	w.add("record", "record/no-authority", "", "R-REC-10", "a state that names no authority yet", doc(g))
	for _, c := range []struct {
		name     string
		code     protocol.Code
		rule     string
		why      string
		old, now string
	}{
		{"other-versions-only", protocol.UnsupportedVersion, "R-REC-10", "the node speaks only a version that the receiver does not", `"v1"`, `"v2"`},
		{"sequence-zero", protocol.Malformed, "R-REC-3", "records count from 1", `"sequence": 1,`, `"sequence": 0,`},
		{"previous-of-none", protocol.Malformed, "R-REC-3", "the first record names one before", `"previous": null`, `"previous": "` + o.xa.state.Ref().Digest.String() + `"`},
		{"two-names-in-one-language", protocol.Malformed, "R-REC-10", "a language stands twice", `"language": "ar"`, `"language": "en"`},
		{"language-capital", protocol.Malformed, "R-REC-10", "a language has one spelling", `"language": "ar"`, `"language": "AR"`},
		{"name-turned-round", protocol.Malformed, "R-REC-10", "a name with a mark that turns the direction of reading", "State of Xa", "State of \u202EaX"},
		{"name-with-invisible", protocol.Malformed, "R-REC-10", "a name with a character that nobody sees", "State of Xa", "State of\u200B Xa"},
		{"name-of-two-scripts", protocol.Malformed, "R-REC-10", "a name whose last letter is a Cyrillic one that looks like Latin", "State of Xa", "State of X\u0430"},
		{"endpoint-with-scheme", protocol.Malformed, "R-REC-10", "an endpoint is host:port", `"gateway.xa.example:8443"`, `"https://gateway.xa.example:8443"`},
		{"endpoint-old-address", protocol.Malformed, "R-REC-10", "127.1 is an address in an old spelling that looks like a name", `"gateway.xa.example:8443"`, `"127.1:8443"`},
		{"endpoint-port-zero", protocol.Malformed, "R-REC-10", "there is no port 0", `"gateway.xa.example:8443"`, `"gateway.xa.example:0"`},
		{"endpoint-bare-ipv6", protocol.Malformed, "R-REC-10", "an IPv6 address without its brackets", `"gateway.xa.example:8443"`, `"2001:db8::1:8443"`},
		{"nine-endpoints", protocol.Malformed, "R-REC-10", "more endpoints than a record may have", `"gateway.xa.example:8443"`, `"g0:1", "g1:1", "g2:1", "g3:1", "g4:1", "g5:1", "g6:1", "g7:1", "g8:1"`},
		{"no-sealed-bytes", protocol.Malformed, "R-REC-10", "a node that takes nothing", `"sealed_bytes": 68719476736`, `"sealed_bytes": 0`},
		{"log-of-another-node", protocol.Malformed, "R-LOG-2", "the log belongs to another node", `"origin": "comity/log/xa/1"`, `"origin": "comity/log/xb/1"`},
		{"node-of-another-state", protocol.Malformed, "R-REC-5", "the node belongs to another state", `"id": "xa"`, `"id": "xb"`},
		{"ends-before-it-begins", protocol.Malformed, "R-REC-10", "its validity ends before it begins", `"until": "2027`, `"until": "2025`},
		{"certificate-not-base64", protocol.Malformed, "R-DOC-6", "base64 in the alphabet for addresses", `"certificate": "`, `"certificate": "_`},
	} {
		w.add("record", "record/"+c.name, c.code, c.rule, c.why, doc(edit(w, g, c.old, c.now)))
	}
}

func (w *writer) entries(o *world) {
	g := []byte(o.xa.draft.Authorities[0].Document)
	w.add("authority", "authority/valid", "", "R-REC-2", "the entry of xa/central-authority", doc(g))
	for _, c := range []struct {
		name     string
		code     protocol.Code
		rule     string
		why      string
		old, now string
	}{
		{"host-of-another-state", protocol.Malformed, "R-REC-5", "hosted in another state", `"host": "xa"`, `"host": "xb"`},
		{"node-key", protocol.WrongRole, "R-REC-7", "an authority cannot have a node's key", `"role": "act"`, `"role": "node"`},
		{"no-act-key", protocol.Malformed, "R-REC-7", "nobody could act for it", `"role": "act"`, `"role": "attest"`},
		{"two-primaries", protocol.Malformed, "R-REC-7", "a second primary key", `"role": "act"`, `"role": "primary"`},
		{"sequence-zero", protocol.Malformed, "R-REC-3", "entries count from 1", `"sequence": 1`, `"sequence": 0`},
	} {
		b := edit(w, g, c.old, c.now)
		if c.name == "no-act-key" {
			b = edit(w, b, c.old, c.now)
		}
		w.add("authority", "authority/"+c.name, c.code, c.rule, c.why, doc(b))
	}
	w.particulars(g)
}

func (w *writer) firstRecords(o *world) {
	xa, xb := o.xa, o.xb
	for _, c := range []struct {
		name   string
		code   protocol.Code
		rule   string
		why    string
		change func(d *draft)
	}{
		{"by-node-key", protocol.BadSignature, "R-REC-1", "the record is signed by the node", func(d *draft) { d.stateKey = xa.node.Subkeys[nodeKey] }},
		{"entry-by-state", protocol.BadSignature, "R-REC-2", "the state signed the entry of its authority", func(d *draft) { d.entryKey = xa.primary.Primary }},
		{"entry-by-subkey", protocol.BadSignature, "R-REC-2", "the entry is signed by the act key", func(d *draft) { d.entryKey = xa.office.keys.Subkeys[act] }},
		{"hosted-elsewhere", protocol.Malformed, "R-REC-5", "the entry names another node of the state", func(d *draft) { d.entry.Host = "xa-north" }},
		{"authority-of-another-state", protocol.Malformed, "R-REC-5", "an authority of another state", func(d *draft) {
			d.entry, d.entryKey = xb.office.entry, xb.office.keys.Primary
		}},
		{"classic-recipient", protocol.Malformed, "R-REC-6", "a classic age recipient, which a quantum computer could break", func(d *draft) {
			d.entry.Recipients[0].Recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
		}},
		{"subkey-as-primary", protocol.WrongRole, "R-REC-7", "a subkey in the role of the primary", func(d *draft) {
			d.Node.Keys[0].Digest, d.Node.Keys[1].Digest = d.Node.Keys[1].Digest, d.Node.Keys[0].Digest
		}},
		{"key-not-in-certificate", protocol.Malformed, "R-REC-7", "a key that is not in the certificate", func(d *draft) { d.Node.Keys[1].Digest = xa.office.keys.Subkeys[act].Digest() }},
		{"shared-certificate", protocol.Malformed, "R-REC-7", "node and authority have the same keys", func(d *draft) {
			g := xa.office.keys
			d.Node.Certificate = g.Certificate.Bytes()
			d.Node.Keys = []record.Key{
				{Role: evidence.Primary, Digest: g.Primary.Digest(), Valid: d.Valid}, {Role: evidence.Node, Digest: g.Subkeys[act].Digest(), Valid: d.Valid},
			}
		}},
		{"key-before-its-birth", protocol.Malformed, "R-REC-8", "a key counts from before it was made", func(d *draft) { d.Node.Keys[1].Valid.From = protocol.At(made.Add(-time.Minute)) }},
		{"key-beyond-its-certificate", protocol.Malformed, "R-REC-8", "a key counts for longer than its certificate says", func(d *draft) {
			d.Node.Keys[1].Valid.Until = protocol.At(made.Add(year + time.Minute))
		}},
		{"compromised-primary", protocol.KeyCompromised, "R-REC-8", "signed by the key that it marks as compromised", func(d *draft) {
			d.Keys[0].Compromised = &record.Compromised{Since: protocol.At(made), Announced: protocol.At(made)}
		}},
		{"witness-with-log-keys", protocol.Malformed, "R-REC-10", "the witness's key is not named as a witness", func(d *draft) { d.Node.Witness = d.Node.Log.Keys }},
		{"log-key-of-another", protocol.Malformed, "R-LOG-2", "a log key under another name", func(d *draft) {
			d.Node.Log.Keys.Ed25519 = xb.draft.Node.Log.Keys.Ed25519
		}},
		{"tls-key-twice", protocol.Malformed, "R-REC-10", "a TLS key is listed twice", func(d *draft) { d.Node.TLS = append(d.Node.TLS, d.Node.TLS[0]) }},
	} {
		d := xa.newDraft()
		c.change(d)
		w.add("record-first", "record-first/"+c.name, c.code, c.rule, c.why, doc(d.introduction()))
	}
	w.grownRecord()
	first := read(w.t, "exchange/introduction-xa.json")
	w.add("record-first", "record-first/altered", protocol.BadSignature, "R-REC-1", "one word was changed after signing", doc(edit(w, first, "State of Xa", "State of Xo")))
}

func (w *writer) nextRecords(o *world) {
	xa := o.xa
	other := must(pgp.Generate("State xa", pgp.Ed25519, 0, made, 0))
	impostor := newOffice("xa/central-authority", "xa", "Central Authority", "السلطة المركزية", pgp.Ed25519)
	again := must(merkle.GenerateLog(xa.log.Origin()))
	ed, pq := again.VerifierKeys()
	anotherLog := record.Log{Origin: again.Origin(), Keys: record.Keypair{Ed25519: ed, MLDSA44: pq}}
	for _, c := range []struct {
		name   string
		code   protocol.Code
		rule   string
		why    string
		change func(d *draft)
	}{
		{"valid", "", "R-REC-3", "the second record of xa, with a new address", func(d *draft) { d.Node.Endpoints = []string{"[2001:db8::1]:8443"} }},
		{"later", "", "R-REC-3", "the fifth record; those between were never seen", func(d *draft) {
			digest := protocol.Sum([]byte("the fourth"))
			d.Sequence, d.Previous = 5, &digest
		}},
		{"other-chain", protocol.Equivocation, "R-REC-3", "the second record follows another first one", func(d *draft) {
			digest := protocol.Sum([]byte("another"))
			d.Previous = &digest
		}},
		{"same-number", protocol.Equivocation, "R-REC-3", "another record under the number that is known", func(d *draft) { d.Sequence, d.Previous = 1, nil }},
		{"other-primary", protocol.WrongRole, "R-REC-3", "signed by a primary key that the record before does not list", func(d *draft) {
			d.Certificate, d.stateKey = other.Certificate.Bytes(), other.Primary
			d.Keys[0].Digest = other.Primary.Digest()
		}},
		{"other-node", protocol.Policy, "R-REC-3", "the node has another name, which a person must confirm", renameNode},
		{"other-log-same-era", protocol.Policy, "R-REC-3", "the log has other keys in the same era", func(d *draft) { d.Node.Log = anotherLog }},
		{"other-authority-key", protocol.WrongRole, "R-REC-3", "the authority has another primary key", func(d *draft) {
			d.entry, d.entryKey = impostor.entry, impostor.keys.Primary
			d.entry.Sequence, d.entry.Created = 2, protocol.At(day)
		}},
		{"attest-becomes-act", protocol.WrongRole, "R-REC-7", "an unattended key takes the role of a person's", func(d *draft) { d.entry.Keys[2].Role, d.entry.Keys[3].Role = evidence.Act, evidence.Attest }},
		{"entry-same-number", protocol.Equivocation, "R-REC-3", "a second entry under the number that is known", func(d *draft) { d.entry.Sequence = 1 }},
	} {
		d := xa.next()
		c.change(d)
		w.add("record-next", "record-next/"+c.name, c.code, c.rule, c.why, doc(d.introduction()))
	}
	w.add("record-next", "", "", "R-REC-3", "the known record once more", part{"=exchange/introduction-xa.json", nil})
	w.add("record-next", "", protocol.WrongRole, "R-REC-3", "a record of another state", part{"=exchange/introduction-xb.json", nil})
}

// renameNode gives the node of xa another name, with log and witness keys to match.
func renameNode(d *draft) {
	const id = "xa-north"
	log := must(merkle.GenerateLog(protocol.LogOrigin(id, 1)))
	ed, pq := log.VerifierKeys()
	_, witnessEd, witnessPQ, err := merkle.GenerateKeypair("comity/witness/" + id)
	d.Node.ID, d.entry.Host = id, id
	d.Node.Log = record.Log{Origin: log.Origin(), Keys: record.Keypair{Ed25519: ed, MLDSA44: pq}}
	d.Node.Witness = record.Keypair{Ed25519: witnessEd, MLDSA44: must(witnessPQ, err)}
}
