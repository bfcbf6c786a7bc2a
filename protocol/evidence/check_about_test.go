package evidence_test

import (
	"testing"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// R-EVID-3: a peer that dates its acceptance back could undo a RelayFailure.
func TestAboutRefusesEvidenceFromBeforeItsEnvelope(t *testing.T) {
	created := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	env := &envelope.Envelope{Parcel: "019ab0f2-7c00-7e4d-8a55-3d5e0c2f9a01", From: "xa/central-authority", To: "xb/prosecution-service", Created: protocol.At(created)}
	ref := statement.Ref{Document: protocol.Sum([]byte("envelope")), Signature: protocol.Sum([]byte("signature"))}
	for _, c := range []struct {
		at   time.Time
		want protocol.Code
	}{
		{created, ""},
		{created.Add(-protocol.MaxSkew), ""},
		{created.Add(-protocol.MaxSkew - time.Second), protocol.Malformed},
	} {
		ev := &evidence.Evidence{Event: evidence.RelayAcceptance, Parcel: env.Parcel, From: env.From, To: env.To, Envelope: &ref, Time: protocol.At(c.at)}
		if err := ev.About(env, ref); protocol.CodeOf(err) != c.want {
			t.Errorf("dated %s: %v, want %q", ev.Time, err, c.want)
		}
	}
}
