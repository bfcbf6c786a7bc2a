package control

import (
	"context"
	"errors"

	"comity/node/office"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/exchange"
)

// withdrawRequest names a parcel and, perhaps, one of its recipients.
type withdrawRequest struct {
	parcelRequest
	To protocol.AuthorityID `json:"to,omitempty"` // empty: from all
	// Passphrase opens the act key for this one act; empty when it is open.
	Passphrase operate.Given `json:"passphrase,omitzero"`
}

// Withdrawals says what became of taking a parcel back, for each recipient.
type Withdrawals struct {
	Parcel protocol.ParcelID    `json:"parcel"`
	From   protocol.AuthorityID `json:"from"`
	// Running is false when no node runs: nobody is asked before "comity serve".
	Running bool `json:"running"`
	// Delayed says why the gateway could not take it yet; it will be asked again.
	Delayed     string       `json:"delayed,omitempty"`
	Withdrawals []Withdrawal `json:"withdrawals"`
}

// Withdrawal is what became of it with one recipient: withdrawn, withdrawal
// pending, or where the parcel stood because it was too late.
type Withdrawal struct {
	To     protocol.AuthorityID `json:"to"`
	Status exchange.Status      `json:"status"`
	// Decided is when the evidence that decided was signed; absent while pending.
	Decided protocol.Time `json:"decided,omitzero"`
	// Expires is until when the recipient's node is asked while it is pending.
	Expires protocol.Time `json:"expires,omitzero"`
	// Repeat says that the parcel was withdrawn before, so nothing was signed now.
	Repeat bool `json:"repeat"`
}

// TooLate reports whether the parcel stays as it is.
func (w *Withdrawal) TooLate() bool {
	return w.Status != exchange.StatusWithdrawn && w.Status != exchange.StatusWithdrawing
}

func (s *Service) withdraw(ctx context.Context, in withdrawRequest) (*Withdrawals, error) {
	f, err := s.find(ctx, in.As, in.Parcel)
	if err != nil {
		return nil, err
	}
	o, err := s.acting(ctx, f.office, in.Passphrase)
	if err != nil {
		return nil, err
	}
	var to []protocol.AuthorityID
	if in.To != "" {
		to = []protocol.AuthorityID{in.To}
	}
	list, err := o.Withdraw(ctx, f.message.Name, to...)
	out := &Withdrawals{Parcel: f.message.Name.Parcel, From: f.message.Name.From, Running: s.running}
	if errors.Is(err, office.ErrNotHanded) {
		out.Delayed, err = err.Error(), nil
	}
	if err != nil {
		return nil, err
	}
	for _, w := range list {
		view := Withdrawal{To: w.To, Status: w.Status, Decided: stamp(w.Decided), Repeat: w.Repeat}
		if w.Status == exchange.StatusWithdrawing {
			view.Expires = stamp(w.Expires)
		}
		out.Withdrawals = append(out.Withdrawals, view)
	}
	return out, nil
}

// Withdraw takes a sent parcel back from one recipient, or from all when to is
// empty. What has arrived stays; the answer says so for each.
func (c *Client) Withdraw(ctx context.Context, as, ref string, to protocol.AuthorityID) (w *Withdrawals, err error) {
	in := withdrawRequest{parcelRequest: parcelRequest{As: as, Parcel: ref}, To: to}
	err = c.acting(func(given operate.Given) error {
		in.Passphrase = given
		w, err = call[*Withdrawals](ctx, c, "/v1/withdraw", in)
		return err
	})
	return w, err
}
