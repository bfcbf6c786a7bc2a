package control

import (
	"context"
	"errors"

	"comity/protocol"
	"comity/store"
)

// adopted is the request and, cut down to those that are, the answer.
type adopted struct {
	Records []protocol.Digest `json:"records"`
}

// adopted tells which of the named records this node has adopted at some time:
// its own, and those that a person confirmed or that followed from such a one.
func (s *Service) adopted(ctx context.Context, in adopted) (*adopted, error) {
	out := &adopted{Records: []protocol.Digest{}}
	for _, digest := range in.Records {
		_, err := s.node.Gateway.Store.RecordByDigest(ctx, digest)
		if errors.Is(err, store.ErrNotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		out.Records = append(out.Records, digest)
	}
	return out, nil
}

// Adopted returns those of the named records that the node has adopted.
func (c *Client) Adopted(ctx context.Context, records []protocol.Digest) ([]protocol.Digest, error) {
	out, err := call[*adopted](ctx, c, "/v1/adopted", adopted{records})
	if err != nil {
		return nil, err
	}
	return out.Records, nil
}
