package gateway

import (
	"context"
	"errors"
	"fmt"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

// byEnvelope divides a page into its parcels.
func byEnvelope(packets []statement.Packet) (groups [][]statement.Packet) {
	for _, p := range packets {
		if _, err := envelope.Parse(p.Document); err == nil || len(groups) == 0 {
			groups = append(groups, nil)
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], p)
	}
	return groups
}

// restoreReceived takes back a parcel that the peer sent. fresh says that
// something of it was lost here.
func (l *link) restoreReceived(ctx context.Context, group []statement.Packet) (fresh bool, err error) {
	state, ok := l.g.book.node(l.peer)
	if !ok {
		return false, fmt.Errorf("no record of %s", l.peer)
	}
	env, err := l.verifyTold(ctx, state, group[0].Signed)
	if err != nil {
		return false, err
	}
	fact := store.RestoreInbound{Inbound: (&offer{peer: l.peer, env: env, signed: group[0].Signed}).inbound()}
	for _, p := range group[1:] {
		ev, err := l.verifyCopy(ctx, state, env, group[0].Ref(), p)
		if err != nil {
			return false, err
		}
		if ev.Event == evidence.SubmissionAcceptance {
			fact.Submission = ev
		} else {
			fact.Evidence = append(fact.Evidence, ev)
		}
	}
	if len(fact.Evidence) == 0 {
		return false, nil // this node had not decided about it
	}
	l.g.wanted.set(env.Key(), true) // no office gets it before its bytes are here
	outcomes, err := l.g.seq.commit(ctx, fact)
	if err == nil {
		err = outcomes[0].Err
	}
	if err == nil {
		for _, d := range outcomes[0].Disputed {
			l.raise(fmt.Errorf("it holds two words of this node of which only one can be true: %w", d))
		}
	}
	if sealed, gone := l.g.Store.Sealed(ctx, env.Sealed.Digest); gone == nil {
		l.g.wanted.set(env.Key(), false)
		err = errors.Join(err, sealed.Close())
	}
	if fresh = err == nil && !outcomes[0].Repeat; fresh {
		l.tellLost()
	}
	return fresh, err
}

// restoreSent takes back a parcel that this node sent to the peer.
func (l *link) restoreSent(ctx context.Context, group []statement.Packet) (fresh bool, err error) {
	env, err := l.verifyTold(ctx, l.g.Own, group[0].Signed)
	if err != nil {
		return false, err
	}
	in := (&offer{peer: l.peer, env: env, signed: group[0].Signed}).inbound()
	fact := store.RestoreOutbound{Outbound: store.Outbound{
		Key: in.Key, Peer: l.peer, Envelope: in.Envelope, Sealed: in.Sealed, Priority: in.Priority, Test: in.Test, Created: in.Created, Expires: in.Expires,
		Next: l.g.Now().Add(restoredNext),
	}}
	for _, p := range group[1:] {
		ev, err := l.verifyCopy(ctx, l.g.Own, env, group[0].Ref(), p)
		if err != nil {
			return false, err
		}
		if ev.Event == evidence.SubmissionAcceptance {
			fact.Outbound.Evidence = ev
		}
	}
	if len(fact.Outbound.Evidence.Document) == 0 {
		return false, protocol.Refuse(protocol.Malformed, "an envelope of this node without its SubmissionAcceptance")
	}
	outcomes, err := l.g.seq.commit(ctx, fact)
	if err == nil {
		err = outcomes[0].Err
	}
	if fresh = err == nil && !outcomes[0].Repeat; fresh {
		l.tellLost()
	}
	return fresh, err
}

// verifyTold verifies an envelope of a page by the newest record of its sender.
func (l *link) verifyTold(ctx context.Context, sender *record.State, signed statement.Signed) (*envelope.Envelope, error) {
	env, err := sender.VerifyEnvelope(signed, l.g.Now())
	if err == nil {
		return env, nil
	}
	if claims, perr := envelope.Parse(signed.Document); perr == nil {
		err = l.g.doubted(ctx, sender, claims.Records.From, err)
	}
	return nil, err
}

// verifyCopy verifies one evidence of a page in full, as if it had just come: the
// sender's acceptance by the record given, all else as this node's own word.
func (l *link) verifyCopy(ctx context.Context, sender *record.State, env *envelope.Envelope, ref statement.Ref, p statement.Packet) (store.Evidence, error) {
	none := store.Evidence{}
	claims, err := evidence.Parse(p.Document)
	if err != nil {
		return none, err
	}
	issuer := l.g.Own
	if claims.Event.Rule().Sender {
		issuer = sender
	}
	ev, by, err := l.g.verifyEvidence(ctx, issuer, p.Signed)
	if err != nil {
		return none, l.g.doubted(ctx, issuer, claims.Record, err)
	}
	if _, err := provenBy(by, issuer, p); err != nil {
		return none, protocol.Refuse(protocol.BadSignature, "proof of the %s: %v", ev.Event, err)
	}
	return store.Evidence{Packet: p, Event: ev.Event, Time: ev.Time.Time}, ev.About(env, ref)
}
