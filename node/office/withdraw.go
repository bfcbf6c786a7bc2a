package office

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
	"comity/protocol/withdrawal"
	"comity/store"
)

// ErrNotHanded says that a withdrawal is signed and stored, but the gateway has
// not taken it: Run hands it over again.
var ErrNotHanded = errors.New("the withdrawal is signed and stored, but the gateway has not taken it yet; it is handed over again as long as the node runs")

// Withdrawal is what became of taking a message back from one recipient.
type Withdrawal struct {
	To     protocol.AuthorityID
	Status exchange.Status
	// Decided is when the evidence on which the status rests was signed; zero
	// while the withdrawal is pending.
	Decided time.Time
	// Expires is until when the recipient's node is asked.
	Expires time.Time
	// Asked says that a withdrawal is stored, and Repeat that it was before.
	Asked, Repeat bool
}

// Withdraw takes a sent message back from the recipients named, or from all. It
// is an officer's act: the withdrawal is signed with the act key and stands in
// the journal. What has arrived, or ended otherwise, stays as it is, and its
// status says so; nothing is signed then. A repeat returns what became of it.
//
// What never left the node has ended when Withdraw returns. Otherwise the
// recipient's node decides, and the status is exchange.StatusWithdrawing until
// it has.
//
// With ErrNotHanded the list is returned too.
func (o *Office) Withdraw(ctx context.Context, name store.Name, to ...protocol.AuthorityID) ([]Withdrawal, error) {
	if err := o.mayAct(ctx); err != nil {
		return nil, err
	}
	// One at a time: two at once would sign two documents.
	leave, err := o.doors.enter(ctx, "withdraw "+name.String())
	if err != nil {
		return nil, err
	}
	defer leave()
	m, err := o.withdrawable(ctx, name, to)
	if err != nil {
		return nil, err
	}
	var all []Withdrawal
	var late []error
	for i := range m.Transmissions {
		t := &m.Transmissions[i]
		if len(to) > 0 && !slices.Contains(to, t.To) {
			continue
		}
		w, err := o.withdrawFrom(ctx, m, t)
		if errors.Is(err, ErrNotHanded) {
			o.leaveUnfinished()
			late, err = append(late, err), nil
		}
		if err != nil {
			return all, fmt.Errorf("withdraw parcel %s from %s: %w", name.Parcel, t.To, err)
		}
		all = append(all, w)
	}
	return all, errors.Join(late...)
}

// withdrawable reads a message that can be withdrawn, with an envelope to every
// recipient: one that no gateway has taken yet is submitted first, because a
// withdrawal names the envelope.
func (o *Office) withdrawable(ctx context.Context, name store.Name, to []protocol.AuthorityID) (*store.Message, error) {
	m, err := o.message(ctx, name)
	switch {
	case err != nil:
		return nil, err
	case m.Direction != store.Sent:
		return nil, fmt.Errorf("parcel %s was sent by %s: only its sender can withdraw it; you can decline it", name.Parcel, name.From)
	case m.Test:
		return nil, fmt.Errorf("parcel %s is a test without effect: there is nothing to withdraw", name.Parcel)
	}
	for _, id := range to {
		if !slices.ContainsFunc(m.Transmissions, func(t store.Transmission) bool { return t.To == id }) {
			return nil, fmt.Errorf("parcel %s was not sent to %s", name.Parcel, id)
		}
	}
	if !slices.ContainsFunc(m.Transmissions, func(t store.Transmission) bool { return len(t.Envelope.Document) == 0 }) {
		return m, nil
	}
	if _, err := o.submit(ctx, m); err != nil {
		o.leaveUnfinished()
		return nil, fmt.Errorf("the gateway has not taken parcel %s yet, so there is no envelope to withdraw: %w", name.Parcel, err)
	}
	return o.message(ctx, name)
}

// withdrawFrom signs, stores and hands over the withdrawal from one recipient,
// unless there is nothing left to withdraw.
//
// If the power goes before the withdrawal is stored, nothing happened; after
// that, the repeat hands it over.
func (o *Office) withdrawFrom(ctx context.Context, m *store.Message, t *store.Transmission) (Withdrawal, error) {
	w := Withdrawal{To: t.To, Expires: m.Expires, Asked: t.HasWithdrawal(), Repeat: t.HasWithdrawal()}
	if err := o.became(ctx, keyTo(m.Name, t.To), &w); err != nil {
		return w, err
	}
	if w.Status == exchange.StatusQueued {
		signed, err := o.signWithdrawal(ctx, m, t)
		if err != nil {
			return w, err
		}
		t.Withdrawal, w.Asked = signed, true
	}
	if !w.Asked || t.Taken {
		return w, nil
	}
	if err := o.handWithdrawal(ctx, m.Name, t); err != nil {
		w.Status = exchange.StatusWithdrawing
		return w, fmt.Errorf("%w (%w)", ErrNotHanded, err)
	}
	return w, o.became(ctx, keyTo(m.Name, t.To), &w)
}

// signWithdrawal signs the withdrawal from one recipient and stores it with its
// journal entry in one transaction.
func (o *Office) signWithdrawal(ctx context.Context, m *store.Message, t *store.Transmission) (statement.Signed, error) {
	_, self, err := o.self()
	if err != nil {
		return statement.Signed{}, err
	}
	now := o.now()
	if err := self.Key(evidence.Act, o.act.Digest(), now); err != nil {
		return statement.Signed{}, fmt.Errorf("the key of %s for its acts cannot sign now: %w", o.authority, err)
	}
	env, err := envelope.Parse(t.Envelope.Document)
	if err != nil {
		return statement.Signed{}, fmt.Errorf("read stored envelope: %w", err)
	}
	w := &withdrawal.Withdrawal{
		Type: withdrawal.Type, Parcel: env.Parcel, From: env.From, To: env.To, Envelope: t.Envelope.Ref(),
		Created: protocol.At(now), Key: o.act.Digest(),
	}
	if err := w.About(env, t.Envelope.Ref()); err != nil {
		return statement.Signed{}, err // nobody would take it: the clock was set back
	}
	signed, err := w.Sign(o.act, now)
	if err != nil {
		return statement.Signed{}, err
	}
	digest := m.Digest()
	note, err := entry(ActWithdraw, m.Name, &digest, func(e *Entry) { e.To = &t.To })
	if err != nil {
		return statement.Signed{}, err
	}
	// Again after a commit of unknown outcome, as a message is stored again.
	for range maxUnknown {
		if _, err = o.store.SetWithdrawn(ctx, m.Name, t.To, signed, note); !errors.Is(err, store.ErrUnknownOutcome) {
			return signed, err
		}
	}
	o.leaveUnfinished() // it may be there, and must not lie forgotten
	return signed, err
}

// handWithdrawal hands a stored withdrawal to the gateway. It may be repeated.
func (o *Office) handWithdrawal(ctx context.Context, name store.Name, t *store.Transmission) error {
	if err := o.gateway.Withdraw(ctx, t.Withdrawal); err != nil {
		return err
	}
	return o.store.WithdrawalTaken(ctx, name, t.To)
}

// handAll hands over what no gateway has taken yet.
func (o *Office) handAll(ctx context.Context) error {
	untaken, err := o.store.Untaken(ctx, 0)
	if err != nil {
		return err
	}
	var errs []error
	for i := range untaken {
		m := &untaken[i]
		for j := range m.Transmissions {
			if t := &m.Transmissions[j]; t.HasWithdrawal() && !t.Taken {
				if err := o.handWithdrawal(ctx, m.Name, t); err != nil {
					errs = append(errs, fmt.Errorf("withdraw parcel %s from %s: %w", m.Name.Parcel, t.To, err))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// became fills in where the transmission stands now, by the gateway's evidence.
func (o *Office) became(ctx context.Context, k protocol.Key, w *Withdrawal) error {
	all, err := o.gateway.Evidence(ctx, k)
	if err != nil {
		return fmt.Errorf("ask the gateway what became of it: %w", err)
	}
	w.Status, w.Decided = statusOf(all, w.Expires, w.Asked), time.Time{}
	for _, a := range all {
		switch a.Parsed.Event {
		case evidence.SubmissionAcceptance:
		case evidence.RelayFailure, evidence.RelayRejection, evidence.RelayAcceptance:
			// A RelayAcceptance supersedes a RelayFailure (R-EVID-10).
			if w.Decided.IsZero() || a.Parsed.Event == evidence.RelayAcceptance {
				w.Decided = a.Parsed.Time.Time
			}
		default: // what follows from the acceptance
		}
	}
	return nil
}
