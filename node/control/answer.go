package control

import (
	"context"

	"comity/protocol/exchange"
)

// answerRequest is an officer's formal answer.
type answerRequest struct {
	parcelRequest
	Reason string `json:"reason,omitempty"`
}

// Answer is an officer's formal answer as it was signed.
type Answer struct {
	Evidence
	// Repeat says that it was given before, so nothing was signed or sent again.
	Repeat bool `json:"repeat"`
}

func (s *Service) acknowledge(ctx context.Context, in parcelRequest) (*Answer, error) {
	f, err := s.find(ctx, in.As, in.Parcel)
	if err != nil {
		return nil, err
	}
	a, err := f.office.Acknowledge(ctx, f.message.Name)
	return f.answered(a, err)
}

func (s *Service) decline(ctx context.Context, in answerRequest) (*Answer, error) {
	f, err := s.find(ctx, in.As, in.Parcel)
	if err != nil {
		return nil, err
	}
	a, err := f.office.Decline(ctx, f.message.Name, in.Reason)
	return f.answered(a, err)
}

// answered shows an answer to a message as it was found before.
func (f *found) answered(a exchange.Attested, err error) (*Answer, error) {
	if err != nil {
		return nil, err
	}
	return &Answer{Evidence: evidenceView(a), Repeat: !f.message.Answered.IsZero()}, nil
}

// Acknowledge signs the officer's formal acknowledgement. A repeat returns the
// evidence that was signed first.
func (c *Client) Acknowledge(ctx context.Context, as, ref string) (*Answer, error) {
	return call[*Answer](ctx, c, "/v1/acknowledge", parcelRequest{As: as, Parcel: ref})
}

// Decline signs the officer's formal rejection; its sender reads the reason.
func (c *Client) Decline(ctx context.Context, as, ref, reason string) (*Answer, error) {
	return call[*Answer](ctx, c, "/v1/decline", answerRequest{parcelRequest{As: as, Parcel: ref}, reason})
}
