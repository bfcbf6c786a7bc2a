package vectors

import (
	"strings"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

func (w *writer) envelopes(o *world) {
	bare := o.env
	bare.NotBefore = nil // to keep the files small
	g := must(statement.Encode(&bare))
	size, digest := `"recipients": 1`, o.env.Sealed.Digest.String()
	for _, c := range []struct {
		name string
		code protocol.Code
		rule string
		why  string
		old  string
		now  string
	}{
		{"size-with-fraction", protocol.Malformed, "R-DOC-5", "a fraction, even of zero", size, `"recipients": 1.0`},
		{"size-with-exponent", protocol.Malformed, "R-DOC-5", "an exponent", size, `"recipients": 1e0`},
		{"size-as-text", protocol.Malformed, "R-DOC-5", "a number in quotation marks", size, `"recipients": "1"`},
		{"size-leading-zero", protocol.Malformed, "R-DOC-5", "a leading zero", size, `"recipients": 01`},
		{"size-minus-zero", protocol.Malformed, "R-DOC-5", "minus zero", size, `"recipients": -0`},
		{"size-2-to-53", protocol.Malformed, "R-DOC-5", "2^53, which not every reader keeps exactly", size, `"recipients": 9007199254740992`},
		{"no-recipient", protocol.Malformed, "R-SEAL-3", "sealed to nobody", size, `"recipients": 0`},
		{"too-many-recipients", protocol.TooLarge, "R-SEAL-3", "sealed to more than a header can hold", size, `"recipients": 65`},
		{"no-digest", protocol.Malformed, "R-NAME-4", "the sealed digest is zero", digest, strings.Repeat("0", 64)},
		{"to-oneself", protocol.Malformed, "R-ENV-2", "from and to are the same authority", `"to": "xb/prosecution-service"`, `"to": "xa/central-authority"`},
		{"expires-when-created", protocol.Malformed, "R-ENV-5", "expires is not after created", o.env.Expires.String(), o.env.Created.String()},
		{"lives-too-long", protocol.TooLarge, "R-ENV-5", "it asks for more than the longest lifetime", o.env.Expires.String(), "2026-12-02T10:00:02.120Z"},
		{"unknown-priority", protocol.Malformed, "R-ENV-2", "a priority that is not in the list", `"routine"`, `"normal"`},
		{"record-of-another-state", protocol.Malformed, "R-ENV-1", "the sender's record is of another state", `"state": "xa"`, `"state": "xc"`},
		{"empty-not-before", protocol.Malformed, "R-ENV-9", "without a checkpoint not_before is null", `"not_before": null`, `"not_before": ""`},
		{"directory-zero", protocol.Malformed, "R-ENV-2", "a directory's versions count from 1", `"directory": null`, `"directory": {"version": 0, "sha256": "` + digest + `"}`},
	} {
		w.add("envelope", "envelope/"+c.name, c.code, c.rule, c.why, doc(edit(w, g, c.old, c.now)))
	}

	node := o.xa.node
	for _, c := range []struct {
		name   string
		code   protocol.Code
		rule   string
		why    string
		change func(e *envelope.Envelope)
		key    *pgp.Secret
		at     time.Time
	}{
		{"minimal", "", "R-ENV-9", "before the first contact not_before is null", nil, nil, time.Time{}},
		{"test", "", "R-XCH-5", "a test, urgent, under a directory", func(e *envelope.Envelope) {
			e.Test, e.Priority, e.Directory = true, protocol.Emergency, &envelope.Directory{Version: 7, Digest: protocol.Sum([]byte("directory"))}
		}, nil, time.Time{}},
		{"by-act-key", protocol.BadSignature, "R-ENV-1", "signed by the authority in place of its node", nil, o.xa.office.keys.Subkeys[act], time.Time{}},
		{"by-primary", protocol.WrongRole, "R-ENV-1", "signed by the node's primary key, which has no role here", nil, node.Primary, time.Time{}},
		{"by-other-node", protocol.BadSignature, "R-ENV-1", "signed by another state's node", nil, o.xb.node.Subkeys[nodeKey], time.Time{}},
		{"by-expired-key", protocol.KeyExpired, "R-REC-8", "signed by a node key whose window in the record had ended", nil, node.Subkeys[expiredKey], time.Time{}},
		{"signed-in-the-future", protocol.BadSignature, "R-SIG-4", "the signature is dated a day ahead", nil, nil, day.Add(28 * time.Hour)},
		{"created-in-the-future", protocol.ClockSkew, "R-ENV-4", "created beyond the skew after the receiver's clock", func(e *envelope.Envelope) {
			e.Created = protocol.At(day.Add(4*time.Hour + 6*time.Minute))
		}, nil, time.Time{}},
		{"created-within-the-skew", "", "R-ENV-4", "created ahead of the receiver's clock, within the skew", func(e *envelope.Envelope) {
			e.Created = protocol.At(day.Add(4*time.Hour + 4*time.Minute))
		}, nil, day.Add(4 * time.Hour)},
		{"expired", protocol.Expired, "R-ENV-8", "it expired at the receiver's present", func(e *envelope.Envelope) { e.Expires = protocol.At(day.Add(4 * time.Hour)) }, nil, time.Time{}},
		{"unknown-sender", protocol.UnknownSender, "R-ENV-1", "node xa does not host the sender", func(e *envelope.Envelope) { e.From = "xa/ministry" }, nil, time.Time{}},
		{"unknown-recipient", protocol.UnknownRecipient, "R-ENV-2", "node xb does not host the recipient", func(e *envelope.Envelope) { e.To = "xb/ministry" }, nil, time.Time{}},
		{"wrong-recipient-key", protocol.WrongRecipientKey, "R-ENV-3", "sealed to the sender's own key", func(e *envelope.Envelope) {
			e.RecipientKey = o.xa.office.identity.Recipient().Digest()
		}, nil, time.Time{}},
		{"larger-than-the-node-takes", protocol.TooLarge, "R-ENV-2", "one byte more than the record of xb says", func(e *envelope.Envelope) { e.Sealed.Size = 64<<30 + 1 }, nil, time.Time{}},
		{"two-records", protocol.Equivocation, "R-REC-3", "names another record under the number that the receiver knows", func(e *envelope.Envelope) {
			e.Records.From.Digest = protocol.Sum([]byte("another record"))
		}, nil, time.Time{}},
		{"not-before-of-another-log", protocol.Malformed, "R-ENV-9", "not_before is a checkpoint of the sender's own log", func(e *envelope.Envelope) {
			text := string(o.xa.checkpoint(day))
			e.NotBefore = &text
		}, nil, time.Time{}},
		{"not-before-after-it", protocol.ClockSkew, "R-ENV-9", "not_before is dated an hour after the envelope", func(e *envelope.Envelope) {
			text := string(o.xb.checkpoint(day.Add(time.Hour)))
			e.NotBefore = &text
		}, nil, time.Time{}},
	} {
		e := bare
		if c.change != nil {
			c.change(&e)
		}
		key, at := c.key, c.at
		if key == nil {
			key = node.Subkeys[nodeKey]
		}
		if at.IsZero() {
			at = day.Add(3 * time.Second)
		}
		s := must(statement.Sign(&e, protocol.MaxEnvelope, key, at))
		w.add("envelope-arrives", "envelope/"+c.name, c.code, c.rule, c.why, doc(s.Document), part{".json.asc", s.Signature})
	}
	w.add("envelope-arrives", "envelope/altered", protocol.BadSignature, "R-ENV-1", "one digit was changed after signing",
		doc(edit(w, o.envelope.Document, "-7e4d-", "-7e4e-")), part{"=exchange/envelope.json.asc", nil})
}

func (w *writer) evidences(o *world) {
	acceptance := o.events[1].Document // RelayAcceptance
	handed := o.events[2].Document     // ContentConsignment
	failure := must(statement.Encode(o.about(evidence.RelayFailure, day.Add(time.Hour))))
	handedKey := o.xb.state.Record().Node.TLS[0].SPKI.String()
	for _, c := range []struct {
		name     string
		code     protocol.Code
		rule     string
		why      string
		document []byte
		old, now string
	}{
		{"wrong-role", protocol.WrongRole, "R-EVID-1", "a node's event under the role attest", acceptance, `"role": "node"`, `"role": "attest"`},
		{"wrong-side", protocol.WrongRole, "R-EVID-1", "the receiving side's event by the sending node", acceptance, `"name": "xb"`, `"name": "xa"`},
		{"unknown-event", protocol.Malformed, "R-EVID-1", "an event that is not in the list", acceptance, `"RelayAcceptance"`, `"RelayAccepted"`},
		{"positive-with-reason", protocol.Malformed, "R-EVID-2", "a positive event with a reason", acceptance, `"reason": null`, `"reason": {"code": "policy", "text": "none"}`},
		{"negative-without-reason", protocol.Malformed, "R-EVID-2", "a negative event without a reason", acceptance, `"RelayAcceptance"`, `"RelayRejection"`},
		{"unknown-code", protocol.Malformed, "R-EVID-2", "a reason code that is not in the list", failure, `"not-accepted"`, `"lost"`},
		{"empty-reason", protocol.Malformed, "R-EVID-2", "a reason without a word for people", failure, `"an example"`, `""`},
		{"long-reason", protocol.Malformed, "R-EVID-2", "a reason longer than its limit", failure, `an example`, strings.Repeat("x", protocol.MaxReasonText+1)},
		{"failure-for-policy", protocol.Malformed, "R-EVID-9", "a RelayFailure is only ever silence or a withdrawal", failure, `"not-accepted"`, `"policy"`},
		{
			"no-envelope", protocol.Malformed, "R-EVID-3", "only a SubmissionRejection may be about no envelope", acceptance,
			"{\n    \"sha256\": \"" + o.envelope.Digest().String() + "\",\n    \"signature_sha256\": \"" + o.envelope.Ref().Signature.String() + "\"\n  }", "null",
		},
		{"consignee-elsewhere", protocol.Malformed, "R-EVID-1", "only a ContentConsignment has a consignee's key", acceptance, `"consignee_key": null`, `"consignee_key": "` + handedKey + `"`},
		{"no-consignee", protocol.Malformed, "R-EVID-1", "a ContentConsignment to nobody", handed, `"consignee_key": "` + handedKey + `"`, `"consignee_key": null`},
		{"log-of-another-node", protocol.Malformed, "R-EVID-1", "its leaf is in the log of another node than the one that signs", acceptance, `comity/log/xb/1`, `comity/log/xb-north/1`},
		{"log-era-zero", protocol.Malformed, "R-LOG-2", "eras count from 1", acceptance, `comity/log/xb/1`, `comity/log/xb/0`},
	} {
		w.add("evidence", "evidence/"+c.name, c.code, c.rule, c.why, doc(edit(w, c.document, c.old, c.now)))
	}
	w.add("evidence", "evidence/too-large", protocol.TooLarge, "R-DOC-1", "beyond the limit of the format",
		doc([]byte("{"+strings.Repeat(" ", protocol.MaxEvidence)+string(acceptance[1:]))))

	office := o.xb.office.keys
	for _, c := range []struct {
		name   string
		code   protocol.Code
		rule   string
		why    string
		event  evidence.Event
		change func(e *evidence.Evidence)
		key    *pgp.Secret
	}{
		{"acknowledged-by-machine", protocol.WrongRole, "R-EVID-12", "an acknowledgement with the unattended key", evidence.ConsignmentAcceptance, func(e *evidence.Evidence) { e.Issuer.Key = office.Subkeys[attest].Digest() }, office.Subkeys[attest]},
		{"key-of-nobody", protocol.WrongRole, "R-SIG-3", "it names a key that the record does not list", evidence.RelayAcceptance, func(e *evidence.Evidence) { e.Issuer.Key = o.xa.node.Subkeys[nodeKey].Digest() }, o.xa.node.Subkeys[nodeKey]},
		{"other-key-than-named", protocol.BadSignature, "R-SIG-3", "signed by another key of the node than the one it names", evidence.RelayAcceptance, nil, o.xb.node.Subkeys[expiredKey]},
		{"expired-key", protocol.KeyExpired, "R-REC-8", "signed when the key's window had ended", evidence.RelayAcceptance, func(e *evidence.Evidence) { e.Issuer.Key = o.xb.node.Subkeys[expiredKey].Digest() }, o.xb.node.Subkeys[expiredKey]},
		{"other-envelope", protocol.WrongParcel, "R-EVID-3", "it names another envelope", evidence.RelayAcceptance, func(e *evidence.Evidence) {
			e.Envelope = &statement.Ref{Document: protocol.Sum([]byte("another")), Signature: e.Envelope.Signature}
		}, nil},
		{"other-signature", protocol.WrongParcel, "R-EVID-3", "it names another signature of the envelope", evidence.RelayAcceptance, func(e *evidence.Evidence) {
			e.Envelope = &statement.Ref{Document: e.Envelope.Document, Signature: protocol.Sum([]byte("another"))}
		}, nil},
		{"other-bytes", protocol.WrongParcel, "R-EVID-3", "it speaks of other sealed bytes than the envelope", evidence.RelayAcceptance, func(e *evidence.Evidence) { e.Sealed = protocol.Sum([]byte("another")) }, nil},
		{"test-about-real", protocol.WrongParcel, "R-EVID-3", "it calls a real parcel a test", evidence.RelayAcceptance, func(e *evidence.Evidence) { e.Test = true }, nil},
		{"from-the-future", protocol.ClockSkew, "R-SIG-4", "dated beyond the skew after the receiver's clock", evidence.RelayAcceptance, func(e *evidence.Evidence) { e.Time = protocol.At(day.Add(5 * time.Hour)) }, nil},
		{"other-era", protocol.Malformed, "R-LOG-2", "for a log that the record does not name", evidence.RelayAcceptance, func(e *evidence.Evidence) { e.Log = "comity/log/xb/2" }, nil},
	} {
		e := o.about(c.event, day.Add(3*time.Hour))
		if c.change != nil {
			c.change(e)
		}
		key := c.key
		if key == nil {
			key = o.signer(c.event)
		}
		s := must(statement.Sign(e, protocol.MaxEvidence, key, day.Add(3*time.Hour)))
		w.add("evidence-signed", "evidence/"+c.name, c.code, c.rule, c.why, doc(s.Document), part{".json.asc", s.Signature})
	}
	name := "=exchange/evidence-RelayAcceptance"
	w.add("evidence-signed", "evidence/altered", protocol.BadSignature, "R-SIG-1", "its time was changed after signing",
		doc(edit(w, acceptance, ".310Z", ".311Z")), part{name + ".json.asc", nil})
	w.add("evidence-signed", "evidence/borrowed", protocol.BadSignature, "R-LOG-5", "with the proof of another evidence",
		part{name + ".json", nil}, part{name + ".json.asc", nil}, part{"=exchange/evidence-ContentHandover.tlog-proof", nil})
}
