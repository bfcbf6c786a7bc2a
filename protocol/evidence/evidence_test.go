package evidence_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"

	"github.com/google/go-cmp/cmp"
)

const sample = `{
  "type": "comity/evidence/v1",
  "event": "RelayAcceptance",
  "parcel": "019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a01",
  "from": "xa/central-authority",
  "to": "xb/prosecution-service",
  "test": false,
  "envelope": {
    "sha256": "5f70000000000000000000000000000000000000000000000000000000000001",
    "signature_sha256": "1d2e000000000000000000000000000000000000000000000000000000000002"
  },
  "sealed_sha256": "0c9d000000000000000000000000000000000000000000000000000000000003",
  "time": "2026-11-23T10:00:02.310Z",
  "reason": null,
  "issuer": {
    "name": "xb",
    "role": "node",
    "key": "b8f1000000000000000000000000000000000000000000000000000000000004"
  },
  "log": "comity/log/xb/1",
  "record": {
    "state": "xb",
    "sequence": 1,
    "sha256": "8e19000000000000000000000000000000000000000000000000000000000005"
  },
  "consignee_key": null
}
`

func parse(t *testing.T, text string) *evidence.Evidence {
	t.Helper()
	e, err := evidence.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// of returns valid evidence of an event.
func of(t *testing.T, event evidence.Event) *evidence.Evidence {
	t.Helper()
	e := parse(t, sample)
	rule := event.Rule()
	e.Event = event
	e.Issuer.Role = rule.Role
	node, side := "xb", e.To
	if rule.Sender {
		node, side = "xa", e.From
	}
	e.Issuer.Name, e.Log, e.Record.State = node, protocol.LogOrigin(protocol.NodeID(node), 1), protocol.StateID(node)
	if rule.Role != evidence.Node {
		e.Issuer.Name = string(side)
	}
	if rule.Negative {
		e.Reason = evidence.NewReason(protocol.NotAccepted, "no acceptance until the end")
	}
	if event == evidence.ContentConsignment {
		key := protocol.Sum([]byte("the office's key"))
		e.ConsigneeKey = &key
	}
	return e
}

func TestParseThenEncodeGivesTheSameBytes(t *testing.T) {
	doc, err := statement.Encode(parse(t, sample))
	if err != nil || string(doc) != sample {
		t.Errorf("error %v, got\n%s\nwant\n%s", err, doc, sample)
	}
}

func TestEveryEventIsSignedAndReadBack(t *testing.T) {
	made := parse(t, sample).Time.Time
	keys, err := pgp.Generate("every role", pgp.Ed25519, 2, made.Add(-time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range evidence.Events() {
		e := of(t, event)
		e.Issuer.Key = keys.Subkeys[0].Digest()
		signed, err := e.Sign(keys.Subkeys[0], made)
		if err != nil {
			t.Errorf("%s: %v", event, err)
			continue
		}
		if _, err := keys.Certificate.Verify(signed.Document, signed.Signature, e.Issuer.Key, made); err != nil {
			t.Errorf("%s: %v", event, err)
		}
		if diff := cmp.Diff(e, parse(t, string(signed.Document))); diff != "" {
			t.Errorf("%s: difference (-want +got):\n%s", event, diff)
		}
		if _, err := e.Sign(keys.Subkeys[1], made); err == nil {
			t.Errorf("%s: signed with a key that it does not name", event)
		}
		if _, err := e.Sign(nil, made); err == nil {
			t.Errorf("%s: signed without a key", event)
		}
		e.Type = ""
		if _, err := e.Sign(keys.Subkeys[0], made); protocol.CodeOf(err) != protocol.Malformed {
			t.Errorf("%s without a type: got %v, want %s", event, err, protocol.Malformed)
		}
	}
}

// TestRolesAndSides tries every event with every role on either side (R-EVID-1).
func TestRolesAndSides(t *testing.T) {
	type issuer struct {
		name string
		role evidence.Role
	}
	issuers := []issuer{
		{"xa", evidence.Node},
		{"xb", evidence.Node},
		{"xb-north", evidence.Node},
		{"xc", evidence.Node},
		{"xa/central-authority", evidence.Act},
		{"xb/prosecution-service", evidence.Act},
		{"xb/court", evidence.Act},
		{"xa/central-authority", evidence.Attest},
		{"xb/prosecution-service", evidence.Attest},
		{"xc/court", evidence.Attest},
		{"xb/prosecution-service", evidence.Primary},
		{"xb/prosecution-service", evidence.Node},
		{"xb", evidence.Act},
		{"xb", evidence.Attest},
		{"xb", evidence.Primary},
		{"", evidence.Node},
		{"xb", ""},
		{"Xb", evidence.Node},
	}
	nodeXA, nodesXB := []issuer{{"xa", evidence.Node}}, []issuer{{"xb", evidence.Node}, {"xb-north", evidence.Node}}
	attest, act := []issuer{{"xb/prosecution-service", evidence.Attest}}, []issuer{{"xb/prosecution-service", evidence.Act}}
	allowed := map[evidence.Event][]issuer{
		evidence.SubmissionAcceptance: nodeXA, evidence.SubmissionRejection: nodeXA, evidence.RelayFailure: nodeXA,
		evidence.RelayAcceptance: nodesXB, evidence.RelayRejection: nodesXB, evidence.ContentConsignment: nodesXB,
		evidence.ContentHandover: attest, evidence.ContentHandoverFailure: attest, evidence.ContentAccessTracking: attest,
		evidence.ConsignmentAcceptance: act, evidence.ConsignmentRejection: act,
	}
	for _, event := range evidence.Events() {
		for _, by := range issuers {
			e := of(t, event)
			e.Issuer.Name, e.Issuer.Role = by.name, by.role
			want := protocol.WrongRole
			for _, good := range allowed[event] {
				if by == good {
					want = ""
				}
			}
			if by.name == "xb-north" && want == "" {
				e.Log = protocol.LogOrigin("xb-north", 1)
			}
			if err := e.Validate(); protocol.CodeOf(err) != want {
				t.Errorf("R-EVID-1 %s by %v: got %v, want %q", event, by, err, want)
			}
		}
	}
}

// TestReasons: negative events carry a reason, positive none (R-EVID-2).
func TestReasons(t *testing.T) {
	for _, event := range evidence.Events() {
		e := of(t, event)
		if e.Reason == nil {
			e.Reason = evidence.NewReason(protocol.NotAccepted, "")
		} else {
			e.Reason = nil
		}
		if err := e.Validate(); protocol.CodeOf(err) != protocol.Malformed {
			t.Errorf("R-EVID-2 %s with reason %v: got %v, want %s", event, e.Reason, err, protocol.Malformed)
		}
	}
	for name, reason := range map[string]evidence.Reason{
		"no code":              {Text: "because"},
		"an unknown code":      {Code: "because", Text: "because"},
		"no text":              {Code: protocol.NotAccepted},
		"a long text":          {Code: protocol.NotAccepted, Text: strings.Repeat("x", protocol.MaxReasonText+1)},
		"a code of the peer's": {Code: protocol.DigestMismatch, Text: "other bytes"},
	} {
		e := of(t, evidence.RelayFailure)
		e.Reason = &reason
		if err := e.Validate(); protocol.CodeOf(err) != protocol.Malformed {
			t.Errorf("%s: got %v, want %s", name, err, protocol.Malformed)
		}
	}
}

func TestNewReasonFitsADocument(t *testing.T) {
	for _, text := range []string{"", "plain", "zero \x00, not UTF-8 \xff", strings.Repeat("é", protocol.MaxReasonText), "x" + strings.Repeat("☃", 1000)} {
		e := of(t, evidence.RelayRejection)
		e.Reason = evidence.NewReason(protocol.Policy, text)
		if err := e.Validate(); err != nil {
			t.Errorf("%.20q: %v", text, err)
		}
		if _, err := statement.Encode(e); err != nil {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	err := fmt.Errorf("taking the envelope: %w", protocol.Refuse(protocol.Expired, "its time has passed"))
	want := &evidence.Reason{Code: protocol.Expired, Text: "its time has passed"}
	if diff := cmp.Diff(want, evidence.ReasonOf(err)); diff != "" {
		t.Errorf("difference (-want +got):\n%s", diff)
	}
	if got := evidence.ReasonOf(errors.New("disk full")); got != nil {
		t.Errorf("R-EVID-8: transient trouble became the reason %v", got)
	}
}

func TestParseRefuses(t *testing.T) {
	zero := strings.Repeat("0", 64)
	tests := []struct {
		name, old, new string
		code           protocol.Code // Malformed unless given
	}{
		{name: "an envelope", old: "comity/evidence/v1", new: "comity/envelope/v1"},
		{name: "another version", old: "comity/evidence/v1", new: "comity/evidence/v2", code: protocol.UnsupportedVersion},
		{name: "too long", old: `"time"`, new: strings.Repeat(" ", protocol.MaxEvidence) + `"time"`, code: protocol.TooLarge},
		{name: "an unknown event", old: "RelayAcceptance", new: "RelayAccepted"},
		{name: "an event in another case", old: "RelayAcceptance", new: "relayacceptance"},
		{name: "an unknown role", old: `"node"`, new: `"root"`},
		{name: "another event's role", old: "RelayAcceptance", new: "ContentHandover", code: protocol.WrongRole},
		{name: "the other side's event", old: "RelayAcceptance", new: "SubmissionAcceptance", code: protocol.WrongRole},
		{name: "to itself", old: "xb/prosecution-service", new: "xa/central-authority"},
		{name: "no envelope", old: "{\n    \"sha256\": \"5f70000000000000000000000000000000000000000000000000000000000001\",\n    \"signature_sha256\": \"1d2e000000000000000000000000000000000000000000000000000000000002\"\n  }", new: "null"},
		{name: "a zero envelope", old: "5f70000000000000000000000000000000000000000000000000000000000001", new: zero},
		{name: "a zero envelope signature", old: "1d2e000000000000000000000000000000000000000000000000000000000002", new: zero},
		{name: "a zero sealed digest", old: "0c9d000000000000000000000000000000000000000000000000000000000003", new: zero},
		{name: "a zero key", old: "b8f1000000000000000000000000000000000000000000000000000000000004", new: zero},
		{name: "a zero record", old: "8e19000000000000000000000000000000000000000000000000000000000005", new: zero},
		{name: "a consignee on another event", old: `"consignee_key": null`, new: `"consignee_key": "` + strings.Repeat("ab", 32) + `"`},
		{name: "R-EVID-2 a reason on a positive event", old: `"reason": null`, new: `"reason": {"code": "policy", "text": "x"}`},
		{name: "R-EVID-2 a negative event without a reason", old: "RelayAcceptance", new: "RelayRejection"},
		{name: "an unknown reason code", old: `"reason": null`, new: `"reason": {"code": "mood", "text": "x"}`},
		{name: "the record of another state", old: `"state": "xb"`, new: `"state": "xa"`},
		{name: "the record number 0", old: `"sequence": 1`, new: `"sequence": 0`},
		{name: "the log of another state", old: "comity/log/xb/1", new: "comity/log/xa/1"},
		{name: "the log of another node", old: "comity/log/xb/1", new: "comity/log/xb-north/1"},
		{name: "no log", old: "comity/log/xb/1", new: ""},
		{name: "a log without an era", old: "comity/log/xb/1", new: "comity/log/xb"},
		{name: "a log of era 0", old: "comity/log/xb/1", new: "comity/log/xb/0"},
		{name: "a log of era 01", old: "comity/log/xb/1", new: "comity/log/xb/01"},
		{name: "a log with more", old: "comity/log/xb/1", new: "comity/log/xb/1/2"},
	}
	for _, tt := range tests {
		text := strings.Replace(sample, tt.old, tt.new, 1)
		if tt.code == "" {
			tt.code = protocol.Malformed
		}
		if _, err := evidence.Parse([]byte(text)); protocol.CodeOf(err) != tt.code || text == sample {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.code)
		}
	}
}

func TestRejectionMayComeBeforeAnyEnvelope(t *testing.T) {
	for _, event := range evidence.Events() {
		e := of(t, event)
		e.Envelope, e.Sealed = nil, protocol.Digest{}
		want := protocol.Malformed
		if event == evidence.SubmissionRejection {
			want = ""
		}
		if err := e.Validate(); protocol.CodeOf(err) != want {
			t.Errorf("%s without an envelope: got %v, want %q", event, err, want)
		}
	}
}

func TestConsigneeKeyStandsOnConsignmentOnly(t *testing.T) {
	e := of(t, evidence.ContentConsignment)
	for name, key := range map[string]*protocol.Digest{"none": nil, "zero": {}} {
		e.ConsigneeKey = key
		if err := e.Validate(); protocol.CodeOf(err) != protocol.Malformed {
			t.Errorf("consignee key %s: got %v, want %s", name, err, protocol.Malformed)
		}
	}
}

// TestAbout changes one thing at a time between evidence and envelope (R-EVID-3).
func TestAbout(t *testing.T) {
	e := parse(t, sample)
	env := func() *envelope.Envelope {
		return &envelope.Envelope{Parcel: e.Parcel, From: e.From, To: e.To, Test: e.Test, Sealed: envelope.Sealed{Digest: e.Sealed}}
	}
	if err := e.About(env(), *e.Envelope); err != nil {
		t.Errorf("the same: %v", err)
	}
	other := protocol.Sum([]byte("another"))
	for name, change := range map[string]func(*envelope.Envelope, *statement.Ref){
		"parcel":    func(v *envelope.Envelope, _ *statement.Ref) { v.Parcel = "019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a02" },
		"from":      func(v *envelope.Envelope, _ *statement.Ref) { v.From = "xa/court" },
		"to":        func(v *envelope.Envelope, _ *statement.Ref) { v.To = "xb/court" },
		"test":      func(v *envelope.Envelope, _ *statement.Ref) { v.Test = true },
		"sealed":    func(v *envelope.Envelope, _ *statement.Ref) { v.Sealed.Digest = other },
		"document":  func(_ *envelope.Envelope, r *statement.Ref) { r.Document = other },
		"signature": func(_ *envelope.Envelope, r *statement.Ref) { r.Signature = other },
	} {
		v, ref := env(), *e.Envelope
		change(v, &ref)
		if err := e.About(v, ref); protocol.CodeOf(err) != protocol.WrongParcel {
			t.Errorf("R-EVID-3 another %s: got %v, want %s", name, err, protocol.WrongParcel)
		}
	}
	e.Envelope = nil
	if err := e.About(env(), statement.Ref{}); protocol.CodeOf(err) != protocol.WrongParcel {
		t.Errorf("no envelope: got %v, want %s", err, protocol.WrongParcel)
	}
}

// Every event has words for people, and one that ended a withdrawn parcel others than
// the same one for another reason.
func TestSentences(t *testing.T) {
	for _, event := range evidence.Events() {
		if e := of(t, event); e.Says() == "" || e.DoesNotSay() == "" {
			t.Errorf("%s says %q, and not %q", event, e.Says(), e.DoesNotSay())
		}
	}
	for event, want := range map[evidence.Event][2]string{
		evidence.RelayRejection: {"took the withdrawal; it does not have the parcel", "what the parcel holds"},
		evidence.RelayFailure:   {"was withdrawn before it left", "anything about the recipient"},
	} {
		e := of(t, event)
		e.Reason = evidence.NewReason(protocol.Withdrawn, "the sending authority withdrew the parcel")
		if !strings.Contains(e.Says(), want[0]) || !strings.Contains(e.DoesNotSay(), want[1]) {
			t.Errorf("%s of what was withdrawn says %q, and not %q", event, e.Says(), e.DoesNotSay())
		}
		e.Reason.Code = protocol.Policy
		if strings.Contains(e.Says(), want[0]) {
			t.Errorf("%s for another reason: %q", event, e.Says())
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(strings.NewReplacer("RelayAcceptance", "RelayRejection", `"reason": null`, `"reason": {"code": "policy", "text": "x"}`).Replace(sample)))
	f.Fuzz(func(t *testing.T, doc []byte) {
		e, err := evidence.Parse(doc)
		if err != nil {
			if protocol.CodeOf(err) == "" {
				t.Fatalf("%q: %v is no refusal", doc, err)
			}
			return
		}
		again, err := statement.Encode(e)
		if err != nil {
			t.Fatalf("%q: taken but not written: %v", doc, err)
		}
		v, err := evidence.Parse(again)
		if diff := cmp.Diff(e, v); err != nil || diff != "" {
			t.Fatalf("%q: error %v, difference:\n%s", doc, err, diff)
		}
		if e.Says() == "" {
			t.Fatalf("%q: nothing to say", doc)
		}
	})
}
