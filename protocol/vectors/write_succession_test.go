package vectors

import (
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
)

// successions writes records whose primary keys are others than before.
func (w *writer) successions() {
	authority := newOffice("xa/central-authority", "xa", "Central Authority", "السلطة المركزية", pgp.Ed25519)
	xa := newCountry("xa", "State of Xa", "دولة إكسا", authority)
	other := newOffice("xa/central-authority", "xa", "Central Authority", "السلطة المركزية", pgp.P256)
	state := must(pgp.Generate("State of Xa", pgp.Ed25519, 0, made, 0))
	w.file("succession/first.json", must(record.EncodeIntroduction(xa.state.Signed())))
	handed := func() *draft {
		d := xa.next()
		d.Former = []record.Former{must(record.HandOver("xa", d.Keys, d.stateKey, state.Primary.Digest(), day))}
		d.Certificate, d.stateKey = state.Certificate.Bytes(), state.Primary
		d.Keys = []record.Key{{Role: evidence.Primary, Digest: state.Primary.Digest(), Valid: window(day, year)}}
		d.entry.Former = []record.Former{must(record.HandOver("xa/central-authority", d.entry.Keys, d.entryKey, other.keys.Primary.Digest(), day))}
		d.entry.Certificate, d.entry.Keys, d.entryKey = other.entry.Certificate, other.entry.Keys, other.keys.Primary
		return d
	}
	for _, c := range []struct {
		name   string
		code   protocol.Code
		rule   string
		why    string
		change func(*draft)
	}{
		{"valid", "", "R-REC-12", "state and authority have other primary keys, to which the ones before hand over", func(*draft) {}},
		{"later", "", "R-REC-12", "the fifth record, for who has not heard of the one in which they handed over", func(d *draft) {
			digest := protocol.Sum([]byte("the fourth"))
			d.Sequence, d.Previous = 5, &digest
		}},
		{"to-another", protocol.WrongRole, "R-REC-12", "the state hands over to another key than the one that follows", func(d *draft) {
			d.Former[0] = must(record.HandOver("xa", d.Former[0].Keys, xa.primary.Primary, other.keys.Primary.Digest(), day))
		}},
		{"of-another", protocol.WrongRole, "R-REC-12", "it hands over another state", func(d *draft) {
			d.Former[0] = must(record.HandOver("xb", d.Former[0].Keys, xa.primary.Primary, state.Primary.Digest(), day))
		}},
		{"not-by-the-key", protocol.BadSignature, "R-REC-12", "the word of the key before has the signature of another document", func(d *draft) {
			d.Former[0].Successor.Signature = d.entry.Former[0].Successor.Signature
		}},
		{"authority-by-its-state", protocol.WrongRole, "R-REC-12", "the authority has another primary key, and the one before does not hand over", func(d *draft) { d.entry.Former = nil }},
		{"before-its-time", protocol.KeyExpired, "R-REC-12", "it hands over before it counted", func(d *draft) {
			d.Former[0].Keys = []record.Key{d.Former[0].Keys[0]}
			d.Former[0].Keys[0].Valid.From = protocol.At(day.Add(time.Hour))
		}},
		{"listed-twice", protocol.Malformed, "R-REC-12", "a key stands in two certificates", func(d *draft) { d.Former = append(d.Former, d.Former[0]) }},
	} {
		d := handed()
		c.change(d)
		w.add("record-chain", "succession/"+c.name, c.code, c.rule, c.why, part{"=succession/first.json", nil}, doc(d.introduction()))
	}
}
