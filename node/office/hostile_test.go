package office

import (
	"bytes"
	"io"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/parcel"
	"comity/protocol/statement"
)

// forger makes parcels for the prosecution service step by step, so that a test
// can do any one step wrong. It holds all keys of the sending state, and its
// sending node certifies whatever it is given.
type forger struct {
	t        *testing.T
	w        *world
	contents [][]byte
	manifest *parcel.Manifest
	signer   *pgp.Secret
	// approve makes the approvals; nil makes none.
	approve func(manifest []byte) []statement.Signed
	// container changes the finished container; nil leaves it.
	container func(*parcel.Layout, []byte) []byte
	to        []*seal.Recipient
	// sealed changes the sealed bytes before they are announced; nil leaves them.
	sealed   func([]byte) []byte
	envelope func(*envelope.Envelope)
	node     *pgp.Secret // signs the envelope
	arrived  time.Time   // zero: now
}

func newForger(t *testing.T, w *world) *forger {
	from, to := stateOf(central), stateOf(prosecution)
	f := &forger{
		t: t, w: w, contents: [][]byte{bytes.Repeat([]byte("page of the letter. "), 40), []byte("an attachment")},
		signer: from.holder.Subkeys[actKey], to: []*seal.Recipient{to.identities[0].Recipient()}, node: from.node.Subkeys[0],
	}
	f.manifest = &parcel.Manifest{
		Type: parcel.Type, Parcel: must(protocol.NewParcelID()), Nonce: protocol.Sum([]byte(t.Name())), Case: must(protocol.NewCaseID()),
		Sequence: 1, Kind: parcel.KindRequest, Created: protocol.At(w.clock.now()),
		From: parcel.Party{Authority: central, Certificate: from.holder.Certificate.Primary()},
		To:   []parcel.Party{{Authority: prosecution, Certificate: to.holder.Certificate.Primary()}},
	}
	for i, name := range []string{"letter.txt", "attachment.txt"} {
		f.manifest.Files = append(f.manifest.Files, parcel.File{
			Path: []string{"files/0001", "files/0002"}[i], Name: name, MediaType: "text/plain", Role: parcel.Attachment,
			Size: int64(len(f.contents[i])), Digest: protocol.Sum(f.contents[i]),
		})
	}
	return f
}

// sign signs any document with any key.
func (f *forger) sign(doc []byte, key *pgp.Secret) statement.Signed {
	f.t.Helper()
	return statement.Signed{Document: doc, Signature: must(key.Sign(doc, f.w.clock.now()))}
}

// approval is one by the key, dated now.
func (f *forger) approval(manifest []byte, key *pgp.Secret, change func(*parcel.Approval)) statement.Signed {
	a := &parcel.Approval{
		Type: parcel.ApprovalType, Parcel: f.manifest.Parcel, Manifest: protocol.Sum(manifest), Authority: central,
		Key: key.Digest(), Created: protocol.At(f.w.clock.now()),
	}
	if change != nil {
		change(a)
	}
	return f.sign(must(statement.Encode(a)), key)
}

// deliver puts the parcel into the recipient's node and returns its key.
func (f *forger) deliver() protocol.Key {
	f.t.Helper()
	manifest := f.sign(must(f.manifest.Encode()), f.signer)
	var approvals []statement.Signed
	if f.approve != nil {
		approvals = f.approve(manifest.Document)
	}
	container, layout := f.write(manifest, approvals)
	if f.container != nil {
		container = f.container(layout, container)
	}
	var sealed bytes.Buffer
	w, _, err := seal.Encrypt(&sealed, f.to...)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := w.Write(container); err != nil {
		f.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.t.Fatal(err)
	}
	body := sealed.Bytes()
	if f.sealed != nil {
		body = f.sealed(body)
	}
	env := f.w.nodes["xa"].envelope(&exchange.Submission{
		Parcel: f.manifest.Parcel, From: central, Priority: protocol.Routine, Test: f.manifest.Test,
		Sealed:   envelope.Sealed{Size: int64(len(body)), Digest: protocol.Sum(body), Recipients: int64(len(f.to))},
		Manifest: manifest.Ref(), Expires: protocol.At(f.w.clock.now().Add(protocol.DefaultLifetime)),
	}, exchange.Addressee{To: prosecution, Key: stateOf(prosecution).identities[0].Recipient().Digest()})
	if f.envelope != nil {
		f.envelope(env)
	}
	now := f.w.clock.now()
	if !f.arrived.IsZero() {
		f.w.clock.pass(f.arrived.Sub(now))
	}
	f.w.nodes["xb"].arrive(must(env.Sign(f.node, env.Created.Time)), body)
	f.w.clock.pass(now.Sub(f.w.clock.now()))
	return env.Key()
}

// write makes the container. When approvals are missing that the manifest
// announces, our writer refuses, so they are left out by hand.
func (f *forger) write(manifest statement.Signed, approvals []statement.Signed) ([]byte, *parcel.Layout) {
	f.t.Helper()
	layout, err := parcel.NewLayout(manifest, approvals)
	if err != nil {
		return nil, nil // the test brings its own container
	}
	var b bytes.Buffer
	err = parcel.Write(&b, manifest, approvals, func(i int) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(f.contents[i])), nil
	}, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return b.Bytes(), layout
}

// outcome is what an office said about a parcel.
func (w *world) outcome(k protocol.Key) (event evidence.Event, code protocol.Code) {
	w.t.Helper()
	all, err := w.nodes[k.To.State()].Evidence(w.t.Context(), k)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range all {
		switch a.Parsed.Event {
		case evidence.ContentHandover:
			return a.Parsed.Event, ""
		case evidence.ContentHandoverFailure:
			return a.Parsed.Event, a.Parsed.Reason.Code
		}
	}
	return "", ""
}
