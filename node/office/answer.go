package office

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/store"
)

// ErrAnswered says that a parcel has its formal answer already, and a different
// one. An answer is given once.
var ErrAnswered = errors.New("the parcel has a formal answer already")

// Acknowledge is the officer's formal acknowledgement: a ConsignmentAcceptance,
// signed with the act key. R-EVID-12: it is called by people only. A second call
// returns the stored evidence; after Decline it fails with ErrAnswered. The
// evidence is durable when it is returned; without a proof it is still to be
// filed, which Run does.
func (o *Office) Acknowledge(ctx context.Context, name store.Name) (exchange.Attested, error) {
	return o.answer(ctx, name, evidence.ConsignmentAcceptance, nil)
}

// Decline is the officer's formal rejection, a ConsignmentRejection, with a
// text that its sender reads. Repeats as Acknowledge; another text is another
// answer.
func (o *Office) Decline(ctx context.Context, name store.Name, text string) (exchange.Attested, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return exchange.Attested{}, errors.New("say why the parcel is declined: its sender reads the reason")
	case len(text) > protocol.MaxReasonText:
		return exchange.Attested{}, fmt.Errorf("the reason has %d bytes, at most %d are possible: send the details in a message of the case", len(text), protocol.MaxReasonText)
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return exchange.Attested{}, errors.New("the reason is not a plain text")
	}
	return o.answer(ctx, name, evidence.ConsignmentRejection, evidence.NewReason(protocol.Declined, text))
}

func (o *Office) answer(ctx context.Context, name store.Name, event evidence.Event, reason *evidence.Reason) (exchange.Attested, error) {
	if err := o.mayAct(ctx); err != nil {
		return exchange.Attested{}, err
	}
	// One at a time: two answers at once would sign two documents.
	leave, err := o.doors.enter(ctx, "answer "+name.String())
	if err != nil {
		return exchange.Attested{}, err
	}
	defer leave()
	m, t, err := o.received(ctx, name)
	if err != nil {
		return exchange.Attested{}, err
	}
	k := keyTo(name, o.authority)
	answered := !t.Acknowledged.IsZero()
	unsure := o.mayHaveSigned(k) // before the look, so that nothing slips between
	if !answered {
		if answered, err = o.recall(ctx, k); err != nil {
			return exchange.Attested{}, err
		}
	}
	if !answered && unsure {
		return exchange.Attested{}, fmt.Errorf("%w: the node of %s may hold an answer to %s", ErrRecovering, name.From.State(), name.Parcel)
	}
	if !answered {
		if err := o.sayOnce(ctx, m, t, event, reason); err != nil {
			return exchange.Attested{}, err
		}
	}
	o.fileLater(ctx, k)
	return o.answered(ctx, k, event, reason)
}

func (o *Office) sayOnce(ctx context.Context, m *store.Message, t *store.Transmission, event evidence.Event, reason *evidence.Reason) error {
	ev, err := o.signAbout(event, t, reason)
	if err != nil {
		return err
	}
	act := ActAcknowledge
	if reason != nil {
		act = ActDecline
	}
	digest := m.Digest()
	note, err := entry(act, m.Name, &digest, func(e *Entry) { e.Reason = reason })
	if err != nil {
		return err
	}
	_, err = o.store.SetAcknowledged(ctx, m.Name, ev, note)
	return err
}

// answered returns the stored answer if it is the one that was meant.
func (o *Office) answered(ctx context.Context, k protocol.Key, event evidence.Event, reason *evidence.Reason) (exchange.Attested, error) {
	all, err := o.store.Evidence(ctx, k)
	if err != nil {
		return exchange.Attested{}, err
	}
	for _, ev := range all {
		if ev.Event != evidence.ConsignmentAcceptance && ev.Event != evidence.ConsignmentRejection {
			continue
		}
		a, err := attested(ev.Packet)
		if err != nil {
			return exchange.Attested{}, fmt.Errorf("read the stored answer to %s: %w", k.Parcel, err)
		}
		switch stored := a.Parsed; {
		case stored.Event == event && (reason == nil || *stored.Reason == *reason):
			return a, nil
		case stored.Reason != nil:
			return exchange.Attested{}, fmt.Errorf("%w: it was declined on %s with the reason %q", ErrAnswered, stored.Time, stored.Reason.Text)
		default:
			return exchange.Attested{}, fmt.Errorf("%w: it was acknowledged on %s", ErrAnswered, stored.Time)
		}
	}
	return exchange.Attested{}, fmt.Errorf("%w: the answer to %s is marked, but its evidence is missing", store.ErrIntegrity, k.Parcel)
}
