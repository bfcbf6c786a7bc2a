package office

import (
	"context"
	"fmt"

	"comity/crypto/pgp"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
	"comity/store"
)

// sign makes evidence of this office about a transmission, with the key of the
// event's role. reason is nil on positive events. It is worth nothing, and must
// not leave the process, before it is stored (R-EVID-4).
func (o *Office) sign(event evidence.Event, env *envelope.Envelope, ref statement.Ref, reason *evidence.Reason) (store.Evidence, error) {
	own, self, err := o.self()
	if err != nil {
		return store.Evidence{}, err
	}
	key, role := o.keyOf(event)
	now := o.now()
	if err := self.Key(role, key.Digest(), now); err != nil {
		return store.Evidence{}, fmt.Errorf("%s cannot sign %s now: %w", o.authority, event, err)
	}
	ev := &evidence.Evidence{
		Type: evidence.Type, Event: event, Parcel: env.Parcel, From: env.From, To: env.To, Test: env.Test,
		Envelope: &ref, Sealed: env.Sealed.Digest, Time: protocol.At(now), Reason: reason,
		Issuer: evidence.Issuer{Name: string(o.authority), Role: role, Key: key.Digest()},
		Log:    own.Record().Node.Log.Origin, Record: own.Ref(),
	}
	signed, err := ev.Sign(key, now)
	if err != nil {
		return store.Evidence{}, fmt.Errorf("sign %s for %s: %w", event, env.Key(), err)
	}
	return store.Evidence{Packet: statement.Packet{Signed: signed}, Event: event, Time: ev.Time.Time}, nil
}

// keyOf returns the key that signs an event. R-EVID-12: only the methods that a
// person calls ask for an event of the role act.
func (o *Office) keyOf(event evidence.Event) (*pgp.Secret, evidence.Role) {
	if role := event.Rule().Role; role == evidence.Act {
		return o.act, role
	}
	return o.attest, evidence.Attest
}

// file hands stored evidence to the gateway, in the order in which it was
// signed, and keeps the proofs that come back. Evidence that has its proof is
// left out unless again says that the gateway asks for it once more, as one
// restored from a backup does. It returns how many it filed.
func (o *Office) file(ctx context.Context, k protocol.Key, again bool) (int, error) {
	all, err := o.store.Evidence(ctx, k)
	if err != nil {
		return 0, err
	}
	filed := 0
	for _, ev := range all {
		if !ev.Own || len(ev.Proof) > 0 && !again {
			continue
		}
		if err := o.fileOne(ctx, k, ev); err != nil {
			return filed, err
		}
		filed++
	}
	return filed, nil
}

func (o *Office) fileOne(ctx context.Context, k protocol.Key, ev store.Evidence) error {
	packet, err := o.gateway.File(ctx, ev.Signed)
	if err != nil {
		return fmt.Errorf("file %s of %s: %w", ev.Event, k, err)
	}
	return o.keep(ctx, k, statement.Signed{}, packet)
}

// fileLater files what is stored and leaves it to Run if that fails now: the
// act itself is durable, and whoever waits for it need not wait for the gateway.
func (o *Office) fileLater(ctx context.Context, k protocol.Key) {
	if _, err := o.file(ctx, k, false); err != nil {
		o.log.Warn("evidence is stored and will be filed later", "transmission", k.String(), "error", err)
		o.leaveUnfinished()
	}
}

// attested parses stored evidence.
func attested(p statement.Packet) (exchange.Attested, error) {
	ev, err := evidence.Parse(p.Document)
	return exchange.Attested{Packet: p, Parsed: ev}, err
}

// evidenceOf returns all evidence about a transmission: the gateway's, and what
// this office signed and the gateway does not have yet.
func (o *Office) evidenceOf(ctx context.Context, k protocol.Key) ([]exchange.Attested, error) {
	all, err := o.gateway.Evidence(ctx, k)
	if err != nil {
		return nil, fmt.Errorf("ask the gateway for evidence: %w", err)
	}
	own, err := o.store.Evidence(ctx, k)
	if err != nil {
		return nil, err
	}
	have := map[evidence.Event]bool{}
	for _, a := range all {
		have[a.Parsed.Event] = true
	}
	for _, ev := range own {
		if have[ev.Event] {
			continue
		}
		a, err := attested(ev.Packet)
		if err != nil {
			return nil, fmt.Errorf("read stored evidence of %s: %w", k, err)
		}
		all = append(all, a)
	}
	return all, nil
}
