package record

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"

	"github.com/google/go-cmp/cmp"
)

func TestVerifyOrdinaryRecord(t *testing.T) {
	d := newDraft()
	d.withSecond = true
	s := verified(t, d)
	var ids []protocol.AuthorityID
	for _, m := range s.Members() {
		ids = append(ids, m.ID())
	}
	if diff := cmp.Diff([]protocol.AuthorityID{"xa/central-authority", "xa/prosecution-service"}, ids); diff != "" {
		t.Errorf("authorities (-want +got):\n%s", diff)
	}
	if m, ok := s.Authority("xa/central-authority"); !ok || m.Certificate().Primary() != keys().authority.certificate.Primary() {
		t.Errorf("Authority(xa/central-authority) = %v, %v", m, ok)
	}
	if m, ok := s.Authority("xa/court"); ok {
		t.Errorf("Authority(xa/court) = %v, want none", m)
	}
	if got, want := s.Ref().Digest, s.Signed().Digest(); got != want || s.Ref().State != "xa" || s.Ref().Sequence != 1 {
		t.Errorf("Ref() = %+v, want xa 1 %s", s.Ref(), want)
	}
	if got := s.LogVerifier().Origin(); got != s.Record().Node.Log.Origin {
		t.Errorf("LogVerifier().Origin() = %s, want %s", got, s.Record().Node.Log.Origin)
	}
	wantCode(t, s.NodeKey(keys().node.subkeys[0].Digest(), start), "")
	wantCode(t, s.NodeKey(keys().node.primary.Digest(), start), protocol.WrongRole)
}

// A first introduction that a receiver must refuse, one line each.
func TestVerifyRefuses(t *testing.T) {
	k := keys()
	later := func(d time.Duration) protocol.Time { return protocol.At(start.Add(d)) }
	compromised := &Compromised{Since: protocol.At(start), Announced: protocol.At(start)}
	tests := []struct {
		name   string
		change func(d *draft)
		want   protocol.Code
	}{
		// R-REC-1
		{"record signed by a stranger", func(d *draft) { d.stateKey = k.stranger.primary }, protocol.BadSignature},
		{"record signed by the authority", func(d *draft) { d.stateKey = k.authority.primary }, protocol.BadSignature},
		{"record altered", func(d *draft) { d.signed = alter("State of Xa", "State of Xb") }, protocol.BadSignature},
		{"signature cut", func(d *draft) { d.signed = func(s *statement.Signed) { s.Signature = s.Signature[:40] } }, protocol.BadSignature},
		{"signature missing", func(d *draft) { d.signed = func(s *statement.Signed) { s.Signature = nil } }, protocol.BadSignature},
		{"signature huge", func(d *draft) {
			d.signed = func(s *statement.Signed) { s.Signature = make([]byte, protocol.MaxSignature+1) }
		}, protocol.TooLarge},
		{"record huge", func(d *draft) {
			d.signed = func(s *statement.Signed) { s.Document = make([]byte, protocol.MaxRecord+1) }
		}, protocol.TooLarge},
		{"signed after its end", func(d *draft) { d.at = start.Add(3 * year) }, protocol.BadSignature},
		{"signed at its end", func(d *draft) {
			d.at = start.Add(year).Truncate(time.Second)
			d.record.Valid.Until = protocol.At(d.at)
		}, protocol.BadSignature},
		{"created before the key", func(d *draft) { d.record.Created = later(-time.Hour) }, protocol.KeyExpired},
		{"created after its end", func(d *draft) { d.record.Created = later(2 * year) }, protocol.Malformed},
		{"state key compromised", func(d *draft) { d.record.Keys[0].Compromised = compromised }, protocol.KeyCompromised},
		// R-REC-2
		{"entry signed by the state", func(d *draft) { d.entryKey = k.state.primary }, protocol.BadSignature},
		{"entry signed by its act key", func(d *draft) { d.entryKey = k.authority.subkeys[0] }, protocol.BadSignature},
		{"entry altered", func(d *draft) {
			d.entry = func(e *Entry) { e.Document = strings.Replace(e.Document, "Central", "Zentral", 1) }
		}, protocol.BadSignature},
		{"entry signed after the record", func(d *draft) { d.entryAt = start.Add(time.Hour) }, protocol.ClockSkew},
		{"entry created after the record", func(d *draft) { d.authority.Created = later(time.Hour) }, protocol.ClockSkew},
		{"entry listed twice", func(d *draft) { d.twice = true }, protocol.Malformed},
		{"one name, two authorities", func(d *draft) { d.withSecond = true; d.second.ID = d.authority.ID }, protocol.Malformed},
		{"entry of another state", func(d *draft) { d.authority.ID, d.authority.Host = "xb/central-authority", "xb" }, protocol.Malformed},
		{"entry of an unknown version", func(d *draft) { d.authority.Type = "comity/authority/v3" }, protocol.UnsupportedVersion},
		{"entry without what its version has", func(d *draft) { d.authority.Type = AuthorityType2 }, protocol.Malformed},
		{"entry without number", func(d *draft) { d.authority.Sequence = 0 }, protocol.Malformed},
		{"entry primary compromised", func(d *draft) { d.authority.Keys[0].Compromised = compromised }, protocol.KeyCompromised},
		// R-REC-5
		{"hosted by another node", func(d *draft) { d.authority.Host = "xa-north" }, protocol.Malformed},
		{"hosted in another state", func(d *draft) { d.authority.Host = "xb" }, protocol.Malformed},
		{"node of another state", func(d *draft) {
			d.withAuthority = false // nothing else may contradict
			d.record.Node.ID, d.record.Node.Log, d.record.Node.Witness = "xb", logOf(must(newLog("xb", 1))), witnessOf("xb")
		}, protocol.Malformed},
		// R-REC-6
		{"classic recipient", func(d *draft) {
			d.authority.Recipients[0].Recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
		}, protocol.Malformed},
		{"recipient in capitals", func(d *draft) { upper(&d.authority.Recipients[0].Recipient) }, protocol.Malformed},
		{"recipient listed twice", func(d *draft) { d.authority.Recipients[1].Recipient = d.authority.Recipients[0].Recipient }, protocol.Malformed},
		{"recipient with two owners", func(d *draft) { d.withSecond = true; d.second.Recipients[0].Recipient = k.recipients[0] }, protocol.Malformed},
		{"no recipient", func(d *draft) { d.authority.Recipients = nil }, protocol.Malformed},
		{"recipient window reversed", func(d *draft) { reverse(&d.authority.Recipients[0].Valid) }, protocol.Malformed},
		// R-REC-7
		{"no primary listed", func(d *draft) { d.record.Keys = nil }, protocol.Malformed},
		{"two primaries", func(d *draft) { d.authority.Keys[1].Role = evidence.Primary }, protocol.Malformed},
		{"subkey as primary", func(d *draft) { d.authority.Keys[0].Digest = k.authority.subkeys[2].Digest() }, protocol.WrongRole},
		{"primary as act", func(d *draft) {
			d.authority.Keys[0].Digest, d.authority.Keys[1].Digest = d.authority.Keys[1].Digest, d.authority.Keys[0].Digest
		}, protocol.WrongRole},
		{"one key, two roles", func(d *draft) { d.authority.Keys[2].Digest = d.authority.Keys[1].Digest }, protocol.Malformed},
		{"key of another certificate", func(d *draft) { d.authority.Keys[1].Digest = k.stranger.subkeys[0].Digest() }, protocol.Malformed},
		{"act key for the node", func(d *draft) { d.record.Node.Keys[1].Role = evidence.Act }, protocol.WrongRole},
		{"node key for the authority", func(d *draft) { d.authority.Keys[1].Role = evidence.Node }, protocol.Malformed},
		{"node key for the authority too", func(d *draft) { d.authority.Keys = append(d.authority.Keys, k.authority.key(evidence.Node, 2)) }, protocol.WrongRole},
		{"act key for the state", func(d *draft) { d.record.Keys = append(d.record.Keys, k.state.key(evidence.Primary, 0)) }, protocol.Malformed},
		{"node without node key", func(d *draft) { d.record.Node.Keys = d.record.Node.Keys[:1] }, protocol.Malformed},
		{"authority without attest key", func(d *draft) { d.authority.Keys = d.authority.Keys[:2] }, protocol.Malformed},
		{"node with the state's certificate", func(d *draft) {
			d.record.Certificate, d.record.Keys, d.stateKey = k.node.certificate.Bytes(), d.record.Node.Keys[:1], k.node.primary
		}, protocol.Malformed},
		{"authority with the node's certificate", func(d *draft) {
			d.authority.Certificate, d.entryKey = k.node.certificate.Bytes(), k.node.primary
			d.authority.Keys = []Key{k.node.key(evidence.Primary, 0), k.node.key(evidence.Act, 0), k.node.key(evidence.Attest, 1)}
		}, protocol.Malformed},
		{"too many keys", func(d *draft) { d.authority.Keys = repeat(d.authority.Keys[1], protocol.MaxKeys+1) }, protocol.Malformed},
		{"certificate cut", func(d *draft) { d.record.Certificate = d.record.Certificate[:50] }, protocol.Malformed},
		{"certificate with a tail", func(d *draft) { d.record.Certificate = append(d.record.Certificate, 0xcd, 0) }, protocol.Malformed},
		{"certificate huge", func(d *draft) { d.record.Certificate = make([]byte, protocol.MaxCertificate+1) }, protocol.Malformed},
		{"key window reversed", func(d *draft) { reverse(&d.authority.Keys[1].Valid) }, protocol.Malformed},
		{"key window empty", func(d *draft) { d.authority.Keys[1].Valid.Until = d.authority.Keys[1].Valid.From }, protocol.Malformed},
		{"key window for ever", func(d *draft) { d.record.Keys[0].Valid.Until = later(100 * year) }, protocol.Malformed},
		{"key counts before it was made", func(d *draft) { d.authority.Keys[1].Valid.From = later(-time.Minute) }, protocol.Malformed},
		{"key counts beyond its end", func(d *draft) { d.authority.Keys[1].Valid.Until = later(year + time.Minute) }, protocol.Malformed},
		{"compromise announced before it was", func(d *draft) {
			d.authority.Keys[1].Compromised = &Compromised{Since: later(time.Minute), Announced: later(0)}
		}, protocol.Malformed},
		{"compromise announced in the future", func(d *draft) {
			d.authority.Keys[1].Compromised = &Compromised{Since: later(0), Announced: later(time.Hour)}
		}, protocol.Malformed},
		// the record's own members
		{"unknown version of the type", func(d *draft) { d.record.Type = "comity/record/v2" }, protocol.UnsupportedVersion},
		{"another type", func(d *draft) { d.record.Type = "comity/envelope/v1" }, protocol.Malformed},
		{"speaks no version of ours", func(d *draft) { d.record.Versions = []string{"v2", "v3"} }, protocol.UnsupportedVersion},
		{"version misspelt", func(d *draft) { d.record.Versions = []string{"v1", "v01"} }, protocol.Malformed},
		{"version twice", func(d *draft) { d.record.Versions = []string{"v1", "v1"} }, protocol.Malformed},
		{"no version", func(d *draft) { d.record.Versions = nil }, protocol.UnsupportedVersion},
		{"too many versions", func(d *draft) { d.record.Versions = repeat("v1", protocol.MaxVersions+1) }, protocol.Malformed},
		{"sequence zero", func(d *draft) { d.record.Sequence = 0 }, protocol.Malformed},
		{"sequence zero after one", func(d *draft) { d.record.Sequence, d.record.Previous = 0, &d.record.Node.TLS[0].SPKI }, protocol.Malformed},
		{"first with previous", func(d *draft) { d.record.Previous = new(protocol.Digest) }, protocol.Malformed},
		{"second without previous", func(d *draft) { d.record.Sequence = 2 }, protocol.Malformed},
		{"second after nothing", func(d *draft) { d.record.Sequence, d.record.Previous = 2, new(protocol.Digest) }, protocol.Malformed},
		{"validity reversed", func(d *draft) { reverse(&d.record.Valid) }, protocol.Malformed},
		{"no name", func(d *draft) { d.record.Name = nil }, protocol.Malformed},
		{"too many names", func(d *draft) { d.record.Name = repeat(d.record.Name[0], protocol.MaxNames+1) }, protocol.Malformed},
		{"one language twice", func(d *draft) { d.record.Name[1].Language = "en" }, protocol.Malformed},
		{"language unknown", func(d *draft) { d.record.Name[1].Language = "english" }, protocol.Malformed},
		{"name turned around", func(d *draft) { d.authority.Name[0].Text = "Court\u202eytirohtua" }, protocol.Malformed},
		{"name with a hidden sign", func(d *draft) { d.authority.Name[0].Text = "Cou\u200brt" }, protocol.Malformed},
		{"name of two lines", func(d *draft) { d.authority.Name[0].Text = "Court\nof xa" }, protocol.Malformed},
		{"name empty", func(d *draft) { d.authority.Name[0].Text = "" }, protocol.Malformed},
		{"name too long", func(d *draft) { d.authority.Name[0].Text = strings.Repeat("x", protocol.MaxName+1) }, protocol.Malformed},
		{"authority name in Cyrillic letters", func(d *draft) { d.authority.ID = "xa/сentral-authority" }, protocol.Malformed},
		{"too many authorities", func(d *draft) { d.record.Authorities = repeat(Entry{}, protocol.MaxAuthorities+1) }, protocol.Malformed},
		// the node
		{"no TLS key", func(d *draft) { d.record.Node.TLS = nil }, protocol.Malformed},
		{"TLS key twice", func(d *draft) { d.record.Node.TLS[1].SPKI = d.record.Node.TLS[0].SPKI }, protocol.Malformed},
		{"TLS key without digest", func(d *draft) { d.record.Node.TLS[1].SPKI = protocol.Digest{} }, protocol.Malformed},
		{"TLS key window reversed", func(d *draft) { reverse(&d.record.Node.TLS[0].Valid) }, protocol.Malformed},
		{"too many TLS keys", func(d *draft) { d.record.Node.TLS = repeat(d.record.Node.TLS[0], protocol.MaxKeys+1) }, protocol.Malformed},
		{"endpoint with a scheme", func(d *draft) { d.record.Node.Endpoints[0] = "https://gateway.xa.example:8443" }, protocol.Malformed},
		{"endpoint twice", func(d *draft) { d.record.Node.Endpoints[0] = d.record.Node.Endpoints[2] }, protocol.Malformed},
		{"too many endpoints", func(d *draft) { d.record.Node.Endpoints = repeat("xa:1", protocol.MaxEndpoints+1) }, protocol.Malformed},
		{"log of another node", func(d *draft) { d.record.Node.Log.Origin = "comity/log/xb/1" }, protocol.Malformed},
		{"log without era", func(d *draft) { d.record.Node.Log.Origin = "comity/log/xa" }, protocol.Malformed},
		{"log keys named otherwise", func(d *draft) { d.record.Node.Log.Origin = "comity/log/xa/2" }, protocol.Malformed},
		{"log keys swapped", func(d *draft) { swap(&d.record.Node.Log.Keys) }, protocol.Malformed},
		{"log without post-quantum key", func(d *draft) { d.record.Node.Log.Keys.MLDSA44 = "" }, protocol.Malformed},
		{"witness keys swapped", func(d *draft) { swap(&d.record.Node.Witness) }, protocol.Malformed},
		{"witness with the log's keys", func(d *draft) { d.record.Node.Witness = d.record.Node.Log.Keys }, protocol.Malformed},
		{"witness of another node", func(d *draft) { d.record.Node.Witness = witnessOf("xb") }, protocol.Malformed},
		{"witness keys of one id", func(d *draft) { d.record.Node.Witness = witnessOfOneID("xa") }, protocol.Malformed},
		{"witness key altered", func(d *draft) { upper(&d.record.Node.Witness.MLDSA44) }, protocol.Malformed},
		{"takes no bytes", func(d *draft) { d.record.Node.Limits.Sealed = 0 }, protocol.Malformed},
		{"takes too many bytes", func(d *draft) { d.record.Node.Limits.Sealed = protocol.MaxSealed + 1 }, protocol.Malformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDraft()
			test.change(d)
			_, err := d.verify(nil)
			wantCode(t, err, test.want)
			if err != nil && len(err.Error()) > 600 {
				t.Errorf("sentence of %d bytes", len(err.Error()))
			}
		})
	}
}

// What looks odd and is right, one line each.
func TestVerifyAccepts(t *testing.T) {
	tests := []struct {
		name   string
		change func(d *draft)
	}{
		{"no authority yet", func(d *draft) { d.withAuthority = false }},
		{"no endpoint: the node only calls out", func(d *draft) { d.record.Node.Endpoints = nil }},
		{"a later first record", func(d *draft) { d.record.Sequence, d.record.Previous = 7, &d.record.Node.TLS[0].SPKI }},
		{"signed days after it was written", func(d *draft) { d.at = start.Add(72 * time.Hour) }},
		{"a subkey without a role", func(d *draft) { d.record.Node.Keys = d.record.Node.Keys[:2] }},
		{"a retired key kept for old evidence", func(d *draft) { d.authority.Keys[1].Valid = during(start, time.Hour) }},
		{"a key marked compromised", func(d *draft) {
			d.authority.Keys[1].Compromised = &Compromised{Since: protocol.At(start), Announced: protocol.At(start)}
		}},
		{"not valid yet", func(d *draft) { d.record.Valid = during(start.Add(year), year) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDraft()
			test.change(d)
			if _, err := d.verify(nil); err != nil {
				t.Errorf("verify: %v", err)
			}
		})
	}
}

func TestCheckTimes(t *testing.T) {
	s := verified(t, newDraft())
	for _, test := range []struct {
		name string
		now  time.Time
		want protocol.Code
	}{
		{"now", start, ""},
		{"a slow clock", start.Add(-protocol.MaxSkew), ""},
		{"a wrong clock", start.Add(-protocol.MaxSkew - time.Second), protocol.ClockSkew},
		{"last moment", start.Add(2*year - time.Millisecond), ""},
		{"over", start.Add(2 * year), protocol.Expired},
	} {
		t.Run(test.name, func(t *testing.T) { wantCode(t, s.CheckTimes(test.now), test.want) })
	}
	d := newDraft()
	d.record.Valid = during(start.Add(year), year)
	wantCode(t, verified(t, d).CheckTimes(start), protocol.Expired)
}

func TestPinValid(t *testing.T) {
	s := verified(t, newDraft())
	for _, test := range []struct {
		spki string
		at   time.Time
		want bool
	}{
		{"one", start, true},
		{"one", start.Add(-time.Second), false},
		{"one", start.Add(year), false},
		{"two", start, false},
		{"two", start.Add(year), true},
		{"three", start, false},
	} {
		if got := s.PinValid(protocol.Sum([]byte(test.spki)), test.at); got != test.want {
			t.Errorf("PinValid(%s, %s) = %v, want %v", test.spki, test.at, got, test.want)
		}
	}
}

// What a caller does with its bytes later must not change a verified record.
func TestVerifyKeepsItsOwnBytes(t *testing.T) {
	sg := must(newDraft().sign())
	s := must(Verify(sg, nil))
	want := s.Ref()
	clear(sg.Document)
	clear(sg.Signature)
	if got := s.Signed().Digest(); got != want.Digest || bytes.Equal(s.Signed().Signature, sg.Signature) {
		t.Errorf("digest after the caller's change: %s, want %s", got, want.Digest)
	}
}

func alter(from, to string) func(*statement.Signed) {
	return func(s *statement.Signed) { s.Document = bytes.Replace(s.Document, []byte(from), []byte(to), 1) }
}

func upper(s *string) { *s = strings.ToUpper(*s) }

func reverse(w *protocol.Window) { w.From, w.Until = w.Until, w.From }

func swap(k *Keypair) { k.Ed25519, k.MLDSA44 = k.MLDSA44, k.Ed25519 }

func repeat[T any](v T, n int) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = v
	}
	return all
}
