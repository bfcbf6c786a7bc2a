package office

import (
	"context"
	"errors"
	"testing"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
)

// fetching is a gateway that has fetched all just after an office has looked for the
// first time.
type fetching struct {
	Gateway
	still bool
	fetch func()
}

func (f *fetching) Recovering(protocol.StateID) bool { return f.still }

func (f *fetching) Evidence(ctx context.Context, k protocol.Key) ([]exchange.Attested, error) {
	all, err := f.Gateway.Evidence(ctx, k)
	if f.still {
		f.fetch()
		f.still = false
	}
	return all, err
}

// I2, R-OLD-4: an answer that comes back while an officer gives another one stands,
// and the other one is not signed.
func TestAnAnswerComesBackWhileAnotherIsGiven(t *testing.T) {
	w, sent := exchanged(t, request(t))
	o := w.office(prosecution)
	k := keyTo(sent.Name, prosecution)
	_, transmission, err := o.received(t.Context(), sent.Name)
	if err != nil {
		t.Fatal(err)
	}
	declined, err := o.signAbout(evidence.ConsignmentRejection, transmission, evidence.NewReason(protocol.Declined, "not for us"))
	if err != nil {
		t.Fatal(err)
	}
	o.gateway = &fetching{Gateway: o.gateway, still: true, fetch: func() {
		n := w.nodes["xb"]
		n.mu.Lock()
		defer n.mu.Unlock()
		n.add(n.rows[k], declined.Signed)
	}}
	if _, err := o.Acknowledge(t.Context(), sent.Name); !errors.Is(err, ErrRecovering) {
		t.Errorf("while it comes back: %v", err)
	}
	if _, err := o.Acknowledge(t.Context(), sent.Name); !errors.Is(err, ErrAnswered) {
		t.Errorf("when it is back: %v", err)
	}
}
