package record

import (
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// handed returns a draft of the record after s in which the state and its authority
// have other primary keys, to which the ones before hand over.
func handed(s *State) *draft {
	k := keys()
	d := next(s)
	d.record.Former = []Former{must(HandOver("xa", d.record.Keys, d.stateKey, k.stranger.primary.Digest(), d.at))}
	d.record.Certificate, d.stateKey = k.stranger.certificate.Bytes(), k.stranger.primary
	d.record.Keys = []Key{k.stranger.key(evidence.Primary, 0)}
	a := &d.authority
	a.Sequence, a.Created, d.entryAt = 2, d.record.Created, d.at
	a.Former = []Former{must(HandOver(string(a.ID), a.Keys, d.entryKey, k.second.primary.Digest(), d.at))}
	a.Certificate, d.entryKey = k.second.certificate.Bytes(), k.second.primary
	a.Keys = []Key{k.second.key(evidence.Primary, 0), k.second.key(evidence.Act, 0), k.second.key(evidence.Attest, 1)}
	return d
}

// R-REC-12: a record follows whose primary keys are others, when the ones before
// hand over; what the former keys signed in their time is judged as before.
func TestHandOver(t *testing.T) {
	k := keys()
	first := verified(t, newDraft())
	h := handed(first)
	second, err := h.verify(first)
	if err != nil {
		t.Fatal(err)
	}
	m, _ := second.Authority("xa/central-authority")
	before, now := protocol.Digest(k.authority.certificate.Primary()), protocol.Digest(k.second.certificate.Primary())
	if m.Certificate().Primary() != now || !m.Had(before) || !m.Had(now) || m.Had(protocol.Sum([]byte("none"))) || len(m.Certificates()) != 2 {
		t.Error("the authority has not the certificates that it has and had")
	}
	act := k.authority.subkeys[0]
	if !m.Lists(before, act.Digest()) || m.Lists(now, act.Digest()) || len(m.Document().EveryKey()) != 6 {
		t.Error("a former key is not in its certificate")
	}
	said := statement.Signed{Document: []byte("said\n"), Signature: must(act.Sign([]byte("said\n"), start.Add(time.Hour)))}
	if signer, err := m.Signer(said, evidence.Act, start.Add(time.Hour), endOfTime); err != nil || signer != act.Digest() {
		t.Errorf("what a former act key signed: %v", err)
	}
	wantCode(t, m.Key(evidence.Act, k.authority.subkeys[1].Digest(), start), protocol.WrongRole)

	// Who was away for a version follows all the same.
	third := next(second)
	third.record.Certificate, third.record.Keys, third.record.Former, third.stateKey = h.record.Certificate, h.record.Keys, h.record.Former, h.stateKey
	third.authority, third.entryKey, third.entryAt = h.authority, h.entryKey, h.entryAt
	signed := must(third.sign())
	if _, err := Verify(signed, second); err != nil {
		t.Errorf("the record after: %v", err)
	}
	if _, err := Verify(signed, first); err != nil {
		t.Errorf("for who has not heard of the second: %v", err)
	}
}

// R-REC-12: nobody but the key before hands over, to the one that follows, for the
// owner that it belongs to, while it counted.
func TestHandOverRefused(t *testing.T) {
	k := keys()
	first := verified(t, newDraft())
	late := newDraft()
	late.record.Keys[0].Valid.Until = protocol.At(start.Add(time.Hour))
	ended := verified(t, late)
	by := func(of string, keys []Key, primary *pgp.Secret, successor *pgp.Secret) []Former {
		return []Former{must(HandOver(of, keys, primary, successor.Digest(), start.Add(24*time.Hour)))}
	}
	state := newDraft().record.Keys
	for _, test := range []struct {
		name   string
		prev   *State
		change func(*draft)
		want   protocol.Code
	}{
		{"to another key", first, func(d *draft) { d.record.Former = by("xa", state, k.state.primary, k.second.primary) }, protocol.WrongRole},
		{"of another state", first, func(d *draft) { d.record.Former = by("xb", state, k.state.primary, k.stranger.primary) }, protocol.WrongRole},
		{"by another key", first, func(d *draft) {
			d.record.Former = by("xa", []Key{k.node.key(evidence.Primary, 0)}, k.node.primary, k.stranger.primary)
			d.record.Node.Certificate, d.record.Node.Keys = k.authority.certificate.Bytes(), []Key{k.authority.key(evidence.Primary, 0), k.authority.key(evidence.Node, 0)}
			d.authority.Former = nil
		}, protocol.WrongRole},
		{"a forged word", first, func(d *draft) { d.record.Former[0].Successor.Document = d.authority.Former[0].Successor.Document }, protocol.WrongRole},
		{"without a signature of its own", first, func(d *draft) { d.record.Former[0].Successor.Signature = d.authority.Former[0].Successor.Signature }, protocol.BadSignature},
		{"after its time", ended, func(*draft) {}, protocol.KeyExpired},
		{"of the authority, by its state", first, func(d *draft) { d.authority.Former = nil }, protocol.WrongRole},
		{"and stays", first, func(d *draft) { d.record.Former[0].Keys = append(d.record.Former[0].Keys, d.record.Keys[0]) }, protocol.Malformed},
		{"too often", first, func(d *draft) {
			for range protocol.MaxFormer {
				d.record.Former = append(d.record.Former, d.record.Former[0])
			}
		}, protocol.Malformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := handed(first)
			if test.prev == ended {
				previous := ended.Ref().Digest
				d.record.Previous = &previous
			}
			test.change(d)
			_, err := d.verify(test.prev)
			wantCode(t, err, test.want)
		})
	}
}

func FuzzParseSuccession(f *testing.F) {
	d := handed(verified(f, newDraft()))
	f.Add([]byte(d.record.Former[0].Successor.Document))
	f.Add([]byte("{\"type\":\"comity/succession/v1\"}\n"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if s, err := ParseSuccession(doc); err != nil {
			mustRefuse(t, err)
		} else {
			again(t, s, s, ParseSuccession)
		}
	})
}
