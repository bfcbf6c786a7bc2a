package hostile

import (
	"context"
	"net/http"
	"time"
)

// dripEvery is how often a slow peer sends one byte.
const dripEvery = 200 * time.Millisecond

// Drip opens requests and sends their bodies byte by byte, for as long as the
// node lets it.
var Drip = Program{
	Name: "drip", Does: "sends bodies one byte at a time, on as many streams as it gets",
	Step: func(ctx context.Context, s *Session) error {
		if s.step%2 == 0 {
			_, err := s.send(ctx, http.MethodPost, "/v1/hello", nil, &trickle{ctx: ctx}, 1<<20)
			return err
		}
		m, err := s.offered(make([]byte, 1<<20), nil)
		if err != nil {
			return err
		}
		if a, err := s.call(ctx, http.MethodPut, m.path, nil, m.put); err != nil || !a.accepted() {
			return err
		}
		_, err = s.send(ctx, http.MethodPatch, m.path, appending(), &trickle{ctx: ctx, rest: m.body}, int64(len(m.body)))
		return err
	},
}

// trickle gives one byte at a time: of rest, then spaces.
type trickle struct {
	ctx  context.Context //nolint:containedctx // a reader has no other way to be told
	rest []byte
}

// Read returns one byte, after a while.
func (t *trickle) Read(p []byte) (int, error) {
	pause(t.ctx, dripEvery)
	if err := t.ctx.Err(); err != nil || len(p) == 0 {
		return 0, err
	}
	p[0] = ' '
	if len(t.rest) > 0 {
		p[0], t.rest = t.rest[0], t.rest[1:]
	}
	return 1, nil
}
