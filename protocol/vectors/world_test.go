package vectors

import (
	"bytes"
	"crypto/rand"
	"io"
	"slices"
	"time"

	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/parcel"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// Everything below runs with -update only: it makes fresh keys and writes all data anew.

// day is when the exchange begins; made is when its keys were, a week earlier.
var (
	day  = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	made = day.AddDate(0, 0, -7)
)

const year = 365 * 24 * time.Hour

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func window(from time.Time, d time.Duration) protocol.Window {
	return protocol.Window{From: protocol.At(from), Until: protocol.At(from.Add(d))}
}

// office is an authority with all its keys: act, attest, a second act key, and an attest key whose time has passed.
type office struct {
	keys     *pgp.Generated
	identity *seal.Identity
	entry    record.Authority
}

const (
	act = iota
	attest
	secondAct
)

func newOffice(id protocol.AuthorityID, host protocol.NodeID, english, other string, alg pgp.Algorithm) *office {
	g := must(pgp.Generate(english, alg, 3, made, year))
	identity := must(seal.GenerateIdentity())
	key := func(role evidence.Role, s *pgp.Secret) record.Key {
		return record.Key{Role: role, Digest: s.Digest(), Valid: window(made, year)}
	}
	names := []record.Name{{Language: "en", Text: english}, {Language: "ar", Text: other}}
	return &office{keys: g, identity: identity, entry: record.Authority{
		Type: record.AuthorityType, ID: id, Name: names, Sequence: 1, Created: protocol.At(made), Host: host, Certificate: g.Certificate.Bytes(),
		Keys: []record.Key{
			key(evidence.Primary, g.Primary), key(evidence.Act, g.Subkeys[act]),
			key(evidence.Attest, g.Subkeys[attest]), key(evidence.Act, g.Subkeys[secondAct]),
		},
		Recipients: []record.Recipient{{Recipient: identity.Recipient().String(), Valid: window(made, year)}},
	}}
}

func (o *office) secret(role evidence.Role) *pgp.Secret {
	if role == evidence.Attest {
		return o.keys.Subkeys[attest]
	}
	return o.keys.Subkeys[act]
}

// country is a state with its node, its log and one authority.
type country struct {
	primary *pgp.Generated
	node    *pgp.Generated
	log     *merkle.Signer
	witness *merkle.Cosigner
	leaves  hashes
	size    int64
	office  *office
	draft   record.Record
	state   *record.State
}

// The node's subkeys: one in use, one whose time had passed on the day.
const (
	nodeKey = iota
	expiredKey
)

func newCountry(id protocol.StateID, name, other string, o *office) *country {
	c := &country{
		primary: must(pgp.Generate("State "+string(id), pgp.Ed25519, 0, made, 0)),
		node:    must(pgp.Generate("Node "+string(id), pgp.Ed25519, 2, made, year)),
		log:     must(merkle.GenerateLog(protocol.LogOrigin(protocol.NodeID(id), 1))),
		office:  o,
	}
	secret, witnessEd, witnessPQ, err := merkle.GenerateKeypair("comity/witness/" + string(id))
	c.witness = must(merkle.ParseCosigner(must(secret, err)))
	logEd, logPQ := c.log.VerifierKeys()
	c.draft = record.Record{
		Type: record.Type, State: id, Sequence: 1, Created: protocol.At(made), Valid: window(made, year),
		Name:        []record.Name{{Language: "en", Text: name}, {Language: "ar", Text: other}},
		Versions:    []string{protocol.Version},
		Certificate: c.primary.Certificate.Bytes(),
		Keys:        []record.Key{{Role: evidence.Primary, Digest: c.primary.Primary.Digest(), Valid: window(made, year)}},
		Node: record.Node{
			ID: protocol.NodeID(id), Certificate: c.node.Certificate.Bytes(),
			Keys: []record.Key{
				{Role: evidence.Primary, Digest: c.node.Primary.Digest(), Valid: window(made, year)},
				{Role: evidence.Node, Digest: c.node.Subkeys[nodeKey].Digest(), Valid: window(made, year)},
				{Role: evidence.Node, Digest: c.node.Subkeys[expiredKey].Digest(), Valid: window(made, 24*time.Hour)},
			},
			TLS:       []record.Pin{{SPKI: protocol.Sum([]byte("TLS key of " + id)), Valid: window(made, year)}},
			Endpoints: []string{"gateway." + string(id) + ".example:8443"},
			Log:       record.Log{Origin: c.log.Origin(), Keys: record.Keypair{Ed25519: logEd, MLDSA44: logPQ}},
			Witness:   record.Keypair{Ed25519: witnessEd, MLDSA44: witnessPQ},
			Limits:    record.Limits{Sealed: 64 << 30},
		},
		Authorities: []record.Entry{must(record.SignAuthority(&o.entry, o.keys.Primary, made))},
	}
	c.state = must(record.Verify(must(record.SignRecord(&c.draft, c.primary.Primary, made)), nil))
	return c
}

// hashes are a log's stored hashes in memory.
type hashes []merkle.Hash

func (h hashes) ReadHashes(indexes []int64) ([]merkle.Hash, error) {
	out := make([]merkle.Hash, len(indexes))
	for i, n := range indexes {
		out[i] = h[n]
	}
	return out, nil
}

// log appends a leaf for a signed document and returns its proof under the checkpoint of that moment.
func (c *country) logged(s statement.Signed, at time.Time) merkle.Proof {
	p := merkle.Proof{Index: c.size, Document: s.Digest(), Signature: protocol.Sum(s.Signature)}
	must(rand.Read(p.Salt[:]))
	c.leaves = append(c.leaves, must(merkle.StoredHashes(c.size, p.Leaf(), c.leaves))...)
	c.size++
	p.Hashes = must(merkle.Prove(c.size, p.Index, c.leaves))
	p.Checkpoint = c.checkpoint(at)
	return p
}

func (c *country) checkpoint(at time.Time) []byte {
	return must(c.log.Checkpoint(c.size, must(merkle.Root(c.size, c.leaves)), at))
}

// world is two countries and one transmission between them.
type world struct {
	xa, xb   *country
	manifest parcel.Manifest
	contents [][]byte
	signed   statement.Signed // the manifest
	approval statement.Signed
	sealed   []byte
	plain    []byte // the container
	env      envelope.Envelope
	envelope statement.Signed
	events   []statement.Packet // in the order of positive
}

// positive are the events of a transmission in which all goes well, and when each happened after day.
var positive = []struct {
	event evidence.Event
	after time.Duration
}{
	{evidence.SubmissionAcceptance, 2120 * time.Millisecond},
	{evidence.RelayAcceptance, 2310 * time.Millisecond},
	{evidence.ContentConsignment, 31 * time.Second},
	{evidence.ContentHandover, 33 * time.Second},
	{evidence.ContentAccessTracking, 2 * time.Hour},
	{evidence.ConsignmentAcceptance, 3 * time.Hour},
}

func newWorld() *world {
	w := &world{
		xa: newCountry("xa", "State of Xa", "دولة إكسا", newOffice("xa/central-authority", "xa", "Central Authority", "السلطة المركزية", pgp.Ed25519)),
		xb: newCountry("xb", "State of Xb", "دولة إكسب", newOffice("xb/prosecution-service", "xb", "Prosecution Service", "النيابة العامة", pgp.P256)),
	}
	for _, c := range []*country{w.xa, w.xb} {
		for _, adopted := range []*country{w.xa, w.xb} {
			c.logged(adopted.state.Signed(), made.Add(time.Hour))
		}
	}
	w.write()
	w.transmit()
	return w
}

// write makes the manifest, its approval and the parcel.
func (w *world) write() {
	w.contents = [][]byte{
		[]byte("%PDF-1.7 a request, in place of a real one\n"),
		[]byte("annex: call records, 1 to 3 January\n"),
		{}, // a file may be empty
	}
	pages := int64(12)
	from, to := w.xa.office, w.xb.office
	w.manifest = parcel.Manifest{
		Type: parcel.Type, Parcel: "019cadfd-8900-7e4d-8a55-3d5e0c2f9a01", Case: "6f2b7c1e-0d5a-4c8e-9b1f-2f8f3f0a7a11",
		Sequence: 1, Follows: []protocol.Digest{}, Kind: parcel.KindRequest, Created: protocol.At(day), Approvals: 1,
		From: parcel.Party{Authority: from.entry.ID, Certificate: from.keys.Certificate.Primary()},
		To:   []parcel.Party{{Authority: to.entry.ID, Certificate: to.keys.Certificate.Primary()}},
	}
	must(rand.Read(w.manifest.Nonce[:]))
	for i, f := range []parcel.File{
		{Name: "request.pdf", MediaType: "application/pdf", Pages: &pages, Role: parcel.Document},
		{Name: "سجل المكالمات.csv", MediaType: "text/csv", Role: parcel.Attachment},
		{Name: "empty.txt", MediaType: "text/plain", Role: parcel.Attachment},
	} {
		f.Path = []string{"files/0001", "files/0002", "files/0003"}[i]
		f.Size, f.Digest = int64(len(w.contents[i])), protocol.Sum(w.contents[i])
		w.manifest.Files = append(w.manifest.Files, f)
	}
	doc := must(w.manifest.Encode())
	w.approval = must(parcel.Approve(doc, from.keys.Subkeys[secondAct], day.Add(time.Second)))
	w.signed = must(parcel.SignDocument(doc, from.keys.Subkeys[act], day.Add(time.Second)))
	w.plain = container(w.signed, []statement.Signed{w.approval}, w.contents)
	w.sealed = sealTo(w.plain, to.identity.Recipient())
}

func container(manifest statement.Signed, approvals []statement.Signed, contents [][]byte) []byte {
	var plain bytes.Buffer
	open := func(i int) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(contents[i])), nil }
	if err := parcel.Write(&plain, manifest, approvals, open, nil); err != nil {
		panic(err)
	}
	return plain.Bytes()
}

func sealTo(plain []byte, to ...*seal.Recipient) []byte {
	var sealed bytes.Buffer
	w, _, err := seal.Encrypt(&sealed, to...)
	must(must(w, err).Write(plain))
	if err := w.Close(); err != nil {
		panic(err)
	}
	return sealed.Bytes()
}

// transmit makes envelope and evidence.
func (w *world) transmit() {
	created := day.Add(2120 * time.Millisecond)
	before := string(w.xb.checkpoint(day.Add(-time.Minute)))
	w.env = envelope.Envelope{
		Type: envelope.Type, Parcel: w.manifest.Parcel, From: w.manifest.From.Authority, To: w.manifest.To[0].Authority,
		RecipientKey: w.xb.office.identity.Recipient().Digest(), Priority: protocol.Routine,
		Sealed:   envelope.Sealed{Size: int64(len(w.sealed)), Digest: protocol.Sum(w.sealed), Recipients: 1},
		Manifest: w.signed.Ref(), Created: protocol.At(created), Expires: protocol.At(created.Add(protocol.DefaultLifetime)),
		Records: envelope.Records{From: w.xa.state.Ref(), To: w.xb.state.Ref()}, NotBefore: &before,
	}
	w.envelope = must(w.env.Sign(w.xa.node.Subkeys[nodeKey], created))
	for _, p := range positive {
		e := w.about(p.event, day.Add(p.after))
		s := must(e.Sign(w.signer(p.event), e.Time.Time))
		c := w.side(p.event)
		w.events = append(w.events, statement.Packet{Signed: s, Proof: c.logged(s, e.Time.Time).Marshal()})
	}
}

func (w *world) side(ev evidence.Event) *country {
	if ev.Rule().Sender {
		return w.xa
	}
	return w.xb
}

func (w *world) signer(ev evidence.Event) *pgp.Secret {
	c := w.side(ev)
	if ev.Rule().Role == evidence.Node {
		return c.node.Subkeys[nodeKey]
	}
	return c.office.secret(ev.Rule().Role)
}

// about is a draft of the evidence of an event about the transmission.
func (w *world) about(ev evidence.Event, at time.Time) *evidence.Evidence {
	c, ref := w.side(ev), w.envelope.Ref()
	e := &evidence.Evidence{
		Type: evidence.Type, Event: ev, Parcel: w.env.Parcel, From: w.env.From, To: w.env.To, Envelope: &ref,
		Sealed: w.env.Sealed.Digest, Time: protocol.At(at), Log: c.log.Origin(), Record: c.state.Ref(),
		Issuer: evidence.Issuer{Name: string(c.state.Record().Node.ID), Role: ev.Rule().Role, Key: w.signer(ev).Digest()},
	}
	if e.Issuer.Role != evidence.Node {
		e.Issuer.Name = string(c.office.entry.ID)
	}
	if ev == evidence.ContentConsignment {
		spki := c.state.Record().Node.TLS[0].SPKI
		e.ConsigneeKey = &spki
	}
	if ev.Rule().Negative {
		code := protocol.Declined
		switch ev {
		case evidence.RelayFailure:
			code = protocol.NotAccepted
		case evidence.RelayRejection:
			code = protocol.WrongRecipientKey
		case evidence.SubmissionRejection:
			code = protocol.TooLarge
		case evidence.ContentHandoverFailure:
			code = protocol.ManifestMismatch
		}
		e.Reason = evidence.NewReason(code, "an example")
	}
	return e
}

// clone copies the parts of a record that hostile cases change.
func clone(r record.Record) record.Record {
	r.Name, r.Versions, r.Keys = slices.Clone(r.Name), slices.Clone(r.Versions), slices.Clone(r.Keys)
	r.Authorities, r.Node.Keys, r.Node.TLS = slices.Clone(r.Authorities), slices.Clone(r.Node.Keys), slices.Clone(r.Node.TLS)
	r.Node.Endpoints = slices.Clone(r.Node.Endpoints)
	return r
}
