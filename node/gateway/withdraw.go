package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/evidence"
	"comity/protocol/exchange"
	"comity/protocol/statement"
	"comity/store"
)

// Withdraw takes back a parcel that an office of this node submitted. What was
// never offered has ended when it returns; otherwise the withdrawal is stored,
// no byte of the parcel is sent any more, and the peer is asked until it answers
// or the parcel expires (R-WDR-3, R-WDR-4). Evidence tells which.
//
// A withdrawal that comes too late, or again, changes nothing and is no error. A
// refusal means that nothing was stored.
func (g *Gateway) Withdraw(ctx context.Context, signed statement.Signed) error {
	w, err := g.Own.VerifyWithdrawal(signed, g.Now())
	if err != nil {
		return err
	}
	k := w.TransmissionKey()
	row, err := g.Store.Outbound(ctx, k)
	if errors.Is(err, store.ErrNotFound) {
		return protocol.Refuse(protocol.WrongParcel, "%s was never submitted here: there is nothing to withdraw", k)
	} else if err != nil {
		return fmt.Errorf("withdraw %s: %w", k, err)
	}
	env, err := envelope.Parse(row.Envelope.Document)
	if err != nil {
		return fmt.Errorf("read own envelope: %w", err)
	}
	if err := w.About(env, row.Envelope.Ref()); err != nil {
		return err
	}
	fact := store.Withdraw{Key: k, Withdrawal: signed}
	if _, actions := row.Outgoing().Step(exchange.Withdraw{}, g.Now(), 0); len(actions) > 0 {
		// Signed in advance: should the envelope be offered before the commit, it
		// is thrown away. Only the store can tell the two apart.
		if fact.Evidence, err = g.tookBack(env, row.Envelope.Ref(), actions[0], signed); err != nil {
			return err
		}
	}
	outcomes, err := g.seq.commit(ctx, fact)
	if err == nil {
		err = outcomes[0].Err
	}
	if err != nil {
		return fmt.Errorf("withdraw %s: %w", k, err)
	}
	// A repeat that this call did not see coming may be its own: the commit looked
	// failed, was written, and was asked for again. Its bytes stop all the same.
	if outcomes[0].Repeat && (row.State.Settled() || row.Outgoing().Withdrawn) {
		return nil
	}
	g.Logger.Info("a parcel is withdrawn", "parcel", k.Parcel, "to", k.To, "state", outcomes[0].State)
	l := g.link(row.Peer)
	l.flying.cut(k) // bytes under way stop; what arrived already, the peer says
	l.wake()
	g.changes.ring()
	return nil
}

func (g *Gateway) tookBack(env *envelope.Envelope, ref statement.Ref, a exchange.Action, w statement.Signed) (store.Evidence, error) {
	f, ok := a.(exchange.Fail)
	if !ok {
		return store.Evidence{}, fmt.Errorf("withdraw %s: cannot do %T", env.Key(), a)
	}
	return g.issue(env, ref, evidence.RelayFailure, because(f.Code, naming(f.Text, w)))
}

// naming ends a reason with the digest of the withdrawal, so that evidence and
// withdrawal can be laid side by side.
func naming(text string, w statement.Signed) string {
	return fmt.Sprintf("%s (withdrawal %s)", text, w.Digest())
}

// errSettled says that a row was settled before its delivery could begin.
var errSettled = errors.New("nothing is left to send")

// takeBack hands the withdrawal, with all that an offer carries, to the peer,
// and takes in the evidence that decides (R-WDR-4, R-WDR-5).
func (l *link) takeBack(ctx context.Context, row store.Outbound) error {
	packets, err := l.offerPackets(ctx, row)
	if err != nil {
		return err
	}
	body, err := statement.EncodePackets(append(packets, statement.Packet{Signed: row.Withdrawal}))
	if err != nil {
		return err
	}
	path := "/v1/parcels/" + row.Envelope.Digest().String() + "/withdrawal"
	_, answer, err := l.callPackets(ctx, http.MethodPut, path, body)
	if err != nil {
		return err
	}
	return l.learn(ctx, row, answer)
}

// serveWithdrawal decides about a withdrawal (PUT) and answers with evidence:
// what was decided before stands; otherwise the envelope is judged as when it is
// offered, and its key is used up without its bytes (R-WDR-5).
func (g *Gateway) serveWithdrawal(w http.ResponseWriter, r *http.Request, l *link) {
	o, packets := g.openOffer(w, r, l.peer, offerSize+1)
	if o == nil {
		return
	}
	if err := g.authenticateWithdrawal(o, packets[offerSize].Signed); err != nil {
		g.answerError(w, r, l.peer, http.StatusForbidden, err)
		return
	}
	refusal := g.judge(r.Context(), o)
	if refusal == nil {
		o.withdrawal = packets[offerSize].Signed
		refusal = protocol.Refuse(protocol.Withdrawn, "%s", naming("the sending authority withdrew the parcel", o.withdrawal))
	}
	if g.refuse(w, r, o, refusal) {
		g.giveUp(r.Context(), address{l.peer, o.signed.Digest()}, o)
	}
}

// giveUp ends the append under way of a body that was decided otherwise, and
// removes what was durable of it. When the append does not end while the peer
// waits, tidy does it later: the decision stands in the store.
func (g *Gateway) giveUp(ctx context.Context, at address, o *offer) {
	if open, ok := g.uploads.announced(at); ok {
		end, err := open.begin(ctx, func() {})
		if err != nil {
			return
		}
		defer end()
		open.over = true
		g.uploads.forget(at)
	}
	g.drop(o)
}

// authenticateWithdrawal checks that the sending authority itself takes back
// exactly this envelope (R-WDR-1, R-WDR-2). What fails leaves no trace (R-EVID-7).
func (g *Gateway) authenticateWithdrawal(o *offer, signed statement.Signed) error {
	state, ok := g.book.node(o.peer)
	if !ok {
		return fmt.Errorf("no record of %s", o.peer)
	}
	w, err := state.VerifyWithdrawal(signed, g.Now())
	if err != nil {
		return err
	}
	return w.About(o.env, o.signed.Ref())
}

// checkTookBack refuses a peer's word that a parcel was withdrawn when its
// sender did not withdraw it (R-WDR-6).
func (g *Gateway) checkTookBack(ctx context.Context, ev *evidence.Evidence) error {
	if ev.Event != evidence.RelayRejection || ev.Reason.Code != protocol.Withdrawn {
		return nil
	}
	row, err := g.Store.Outbound(ctx, ev.TransmissionKey())
	if err == nil && !row.Outgoing().Withdrawn {
		err = protocol.Refuse(protocol.Malformed, "%s says that %s was withdrawn; nobody here withdrew it", ev.Event, row.Key)
	}
	return err
}
