package bundle_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/bundle"
	"comity/protocol/evidence"
	"comity/protocol/withdrawal"
)

// Not every transmission goes well, and each end has a bundle of its own.
func TestBundlesOfOtherOutcomes(t *testing.T) {
	start := step{evidence.SubmissionAcceptance, 2120 * time.Millisecond}
	reason := func(code protocol.Code) func(*evidence.Evidence) *pgp.Secret {
		return func(e *evidence.Evidence) *pgp.Secret {
			if e.Event.Rule().Negative {
				e.Reason = evidence.NewReason(code, "because of a reason <b>with marks</b> & \u202eturned")
			}
			return nil
		}
	}
	for _, tt := range []struct {
		name  string
		steps []step
		code  protocol.Code
		says  string
	}{
		{"refused by the node", []step{start, {evidence.RelayRejection, time.Minute}}, protocol.WrongRecipientKey, "refused the parcel for good"},
		{"not accepted in time", []step{start, {evidence.RelayFailure, 31 * 24 * time.Hour}}, protocol.PeerUnreachable, "held no acceptance"},
		{"accepted all the same", []step{start, {evidence.RelayAcceptance, time.Hour}, {evidence.RelayFailure, 31 * 24 * time.Hour}}, protocol.NotAccepted, "has all sealed bytes"},
		{"formally rejected", append(positive[:4:4], step{evidence.ConsignmentRejection, time.Hour}), protocol.Declined, "formally rejected"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.steps, w.sign, w.cosigned = tt.steps, reason(tt.code), 40*24*time.Hour
			file := written(t, w.contents())
			r, err := verify(file, trust(t, w.xa, w.xb, w.xc))
			if err != nil || r.ExitCode() != 0 || !strings.Contains(r.Text(), tt.says) || !strings.Contains(r.Text(), string(tt.code)) {
				t.Fatalf("got %v, %+v", err, r)
			}
			members, _ := unpack(t, file)
			sheet := string(members["cover.html"])
			if !strings.Contains(sheet, "&lt;b&gt;with marks&lt;/b&gt; &amp; [U+202E]turned") {
				t.Error("the reason's text stands on the sheet as it came")
			}
		})
	}
}

// R-WDR-1, R-BND-4: the sender's withdrawal is in the bundle, and must be its own.
func TestBundleOfAWithdrawnParcel(t *testing.T) {
	w := newWorld()
	w.steps = []step{{evidence.SubmissionAcceptance, 2120 * time.Millisecond}, {evidence.RelayFailure, time.Hour}}
	w.sign = func(e *evidence.Evidence) *pgp.Secret {
		if e.Event == evidence.RelayFailure {
			e.Reason = evidence.NewReason(protocol.Withdrawn, "withdrawn")
		}
		return nil
	}
	c := w.contents()
	signed := func(key *pgp.Secret) *bundle.Contents {
		x := withdrawal.Withdrawal{
			Type: withdrawal.Type, Parcel: w.env.Parcel, From: w.env.From, To: w.env.To, Envelope: w.envelope.Ref(),
			Created: protocol.At(day.Add(30 * time.Minute)), Key: key.Digest(),
		}
		s := must(x.Sign(key, day.Add(30*time.Minute)))
		with := *c
		with.Withdrawal = &s
		return &with
	}
	file := written(t, signed(w.xa.office.Subkeys[act]))
	r, err := verify(file, trust(t, w.xa, w.xb, w.xc))
	if err != nil || r.ExitCode() != 0 || r.Withdrawn == nil || !strings.Contains(r.Text(), "withdrawn by xa/central-authority") ||
		!strings.Contains(r.Text(), "withdrawn before it left") || strings.Contains(r.Evidence[1].DoesNotSay, "may still surface") {
		t.Fatalf("got %v, %+v", err, r)
	}
	members, _ := unpack(t, file)
	if sheet := string(members["cover.html"]); !strings.Contains(sheet, "takes the parcel back") {
		t.Error("the sheet does not tell of the withdrawal")
	}
	refused(t, "by an unattended key", bundle.Write(new(bytes.Buffer), signed(w.xa.office.Subkeys[attest])), protocol.WrongRole, "withdrawal.json")
}

// A parcel that is broken inside, as the recipient's office signed: its key shows
// that to everybody.
func TestDisclosedBrokenParcel(t *testing.T) {
	w := newWorld()
	w.steps = append(positive[:3:3], step{evidence.ContentHandoverFailure, time.Minute})
	w.sign = func(e *evidence.Evidence) *pgp.Secret {
		if e.Event == evidence.ContentHandoverFailure {
			e.Reason = evidence.NewReason(protocol.ManifestMismatch, "another manifest")
		}
		return nil
	}
	w.spoil = true // the envelope names another manifest than is inside
	c := w.contents()
	c.Parcel, c.FileKey = bytes.NewReader(w.sealed), &w.key
	r, err := verify(written(t, c), trust(t, w.xa, w.xb, w.xc))
	if err != nil || r.Opened == nil || !strings.Contains(r.Opened.Broken, string(protocol.ManifestMismatch)) || !strings.Contains(r.Text(), "broken inside") {
		t.Errorf("got %v, %+v", err, r)
	}
	w = newWorld()
	w.spoil = true
	c = w.contents()
	c.Parcel, c.FileKey = bytes.NewReader(w.sealed), &w.key
	refused(t, "handed over all the same", bundle.Write(new(bytes.Buffer), c), protocol.ManifestMismatch, "parcel.age")
}
