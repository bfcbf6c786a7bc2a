package record

import (
	"sync"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
	"comity/protocol/withdrawal"
)

func TestVerifyEnvelope(t *testing.T) {
	k := keys()
	now := start.Add(2 * time.Hour)
	at := func(e *envelope.Envelope, d time.Duration) {
		e.Created, e.Expires = protocol.At(start.Add(d)), protocol.At(start.Add(d+24*time.Hour))
	}
	tests := []struct {
		name   string
		key    *pgp.Secret
		made   time.Time
		change func(*envelope.Envelope)
		want   protocol.Code
	}{
		{"ordinary", k.node.subkeys[0], now, func(*envelope.Envelope) {}, ""},
		{"by the node's other key", k.node.subkeys[1], now, func(*envelope.Envelope) {}, ""},
		{"by the node's other key, which has been compromised before", k.node.subkeys[1], now, func(e *envelope.Envelope) { at(e, 100*time.Hour) }, protocol.KeyCompromised},
		{"in the second of the key's making", k.node.subkeys[0], start, func(e *envelope.Envelope) { at(e, 0) }, ""},
		{"of an older record", k.node.subkeys[0], now, func(e *envelope.Envelope) { e.Records.From.Sequence = 9 }, ""},
		{"by the node's primary", k.node.primary, now, func(*envelope.Envelope) {}, protocol.WrongRole},              // R-ENV-1
		{"by the authority itself", k.authority.subkeys[0], now, func(*envelope.Envelope) {}, protocol.BadSignature}, // R-ENV-1
		{"by a stranger", k.stranger.subkeys[0], now, func(*envelope.Envelope) {}, protocol.BadSignature},            // R-ENV-1
		{"for an authority not hosted", k.node.subkeys[0], now, func(e *envelope.Envelope) { e.From = "xa/court" }, protocol.UnknownSender},
		{"from the future", k.node.subkeys[0], now, func(e *envelope.Envelope) { at(e, 2*time.Hour+protocol.MaxSkew+time.Second) }, protocol.ClockSkew}, // R-ENV-4
		{"within the skew", k.node.subkeys[0], now.Add(protocol.MaxSkew), func(e *envelope.Envelope) { at(e, 2*time.Hour+protocol.MaxSkew) }, ""},
		{"signed in the future", k.node.subkeys[0], now.Add(protocol.MaxSkew + time.Second), func(*envelope.Envelope) {}, protocol.BadSignature}, // R-SIG-4
		{"before the key", k.node.subkeys[0], now, func(e *envelope.Envelope) { at(e, -time.Second) }, protocol.KeyExpired},
		{"after the key", k.node.subkeys[0], now, func(e *envelope.Envelope) { at(e, year) }, protocol.KeyExpired}, // R-REC-8
		{"of another record under this number", k.node.subkeys[0], now, func(e *envelope.Envelope) { e.Records.From.Digest = protocol.Sum(nil) }, protocol.Equivocation},
		{"of another state's record", k.node.subkeys[0], now, func(e *envelope.Envelope) { e.Records.From.State = "xb" }, protocol.Malformed},
	}
	d := newDraft()
	d.record.Node.Keys[2].Compromised = &Compromised{Since: protocol.At(start.Add(50 * time.Hour)), Announced: protocol.At(start.Add(60 * time.Hour))}
	d.record.Created = protocol.At(start.Add(60 * time.Hour))
	s := verified(t, d)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := newEnvelope(s)
			test.change(e)
			sg, err := statement.Sign(e, protocol.MaxEnvelope, test.key, test.made)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.VerifyEnvelope(sg, now)
			wantCode(t, err, test.want)
			if (err == nil) != (got != nil) || got != nil && got.Parcel != e.Parcel {
				t.Errorf("VerifyEnvelope = %+v, %v", got, err)
			}
		})
	}
	sg := must(newEnvelope(s).Sign(k.node.subkeys[0], now))
	sg.Document = append([]byte("{ "), sg.Document[1:]...)
	_, err := s.VerifyEnvelope(sg, now)
	wantCode(t, err, protocol.BadSignature)
}

// newEvidence makes evidence of a parcel that xb sent to xa/central-authority,
// or, for events of the sending side, of one that the latter sent.
func newEvidence(s *State, event evidence.Event) *evidence.Evidence {
	e := &evidence.Evidence{
		Type: evidence.Type, Event: event, Parcel: "0193588d-1a2b-7c3d-8e4f-0123456789ab",
		From: "xb/prosecution-service", To: "xa/central-authority",
		Envelope: &statement.Ref{Document: protocol.Sum([]byte("e")), Signature: protocol.Sum([]byte("s"))},
		Sealed:   protocol.Sum([]byte("sealed")), Time: protocol.At(start.Add(time.Hour)),
		Issuer: evidence.Issuer{Name: "xa", Role: event.Rule().Role}, Log: s.record.Node.Log.Origin, Record: s.Ref(),
	}
	if event.Rule().Sender {
		e.From, e.To = e.To, e.From
	}
	if event.Rule().Role != evidence.Node {
		e.Issuer.Name = "xa/central-authority"
	}
	if event.Rule().Negative {
		e.Reason = evidence.NewReason(protocol.NotAccepted, "no acceptance")
	}
	if event == evidence.ContentConsignment {
		spki := protocol.Sum([]byte("office"))
		e.ConsigneeKey = &spki
	}
	return e
}

func secretFor(role evidence.Role) *pgp.Secret {
	switch role {
	case evidence.Act:
		return keys().authority.subkeys[0]
	case evidence.Attest:
		return keys().authority.subkeys[1]
	default:
		return keys().node.subkeys[0]
	}
}

// R-EVID-1: every event with the right key, and with every wrong one.
func TestVerifyEvidenceRoles(t *testing.T) {
	s := verified(t, newDraft())
	now := start.Add(2 * time.Hour)
	for _, event := range evidence.Events() {
		for _, role := range []evidence.Role{evidence.Node, evidence.Act, evidence.Attest} {
			e := newEvidence(s, event)
			e.Issuer.Key = secretFor(role).Digest()
			sg := must(statement.Sign(e, protocol.MaxEvidence, secretFor(role), now))
			_, err := s.VerifyEvidence(sg, now)
			want := protocol.WrongRole
			if role == event.Rule().Role {
				want = ""
			}
			if got := protocol.CodeOf(err); got != want || want == "" && err != nil {
				t.Errorf("%s by the %s key: got %q (%v), want %q", event, role, got, err, want)
			}
		}
	}
}

// R-WDR-1: a withdrawal is an act of the authority, by a key that counted.
func TestVerifyWithdrawal(t *testing.T) {
	s := verified(t, newDraft())
	now := start.Add(2 * time.Hour)
	for name, c := range map[string]struct {
		role evidence.Role
		edit func(*withdrawal.Withdrawal)
		want protocol.Code
	}{
		"act":                 {evidence.Act, nil, ""},
		"attest":              {evidence.Attest, nil, protocol.WrongRole},
		"node":                {evidence.Node, nil, protocol.WrongRole},
		"another authority":   {evidence.Act, func(w *withdrawal.Withdrawal) { w.From = "xa/ministry" }, protocol.UnknownSender},
		"another state's":     {evidence.Act, func(w *withdrawal.Withdrawal) { w.From, w.To = w.To, w.From }, protocol.UnknownSender},
		"before the key":      {evidence.Act, func(w *withdrawal.Withdrawal) { w.Created = protocol.At(start.Add(-time.Hour)) }, protocol.KeyExpired},
		"dated in the future": {evidence.Act, func(w *withdrawal.Withdrawal) { w.Created = protocol.At(now.Add(time.Hour)) }, protocol.ClockSkew},
	} {
		e := newEvidence(s, evidence.SubmissionAcceptance)
		w := &withdrawal.Withdrawal{
			Type: withdrawal.Type, Parcel: e.Parcel, From: e.From, To: e.To, Envelope: *e.Envelope, Created: protocol.At(now), Key: secretFor(c.role).Digest(),
		}
		if c.edit != nil {
			c.edit(w)
		}
		got, err := s.VerifyWithdrawal(must(statement.Sign(w, protocol.MaxWithdrawal, secretFor(c.role), now)), now)
		if protocol.CodeOf(err) != c.want || c.want == "" && (err != nil || *got != *w) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestVerifyEvidenceRefuses(t *testing.T) {
	k := keys()
	d := newDraft()
	d.withSecond = true
	d.authority.Keys[1].Compromised = &Compromised{Since: protocol.At(start.Add(50 * time.Hour)), Announced: protocol.At(start.Add(60 * time.Hour))}
	d.authority.Created, d.record.Created = protocol.At(start.Add(60*time.Hour)), protocol.At(start.Add(60*time.Hour))
	s := verified(t, d)
	now := start.Add(100 * time.Hour)
	ev := func(event evidence.Event) *evidence.Evidence { return newEvidence(s, event) }
	tests := []struct {
		name   string
		e      *evidence.Evidence
		key    *pgp.Secret // nil: the right one
		made   time.Time
		change func(*evidence.Evidence)
		want   protocol.Code
	}{
		{"ordinary", ev(evidence.RelayAcceptance), nil, now, func(*evidence.Evidence) {}, ""},
		{"relay rejected for an authority unknown here", ev(evidence.RelayRejection), nil, now, func(e *evidence.Evidence) { e.To = "xa/court" }, ""},
		{"signed by another than named", ev(evidence.RelayAcceptance), k.node.subkeys[1], now, func(*evidence.Evidence) {}, protocol.BadSignature},
		{"key unknown", ev(evidence.RelayAcceptance), nil, now, func(e *evidence.Evidence) { e.Issuer.Key = k.stranger.subkeys[0].Digest() }, protocol.WrongRole},
		{"the sender claims acceptance", ev(evidence.RelayAcceptance), nil, now, func(e *evidence.Evidence) { e.From, e.To = e.To, e.From }, protocol.WrongRole},
		{"the recipient claims submission", ev(evidence.SubmissionAcceptance), nil, now, func(e *evidence.Evidence) { e.From, e.To = e.To, e.From }, protocol.WrongRole},
		{"another node of the state", ev(evidence.RelayAcceptance), nil, now, func(e *evidence.Evidence) { e.Issuer.Name, e.Log = "xa-north", "comity/log/xa-north/1" }, protocol.WrongRole},
		{"in the name of an authority elsewhere", ev(evidence.ContentHandover), nil, now, func(e *evidence.Evidence) { e.To, e.Issuer.Name = "xa/court", "xa/court" }, protocol.UnknownRecipient},
		{"in the name of another authority here", ev(evidence.ContentHandover), nil, now, func(e *evidence.Evidence) { e.To, e.Issuer.Name = "xa/prosecution-service", "xa/prosecution-service" }, protocol.WrongRole},
		{"by the authority's primary", ev(evidence.ConsignmentAcceptance), k.authority.primary, now, func(e *evidence.Evidence) { e.Issuer.Key = k.authority.primary.Digest() }, protocol.WrongRole},
		{"before the key", ev(evidence.RelayAcceptance), nil, now, func(e *evidence.Evidence) { e.Time = protocol.At(start.Add(-time.Second)) }, protocol.KeyExpired},
		{"after the key", ev(evidence.RelayAcceptance), nil, now, func(e *evidence.Evidence) { e.Time = protocol.At(start.Add(year)) }, protocol.KeyExpired},
		{"from the future", ev(evidence.RelayAcceptance), nil, now, func(e *evidence.Evidence) { e.Time = protocol.At(now.Add(time.Hour)) }, protocol.ClockSkew},
		{"before the compromise", ev(evidence.ConsignmentAcceptance), nil, start.Add(time.Hour), func(*evidence.Evidence) {}, ""},
		{"signed after the compromise", ev(evidence.ConsignmentAcceptance), nil, now, func(*evidence.Evidence) {}, protocol.KeyCompromised},
		{"dated at the compromise", ev(evidence.ConsignmentAcceptance), nil, start.Add(time.Hour), func(e *evidence.Evidence) { e.Time = protocol.At(start.Add(50 * time.Hour)) }, protocol.KeyCompromised},
		{"for another era's log", ev(evidence.RelayAcceptance), nil, now, func(e *evidence.Evidence) { e.Log = "comity/log/xa/2" }, protocol.Malformed},
		{"for another log", ev(evidence.RelayAcceptance), nil, now, func(e *evidence.Evidence) { e.Log = "comity/log/xb/1" }, protocol.Malformed},
		{"under another record of this number", ev(evidence.RelayAcceptance), nil, now, func(e *evidence.Evidence) { e.Record.Digest = protocol.Sum(nil) }, protocol.Equivocation},
		{"under an older record", ev(evidence.RelayAcceptance), nil, now, func(e *evidence.Evidence) { e.Record.Sequence = 7 }, ""},
		{"under another state's record", ev(evidence.RelayAcceptance), nil, now, func(e *evidence.Evidence) { e.Record.State = "xb" }, protocol.Malformed},
		{"of another state altogether", ev(evidence.RelayAcceptance), nil, now, func(e *evidence.Evidence) {
			e.To, e.Issuer.Name, e.Log, e.Record.State = "xc/court", "xc", "comity/log/xc/1", "xc"
		}, protocol.WrongRole},
		{"not well-formed", ev(evidence.RelayAcceptance), nil, now, func(e *evidence.Evidence) { e.Reason = evidence.NewReason(protocol.Policy, "x") }, protocol.Malformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			key := test.key
			if key == nil {
				key = secretFor(test.e.Event.Rule().Role)
			}
			test.e.Issuer.Key = secretFor(test.e.Event.Rule().Role).Digest()
			test.change(test.e)
			sg, err := statement.Sign(test.e, protocol.MaxEvidence, key, test.made)
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.VerifyEvidence(sg, now)
			wantCode(t, err, test.want)
		})
	}
}

func TestMemberSigner(t *testing.T) {
	k, s := keys(), verified(t, newDraft())
	m, _ := s.Authority("xa/central-authority")
	at := start.Add(time.Hour)
	doc := []byte("{}\n")
	by := func(key *pgp.Secret) statement.Signed {
		return statement.Signed{Document: doc, Signature: must(key.Sign(doc, at))}
	}
	act, attest := k.authority.subkeys[0], k.authority.subkeys[1]

	if got, err := m.Signer(by(act), evidence.Act, at, at); err != nil || got != act.Digest() {
		t.Errorf("Signer = %s, %v; want the act key %x", got, err, act.Digest())
	}
	_, err := m.Signer(by(attest), evidence.Act, at, at)
	wantCode(t, err, protocol.WrongRole)
	_, err = m.Signer(by(k.stranger.subkeys[0]), evidence.Act, at, at)
	wantCode(t, err, protocol.BadSignature)
	_, err = m.Signer(by(k.authority.subkeys[2]), evidence.Act, at, at) // in the certificate, without a role
	wantCode(t, err, protocol.BadSignature)

	wantCode(t, m.Verify(by(act), evidence.Act, act.Digest(), at, at), "")
	wantCode(t, m.Verify(by(act), evidence.Attest, act.Digest(), at, at), protocol.WrongRole)
	wantCode(t, m.Verify(by(attest), evidence.Act, act.Digest(), at, at), protocol.BadSignature)
	wantCode(t, m.Verify(by(act), evidence.Act, act.Digest(), start.Add(-time.Hour), at), protocol.KeyExpired)
	wantCode(t, m.Verify(by(act), evidence.Act, act.Digest(), at.Add(time.Hour), at), protocol.ClockSkew)
	wantCode(t, m.Key(evidence.Act, act.Digest(), at), "")
	wantCode(t, m.Key(evidence.Act, act.Digest(), start.Add(year)), protocol.KeyExpired)
	wantCode(t, m.Key(evidence.Act, protocol.Digest{}, at), protocol.WrongRole)
}

func TestMemberRecipient(t *testing.T) {
	m, _ := verified(t, newDraft()).Authority("xa/central-authority")
	const day = 24 * time.Hour
	for _, test := range []struct {
		days int
		want int // index of the recipient; -1: none
	}{{-1, -1}, {0, 0}, {29, 0}, {30, 1}, {59, 1}, {89, 1}, {90, -1}} {
		at := start.Add(time.Duration(test.days) * day)
		r, err := m.Recipient(at)
		if test.want < 0 {
			wantCode(t, err, protocol.WrongRecipientKey)
			continue
		}
		if err != nil || r.String() != keys().recipients[test.want] {
			t.Errorf("day %d: got %v, want recipient %d", test.days, err, test.want)
		}
		// R-ENV-3: the other one may still be named while it is valid.
		if _, err := m.RecipientByDigest(r.Digest(), at); err != nil {
			t.Errorf("day %d: RecipientByDigest: %v", test.days, err)
		}
	}
	old := protocol.Sum([]byte(keys().recipients[0]))
	_, err := m.RecipientByDigest(old, start.Add(59*day))
	wantCode(t, err, "")
	_, err = m.RecipientByDigest(old, start.Add(60*day))
	wantCode(t, err, protocol.WrongRecipientKey)
	_, err = m.RecipientByDigest(protocol.Sum(nil), start)
	wantCode(t, err, protocol.WrongRecipientKey)
}

// One State serves all requests of a node at once.
func TestStateConcurrent(t *testing.T) {
	first := verified(t, newDraft())
	now := start.Add(2 * time.Hour)
	sg := must(newEnvelope(first).Sign(keys().node.subkeys[0], now))
	following := must(next(first).sign())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := first.VerifyEnvelope(sg, now); err != nil {
				t.Errorf("VerifyEnvelope: %v", err)
			}
			if _, err := Verify(following, first); err != nil {
				t.Errorf("Verify: %v", err)
			}
			first.Words()
			m := first.Members()[0]
			if _, err := m.Recipient(now); err != nil {
				t.Errorf("Recipient: %v", err)
			}
		})
	}
	wg.Wait()
}
