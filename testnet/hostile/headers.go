package hostile

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/quic-go/quic-go/quicvarint"

	"comity/protocol"
)

// Headers floods with headers, and with frames that are none.
var Headers = Program{
	Name: "headers", Does: "sends headers by the thousand, frames that lie about their length, and streams that it resets at once",
	Step: func(ctx context.Context, s *Session) error {
		switch s.step % 4 {
		case 0:
			h := http.Header{}
			for i := range 1000 {
				h.Set("X-Header-"+strconv.Itoa(i), strings.Repeat("x", 100))
			}
			return s.refused(ctx, h, "a thousand headers")
		case 1:
			return s.refused(ctx, http.Header{"X-Long": {strings.Repeat("x", 4*protocol.MaxHeaderBytes)}}, "one long header")
		case 2: // a header block that claims a gibibyte
			frame := quicvarint.Append(quicvarint.Append(nil, 0x1), 1<<30)
			return s.raw(ctx, append(frame, make([]byte, 1000)...), false)
		}
		for range 16 { // begun, and given up
			if err := s.raw(ctx, quicvarint.Append(nil, 0x1), true); err != nil {
				return err
			}
		}
		return nil
	},
}

func (s *Session) refused(ctx context.Context, h http.Header, what string) error {
	a, err := s.call(ctx, http.MethodGet, "/v1/evidence?after=0&wait=0", h, nil)
	if err == nil && a.accepted() {
		return untrue("took %s: %d", what, a.Status)
	}
	return err
}

// raw writes bytes on a stream of its own.
func (s *Session) raw(ctx context.Context, b []byte, reset bool) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stream, err := s.line.conn.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	s.Tally.Requests.Add(1)
	if _, err := stream.Write(b); err != nil {
		return err
	}
	if !reset {
		return stream.Close()
	}
	stream.CancelWrite(0x10c) // H3_REQUEST_CANCELLED
	stream.CancelRead(0x10c)
	return nil
}
