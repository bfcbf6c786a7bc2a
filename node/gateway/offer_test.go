package gateway_test

import (
	"bytes"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// What is not authentic, or not for now, gets no evidence and uses up no id
// (R-EVID-7, R-EVID-8, R-ENV-1, R-ENV-4, R-ENV-6, R-WIRE-4).
func TestOffersThatAreNotAuthenticLeaveNoTrace(t *testing.T) {
	h, b := besiege(t)
	stranger := must(pgp.Generate("Stranger", pgp.Ed25519, 1, time.Now().Add(-time.Hour), lifetime))
	for _, c := range []struct {
		name   string
		spoil  func(*offering)
		status int
		code   protocol.Code
	}{
		{"a changed envelope", func(o *offering) {
			o.signed = func(s *statement.Signed) {
				s.Document = bytes.Replace(s.Document, []byte("routine"), []byte("urgent"), 1)
			}
		}, 403, protocol.BadSignature},
		{"a stranger's signature", func(o *offering) { o.key = stranger.Subkeys[0] }, 403, protocol.BadSignature},
		{"the node's primary key", func(o *offering) { o.key = h.party.node.Primary }, 403, protocol.WrongRole},
		{"an authority of another node", func(o *offering) { o.env.From = "xa/ministry" }, 403, protocol.UnknownSender},
		{"an authority of the receiver", func(o *offering) {
			o.env.From, o.env.Records.From = court, b.state.Ref()
		}, 403, protocol.UnknownSender},
		{"another version", func(o *offering) {
			o.signed = func(s *statement.Signed) { s.Document = bytes.Replace(s.Document, []byte("/v1"), []byte("/v2"), 1) }
		}, 400, protocol.UnsupportedVersion},
		{"created in the future", func(o *offering) {
			o.env.Created = protocol.At(time.Now().Add(protocol.MaxSkew + time.Minute))
		}, 503, protocol.ClockSkew},
		{"another address", func(o *offering) { o.path = "/v1/parcels/" + digest("elsewhere").String() }, 400, protocol.DigestMismatch},
		{"no digest as address", func(o *offering) { o.path = "/v1/parcels/upload" }, 400, protocol.Malformed},
		{"no SubmissionAcceptance", func(o *offering) { o.packets = func(p []statement.Packet) []statement.Packet { return p[:1] } }, 400, protocol.Malformed},
		{"three packets", func(o *offering) {
			o.packets = func(p []statement.Packet) []statement.Packet { return append(p, p[1]) }
		}, 413, protocol.TooLarge},
		{"other evidence in its place", func(o *offering) {
			o.submission = func(ev *evidence.Evidence) {
				ev.Event, ev.Reason = evidence.RelayFailure, evidence.NewReason(protocol.NotAccepted, "too early")
			}
		}, 403, protocol.WrongRole},
		{"SubmissionAcceptance of another parcel", func(o *offering) {
			o.submission = func(ev *evidence.Evidence) { ev.Parcel = parcelID() }
		}, 403, protocol.WrongParcel},
		{"SubmissionAcceptance without proof", func(o *offering) {
			o.packets = func(p []statement.Packet) []statement.Packet { p[1].Proof = nil; return p }
		}, 403, protocol.BadSignature},
		{"the proof of another evidence", func(o *offering) {
			o.packets = func(p []statement.Packet) []statement.Packet {
				p[1].Proof = h.packet(p[0].Signed, time.Now()).Proof
				return p
			}
		}, 403, protocol.BadSignature},
		{"a proof of a foreign log", func(o *offering) {
			o.packets = func(p []statement.Packet) []statement.Packet {
				p[1].Proof = b.packet(p[1].Signed, time.Now()).Proof
				return p
			}
		}, 403, protocol.BadSignature},
	} {
		o := h.offering(100)
		c.spoil(o)
		got := h.put(h.make(o))
		if got.status != c.status || c.code != "" && got.code != c.code {
			t.Errorf("%s: %d %s %s; want %d %s", c.name, got.status, got.code, got.body, c.status, c.code)
		}
		h.untouched(c.name, o.env.Key())
	}
	if r, err := b.CheckLog(t.Context()); err != nil || r.Evidence != 0 {
		t.Errorf("%d leaves of evidence, %v; want none", r.Evidence, err)
	}
}

// An authentic envelope that can never be taken is refused with signed evidence
// (R-ENV-2, R-ENV-3, R-ENV-8, R-ENV-9), and a repeat gets the same bytes (R-EVID-5).
func TestOffersRefusedForGood(t *testing.T) {
	h, b := besiege(t)
	for _, c := range []struct {
		name  string
		spoil func(*offering)
		code  protocol.Code
	}{
		{"an unknown recipient", func(o *offering) { o.env.To = "xb/ministry" }, protocol.UnknownRecipient},
		{"a recipient key that nobody has", func(o *offering) { o.env.RecipientKey = digest("lost key") }, protocol.WrongRecipientKey},
		{"the key of another authority", func(o *offering) {
			o.env.RecipientKey = b.offices[court].identity.Recipient().Digest()
		}, protocol.WrongRecipientKey},
		{"an expired envelope", func(o *offering) {
			o.env.Created, o.env.Expires = protocol.At(time.Now().Add(-time.Minute)), protocol.At(time.Now().Add(-time.Second))
		}, protocol.Expired},
		{"too large", func(o *offering) { o.env.Sealed.Size = 9 << 20 }, protocol.TooLarge},
		{"not_before of another log", func(o *offering) {
			text := string(must(h.log.Checkpoint(1, [32]byte{1}, time.Now())))
			o.env.NotBefore = &text
		}, protocol.Malformed},
	} {
		o := h.offering(100)
		c.spoil(o)
		m := h.make(o)
		got := h.put(m)
		if got.status != 200 {
			t.Errorf("%s: %d %s", c.name, got.status, got.body)
			continue
		}
		h.rejected(c.name, o, m, got, c.code)
		if again := h.put(m); !bytes.Equal(again.body, got.body) {
			t.Errorf("%s: a repeat got other bytes", c.name)
		}
		if sent := h.patch(m, o.body); !bytes.Equal(sent.body, got.body) {
			t.Errorf("%s: the bytes got another answer", c.name)
		}
	}
}

// rejected checks a signed RelayRejection as its receiver would.
func (h *hostile) rejected(name string, o *offering, m made, got reply, code protocol.Code) {
	h.t.Helper()
	packets := got.packets(h.t)
	if len(packets) != 1 {
		h.t.Fatalf("%s: %d packets", name, len(packets))
	}
	ev, err := h.to.state.VerifyEvidence(packets[0].Signed, time.Now())
	if err == nil {
		err = ev.About(o.env, m.ref)
	}
	if err == nil {
		ref := packets[0].Ref()
		_, _, err = h.to.state.LogVerifier().Proof(packets[0].Proof, ref.Document, ref.Signature)
	}
	if err != nil || ev.Event != evidence.RelayRejection || ev.Reason.Code != code {
		h.t.Errorf("%s: %v %+v; want %s of %s", name, err, ev, evidence.RelayRejection, code)
	}
}
