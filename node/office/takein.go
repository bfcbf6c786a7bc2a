package office

import (
	"context"
	"errors"
	"fmt"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
	"comity/store"
)

// takeIn verifies one waiting parcel, stores it with its ContentHandover in one
// transaction, and files the evidence. What is wrong with the parcel itself
// ends in a ContentHandoverFailure and no error. With an error nothing was
// decided, or it is decided and not filed yet: it may be repeated.
//
// If the power goes
//   - before the transaction, the gateway consigns the parcel again;
//   - after it, the evidence is filed by the repeat, from the stored bytes.
func (o *Office) takeIn(ctx context.Context, c exchange.Consignment) error {
	decided, err := o.file(ctx, c.Key, true)
	if err != nil {
		return err
	}
	if decided > 0 {
		return o.fileEarlier(ctx, c)
	}
	if err := o.gateway.MayDate(ctx); err != nil {
		return err
	}
	sealed, err := o.gateway.Sealed(ctx, c.Parsed.Sealed.Digest)
	if err != nil {
		return err
	}
	defer sealed.Close() // only read from
	v, err := o.verify(ctx, c, sealed)
	reason := evidence.ReasonOf(err)
	if reason != nil && reason.Code == protocol.ClockSkew && o.now().Before(c.Parsed.Expires.Time) {
		return err // the wrong clock may be ours: it is looked at again
	}
	if reason != nil {
		if damaged := intact(ctx, sealed, c.Parsed.Sealed); damaged != nil {
			return fmt.Errorf("%w (found because of: %v)", damaged, err)
		}
	}
	var fresh *store.Evidence
	if err == nil {
		fresh, reason, err = o.accept(ctx, c, v, sealed)
	}
	if reason != nil {
		o.log.Warn("refused a parcel", "transmission", c.Key.String(), "code", string(reason.Code), "reason", reason.Text)
		err = o.refuse(ctx, c.Parsed, c.Envelope.Ref(), reason)
	}
	switch {
	case err != nil:
		return err
	case fresh != nil:
		return errors.Join(o.fileOne(ctx, c.Key, *fresh), o.fileEarlier(ctx, c))
	}
	_, err = o.file(ctx, c.Key, false)
	return err
}

// accept stores a verified parcel. R-EVID-4: the evidence is in the same
// transaction as the message, and is returned unless the message was stored
// before with another one. R-XCH-3: when another manifest stands under the
// same identity, the reason is returned and people can see both. A refusal from
// this side's own keys or disk stays an error: it is not told abroad.
func (o *Office) accept(ctx context.Context, c exchange.Consignment, v *verified, sealed exchange.Sealed) (*store.Evidence, *evidence.Reason, error) {
	ev, before := earlier(c, evidence.ContentHandover)
	if !before {
		var err error
		if ev, err = o.sign(evidence.ContentHandover, v.envelope, c.Envelope.Ref(), nil); err != nil {
			return nil, nil, err
		}
	}
	slip, err := o.slip(*v.key)
	if err != nil {
		return nil, nil, err
	}
	spool, err := o.store.Adopt(ctx, sealed, v.envelope.Sealed.Digest)
	if spool != nil {
		defer spool.Discard()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("keep the sealed bytes of %s: %w", c.Key, err)
	}
	m := asReceived(v, c.Envelope, slip)
	digest := m.Digest()
	note, err := entry(ActTakeIn, m.Name, &digest, nil)
	if err != nil {
		return nil, nil, err
	}
	added, err := o.store.TakeIn(ctx, m, spool, &ev, note)
	switch {
	case protocol.CodeOf(err) == protocol.Equivocation:
		return nil, evidence.ReasonOf(err), nil
	case err != nil || !added:
		return nil, nil, err
	}
	return &ev, nil, nil
}

// earlier returns what this office signed about a parcel before it was restored
// from a backup.
func earlier(c exchange.Consignment, event evidence.Event) (store.Evidence, bool) {
	for _, p := range c.Earlier {
		if ev, err := evidence.Parse(p.Document); err == nil && ev.Event == event {
			return store.Evidence{Packet: statement.Packet{Signed: p.Signed}, Event: event, Time: ev.Time.Time}, true
		}
	}
	return store.Evidence{}, false
}

// fileEarlier takes back all else that this office had signed: who opened it and
// how it was answered stands.
func (o *Office) fileEarlier(ctx context.Context, c exchange.Consignment) error {
	for _, event := range []evidence.Event{evidence.ContentAccessTracking, evidence.ConsignmentAcceptance, evidence.ConsignmentRejection} {
		if ev, before := earlier(c, event); before {
			if err := o.fileOne(ctx, c.Key, ev); err != nil {
				return err
			}
		}
	}
	return nil
}

// asReceived is the message of a verified parcel as the store takes it.
func asReceived(v *verified, env statement.Signed, slip []byte) *store.Message {
	man := v.contents.Manifest
	m := &store.Message{
		Name: store.Name{From: man.From.Authority, Parcel: man.Parcel}, Case: man.Case, Sequence: man.Sequence, Kind: man.Kind,
		Manifest: v.contents.Signed, Files: man.Files, Sealed: v.envelope.Sealed, Slip: slip,
		Priority: v.envelope.Priority, Test: man.Test, Created: man.Created.Time,
		Transmissions: []store.Transmission{{
			To: v.envelope.To, RecipientKey: v.envelope.RecipientKey, Envelope: env, State: exchange.Consigned,
		}},
	}
	for _, a := range v.contents.Approvals {
		m.Approvals = append(m.Approvals, a.Signed)
	}
	return m
}

// refuse stores the signed reason why a parcel was not handed over.
func (o *Office) refuse(ctx context.Context, env *envelope.Envelope, ref statement.Ref, reason *evidence.Reason) error {
	ev, err := o.sign(evidence.ContentHandoverFailure, env, ref, reason)
	if err != nil {
		return err
	}
	note, err := entry(ActRefuse, nameOf(env.Key()), nil, func(e *Entry) { e.Reason = reason })
	if err != nil {
		return err
	}
	_, err = o.store.AddEvidence(ctx, env.Key(), ev, note)
	return err
}
