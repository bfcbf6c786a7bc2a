package record

import (
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// R-REC-3: what a second record may change by itself, and what it may not.
func TestVerifyContinuity(t *testing.T) {
	k := keys()
	first := verified(t, newDraft())
	other := protocol.Sum([]byte("other"))
	hour := func(n int) protocol.Time { return protocol.At(start.Add(time.Duration(n) * time.Hour)) }
	renew := func(d *draft) {
		d.authority.Sequence, d.authority.Created, d.entryAt = 2, hour(1), start.Add(time.Hour)
	}
	tests := []struct {
		name   string
		change func(d *draft)
		want   protocol.Code
	}{
		{"nothing but the number", func(*draft) {}, ""},
		{"the next but one", func(d *draft) { d.record.Sequence, d.record.Previous = 3, &other }, ""},
		{"a new endpoint", func(d *draft) { d.record.Node.Endpoints = []string{"new.xa.example:1"} }, ""},
		{"an authority more", func(d *draft) { d.withSecond = true }, ""},
		{"an authority less", func(d *draft) { d.withAuthority = false }, ""},
		{"a renewed entry", renew, ""},
		{"a node key marked compromised", func(d *draft) {
			d.record.Node.Keys[1].Compromised = &Compromised{hour(1), hour(2)}
		}, ""},
		{"another node certificate", func(d *draft) {
			d.record.Node.Certificate = k.stranger.certificate.Bytes()
			d.record.Node.Keys = []Key{k.stranger.key(evidence.Primary, 0), k.stranger.key(evidence.Node, 0)}
		}, ""},

		{"another state key", func(d *draft) {
			d.record.Certificate, d.stateKey = k.stranger.certificate.Bytes(), k.stranger.primary
			d.record.Keys = []Key{k.stranger.key(evidence.Primary, 0)}
		}, protocol.WrongRole},
		{"another chain", func(d *draft) { d.record.Previous = &other }, protocol.Equivocation},
		{"the same number", func(d *draft) { d.record.Sequence, d.record.Previous = 1, nil }, protocol.Equivocation},
		{"dated before", func(d *draft) {
			d.record.Created, d.record.Keys[0].Valid.From = protocol.At(start.Add(-400*time.Millisecond)), protocol.At(start.Add(-400*time.Millisecond))
			d.authority.Keys[0].Valid.From = d.record.Created
		}, protocol.Malformed},
		{"another node", func(d *draft) {
			d.record.Node.ID, d.authority.Host = "xa-north", "xa-north"
			d.record.Node.Log = logOf(must(newLog("xa-north", 2))) // a log of a later era could follow
			d.record.Node.Witness = witnessOf("xa-north")
			renew(d)
		}, protocol.Policy},
		{"other log keys under one origin", func(d *draft) { d.record.Node.Log = logOf(k.lostLog) }, protocol.Policy},
		{"a log of the next era", func(d *draft) { d.record.Node.Log = logOf(must(newLog("xa", 2))) }, ""},
		{"a node key becomes unlisted", func(d *draft) { d.record.Node.Keys = d.record.Node.Keys[:2] }, ""},

		{"another authority key", func(d *draft) {
			renew(d)
			d.authority.Certificate, d.entryKey = k.stranger.certificate.Bytes(), k.stranger.primary
			d.authority.Keys = []Key{k.stranger.key(evidence.Primary, 0), k.stranger.key(evidence.Act, 0), k.stranger.key(evidence.Attest, 1)}
		}, protocol.WrongRole},
		{"an attest key becomes an act key", func(d *draft) {
			renew(d)
			d.authority.Keys[1].Role, d.authority.Keys[2].Role = evidence.Attest, evidence.Act
		}, protocol.WrongRole},
		{"an attest key becomes a node key", func(d *draft) {
			d.record.Node.Certificate, d.withAuthority = k.authority.certificate.Bytes(), false
			d.record.Node.Keys = []Key{k.authority.key(evidence.Primary, 0), k.authority.key(evidence.Node, 1)}
		}, protocol.WrongRole},
		{"an attest key becomes the act key of another authority", func(d *draft) {
			d.withAuthority, d.withSecond = false, true
			d.second.Certificate = k.authority.certificate.Bytes()
			d.second.Keys = []Key{k.authority.key(evidence.Primary, 0), k.authority.key(evidence.Act, 1), k.authority.key(evidence.Attest, 2)}
			d.secondKey = k.authority.primary
		}, protocol.WrongRole},
		{"a second entry under one number", func(d *draft) { d.authority.Name[0].Text = "Another Name" }, protocol.Equivocation},
		{"a renewed entry dated before", func(d *draft) {
			renew(d)
			d.authority.Created = protocol.At(start.Add(-400 * time.Millisecond))
			d.authority.Keys[0].Valid.From = d.authority.Created
		}, protocol.Malformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := next(first)
			test.change(d)
			if test.want != "" && test.name != "the same number" {
				if _, err := d.verify(nil); err != nil {
					t.Fatalf("the record by itself must be right, so that only continuity is tested: %v", err)
				}
			}
			_, err := d.verify(first)
			wantCode(t, err, test.want)
		})
	}
}

func TestVerifyRefusesOlder(t *testing.T) {
	first := verified(t, newDraft())
	second := must(next(first).verify(first))
	_, err := Verify(first.Signed(), second)
	wantCode(t, err, protocol.Expired)

	d := next(second)
	d.authority.Sequence = 3
	third := must(d.verify(second))
	d = next(third)
	d.authority.Sequence = 2
	_, err = d.verify(third)
	wantCode(t, err, protocol.Expired)
}

func TestVerifyRefusesRecordOfAnotherState(t *testing.T) {
	first := verified(t, newDraft())
	foreign := *first
	foreignRecord := *first.record
	foreignRecord.State = "xb"
	foreign.record = &foreignRecord
	_, err := next(first).verify(&foreign)
	wantCode(t, err, protocol.WrongRole)
}

// The window of the state's key is what the record before says, not what the
// new one grants itself.
func TestVerifyHoldsStateToItsFormerWindow(t *testing.T) {
	d := newDraft()
	d.record.Keys[0].Valid = during(start, time.Hour)
	first := verified(t, d)
	_, err := next(first).verify(first)
	wantCode(t, err, protocol.KeyExpired)

	d = newDraft()
	d.authority.Keys[0].Valid = during(start, time.Hour)
	first = verified(t, d)
	d = next(first)
	d.authority.Sequence, d.authority.Created, d.entryAt = 2, protocol.At(start.Add(2*time.Hour)), start.Add(2*time.Hour)
	_, err = d.verify(first)
	wantCode(t, err, protocol.KeyExpired)
}

// R-REC-9 hands over the same record again and again.
func TestVerifyReturnsKnownRecord(t *testing.T) {
	first := verified(t, newDraft())
	if again := must(Verify(first.Signed(), first)); again != first {
		t.Errorf("Verify(same bytes) = %p, want the same State %p", again, first)
	}
	document := first.Signed().Document
	signedBy := func(key *pgp.Secret) statement.Signed {
		return statement.Signed{Document: document, Signature: must(key.Sign(document, start.Add(time.Hour)))}
	}
	if again := must(Verify(signedBy(keys().state.primary), first)); again != first {
		t.Errorf("Verify(same document, another signature) = %p, want the same State %p", again, first)
	}
	_, err := Verify(signedBy(keys().stranger.primary), first)
	wantCode(t, err, protocol.BadSignature)
}

// What did not change is not parsed again.
func TestVerifyTakesOverUnchangedParts(t *testing.T) {
	first := verified(t, newDraft())
	same := func(e *Entry) { *e = first.record.Authorities[0] } // P-256 signs anew each time
	d := next(first)
	d.entry = same
	second := must(d.verify(first))
	if second.members[0] != first.members[0] || second.node.certificate != first.node.certificate ||
		second.keys.certificate != first.keys.certificate || second.log != first.log {
		t.Error("an unchanged certificate, entry or log was parsed again")
	}
	// An entry taken over is still held to the new record's rules.
	d = next(first)
	d.entry, d.record.Node.ID = same, "xa-north"
	d.record.Node.Log, d.record.Node.Witness = logOf(must(newLog("xa-north", 1))), witnessOf("xa-north")
	_, err := d.verify(first)
	wantCode(t, err, protocol.Malformed)
}

func TestSign(t *testing.T) {
	k, d := keys(), newDraft()
	d.authority.Type, d.record.Type = "", ""
	e, err := SignAuthority(&d.authority, k.authority.primary, start)
	if err != nil {
		t.Fatal(err)
	}
	d.record.Authorities = []Entry{e}
	s, err := SignRecord(&d.record, k.state.primary, start)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(s, nil); err != nil {
		t.Errorf("verify what SignRecord made: %v", err)
	}

	_, err = SignAuthority(&d.authority, k.authority.subkeys[0], start)
	wantCode(t, err, protocol.WrongRole)
	_, err = SignAuthority(&d.authority, k.stranger.primary, start)
	wantCode(t, err, protocol.BadSignature)
	_, err = SignRecord(&d.record, k.authority.primary, start)
	wantCode(t, err, protocol.BadSignature)
	d.authority.Recipients = nil
	_, err = SignAuthority(&d.authority, k.authority.primary, start)
	wantCode(t, err, protocol.Malformed)
	d.record.Node.TLS = nil
	_, err = SignRecord(&d.record, k.state.primary, start)
	wantCode(t, err, protocol.Malformed)
	if _, err = SignRecord(&d.record, nil, start); err == nil {
		t.Error("SignRecord without a key: no error")
	}
}

func TestIntroduction(t *testing.T) {
	s := must(newDraft().sign())
	file, err := EncodeIntroduction(s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeIntroduction(file)
	if err != nil || got.Ref() != s.Ref() {
		t.Errorf("DecodeIntroduction: %v, %+v; want %+v", err, got.Ref(), s.Ref())
	}
	for _, test := range []struct {
		name, text string
		want       protocol.Code
	}{
		{"empty", "", protocol.Malformed},
		{"signature missing", "{\"type\":\"comity/introduction/v1\",\"document\":\"{}\\n\"}\n", protocol.Malformed},
		{"signature null", "{\"type\":\"comity/introduction/v1\",\"document\":\"{}\\n\",\"signature\":null}\n", protocol.Malformed},
		{"one member more", "{\"type\":\"comity/introduction/v1\",\"document\":\"\",\"signature\":\"\",\"words\":\"\"}\n", protocol.Malformed},
		{"another version", "{\"type\":\"comity/introduction/v2\",\"document\":\"\",\"signature\":\"\"}\n", protocol.UnsupportedVersion},
		{"a record by itself", string(s.Document), protocol.Malformed},
		{"huge", string(make([]byte, protocol.MaxIntroduction+1)), protocol.TooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := DecodeIntroduction([]byte(test.text))
			wantCode(t, err, test.want)
		})
	}
	if _, err := EncodeIntroduction(statement.Signed{Document: []byte("\xff"), Signature: []byte("x")}); err == nil {
		t.Error("EncodeIntroduction of bytes that are not UTF-8: no error")
	}
}
