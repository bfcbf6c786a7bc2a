package gateway

import (
	"context"
	"errors"
	"fmt"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

// issue signs evidence of this node about a transmission. It is worth nothing
// until its commit, and must not leave the process before.
func (g *Gateway) issue(env *envelope.Envelope, ref statement.Ref, event evidence.Event, more func(*evidence.Evidence)) (store.Evidence, error) {
	if g.Locked != nil {
		return store.Evidence{}, fmt.Errorf("sign %s for %s: %w", event, env.Key(), g.Locked)
	}
	if err := g.mayDate(); err != nil {
		return store.Evidence{}, fmt.Errorf("sign %s for %s: %w", event, env.Key(), err)
	}
	now := g.Now()
	if err := g.Own.NodeKey(g.NodeKey.Digest(), now); err != nil {
		// Not a refusal of what came in: nobody could verify what we would sign.
		return store.Evidence{}, fmt.Errorf("sign %s for %s: this node's key: %v", event, env.Key(), err) // %v: the code must not cross the wire
	}
	ev := &evidence.Evidence{
		Type:     evidence.Type,
		Event:    event,
		Parcel:   env.Parcel,
		From:     env.From,
		To:       env.To,
		Test:     env.Test,
		Envelope: &ref,
		Sealed:   env.Sealed.Digest,
		Time:     protocol.At(now),
		Issuer:   evidence.Issuer{Name: string(g.Own.Record().Node.ID), Role: evidence.Node, Key: g.NodeKey.Digest()},
		Log:      g.Log.Origin(),
		Record:   g.Own.Ref(),
	}
	if more != nil {
		more(ev)
	}
	signed, err := ev.Sign(g.NodeKey, now)
	if err != nil {
		return store.Evidence{}, fmt.Errorf("sign %s for %s: %v", event, env.Key(), err) // likewise
	}
	return store.Evidence{Packet: statement.Packet{Signed: signed}, Event: event, Time: ev.Time.Time}, nil
}

// because gives negative evidence its reason (R-EVID-2).
func because(code protocol.Code, text string) func(*evidence.Evidence) {
	return func(ev *evidence.Evidence) { ev.Reason = evidence.NewReason(code, text) }
}

// verifyForeign checks a peer's evidence in full: signature, role, side and
// window against the peer's record, the proof against its log, and that it
// speaks of exactly the envelope that we sent (R-EVID-1, R-EVID-3, R-LOG-5).
// It returns the checkpoint of the proof, too.
func (g *Gateway) verifyForeign(ctx context.Context, state *record.State, p statement.Packet) (*evidence.Evidence, store.SeePeerLog, error) {
	none := store.SeePeerLog{}
	ev, by, err := g.verifyEvidence(ctx, state, p.Signed)
	if err != nil {
		return nil, none, premature(state, p.Signed, err)
	}
	seen, err := provenBy(by, state, p)
	if err != nil {
		return nil, none, protocol.Refuse(protocol.BadSignature, "proof of %s: %v", ev.Event, err)
	}
	sent, err := g.sent(ctx, ev.TransmissionKey())
	if errors.Is(err, store.ErrNotFound) {
		return nil, none, protocol.Refuse(protocol.WrongParcel, "%s speaks of a parcel that was never sent from here", ev.Event)
	} else if err != nil {
		return nil, none, err
	}
	if sent.peer != state.Record().Node.ID {
		return nil, none, protocol.Refuse(protocol.WrongParcel, "%s is about a parcel for another node", ev.Event)
	}
	if err := ev.About(sent.envelope, sent.ref); err != nil {
		return nil, none, err
	}
	return ev, seen, g.checkTookBack(ctx, ev)
}

// notYet is the refusal of evidence that may verify later: it is dated in the
// future of our clock, or under a record that we do not have.
type notYet struct{ error }

func (e notYet) Unwrap() error { return e.error }

func premature(state *record.State, s statement.Signed, err error) error {
	if protocol.CodeOf(err) == protocol.ClockSkew {
		return notYet{err}
	}
	if ev, perr := evidence.Parse(s.Document); perr == nil && ev.Record.State == state.Record().State && ev.Record.Sequence > state.Record().Sequence {
		return notYet{err}
	}
	return err
}

// settles holds the office's events after which the receiving node needs the
// sealed bytes no longer: the office has its own copy, or has refused them.
var settles = map[evidence.Event]bool{evidence.ContentHandover: true, evidence.ContentHandoverFailure: true}

// releases holds the events after which the sending node needs the sealed bytes
// no longer: the recipient's office has them, or nothing will be sent any more.
var releases = map[evidence.Event]bool{
	evidence.ContentHandover: true, evidence.ContentHandoverFailure: true, evidence.RelayRejection: true,
	evidence.ConsignmentAcceptance: true, evidence.ConsignmentRejection: true,
}

// takeForeign verifies and stores packets that a peer handed over, and returns
// the states of the transmissions that they speak of, as far as known. Good
// packets are stored even when another is refused; the errors of the refused
// ones are joined. The facts in then are committed with them, unless a packet
// must be asked for again (notYet).
func (g *Gateway) takeForeign(ctx context.Context, peer protocol.NodeID, packets []statement.Packet, then ...store.Fact) (map[protocol.Key]exchange.State, error) {
	state, ok := g.book.node(peer)
	if !ok {
		return nil, fmt.Errorf("take evidence: no record of %s", peer)
	}
	known := g.link(peer).taken
	states := map[protocol.Key]exchange.State{}
	var errs []error
	var facts []store.Fact
	var fresh []store.TakeEvidence
	shown := map[merkle.Checkpoint]store.SeePeerLog{} // evidence of one commit shows one state
	for _, p := range packets {
		if before, again := known.get(idOf(p)); again { // R-EVID-11
			states[before.key] = before.state
			continue
		}
		ev, seen, err := g.verifyForeign(ctx, state, p)
		if err != nil {
			if protocol.CodeOf(err) == "" {
				return nil, err // our own trouble: take nothing, come back
			}
			g.link(peer).aloud().Warn("refused a peer's evidence", "error", err)
			if errs = append(errs, err); errors.As(err, &notYet{}) {
				then = nil
			}
			continue
		}
		take := store.TakeEvidence{
			Key: ev.TransmissionKey(), Peer: peer, Release: releases[ev.Event],
			Evidence: store.Evidence{Packet: p, Event: ev.Event, Time: ev.Time.Time},
		}
		fresh, facts = append(fresh, take), append(facts, take)
		shown[seen.Checkpoint] = seen
	}
	for _, seen := range shown {
		facts = append(facts, seen)
	}
	if facts = append(facts, then...); len(facts) == 0 {
		return states, errors.Join(errs...)
	}
	outcomes, err := g.seq.commit(ctx, facts...)
	if err != nil {
		return nil, err
	}
	for i, o := range outcomes {
		if o.Err != nil {
			errs = append(errs, o.Err)
		} else if i < len(fresh) {
			known.put(idOf(fresh[i].Evidence.Packet), taken{fresh[i].Key, o.State})
			states[fresh[i].Key] = o.State
		}
	}
	if len(fresh) > 0 {
		g.changes.ring()
		g.link(peer).sighted.ring()
	}
	return states, errors.Join(errs...)
}

// File takes evidence that an office of this node signed, by a person where the
// record says so (R-EVID-12). It gets its leaf and
// goes to the sender's node. The same document again gets the stored packet.
// A different one of an event that exists already is refused as equivocation.
func (g *Gateway) File(ctx context.Context, signed statement.Signed) (statement.Packet, error) {
	ev, _, err := g.verifyEvidence(ctx, g.Own, signed)
	if err != nil {
		return statement.Packet{}, err
	}
	if ev.Issuer.Role == evidence.Node {
		return statement.Packet{}, protocol.Refuse(protocol.WrongRole, "%s is for the node to issue, not for an office", ev.Event)
	}
	got, err := g.received(ctx, ev.TransmissionKey())
	if err != nil {
		return statement.Packet{}, fmt.Errorf("file %s for %s: %w", ev.Event, ev.TransmissionKey(), err)
	}
	if err := ev.About(got.envelope, got.ref); err != nil {
		return statement.Packet{}, err
	}
	outcomes, err := g.fileOwn(ctx, got.peer, store.FileEvidence{
		Key: ev.TransmissionKey(), Feed: got.peer, Release: settles[ev.Event],
		Evidence: store.Evidence{Packet: statement.Packet{Signed: signed}, Event: ev.Event, Time: ev.Time.Time},
	})
	if err != nil {
		return statement.Packet{}, err
	}
	if outcomes[0].Err != nil {
		return statement.Packet{}, outcomes[0].Err
	}
	return outcomes[0].Packets[0], nil
}

// fileOwn commits evidence of this side and wakes its readers.
func (g *Gateway) fileOwn(ctx context.Context, feed protocol.NodeID, facts ...store.Fact) ([]store.Outcome, error) {
	outcomes, err := g.seq.commit(ctx, facts...)
	if err == nil {
		g.changes.ring()
		g.feeds.of(feed).ring()
	}
	return outcomes, err
}

// Evidence returns all evidence about a transmission that stands here, own and
// foreign, in the order in which it was stored.
func (g *Gateway) Evidence(ctx context.Context, k protocol.Key) ([]exchange.Attested, error) {
	rows, err := g.Store.Evidence(ctx, k)
	if err != nil {
		return nil, err
	}
	all := make([]exchange.Attested, len(rows))
	for i, r := range rows {
		parsed, err := evidence.Parse(r.Document)
		if err != nil {
			return nil, fmt.Errorf("read stored evidence of %s: %w", k, err)
		}
		all[i] = exchange.Attested{Packet: r.Packet, Parsed: parsed}
	}
	return all, nil
}

// Changed returns a channel that is closed when any evidence is stored next.
func (g *Gateway) Changed() <-chan struct{} { return g.changes.wait() }
