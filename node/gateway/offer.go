package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/record"
	"comity/protocol/statement"
	"comity/store"
)

// serveOffer takes an envelope (PUT): 201 and the bytes may come, or 200 with
// the evidence when it was decided before or is refused for good.
func (g *Gateway) serveOffer(w http.ResponseWriter, r *http.Request, l *link) {
	o, _ := g.openOffer(w, r, l.peer, offerSize)
	if o == nil {
		return
	}
	if err := g.judge(r.Context(), o); err != nil {
		g.refuse(w, r, o, err)
		return
	}
	o, offset, err := g.announce(r.Context(), address{l.peer, o.signed.Digest()}, o)
	if err != nil {
		g.answerError(w, r, l.peer, http.StatusServiceUnavailable, err)
		return
	}
	g.describeUpload(w, r, o, offset)
	if o.resumable() {
		// R-WIRE-11: a sender that loses the answer knows by this that it may go on.
		w.WriteHeader(statusResumable)
	}
	w.WriteHeader(http.StatusCreated)
}

// openOffer reads an offer of so many packets that is new and authentic. Otherwise
// it has answered, and the offer is nil: with what is wrong, or with the evidence
// when the envelope was decided before.
func (g *Gateway) openOffer(w http.ResponseWriter, r *http.Request, peer protocol.NodeID, want int) (*offer, []statement.Packet) {
	packets, digest, err := g.readOffer(w, r, want)
	if err != nil {
		g.answerError(w, r, peer, http.StatusBadRequest, err)
		return nil, nil
	}
	decided, err := g.decided(r.Context(), peer, digest)
	if err == nil && decided != nil {
		g.answer(w, r, peer, decided)
		return nil, nil
	}
	var o *offer
	if err == nil {
		o, err = g.authenticate(r.Context(), peer, packets)
	}
	if err != nil {
		g.answerError(w, r, peer, http.StatusForbidden, err)
		return nil, nil
	}
	g.compareDirectory(r.Context(), o)
	return o, packets
}

// offerSize is how many packets an offer has: envelope and SubmissionAcceptance.
const offerSize = 2

// readOffer reads the packets of an offer, or want of them when more comes with
// it, and makes sure that they stand at their own address (R-WIRE-4).
func (g *Gateway) readOffer(w http.ResponseWriter, r *http.Request, want int) ([]statement.Packet, protocol.Digest, error) {
	digest, err := protocol.ParseDigest(r.PathValue("envelope"))
	if err != nil {
		return nil, digest, err
	}
	body, err := readBody(w, r, int64(want)*protocol.MaxPacket)
	if err != nil {
		return nil, digest, err
	}
	packets, err := statement.DecodePackets(body, want*protocol.MaxPacket, want)
	if err != nil {
		return nil, digest, err
	}
	if len(packets) != want {
		return nil, digest, protocol.Refuse(protocol.Malformed, "%d packets; want envelope, SubmissionAcceptance and, to withdraw, the withdrawal", len(packets))
	}
	if packets[0].Digest() != digest {
		return nil, digest, protocol.Refuse(protocol.DigestMismatch, "the envelope does not have the digest of its address")
	}
	return packets, digest, nil
}

// decided returns the evidence issued here for an envelope that was accepted or
// refused before, nil when it is new (R-EVID-5). Another peer's is unknown.
func (g *Gateway) decided(ctx context.Context, peer protocol.NodeID, digest protocol.Digest) ([]statement.Packet, error) {
	row, err := g.Store.InboundByEnvelope(ctx, digest)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if row.Peer != peer {
		return nil, protocol.Refuse(protocol.UnknownSender, "this envelope came from another node")
	}
	all, err := g.Store.Evidence(ctx, row.Key)
	if err != nil {
		return nil, err
	}
	var packets []statement.Packet
	for _, ev := range all {
		if ev.Own {
			packets = append(packets, ev.Packet)
		}
	}
	return packets, nil
}

// authenticate checks that the envelope is the peer's own word: signature, key,
// role, hosting of the sender, and that the sender's SubmissionAcceptance with
// its proof speaks of it (R-ENV-1, R-ENV-6). What fails here gets no evidence,
// no leaf, and uses up no id (R-EVID-7).
func (g *Gateway) authenticate(ctx context.Context, peer protocol.NodeID, packets []statement.Packet) (*offer, error) {
	state, ok := g.book.node(peer)
	if !ok {
		return nil, fmt.Errorf("no record of %s", peer)
	}
	now := g.Now()
	env, err := state.VerifyEnvelope(packets[0].Signed, now)
	if err != nil {
		return nil, err
	}
	ev, by, err := g.verifyEvidence(ctx, state, packets[1].Signed)
	if err != nil {
		return nil, err
	}
	if ev.Event != evidence.SubmissionAcceptance {
		return nil, protocol.Refuse(protocol.WrongRole, "%s travels with the envelope; want %s", ev.Event, evidence.SubmissionAcceptance)
	}
	if err := ev.About(env, packets[0].Ref()); err != nil {
		return nil, err
	}
	seen, err := provenBy(by, state, packets[1])
	if err != nil {
		return nil, protocol.Refuse(protocol.BadSignature, "proof of the %s: %v", ev.Event, err)
	}
	return &offer{
		peer: peer, env: env, signed: packets[0].Signed, seen: seen,
		submission: store.Evidence{Packet: packets[1], Event: ev.Event, Time: ev.Time.Time},
	}, nil
}

// judge decides about an authentic envelope, before the first sealed byte
// (R-ENV-2): whether its key is new (R-XCH-3, R-XCH-4), its times are right
// (R-ENV-4, R-ENV-5), its recipient is hosted here. A refusal is for good and becomes a RelayRejection, but for
// equivocation, where the identity is used already (R-EVID-6), and for clocks,
// where ours may be the wrong one.
func (g *Gateway) judge(ctx context.Context, o *offer) error {
	if err := g.link(o.peer).decidable(o.env.Key()); err != nil {
		return err
	}
	known, err := g.known(ctx, o.env.Key())
	if err != nil {
		return err
	}
	if _, err := exchange.Offer(known, o.signed.Digest()); err != nil {
		return err
	}
	if err := g.mayDate(); err != nil {
		return protocol.Refuse(protocol.ClockSkew, "%v", err)
	}
	if skew := g.link(o.peer).skew(); skew.Abs() > protocol.MaxSkew {
		return protocol.Refuse(protocol.ClockSkew, "our clocks differ by %s; nothing is decided until they agree", skew.Round(1e9))
	}
	if err := o.env.CheckTimes(g.Now()); err != nil {
		return err
	}
	member, ok := g.Own.Authority(o.env.To)
	if !ok {
		return protocol.Refuse(protocol.UnknownRecipient, "%s is not an authority of this node", o.env.To)
	}
	if err := checkRecipientKey(member, o.env); err != nil {
		return err
	}
	if limit := g.Own.Record().Node.Limits.Sealed; o.env.Sealed.Size > limit {
		return protocol.Refuse(protocol.TooLarge, "%d sealed bytes; this node takes %d", o.env.Sealed.Size, limit)
	}
	return g.checkNotBefore(ctx, o.env)
}

func (g *Gateway) known(ctx context.Context, k protocol.Key) (*exchange.Known, error) {
	row, err := g.Store.Inbound(ctx, k)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return &exchange.Known{Envelope: row.Envelope.Digest(), State: row.State}, nil
}

// checkRecipientKey refuses at once what the recipient could not open (R-ENV-3).
func checkRecipientKey(member *record.Member, env *envelope.Envelope) error {
	if _, err := member.RecipientByDigest(env.RecipientKey, env.Created.Time); err != nil {
		return protocol.Refuse(protocol.WrongRecipientKey, "%s cannot open what is sealed to this key; fetch our newest record: %v", env.To, err)
	}
	return nil
}

// checkNotBefore verifies the checkpoint by which the sender bounds the
// envelope's age from below (R-ENV-9).
func (g *Gateway) checkNotBefore(ctx context.Context, env *envelope.Envelope) error {
	if env.NotBefore == nil {
		return nil
	}
	c, err := g.Own.LogVerifier().Checkpoint([]byte(*env.NotBefore))
	if err != nil { // perhaps of a log that this node has lost since
		older, failed := g.olderRecord(ctx, g.Own, env.Records.To)
		if failed == nil && older == nil {
			origin, _, _ := strings.Cut(*env.NotBefore, "\n")
			older, failed = g.recordOfLog(ctx, g.Own, origin)
		}
		if failed != nil {
			return failed
		}
		if older != nil {
			c, err = older.LogVerifier().Checkpoint([]byte(*env.NotBefore))
		}
	}
	if err != nil {
		return protocol.Refuse(protocol.Malformed, "not_before is not a checkpoint of this node's log")
	}
	if c.Time.After(env.Created.Add(protocol.MaxSkew)) {
		return protocol.Refuse(protocol.ClockSkew, "not_before is dated %s, after the envelope", protocol.At(c.Time))
	}
	return nil
}

// refuse answers a refused offer. A refusal for good is signed, made durable,
// and then told, and refuse reports true; everything else is told and forgotten.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, o *offer, refusal error) bool {
	var why *protocol.Refusal
	if !errors.As(refusal, &why) || why.Code == protocol.Equivocation || why.Code == protocol.ClockSkew {
		g.answerError(w, r, o.peer, http.StatusForbidden, refusal)
		return false
	}
	packets, err := g.reject(r.Context(), o, why)
	if err != nil {
		g.answerError(w, r, o.peer, http.StatusServiceUnavailable, err)
		return false
	}
	g.answer(w, r, o.peer, packets)
	return true
}

func (g *Gateway) reject(ctx context.Context, o *offer, why *protocol.Refusal) ([]statement.Packet, error) {
	if err := g.link(o.peer).mayReject(why.Code); err != nil {
		return nil, err
	}
	if log := g.link(o.peer).aloud(); why.Code == protocol.Withdrawn {
		log.Info("a parcel was withdrawn by its sender", "parcel", o.env.Parcel)
	} else {
		log.Warn("refused a parcel for good", "parcel", o.env.Parcel, "code", why.Code, "detail", why.Detail)
	}
	ev, err := g.issue(o.env, o.signed.Ref(), evidence.RelayRejection, because(why.Code, why.Detail))
	if err != nil {
		return nil, err
	}
	outcomes, err := g.fileOwn(ctx, o.peer, store.RefuseRelay{Inbound: o.inbound(), Submission: o.submission, Evidence: ev})
	if err != nil {
		return nil, err
	}
	return outcomes[0].Packets, outcomes[0].Err
}

func (o *offer) inbound() store.Inbound {
	return store.Inbound{
		Key: o.env.Key(), Peer: o.peer, Envelope: o.signed, Sealed: o.env.Sealed, Priority: o.env.Priority,
		Test: o.env.Test, Created: o.env.Created.Time, Expires: o.env.Expires.Time, Withdrawal: o.withdrawal,
	}
}

func (g *Gateway) answer(w http.ResponseWriter, r *http.Request, peer protocol.NodeID, packets []statement.Packet) {
	if err := answerPackets(w, packets); err != nil {
		g.link(peer).aloud().Warn("an answer did not reach the peer", "path", r.URL.Path, "error", err)
	}
}

// serveStatus tells the peer that offered a parcel what was decided about it:
// all evidence issued here, or 404 when there is none (R-EVID-9).
func (g *Gateway) serveStatus(w http.ResponseWriter, r *http.Request, l *link) {
	peer := l.peer
	digest, err := protocol.ParseDigest(r.PathValue("envelope"))
	if err != nil {
		g.answerError(w, r, peer, http.StatusBadRequest, err)
		return
	}
	packets, err := g.decided(r.Context(), peer, digest)
	switch {
	case protocol.CodeOf(err) != "", err == nil && packets == nil:
		answerProblem(w, http.StatusNotFound, "", "nothing is known about this envelope")
	case err != nil:
		g.answerError(w, r, peer, http.StatusServiceUnavailable, err)
	default:
		g.answer(w, r, peer, packets)
	}
}
