package bundle_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/bundle"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/parcel"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// day is when the transmission begins; made is when the keys were, a week earlier.
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

// hashes are a log's stored hashes in memory.
type hashes []merkle.Hash

func (h hashes) ReadHashes(indexes []int64) ([]merkle.Hash, error) {
	out := make([]merkle.Hash, len(indexes))
	for i, n := range indexes {
		out[i] = h[n]
	}
	return out, nil
}

// country is a state with its node, its log, its witness and one authority.
type country struct {
	primary, node, office *pgp.Generated
	identity              *seal.Identity
	log                   *merkle.Signer
	witness               *merkle.Cosigner
	leaves                hashes
	size                  int64
	entry                 record.Authority
	draft                 record.Record
	records               []statement.Signed // all versions
	state                 *record.State      // the newest
}

// Subkeys of an office and of a node.
const (
	act = iota
	attest
	secondAct
)

const (
	nodeKey = iota
	expiredKey
)

func newCountry(id protocol.StateID, authority protocol.AuthorityID) *country {
	c := &country{
		primary:  must(pgp.Generate("State "+string(id), pgp.Ed25519, 0, made, 0)),
		node:     must(pgp.Generate("Node "+string(id), pgp.Ed25519, 2, made, year)),
		office:   must(pgp.Generate("Office "+string(id), pgp.Ed25519, 3, made, year)),
		identity: must(seal.GenerateIdentity()),
		log:      must(merkle.GenerateLog(protocol.LogOrigin(protocol.NodeID(id), 1))),
	}
	secret, witnessEd, witnessPQ, err := merkle.GenerateKeypair("comity/witness/" + string(id))
	c.witness = must(merkle.ParseCosigner(must(secret, err)))
	key := func(role evidence.Role, d pgp.Digest, for_ time.Duration) record.Key {
		return record.Key{Role: role, Digest: protocol.Digest(d), Valid: window(made, for_)}
	}
	c.entry = record.Authority{
		Type: record.AuthorityType, ID: authority, Name: []record.Name{{Language: "en", Text: "Authority of " + string(id)}, {Language: "ar", Text: "سلطة"}},
		Sequence: 1, Created: protocol.At(made), Host: protocol.NodeID(id), Certificate: c.office.Certificate.Bytes(),
		Keys: []record.Key{
			key(evidence.Primary, c.office.Primary.Digest(), year), key(evidence.Act, c.office.Subkeys[act].Digest(), year),
			key(evidence.Attest, c.office.Subkeys[attest].Digest(), year), key(evidence.Act, c.office.Subkeys[secondAct].Digest(), year),
		},
		Recipients: []record.Recipient{{Recipient: c.identity.Recipient().String(), Valid: window(made, year)}},
	}
	logEd, logPQ := c.log.VerifierKeys()
	c.draft = record.Record{
		Type: record.Type, State: id, Sequence: 1, Created: protocol.At(made), Valid: window(made, year),
		Name: []record.Name{{Language: "en", Text: "State of " + string(id)}}, Versions: []string{protocol.Version},
		Certificate: c.primary.Certificate.Bytes(), Keys: []record.Key{key(evidence.Primary, c.primary.Primary.Digest(), year)},
		Node: record.Node{
			ID: protocol.NodeID(id), Certificate: c.node.Certificate.Bytes(),
			Keys: []record.Key{
				key(evidence.Primary, c.node.Primary.Digest(), year), key(evidence.Node, c.node.Subkeys[nodeKey].Digest(), year),
				key(evidence.Node, c.node.Subkeys[expiredKey].Digest(), 24*time.Hour),
			},
			TLS:       []record.Pin{{SPKI: protocol.Sum([]byte("TLS key of " + id)), Valid: window(made, year)}},
			Endpoints: []string{"gateway." + string(id) + ".example:8443"},
			Log:       record.Log{Origin: c.log.Origin(), Keys: record.Keypair{Ed25519: logEd, MLDSA44: logPQ}},
			Witness:   record.Keypair{Ed25519: witnessEd, MLDSA44: witnessPQ}, Limits: record.Limits{Sealed: 64 << 30},
		},
	}
	c.publish(made)
	return c
}

// publish signs the draft as the next record.
func (c *country) publish(at time.Time) {
	c.draft.Authorities = []record.Entry{must(record.SignAuthority(&c.entry, c.office.Primary, at))}
	signed := must(record.SignRecord(&c.draft, c.primary.Primary, at))
	c.state = must(record.Verify(signed, c.state))
	c.records = append(c.records, signed)
}

// next makes a later record in which something has changed.
func (c *country) next(at time.Time, change func(*record.Record, *record.Authority)) {
	previous := c.state.Ref().Digest
	c.draft.Sequence, c.draft.Previous, c.draft.Created = c.draft.Sequence+1, &previous, protocol.At(at)
	c.draft.Node.Keys, c.entry.Keys = slices.Clone(c.draft.Node.Keys), slices.Clone(c.entry.Keys)
	c.entry.Sequence, c.entry.Created = c.entry.Sequence+1, protocol.At(at)
	change(&c.draft, &c.entry)
	c.publish(at)
}

// newEra gives the log up for an empty one of a later era, and publishes that.
func (c *country) newEra(era int64, at time.Time) {
	c.log = must(merkle.GenerateLog(protocol.LogOrigin(c.draft.Node.ID, era)))
	c.leaves, c.size = nil, 0
	ed, pq := c.log.VerifierKeys()
	c.next(at, func(r *record.Record, _ *record.Authority) {
		r.Node.Log = record.Log{Origin: c.log.Origin(), Keys: record.Keypair{Ed25519: ed, MLDSA44: pq}}
	})
}

// anchor is the introduction that an auditor holds.
func (c *country) anchor() []byte { return must(record.EncodeIntroduction(c.records[0])) }

// newest is the introduction of the newest record.
func (c *country) newest() []byte { return must(record.EncodeIntroduction(c.state.Signed())) }

// place is where a leaf stands in a log.
type place struct {
	log   *country
	index int64
	proof merkle.Proof
}

// take appends a leaf and returns its place.
func (c *country) take(s statement.Signed) place {
	p := merkle.Proof{Index: c.size, Document: s.Digest(), Signature: protocol.Sum(s.Signature)}
	must(rand.Read(p.Salt[:]))
	c.leaves = append(c.leaves, must(merkle.StoredHashes(c.size, p.Leaf(), c.leaves))...)
	c.size++
	return place{c, p.Index, p}
}

// note is the log's checkpoint now, cosigned by the witnesses given.
func (c *country) note(at time.Time, witnesses ...*country) []byte {
	note := must(c.log.Checkpoint(c.size, must(merkle.Root(c.size, c.leaves)), at))
	for _, w := range witnesses {
		note = must(merkle.WithCosignatures(note, must(w.witness.Cosign(note, at.Add(time.Minute)))))
	}
	return note
}

// under is the proof of a leaf under a note of the log as it is now.
func (p place) under(note []byte) []byte {
	proof := p.proof
	proof.Hashes = must(merkle.Prove(p.log.size, p.index, p.log.leaves))
	proof.Checkpoint = note
	return proof.Marshal()
}

// step is an event and when it happens after day.
type step struct {
	event evidence.Event
	after time.Duration
}

// positive are the events of a transmission in which all goes well.
var positive = []step{
	{evidence.SubmissionAcceptance, 2120 * time.Millisecond},
	{evidence.RelayAcceptance, 2310 * time.Millisecond},
	{evidence.ContentConsignment, 31 * time.Second},
	{evidence.ContentHandover, 33 * time.Second},
	{evidence.ContentAccessTracking, 2 * time.Hour},
	{evidence.ConsignmentAcceptance, 3 * time.Hour},
}

// world is two states and a transmission between them, and a third that witnesses.
type world struct {
	xa, xb, xc *country
	sealed     []byte
	key        seal.FileKey
	steps      []step // what happens
	spoil      bool   // the envelope names another manifest than is inside
	env        envelope.Envelope
	envelope   statement.Signed
	// sign changes an evidence before it is signed and returns the key; nil: as due.
	sign func(*evidence.Evidence) *pgp.Secret
	// delay is how long after the evidence its leaf is taken.
	delay time.Duration
	// cosigned is when the third party's cosignatures were made after the last
	// event; witnesses are those who cosign both logs.
	cosigned  time.Duration
	witnesses func(log *country) []*country
}

func newWorld() *world {
	w := &world{
		xa: newCountry("xa", "xa/central-authority"), xb: newCountry("xb", "xb/prosecution-service"), xc: newCountry("xc", "xc/court"),
		cosigned: time.Minute, steps: positive,
	}
	w.witnesses = func(log *country) []*country {
		if log == w.xa {
			return []*country{w.xb, w.xc}
		}
		return []*country{w.xa, w.xc}
	}
	for _, c := range []*country{w.xa, w.xb} {
		c.take(w.xa.state.Signed())
		c.take(w.xb.state.Signed())
	}
	return w
}

// other is the log on the other side.
func (w *world) other(c *country) *country {
	if c == w.xa {
		return w.xb
	}
	return w.xa
}

// send makes the parcel and its envelope.
func (w *world) send(id protocol.ParcelID) {
	contents := [][]byte{[]byte("a request, in place of a real one\n"), []byte("annex\n")}
	m := parcel.Manifest{
		Type: parcel.Type, Parcel: id, Case: "6f2b7c1e-0d5a-4c8e-9b1f-2f8f3f0a7a11", Sequence: 1, Follows: []protocol.Digest{},
		Kind: parcel.KindRequest, Created: protocol.At(day), Approvals: 1,
		From: parcel.Party{Authority: w.xa.entry.ID, Certificate: w.xa.office.Certificate.Primary()},
		To:   []parcel.Party{{Authority: w.xb.entry.ID, Certificate: w.xb.office.Certificate.Primary()}},
	}
	must(rand.Read(m.Nonce[:]))
	for i, name := range []string{"request.pdf", "annex.txt"} {
		m.Files = append(m.Files, parcel.File{
			Path: []string{"files/0001", "files/0002"}[i], Name: name, MediaType: "text/plain", Role: parcel.Document,
			Size: int64(len(contents[i])), Digest: protocol.Sum(contents[i]),
		})
	}
	doc := must(m.Encode())
	approval := must(parcel.Approve(doc, w.xa.office.Subkeys[secondAct], day.Add(time.Second)))
	signed := must(parcel.SignDocument(doc, w.xa.office.Subkeys[act], day.Add(time.Second)))
	var plain, sealed bytes.Buffer
	open := func(i int) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(contents[i])), nil }
	if err := parcel.Write(&plain, signed, []statement.Signed{approval}, open, nil); err != nil {
		panic(err)
	}
	sw, key, err := seal.Encrypt(&sealed, w.xb.identity.Recipient())
	must(must(sw, err).Write(plain.Bytes()))
	if err := sw.Close(); err != nil {
		panic(err)
	}
	w.sealed, w.key = sealed.Bytes(), *key

	created := day.Add(2 * time.Second)
	before := string(w.xb.note(day.Add(-time.Minute), w.xc))
	w.env = envelope.Envelope{
		Type: envelope.Type, Parcel: id, From: w.xa.entry.ID, To: w.xb.entry.ID, RecipientKey: w.xb.identity.Recipient().Digest(),
		Priority: protocol.Routine, Sealed: envelope.Sealed{Size: int64(len(w.sealed)), Digest: protocol.Sum(w.sealed), Recipients: 1},
		Manifest: signed.Ref(), Created: protocol.At(created), Expires: protocol.At(created.Add(protocol.DefaultLifetime)),
		Records: envelope.Records{From: w.xa.state.Ref(), To: w.xb.state.Ref()}, NotBefore: &before,
	}
	if w.spoil {
		w.env.Manifest.Document[0] ^= 1
	}
	w.envelope = must(w.env.Sign(w.xa.node.Subkeys[nodeKey], created))
}

// about is a draft of the evidence of an event.
func (w *world) about(ev evidence.Event, at time.Time) (*evidence.Evidence, *pgp.Secret, *country) {
	c, ref := w.xb, w.envelope.Ref()
	if ev.Rule().Sender {
		c = w.xa
	}
	e := &evidence.Evidence{
		Type: evidence.Type, Event: ev, Parcel: w.env.Parcel, From: w.env.From, To: w.env.To, Envelope: &ref,
		Sealed: w.env.Sealed.Digest, Time: protocol.At(at), Log: c.log.Origin(), Record: c.state.Ref(),
		Issuer: evidence.Issuer{Name: string(c.draft.Node.ID), Role: ev.Rule().Role},
	}
	secret := c.node.Subkeys[nodeKey]
	switch e.Issuer.Role {
	case evidence.Act:
		e.Issuer.Name, secret = string(c.entry.ID), c.office.Subkeys[act]
	case evidence.Attest:
		e.Issuer.Name, secret = string(c.entry.ID), c.office.Subkeys[attest]
	}
	e.Issuer.Key = secret.Digest()
	if ev == evidence.ContentConsignment {
		spki := c.draft.Node.TLS[0].SPKI
		e.ConsigneeKey = &spki
	}
	if w.sign != nil {
		if other := w.sign(e); other != nil {
			secret, e.Issuer.Key = other, other.Digest()
		}
	}
	return e, secret, c
}

// contents sends a parcel, lets everything happen to it, and collects the bundle.
func (w *world) contents() *bundle.Contents {
	w.send("019cadfd-8900-7e4d-8a55-3d5e0c2f9a01")
	c := &bundle.Contents{Language: bundle.English, Offset: "+01:00", Envelope: w.envelope}
	var own, peer []place
	for _, p := range w.steps {
		e, secret, log := w.about(p.event, day.Add(p.after))
		s, err := e.Sign(secret, e.Time.Time)
		if err != nil { // what Sign refuses, an attacker signs all the same
			doc := must(statement.Encode(e))
			s = statement.Signed{Document: doc, Signature: must(secret.Sign(doc, e.Time.Time))}
		}
		at := log.take(s)
		own = append(own, at)
		peer = append(peer, w.other(log).take(s))
		c.Evidence = append(c.Evidence, bundle.Evidence{Packet: statement.Packet{Signed: s, Proof: at.under(log.note(e.Time.Add(w.delay)))}})
	}
	at := day.Add(3*time.Hour + w.delay + w.cosigned)
	notes := map[*country][]byte{}
	for _, log := range []*country{w.xa, w.xb} {
		notes[log] = log.note(at, w.witnesses(log)...)
	}
	for i := range c.Evidence {
		c.Evidence[i].Cosigned = own[i].under(notes[own[i].log])
		c.Evidence[i].Peer = peer[i].under(notes[peer[i].log])
	}
	for _, one := range []*country{w.xa, w.xb, w.xc} {
		c.Records = append(c.Records, one.records...)
	}
	return c
}

// trust is what an auditor holds who knows these states from their first records.
func trust(t testing.TB, all ...*country) *bundle.Trust {
	t.Helper()
	files := map[string][]byte{}
	for _, c := range all {
		files[string(c.draft.State)+".json"] = c.anchor()
	}
	tr, err := bundle.ParseTrust(files)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func written(t testing.TB, c *bundle.Contents) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := bundle.Write(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func verify(file []byte, tr *bundle.Trust, o ...bundle.Options) (*bundle.Report, error) {
	var options bundle.Options
	if len(o) > 0 {
		options = o[0]
	}
	return bundle.Verify(bytes.NewReader(file), int64(len(file)), tr, options)
}

// refused checks that a bundle is refused with this code in this member.
func refused(t *testing.T, what string, err error, code protocol.Code, member string) {
	t.Helper()
	var f *bundle.Fault
	if !errors.As(err, &f) || protocol.CodeOf(err) != code || f.Member != member {
		t.Errorf("%s: got %v, want %s in %s", what, err, code, member)
	}
}
