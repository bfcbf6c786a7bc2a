package record

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"testing"
	"time"

	"comity/crypto/merkle"
	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// start is when every key of the tests begins: half a second past, because
// OpenPGP drops the half and documents keep it.
var start = time.Date(2026, 11, 23, 10, 0, 0, 500e6, time.UTC)

const year = 365 * 24 * time.Hour

// holder is one owner of keys, with a second set for those who would take its place.
type holder struct {
	certificate *pgp.Certificate
	primary     *pgp.Secret
	subkeys     []*pgp.Secret
}

// keyset holds all keys of the tests. Making them is slow, so it is done once.
type keyset struct {
	state, node, authority, stranger, second holder
	recipients                               []string
	log, lostLog                             *merkle.Signer
	witness                                  Keypair
}

var keys = sync.OnceValue(func() *keyset {
	k := &keyset{
		state: newHolder("State xa", pgp.Ed25519, 0), node: newHolder("Node xa", pgp.Ed25519, 2),
		authority: newHolder("Central Authority", pgp.P256, 3), stranger: newHolder("Stranger", pgp.Ed25519, 3),
		second: newHolder("Prosecution Service", pgp.Ed25519, 2),
		log:    must(newLog("xa", 1)), lostLog: must(newLog("xa", 1)), witness: witnessOf("xa"),
	}
	for range 3 {
		k.recipients = append(k.recipients, must(seal.GenerateIdentity()).Recipient().String())
	}
	return k
})

func newHolder(name string, alg pgp.Algorithm, subkeys int) holder {
	g := must(pgp.Generate(name, alg, subkeys, start, year))
	return holder{g.Certificate, g.Primary, g.Subkeys}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func during(from time.Time, d time.Duration) protocol.Window {
	return protocol.Window{From: protocol.At(from), Until: protocol.At(from.Add(d))}
}

func (h holder) key(role evidence.Role, subkey int) Key {
	digest, valid := protocol.Digest(h.certificate.Primary()), during(start, 20*year)
	if role != evidence.Primary {
		digest, valid = h.subkeys[subkey].Digest(), during(start, year)
	}
	return Key{Role: role, Digest: digest, Valid: valid}
}

// draft is a record for xa with one authority, before its signatures. A test
// changes a member and sees what receivers say.
type draft struct {
	record               Record
	authority, second    Authority
	withSecond           bool
	stateKey, entryKey   *pgp.Secret
	secondKey            *pgp.Secret
	at, entryAt          time.Time
	entry                func(*Entry)            // after the entry's signature
	signed               func(*statement.Signed) // after the record's signature
	twice, withAuthority bool
}

func newDraft() *draft {
	k := keys()
	d := &draft{stateKey: k.state.primary, entryKey: k.authority.primary, secondKey: k.second.primary, at: start, entryAt: start, withAuthority: true}
	d.record = Record{
		Type: Type, State: "xa", Sequence: 1, Created: protocol.At(start), Valid: during(start, 2*year),
		Name:        []Name{{"en", "State of Xa"}, {"ar", "دولة إكسا"}, {"zh-Hant", "甲國"}, {"ru", "Государство Икса"}, {"fa", "می‌خواهم"}},
		Versions:    []string{protocol.Version, "v2"},
		Certificate: k.state.certificate.Bytes(), Keys: []Key{k.state.key(evidence.Primary, 0)},
		Node: Node{
			ID: "xa", Certificate: k.node.certificate.Bytes(),
			Keys:      []Key{k.node.key(evidence.Primary, 0), k.node.key(evidence.Node, 0), k.node.key(evidence.Node, 1)},
			TLS:       []Pin{{protocol.Sum([]byte("one")), during(start, year)}, {protocol.Sum([]byte("two")), during(start.Add(year), year)}},
			Endpoints: []string{"gateway.xa.example:8443", "[2001:db8::1]:8443", "192.0.2.1:8443"},
			Log:       logOf(k.log), Witness: k.witness, Limits: Limits{Sealed: 50 << 30},
		},
	}
	d.authority = Authority{
		Type: AuthorityType, ID: "xa/central-authority", Sequence: 1, Created: protocol.At(start), Host: "xa",
		Name:        []Name{{"en", "Central Authority"}, {"ar", "السلطة المركزية"}, {"zh-Hans-CN", "中央机关"}, {"ru", "Центральный орган"}},
		Certificate: k.authority.certificate.Bytes(),
		Keys:        []Key{k.authority.key(evidence.Primary, 0), k.authority.key(evidence.Act, 0), k.authority.key(evidence.Attest, 1)},
		Recipients: []Recipient{
			{k.recipients[0], during(start, 60*24*time.Hour)}, {k.recipients[1], during(start.Add(30*24*time.Hour), 60*24*time.Hour)},
		},
	}
	d.second = Authority{
		Type: AuthorityType, ID: "xa/prosecution-service", Sequence: 1, Created: protocol.At(start), Host: "xa",
		Name: []Name{{"en", "Prosecution Service"}}, Certificate: k.second.certificate.Bytes(),
		Keys:       []Key{k.second.key(evidence.Primary, 0), k.second.key(evidence.Act, 0), k.second.key(evidence.Attest, 1)},
		Recipients: []Recipient{{k.recipients[2], during(start, year)}},
	}
	return d
}

func logOf(s *merkle.Signer) Log {
	ed, ml := s.VerifierKeys()
	return Log{Origin: s.Origin(), Keys: Keypair{ed, ml}}
}

// sign signs the draft as it is, without the checks of SignRecord: hostile
// writers do not use our code. An error means that it cannot even be written.
func (d *draft) sign() (statement.Signed, error) {
	r := d.record
	add := func(a Authority, key *pgp.Secret) error {
		document := any(&a)
		if a.Particulars != nil {
			document = a.document()
		}
		s, err := statement.Sign(document, protocol.MaxAuthorityEntry, key, d.entryAt)
		if err != nil {
			return err
		}
		e := Entry{string(s.Document), string(s.Signature)}
		if d.entry != nil {
			d.entry(&e)
		}
		r.Authorities = append(r.Authorities, e)
		return nil
	}
	if d.withAuthority {
		if err := add(d.authority, d.entryKey); err != nil {
			return statement.Signed{}, err
		}
	}
	if d.twice {
		r.Authorities = append(r.Authorities, r.Authorities[0])
	}
	if d.withSecond {
		if err := add(d.second, d.secondKey); err != nil {
			return statement.Signed{}, err
		}
	}
	s, err := statement.Sign(&r, protocol.MaxRecord, d.stateKey, d.at)
	if err == nil && d.signed != nil {
		d.signed(&s)
	}
	return s, err
}

func (d *draft) verify(prev *State) (*State, error) {
	s, err := d.sign()
	if err != nil {
		return nil, err
	}
	return Verify(s, prev)
}

func verified(t testing.TB, d *draft) *State {
	t.Helper()
	s, err := d.verify(nil)
	if err != nil {
		t.Fatalf("verify the ordinary record: %v", err)
	}
	return s
}

// next returns a draft of the record that follows s.
func next(s *State) *draft {
	d := newDraft()
	digest := s.signed.Digest()
	d.record.Sequence, d.record.Previous = s.record.Sequence+1, &digest
	d.at = start.Add(24 * time.Hour)
	d.record.Created = protocol.At(d.at)
	return d
}

// wantCode fails unless err is a refusal with this code; "" wants no error.
func wantCode(t *testing.T, err error, want protocol.Code) {
	t.Helper()
	if got := protocol.CodeOf(err); got != want || want == "" && err != nil {
		t.Errorf("got code %q (%v), want %q", got, err, want)
	}
}

func newEnvelope(s *State) *envelope.Envelope {
	return &envelope.Envelope{
		Type: envelope.Type, Parcel: "0193588d-1a2b-7c3d-8e4f-0123456789ab", From: "xa/central-authority", To: "xb/prosecution-service",
		RecipientKey: protocol.Sum([]byte("recipient")), Priority: protocol.Routine,
		Sealed:   envelope.Sealed{Size: 4096, Digest: protocol.Sum([]byte("sealed")), Recipients: 1},
		Manifest: statement.Ref{Document: sha256.Sum256([]byte("m")), Signature: sha256.Sum256([]byte("s"))},
		Created:  protocol.At(start.Add(time.Hour)), Expires: protocol.At(start.Add(31 * 24 * time.Hour)),
		Records: envelope.Records{From: s.Ref(), To: envelope.RecordRef{State: "xb", Sequence: 4, Digest: protocol.Sum([]byte("xb"))}},
	}
}

func newLog(node protocol.NodeID, era int64) (*merkle.Signer, error) {
	return merkle.GenerateLog(protocol.LogOrigin(node, era))
}

// witnessOfOneID makes two keys in whose lines nobody can tell which of them signed:
// their ids are the same. Who looks for such keys finds some within a second.
func witnessOfOneID(node protocol.NodeID) Keypair {
	name := "comity/witness/" + string(node)
	key := func(kind byte, size, n int) (text string, id [4]byte) {
		raw := binary.BigEndian.AppendUint64(make([]byte, 0, 1+size), uint64(n))
		raw = append([]byte{kind}, append(raw, make([]byte, size-8)...)...)
		sum := sha256.Sum256(append([]byte(name+"\n"), raw...))
		return name + "+" + hex.EncodeToString(sum[:4]) + "+" + base64.StdEncoding.EncodeToString(raw), [4]byte(sum[:4])
	}
	classic := map[[4]byte]string{}
	for n := range 1 << 17 {
		text, id := key(0x04, 32, n)
		classic[id] = text
	}
	for n := 0; ; n++ {
		if text, id := key(0x06, 1312, n); classic[id] != "" {
			return Keypair{Ed25519: classic[id], MLDSA44: text}
		}
	}
}

func witnessOf(node protocol.NodeID) Keypair {
	_, ed, ml, err := merkle.GenerateKeypair("comity/witness/" + string(node))
	return Keypair{Ed25519: ed, MLDSA44: must(ml, err)}
}
