package gateway

import (
	"context"
	"fmt"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

// Submit takes a sealed parcel into the queue: one envelope and one
// SubmissionAcceptance per addressee, all durable in one commit before they are
// returned. A repeat of a submission returns the stored ones (R-ENV-7), so an office that
// was interrupted may submit again. A refusal means that nothing was taken.
func (g *Gateway) Submit(ctx context.Context, s exchange.Submission, sealed exchange.Sealed) ([]exchange.Receipt, error) {
	if _, ok := g.Own.Authority(s.From); !ok {
		return nil, protocol.Refuse(protocol.UnknownSender, "%s is not an authority of this node", s.From)
	}
	if limit := g.Own.Record().Node.Limits.Sealed; s.Sealed.Size > limit {
		return nil, protocol.Refuse(protocol.TooLarge, "%d sealed bytes; this node takes %d", s.Sealed.Size, limit)
	}
	if err := g.roomToSubmit(ctx, s); err != nil {
		return nil, fmt.Errorf("submit %s: %w", s.Parcel, err)
	}
	fact := store.Submit{}
	for _, a := range s.To {
		out, err := g.outbound(ctx, s, a)
		if err != nil {
			return nil, err
		}
		fact.Out = append(fact.Out, out)
	}
	spool, err := g.Store.Adopt(ctx, sealed, s.Sealed.Digest)
	if err != nil {
		return nil, fmt.Errorf("take the sealed bytes of %s: %w", s.Parcel, err)
	}
	defer spool.Discard()
	fact.Spool = spool
	outcomes, err := g.seq.commit(ctx, fact)
	if err != nil {
		return nil, fmt.Errorf("submit %s: %w", s.Parcel, err)
	}
	outcome := outcomes[0]
	if outcome.Err != nil {
		return nil, outcome.Err
	}
	if !outcome.Repeat {
		g.quota.add(s.From, len(fact.Out))
	}
	receipts := make([]exchange.Receipt, len(fact.Out))
	for i, out := range fact.Out {
		receipts[i] = exchange.Receipt{Key: out.Key, Envelope: outcome.Envelopes[i], Evidence: outcome.Packets[i]}
		g.offers.put(out.Key, outcome.Packets[i])
		if !outcome.Repeat {
			// Its evidence comes within the second. On an error it is read then. Of one
			// recipient it may be a repeat: the stored envelope stands, not the new one.
			_, _ = recall(g.out, out.Peer, outcome.Envelopes[i])
		}
		g.link(out.Peer).wake()
	}
	g.changes.ring()
	return receipts, nil
}

// Expect says that an office is about to submit a parcel: while it is signed and
// sealed, bodies of a lower priority to the same nodes give way already, so that
// they do not stand in its way on the disk and on the line (R-XCH-7). The
// returned function ends that, whether it was submitted or not.
func (g *Gateway) Expect(to []protocol.AuthorityID, p protocol.Priority) (release func()) {
	var all []func()
	for _, a := range to {
		if state, ok := g.book.state(a.State()); ok && state != g.Own {
			all = append(all, g.link(state.Record().Node.ID).flying.expect(p.Rank()))
		}
	}
	return func() {
		for _, release := range all {
			release()
		}
	}
}

// outbound makes the envelope to one addressee and the evidence of its submission.
func (g *Gateway) outbound(ctx context.Context, s exchange.Submission, a exchange.Addressee) (store.Outbound, error) {
	if g.Locked != nil {
		return store.Outbound{}, g.Locked
	}
	state, member, err := g.Find(a.To)
	if err != nil {
		return store.Outbound{}, err
	}
	peer := state.Record().Node.ID
	if peer == g.Own.Record().Node.ID {
		return store.Outbound{}, protocol.Refuse(protocol.Policy, "%s is hosted by this node itself; a parcel goes to another state's node", a.To)
	}
	if _, err := member.RecipientByDigest(a.Key, g.Now()); err != nil {
		return store.Outbound{}, err
	}
	if limit := state.Record().Node.Limits.Sealed; s.Sealed.Size > limit {
		return store.Outbound{}, protocol.Refuse(protocol.TooLarge, "%d sealed bytes; the node of %s takes %d", s.Sealed.Size, a.To, limit)
	}
	env := &envelope.Envelope{
		Type:         envelope.Type,
		Parcel:       s.Parcel,
		From:         s.From,
		To:           a.To,
		RecipientKey: a.Key,
		Priority:     s.Priority,
		Test:         s.Test,
		Sealed:       s.Sealed,
		Manifest:     s.Manifest,
		Created:      protocol.At(g.Now()),
		Expires:      s.Expires,
		Directory:    g.directory.newest(),
		Records:      envelope.Records{From: g.Own.Ref(), To: state.Ref()},
	}
	if _, note, err := g.Store.PeerCheckpoint(ctx, peer); err != nil {
		return store.Outbound{}, err
	} else if note != nil && bounds(state, note, env) {
		text := string(note)
		env.NotBefore = &text
	}
	signed, err := env.Sign(g.NodeKey, env.Created.Time)
	if err != nil {
		return store.Outbound{}, fmt.Errorf("sign the envelope of %s to %s: %w", s.Parcel, a.To, err)
	}
	accepted, err := g.issue(env, signed.Ref(), evidence.SubmissionAcceptance, nil)
	if err != nil {
		return store.Outbound{}, err
	}
	return store.Outbound{
		Key: env.Key(), Peer: peer, Envelope: signed, Sealed: s.Sealed, Priority: s.Priority, Test: s.Test,
		Created: env.Created.Time, Expires: env.Expires.Time, Evidence: accepted,
	}, nil
}

// bounds reports whether a checkpoint of the recipient's log can bound the age of
// an envelope (R-ENV-9). One that was made while the peer's clock was ahead
// cannot: with it, the peer would never accept the envelope.
func bounds(state *record.State, note []byte, env *envelope.Envelope) bool {
	c, err := state.LogVerifier().Checkpoint(note)
	return err == nil && !c.Time.After(env.Created.Add(protocol.MaxSkew))
}

// Envelope returns the envelope of a transmission, sent or received.
func (g *Gateway) Envelope(ctx context.Context, k protocol.Key) (statement.Signed, error) {
	if _, ours := g.Own.Authority(k.From); ours {
		row, err := g.Store.Outbound(ctx, k)
		if err != nil {
			return statement.Signed{}, fmt.Errorf("envelope of %s: %w", k, err)
		}
		return row.Envelope, nil
	}
	row, err := g.Store.Inbound(ctx, k)
	if err != nil {
		return statement.Signed{}, fmt.Errorf("envelope of %s: %w", k, err)
	}
	return row.Envelope, nil
}

// Sealed opens sealed bytes by their digest.
func (g *Gateway) Sealed(ctx context.Context, digest protocol.Digest) (exchange.Sealed, error) {
	return g.Store.Sealed(ctx, digest)
}
