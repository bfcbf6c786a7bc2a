package control

import (
	"context"
	"time"

	"comity/node/office"
	"comity/node/operate"
	"comity/protocol/exchange"
)

// answerRequest is an officer's formal answer.
type answerRequest struct {
	parcelRequest
	Reason string `json:"reason,omitempty"`
	// Passphrase opens the act key for this one act; empty when it is open.
	Passphrase operate.Given `json:"passphrase,omitzero"`
}

// Answer is an officer's formal answer as it was signed.
type Answer struct {
	Evidence
	// Repeat says that it was given before, so nothing was signed or sent again.
	Repeat bool `json:"repeat"`
}

func (s *Service) acknowledge(ctx context.Context, in answerRequest) (*Answer, error) {
	f, o, err := s.findToAct(ctx, in)
	if err != nil {
		return nil, err
	}
	began := s.now()
	a, err := o.Acknowledge(ctx, f.message.Name)
	return f.answered(began, a, err)
}

func (s *Service) decline(ctx context.Context, in answerRequest) (*Answer, error) {
	f, o, err := s.findToAct(ctx, in)
	if err != nil {
		return nil, err
	}
	began := s.now()
	a, err := o.Decline(ctx, f.message.Name, in.Reason)
	return f.answered(began, a, err)
}

// findToAct finds a parcel and its office with the key that answers it.
func (s *Service) findToAct(ctx context.Context, in answerRequest) (*found, *office.Office, error) {
	f, err := s.find(ctx, in.As, in.Parcel)
	if err != nil {
		return nil, nil, err
	}
	o, err := s.acting(ctx, f.office, in.Passphrase)
	return f, o, err
}

// answered shows an answer to a message as it was found before. One that this office
// had lost with its node, and took back just now, was not signed now either.
func (f *found) answered(began time.Time, a exchange.Attested, err error) (*Answer, error) {
	if err != nil {
		return nil, err
	}
	before := !f.message.Answered.IsZero() || a.Parsed.Time.Before(began.Truncate(time.Millisecond))
	return &Answer{Evidence: evidenceView(a), Repeat: before}, nil
}

// Acknowledge signs the officer's formal acknowledgement. A repeat returns the
// evidence that was signed first.
func (c *Client) Acknowledge(ctx context.Context, as, ref string) (*Answer, error) {
	return c.answer(ctx, "/v1/acknowledge", answerRequest{parcelRequest: parcelRequest{As: as, Parcel: ref}})
}

// Decline signs the officer's formal rejection; its sender reads the reason.
func (c *Client) Decline(ctx context.Context, as, ref, reason string) (*Answer, error) {
	return c.answer(ctx, "/v1/decline", answerRequest{parcelRequest: parcelRequest{As: as, Parcel: ref}, Reason: reason})
}

func (c *Client) answer(ctx context.Context, path string, in answerRequest) (a *Answer, err error) {
	err = c.acting(func(given operate.Given) error {
		in.Passphrase = given
		a, err = call[*Answer](ctx, c, path, in)
		return err
	})
	return a, err
}
