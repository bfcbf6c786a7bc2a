package gateway_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
)

// One small and one large parcel, each to two authorities, go all the way, and
// all evidence comes back (R-EVID-4, R-WIRE-5, R-WIRE-6, R-XCH-6).
func TestAParcelCrossesAndAllEvidenceReturns(t *testing.T) {
	a, b := pair(t)
	for name, size := range map[string]int{"small": 1000, "large": 1 << 20} {
		l := newLetter(central, size, b.party, prosecution, court)
		for _, r := range a.submit(l) {
			b.await(r.Key, evidence.RelayAcceptance)
			waiting, err := b.Consign(t.Context(), r.Key.To, digest("the office's TLS key"), nil, 64)
			if err != nil || len(waiting) != 1 || waiting[0].Key != r.Key {
				t.Fatalf("%s: consigned %v, %v", name, waiting, err)
			}
			body, err := b.Sealed(t.Context(), waiting[0].Parsed.Sealed.Digest)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, body.Size())
			if _, err := body.ReadAt(got, 0); err != nil || !bytes.Equal(got, l.body) {
				t.Errorf("%s: other bytes arrived: %v", name, err)
			}
			body.Close()
			events := []evidence.Event{evidence.ContentHandover, evidence.ContentAccessTracking, evidence.ConsignmentAcceptance}
			for _, event := range events {
				signed := b.answer(r.Key, event)
				first, err := b.File(t.Context(), signed)
				if err != nil {
					t.Fatalf("%s: file %s: %v", name, event, err)
				}
				// R-EVID-11: the same document again gets the stored packet.
				if again, err := b.File(t.Context(), signed); err != nil || !cmp.Equal(first, again) {
					t.Errorf("%s: filed again: %v", name, err)
				}
			}
			for _, event := range append(events, evidence.RelayAcceptance, evidence.ContentConsignment) {
				e := a.await(r.Key, event)
				ref := e.Ref()
				if _, _, err := b.state.LogVerifier().Proof(e.Proof, ref.Document, ref.Signature); err != nil {
					t.Errorf("%s: %s: %v", name, event, err)
				}
				if diff := cmp.Diff(b.events(r.Key)[event].Signed, e.Signed); diff != "" {
					t.Errorf("%s: %s differs between the sides: %s", name, event, diff)
				}
			}
			// R-ENV-6: the sender's acceptance stands at the recipient, with its proof.
			sent := b.events(r.Key)[evidence.SubmissionAcceptance]
			if diff := cmp.Diff(r.Evidence, sent.Packet); diff != "" {
				t.Errorf("%s: SubmissionAcceptance: %s", name, diff)
			}
			if waiting, err := b.Consign(t.Context(), r.Key.To, digest("the office's TLS key"), nil, 64); err != nil || len(waiting) != 0 {
				t.Errorf("%s: still waiting after handover: %v, %v", name, waiting, err)
			}
		}
	}
}

// R-ENV-7: a submission is repeated by an office that was interrupted; envelope
// and evidence are the stored ones, byte for byte.
func TestASubmissionAgainGetsTheStoredBytes(t *testing.T) {
	a, b := pair(t)
	l := newLetter(central, 100, b.party, prosecution)
	if diff := cmp.Diff(a.submit(l), a.submit(l)); diff != "" {
		t.Error(diff)
	}
	other := newLetter(central, 100, b.party, prosecution)
	other.Parcel = l.Parcel
	_, err := a.Submit(t.Context(), other.Submission, sealed{bytes.NewReader(other.body)})
	if protocol.CodeOf(err) != protocol.Equivocation {
		t.Errorf("other bytes under the same id: %v, want %s", err, protocol.Equivocation)
	}
}

func TestSubmitRefuses(t *testing.T) {
	a, b := pair(t)
	for _, c := range []struct {
		name   string
		change func(*letter)
		want   protocol.Code
	}{
		{"a sender of another node", func(l *letter) { l.From = "xb/district-court" }, protocol.UnknownSender},
		{"a recipient that no record lists", func(l *letter) { l.To[0].To = "xb/ministry" }, protocol.UnknownRecipient},
		{"a state that was never pinned", func(l *letter) { l.To[0].To = "xz/ministry" }, protocol.UnknownRecipient},
		{"a key that the recipient does not use", func(l *letter) { l.To[0].Key = digest("another") }, protocol.WrongRecipientKey},
		{"more than the recipient's node takes", func(l *letter) { l.Sealed.Size = 9 << 20 }, protocol.TooLarge},
		{"other bytes than announced", func(l *letter) { l.body = sealTo(100, b.offices[prosecution].identity.Recipient()) }, protocol.DigestMismatch},
		{"no lifetime", func(l *letter) { l.Expires = protocol.At(a.clock().Add(-1)) }, protocol.Malformed},
	} {
		l := newLetter(central, 100, b.party, prosecution)
		c.change(l)
		if _, err := a.Submit(t.Context(), l.Submission, sealed{bytes.NewReader(l.body)}); protocol.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// File takes only what the office of a received parcel may say (R-EVID-1, R-EVID-3).
func TestFileRefuses(t *testing.T) {
	a, b := pair(t)
	k := a.submit(newLetter(central, 100, b.party, prosecution))[0].Key
	b.await(k, evidence.RelayAcceptance)
	for _, c := range []struct {
		name   string
		signed statement.Signed
		want   protocol.Code
	}{
		{"a node's event", b.answer(k, evidence.ContentConsignment), protocol.WrongRole},
		{"a changed document", func() statement.Signed {
			s := b.answer(k, evidence.ContentHandover)
			s.Document = bytes.Replace(s.Document, []byte(`"test": false`), []byte(`"test": true`), 1)
			return s
		}(), protocol.BadSignature},
		{"the sender's word", func() statement.Signed {
			s, err := b.Envelope(t.Context(), k)
			return must(s, err)
		}(), protocol.Malformed},
	} {
		if _, err := b.File(t.Context(), c.signed); protocol.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if got := exchange.StatusOf([]evidence.Event{evidence.RelayAcceptance}); got != exchange.StatusTransmitted {
		t.Error(got)
	}
}

// Parcels that an office cannot take in yet, however many, do not stand in the
// way of those behind them.
func TestStuckParcelsDoNotBlockTheOthers(t *testing.T) {
	a, b := pair(t)
	const stuck, batch = 9, 4
	held := map[protocol.Key]bool{}
	for range stuck {
		k := a.submit(newLetter(central, 100, b.party, prosecution))[0].Key
		a.await(k, evidence.RelayAcceptance)
		held[k] = true
	}
	good := a.submit(newLetter(central, 100, b.party, prosecution))[0].Key
	a.await(good, evidence.RelayAcceptance)
	key := digest("the office's TLS key")
	waiting, err := b.Consign(t.Context(), prosecution, key, nil, batch)
	if err != nil || len(waiting) != batch {
		t.Fatalf("%d of %d, %v", len(waiting), batch, err)
	}
	waiting, err = b.Consign(t.Context(), prosecution, key, func(k protocol.Key) bool { return held[k] }, batch)
	if err != nil || len(waiting) != 1 || waiting[0].Key != good {
		t.Errorf("behind %d stuck ones: %v, %v", stuck, waiting, err)
	}
}
