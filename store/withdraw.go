package store

import (
	"context"
	"fmt"
	"time"

	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/statement"
)

// Withdraw takes a queued parcel back on the sending side, as protocol/exchange
// decides: what was never offered ends in the same transaction by Evidence, its
// RelayFailure; otherwise the withdrawal is stored, the row stays queued and is
// due at once, and Evidence is not used (R-WDR-3, R-WDR-4). Whether the envelope
// was offered is looked up here, where no offer can come between.
//
// It takes no effect (Outcome.Repeat) on a row that has a withdrawal already,
// or nothing left to send. ErrNotFound when there is no row.
type Withdraw struct {
	Key        protocol.Key
	Withdrawal statement.Signed // the caller has verified it
	Evidence   Evidence         // RelayFailure; may be zero when the envelope is known to have been offered
}

func (f Withdraw) apply(ctx context.Context, b *batch) (*answer, error) {
	if len(f.Withdrawal.Document) == 0 || len(f.Withdrawal.Signature) == 0 {
		return nil, factError("withdrawal without document or signature")
	}
	var o exchange.Outgoing
	var expires int64
	err := require(b.find(ctx, []any{&o.State, &o.Offered, &o.Withdrawn, &o.Attempts, &expires},
		`SELECT state, offered, withdrawal IS NOT NULL, attempts, expires_us FROM outbound WHERE sender = $1 AND parcel = $2 AND recipient = $3`,
		f.Key.From, f.Key.Parcel, f.Key.To))
	if err != nil {
		return nil, fmt.Errorf("transmission %s: %w", f.Key, err)
	}
	a := &answer{state: o.State, repeat: o.Withdrawn || o.State.Settled()}
	if a.repeat {
		return a, nil
	}
	o.Expires = time.UnixMicro(expires).UTC()
	// It waits in the line of the small ones: a withdrawal is one, whatever it takes back.
	o, actions := o.Step(exchange.Withdraw{}, b.now, 0)
	if _, err := b.exec(ctx, `UPDATE outbound SET withdrawal = $4, withdrawal_signature = $5, withdrawn_us = $6, attempts = $7, next_us = coalesce($8, next_us), large = 0
WHERE sender = $1 AND parcel = $2 AND recipient = $3`, f.Key.From, f.Key.Parcel, f.Key.To,
		string(f.Withdrawal.Document), string(f.Withdrawal.Signature), b.now.UnixMicro(), o.Attempts, micros(o.Next)); err != nil {
		return nil, err
	}
	if len(actions) == 0 {
		return a, nil
	}
	p, _, err := b.file(ctx, f.Key, f.Evidence, "")
	if err != nil {
		return blocked(p), err
	}
	a.packets = []storedPacket{p}
	a.state, err = b.move(ctx, true, f.Key, f.Evidence, "", nil, true, false)
	return a, err
}

// entomb keeps the withdrawal beside the row of the envelope that it ended.
func (b *batch) entomb(ctx context.Context, k protocol.Key, w statement.Signed) error {
	if len(w.Document) == 0 {
		return nil
	}
	_, err := b.exec(ctx, `UPDATE inbound SET withdrawal = $4, withdrawal_signature = $5 WHERE sender = $1 AND parcel = $2 AND recipient = $3`,
		k.From, k.Parcel, k.To, string(w.Document), string(w.Signature))
	return err
}

// SetWithdrawn stores this authority's withdrawal of a sent message from one
// recipient, with its journal entry in one transaction, before the gateway hears
// of it. When there is one already, that one stands (false, nil). ErrNotFound.
func (o *Office) SetWithdrawn(ctx context.Context, n Name, to protocol.AuthorityID, w statement.Signed, entry []byte) (first bool, err error) {
	if len(w.Document) == 0 || len(w.Signature) == 0 {
		return false, fmt.Errorf("withdrawing message %s: %w", n, factError("there is no withdrawal"))
	}
	err = o.writes.write(ctx, func(ctx context.Context, t *tx) error {
		changed, err := t.exec(ctx, `UPDATE transmission SET withdrawal = $4, withdrawal_signature = $5, withdrawn_us = $6 WHERE recipient = $3 AND withdrawal IS NULL
AND message = (SELECT ordinal FROM message WHERE sender = $1 AND parcel = $2 AND direction = 'sent')`,
			n.From, n.Parcel, to, string(w.Document), string(w.Signature), t.now.UnixMicro())
		if err != nil {
			return err
		}
		if first = changed == 1; !first {
			var there int64
			return require(t.find(ctx, []any{&there}, `SELECT r.message FROM transmission r JOIN message m ON m.ordinal = r.message
WHERE m.sender = $1 AND m.parcel = $2 AND m.direction = 'sent' AND r.recipient = $3`, n.From, n.Parcel, to))
		}
		_, err = o.journal(ctx, t, entry)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("withdrawing message %s: %w", n, err)
	}
	return first, nil
}

// WithdrawalTaken notes that the gateway has taken a stored withdrawal.
func (o *Office) WithdrawalTaken(ctx context.Context, n Name, to protocol.AuthorityID) error {
	err := o.writes.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE transmission SET withdrawal_taken_us = $4 WHERE recipient = $3 AND withdrawal IS NOT NULL AND withdrawal_taken_us IS NULL
AND message = (SELECT ordinal FROM message WHERE sender = $1 AND parcel = $2)`, n.From, n.Parcel, to, t.now.UnixMicro())
		return err
	})
	return wrap("noting the withdrawal of "+n.String(), err)
}

// Untaken returns sent messages with a withdrawal that no gateway has taken
// yet, oldest first, with their slips left out.
func (o *Office) Untaken(ctx context.Context, limit int) (list []Message, err error) {
	if limit <= 0 || limit > MaxMessages {
		limit = MaxMessages
	}
	err = o.v.read(ctx, func(ctx context.Context, t *tx) error {
		list, err = messages(ctx, t, messageColumns+` WHERE m.ordinal IN
(SELECT r.message FROM transmission r WHERE r.withdrawal IS NOT NULL AND r.withdrawal_taken_us IS NULL) ORDER BY m.ordinal LIMIT $1`, limit)
		return err
	})
	return list, wrap("reading withdrawals that no gateway has taken", err)
}

// HasWithdrawal reports whether this authority withdrew the message from the recipient.
func (t *Transmission) HasWithdrawal() bool { return len(t.Withdrawal.Document) > 0 }
