package office

import (
	"context"
	"fmt"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
	"comity/store"
)

// submit hands a stored message to the gateway and stores its receipts. It may
// be repeated at any time: the gateway answers with the stored receipts.
func (o *Office) submit(ctx context.Context, m *store.Message) ([]exchange.Receipt, error) {
	// Its manifest was dated by a clock that was wrong then, or this one is wrong
	// now: abroad it would be refused for good.
	if now := o.now(); now.Before(m.Created) {
		return nil, fmt.Errorf("submit %s: it is dated %s, and now it is %s: it waits until that time has come",
			m.Name, protocol.At(m.Created), protocol.At(now))
	}
	leave, err := o.doors.enter(ctx, "submit "+m.Name.String())
	if err != nil {
		return nil, err
	}
	defer leave()
	s := exchange.Submission{
		Parcel: m.Name.Parcel, From: o.authority, Priority: m.Priority, Test: m.Test, Sealed: m.Sealed,
		Manifest: m.Manifest.Ref(), Created: protocol.At(m.Created), Expires: protocol.At(m.Expires),
	}
	for _, t := range m.Transmissions {
		s.To = append(s.To, exchange.Addressee{To: t.To, Key: t.RecipientKey})
	}
	sealed, err := o.store.Sealed(ctx, m.Sealed.Digest)
	if err != nil {
		return nil, err
	}
	defer sealed.Close() // only read from
	receipts, err := o.gateway.Submit(ctx, s, sealed)
	if err != nil {
		return nil, err
	}
	if err := checkReceipts(&s, receipts); err != nil {
		return nil, err
	}
	for _, r := range receipts {
		if err := o.keep(ctx, r.Key, r.Envelope, r.Evidence); err != nil {
			return nil, err
		}
	}
	return receipts, nil
}

// checkReceipts makes sure that the gateway will send what was submitted: the
// envelope is all that the recipient's node sees.
func checkReceipts(s *exchange.Submission, receipts []exchange.Receipt) error {
	if len(receipts) != len(s.To) {
		return fmt.Errorf("the gateway answered with %d receipts for %d recipients", len(receipts), len(s.To))
	}
	for i, r := range receipts {
		env, err := envelope.Parse(r.Envelope.Document)
		if err != nil {
			return fmt.Errorf("read the envelope to %s: %w", s.To[i].To, err)
		}
		ev, err := evidence.Parse(r.Evidence.Document)
		if err != nil {
			return fmt.Errorf("read the receipt for %s: %w", s.To[i].To, err)
		}
		if err := ev.About(env, r.Envelope.Ref()); err != nil {
			return err
		}
		want := protocol.Key{From: s.From, Parcel: s.Parcel, To: s.To[i].To}
		if r.Key != want || env.Key() != want || env.RecipientKey != s.To[i].Key || env.Sealed != s.Sealed ||
			env.Manifest != s.Manifest || env.Test != s.Test || ev.Event != evidence.SubmissionAcceptance {
			return fmt.Errorf("the gateway's receipt for %s speaks of something else than was submitted", s.To[i].To)
		}
	}
	return nil
}

// keep stores evidence with its proof, as the gateway handed it out. env may be
// empty.
func (o *Office) keep(ctx context.Context, k protocol.Key, env statement.Signed, p statement.Packet) error {
	ev, err := evidence.Parse(p.Document)
	if err != nil {
		return err
	}
	_, err = o.store.Take(ctx, k, env, store.Evidence{Packet: p, Event: ev.Event, Time: ev.Time.Time})
	return err
}
