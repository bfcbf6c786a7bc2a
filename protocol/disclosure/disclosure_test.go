package disclosure_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/disclosure"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// The tests speak of the transmission in protocol/vectors/exchange.
const exchanged = "../vectors/exchange/"

var now = time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func packet(t testing.TB, e evidence.Event) statement.Packet {
	t.Helper()
	name := exchanged + "evidence-" + string(e)
	return statement.Packet{
		Signed: statement.Signed{Document: read(t, name+".json"), Signature: read(t, name+".json.asc")}, Proof: read(t, name+".tlog-proof"),
	}
}

// records holds those of the states named.
func records(t testing.TB, states ...protocol.StateID) *record.History {
	t.Helper()
	held := &record.History{}
	for _, id := range states {
		signed, err := record.DecodeIntroduction(read(t, exchanged+"introduction-"+string(id)+".json"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := record.Verify(signed, nil)
		if err != nil {
			t.Fatal(err)
		}
		held.Add(s)
	}
	return held
}

// asked is a question by the digest of the exchange's envelope.
func asked(t testing.TB) disclosure.Query {
	digest := protocol.Sum(read(t, exchanged+"envelope.json"))
	return disclosure.Query{Envelope: &digest}
}

// R-DISC-3: an answer proves parties, digests and times by the issuer's record,
// which the verifier holds.
func TestAnAnswerVerifies(t *testing.T) {
	file, err := disclosure.Encode(asked(t), []statement.Packet{packet(t, evidence.SubmissionAcceptance), packet(t, evidence.RelayAcceptance)})
	if err != nil {
		t.Fatal(err)
	}
	d, err := disclosure.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	proven, err := d.Verify(records(t, "xa", "xb"), nil, now)
	if err != nil || len(proven) != 2 {
		t.Fatalf("%d proven, %v; want 2", len(proven), err)
	}
	for i, want := range []string{"comity/log/xa/1", "comity/log/xb/1"} {
		p := proven[i]
		if p.Checkpoint.Origin != want || p.Evidence.Log != want || p.Evidence.Parcel != "019cadfd-8900-7e4d-8a55-3d5e0c2f9a01" || p.Leaf >= p.Checkpoint.Size {
			t.Errorf("proven %d: %+v in %+v, want a leaf of %s", i, p.Evidence, p.Checkpoint, want)
		}
	}
	if _, err := d.Verify(records(t, "xa"), nil, now); !errors.Is(err, disclosure.ErrNoRecord) || protocol.CodeOf(err) != "" {
		t.Errorf("without the record of xb: %v, want ErrNoRecord, which accuses nobody", err)
	}
}

// A cosignature by a witness that the verifier knows bounds the time from above; one
// by a stranger is passed over. One that is wrong counts for nothing and is told: a
// peer that adds it to its evidence must not keep that out of every answer (R-LOG-2).
func TestCosignaturesAreTold(t *testing.T) {
	cosigner, witness := newWitness(t, "comity/witness/xc")
	_, stranger := newWitness(t, "comity/witness/xd")
	p := packet(t, evidence.RelayAcceptance)
	proof, err := merkle.ParseProof(p.Proof, protocol.MaxProof)
	if err != nil {
		t.Fatal(err)
	}
	at := now.Add(-time.Hour).Truncate(time.Second)
	lines, err := cosigner.Cosign(proof.Checkpoint, at)
	if err != nil {
		t.Fatal(err)
	}
	if proof.Checkpoint, err = merkle.WithCosignatures(proof.Checkpoint, lines); err != nil {
		t.Fatal(err)
	}
	p.Proof = proof.Marshal()
	until := now
	check := func(p statement.Packet) ([]disclosure.Proven, error) {
		d := &disclosure.Disclosure{Type: disclosure.Type, Query: asked(t), Packets: []statement.Packet{p}}
		return d.Verify(records(t, "xb"), []record.Witness{{Witness: witness, Until: until}, {Witness: stranger, Until: until}}, now)
	}
	proven, err := check(p)
	if err != nil || len(proven) != 1 || len(proven[0].Cosignatures) != 1 || proven[0].Cosignatures[0] != (merkle.Cosignature{Witness: "comity/witness/xc", Time: at}) {
		t.Fatalf("cosigned: %+v, %v; want one of xc at %s", proven, err, at)
	}
	// Keys that its record had given up before are not the witness.
	until = at
	if proven, err := check(p); err != nil || len(proven) != 1 || len(proven[0].Cosignatures) != 0 {
		t.Errorf("cosigned with keys that were replaced: %+v, %v; want no cosignature", proven, err)
	}
	until = now
	i := bytes.Index(p.Proof, []byte("— comity/witness/xc ")) + len("— comity/witness/xc ") + 40
	other := byte('A') // another letter of base64: a note that cannot be read is another attack
	if p.Proof[i] == other {
		other = 'B'
	}
	p.Proof[i] = other
	if proven, err := check(p); err != nil || len(proven[0].Cosignatures) != 0 || !slices.Equal(proven[0].Broken, []string{"comity/witness/xc"}) {
		t.Errorf("a wrong cosignature: %+v, %v; want one of xc that counts for nothing", proven, err)
	}
}

func newWitness(t *testing.T, name string) (*merkle.Cosigner, *merkle.Witness) {
	t.Helper()
	secret, ed, pq, err := merkle.GenerateKeypair(name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := merkle.ParseCosigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	w, err := merkle.NewWitness(ed, pq)
	if err != nil {
		t.Fatal(err)
	}
	return c, w
}

// R-DISC-3, R-WIT-8: what a log signed after its keys were stolen proves nothing to
// whoever holds the record that says so, and what it signed before does.
func TestALogWithMarkedKeys(t *testing.T) {
	members := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(read(t, "../vectors/judged/bundle.tar"))); ; {
		h, err := r.Next()
		if err != nil {
			break
		}
		if members[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	const base = "evidence-SubmissionAcceptance"
	known := func(names ...string) *record.History {
		held := &record.History{}
		var last *record.State
		for _, name := range names {
			signed, err := record.DecodeIntroduction(read(t, "../vectors/judged/"+name+".json"))
			if err == nil {
				last, err = record.Verify(signed, last)
			}
			if err != nil {
				t.Fatal(err)
			}
			held.Add(last)
		}
		return held
	}
	digest := protocol.Sum(members["envelope.json"])
	for _, tt := range []struct {
		proof string
		held  *record.History
		want  protocol.Code
	}{
		{".tlog-proof", known("xa"), ""},
		{".cosigned.tlog-proof", known("xa"), ""},
		{".tlog-proof", known("xa", "xa-log-before"), ""},
		{".cosigned.tlog-proof", known("xa", "xa-log-before"), protocol.KeyCompromised},
	} {
		d := &disclosure.Disclosure{Type: disclosure.Type, Query: disclosure.Query{Envelope: &digest}, Packets: []statement.Packet{{
			Signed: statement.Signed{Document: members[base+".json"], Signature: members[base+".json.asc"]}, Proof: members[base+tt.proof],
		}}}
		if _, err := d.Verify(tt.held, nil, now); protocol.CodeOf(err) != tt.want || err != nil && tt.want == "" {
			t.Errorf("%s: %v, want %q", tt.proof, err, tt.want)
		}
	}
}

// R-DISC-1, R-DISC-2: whoever writes an answer is held to what a reader refuses.
func TestEncodeRefuses(t *testing.T) {
	relay := packet(t, evidence.RelayAcceptance)
	bare := relay
	bare.Proof = nil
	all := []statement.Packet{}
	for range protocol.MaxDisclosed + 1 {
		all = append(all, relay)
	}
	submission := packet(t, evidence.SubmissionAcceptance)
	after := func(p statement.Packet, change func(*evidence.Evidence)) statement.Packet {
		e, err := evidence.Parse(p.Document)
		if err != nil {
			t.Fatal(err)
		}
		change(e)
		if p.Document, err = statement.Encode(e); err != nil {
			t.Fatal(err)
		}
		return p
	}
	rejection := after(relay, func(e *evidence.Evidence) {
		e.Event, e.Reason = evidence.RelayRejection, evidence.NewReason(protocol.Policy, "after all")
	})
	early := after(submission, func(e *evidence.Evidence) {
		e.Event, e.Reason, e.Envelope = evidence.SubmissionRejection, evidence.NewReason(protocol.Policy, "before any envelope"), nil
	})
	copied := after(relay, func(e *evidence.Evidence) {
		e.To, e.Issuer.Name, e.Log, e.Record.State = "xc/court", "xc", "comity/log/xc/1", "xc"
	})
	again := after(relay, func(e *evidence.Evidence) { e.Envelope.Signature[0] ^= 1 })
	sealed := protocol.Sum(read(t, exchanged+"parcel.age"))
	other := protocol.Sum([]byte("another"))
	for name, c := range map[string]struct {
		query   disclosure.Query
		packets []statement.Packet
		code    protocol.Code
	}{
		"no question":     {disclosure.Query{}, nil, protocol.Malformed},
		"without a proof": {asked(t), []statement.Packet{bare}, protocol.Malformed},
		"twice":           {asked(t), []statement.Packet{relay, relay}, protocol.Malformed},
		"yes and no":      {asked(t), []statement.Packet{relay, rejection}, protocol.Equivocation},
		"no envelope":     {disclosure.Query{Sealed: &sealed}, []statement.Packet{early}, protocol.Malformed},
		"two recipients":  {disclosure.Query{Sealed: &sealed}, []statement.Packet{submission, copied}, protocol.WrongParcel},
		"two envelopes":   {disclosure.Query{Sealed: &sealed}, []statement.Packet{submission, again}, protocol.WrongParcel},
		"too many":        {asked(t), all, protocol.TooLarge},
		"another sealed":  {disclosure.Query{Sealed: &other}, []statement.Packet{relay}, protocol.WrongParcel},
	} {
		if _, err := disclosure.Encode(c.query, c.packets); protocol.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	// R-DISC-4: nothing but the question.
	file, err := disclosure.Encode(asked(t), nil)
	if err != nil || !strings.HasSuffix(string(file), "\"packets\": []\n}\n") {
		t.Errorf("no answer: %q, %v", file, err)
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("../vectors/disclosure/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no examples", err)
	}
	for _, name := range files {
		f.Add(read(f, name))
	}
	held := records(f, "xa", "xb")
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := disclosure.Decode(data)
		if err != nil {
			if protocol.CodeOf(err) == "" {
				t.Fatalf("refused without a code: %v", err)
			}
			return
		}
		if _, err := disclosure.Encode(d.Query, d.Packets); err != nil {
			t.Fatalf("write again what was read: %v", err)
		}
		_, _ = d.Verify(held, nil, now)
	})
}
