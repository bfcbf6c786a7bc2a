package control

import (
	"context"
	"strings"

	"comity/node/office"
	"comity/protocol"
	"comity/protocol/bundle"
	"comity/protocol/evidence"
)

// BundleRequest says what to bundle, where to, and what goes in beside the evidence.
type BundleRequest struct {
	As     string `json:"as,omitempty"`
	Parcel string `json:"parcel"`
	// To is the recipient; empty for a parcel that has only one.
	To string `json:"to,omitempty"`
	// Path is the new file, which the client writes. It stands in the office's journal, and
	// is absolute.
	Path     string          `json:"path"`
	Language bundle.Language `json:"language"`
	Offset   bundle.Offset   `json:"utc_offset"`
	Sealed   bool            `json:"with_parcel,omitempty"`
	Disclose bool            `json:"disclose,omitempty"`
}

// Bundle says what was written.
type Bundle struct {
	Parcel   protocol.ParcelID    `json:"parcel"`
	From     protocol.AuthorityID `json:"from"`
	To       protocol.AuthorityID `json:"to"`
	Path     string               `json:"path"`
	Bytes    int64                `json:"bytes"`
	Evidence []evidence.Event     `json:"evidence"`
	// Unproven are events whose evidence is not in any log yet and was left out.
	Unproven []evidence.Event `json:"unproven,omitempty"`
}

func (s *Service) bundle(ctx context.Context, in BundleRequest) (*Bundle, error) {
	f, to, err := s.toBundle(ctx, in)
	if err != nil {
		return nil, err
	}
	b, err := f.office.Bundle(ctx, f.message.Name, to, in.Path, in.options())
	if err != nil {
		return nil, unwritable(err)
	}
	return in.view(f, b), nil
}

// toBundle finds the transmission.
func (s *Service) toBundle(ctx context.Context, in BundleRequest) (*found, protocol.AuthorityID, error) {
	f, err := s.find(ctx, in.As, in.Parcel)
	if err != nil {
		return nil, "", err
	}
	to, err := recipientOf(f, in.To)
	return f, to, err
}

func (in *BundleRequest) options() office.BundleOptions {
	return office.BundleOptions{Language: in.Language, Offset: in.Offset, WithParcel: in.Sealed || in.Disclose, Disclose: in.Disclose}
}

func (in *BundleRequest) view(f *found, b *office.Bundled) *Bundle {
	name := f.message.Name
	return &Bundle{Parcel: name.Parcel, From: name.From, To: b.To, Path: in.Path, Bytes: b.Size, Evidence: b.Evidence, Unproven: b.Unproven}
}

// recipientOf picks the transmission: each recipient has its own evidence.
func recipientOf(f *found, wanted string) (protocol.AuthorityID, error) {
	var names []string
	for _, t := range f.message.To {
		if string(t.To) == wanted || wanted == "" && len(f.message.To) == 1 {
			return t.To, nil
		}
		names = append(names, string(t.To))
	}
	if wanted == "" {
		return "", fail(Ambiguous, "name one with --to", "parcel %s went to %d authorities, and each has a bundle of its own: %s",
			f.message.Name.Parcel, len(names), strings.Join(names, ", "))
	}
	return "", fail(NotFound, "name one of them with --to", "parcel %s did not go to %s, but to %s", f.message.Name.Parcel, wanted, strings.Join(names, ", "))
}

// Bundle writes an evidence bundle into a new file.
func (c *Client) Bundle(ctx context.Context, in BundleRequest) (*Bundle, error) {
	if c.local {
		return call[*Bundle](ctx, c, "/v1/bundle", in)
	}
	return c.takeBundle(ctx, in)
}
