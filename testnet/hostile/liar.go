package hostile

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"

	"comity/protocol/evidence"
)

// Liar announces one thing and sends another: sizes, digests, offsets, headers.
// No lie may end in a receipt (R-EVID-4).
var Liar = Program{
	Name: "liar", Does: "announces sizes, digests and offsets that are not those of the bytes",
	Step: func(ctx context.Context, s *Session) error {
		lie := lies[s.step%len(lies)]
		o, err := s.offer([]byte("the truth, the whole truth and nothing but the truth"))
		if err != nil {
			return err
		}
		header := appending()
		body := bytes.Clone(o.body)
		length := int64(len(body))
		lie.tell(o, header, &body, &length)
		m, err := s.make(o)
		if err != nil {
			return err
		}
		a, err := s.call(ctx, http.MethodPut, m.path, nil, m.put)
		if err == nil && a.accepted() && len(a.events()) == 0 {
			a, err = s.send(ctx, http.MethodPatch, m.path, header, endless(body, length), length)
		}
		if err == nil && slices.Contains(a.events(), evidence.RelayAcceptance) {
			return untrue("a receipt for %s", lie.what)
		}
		return err
	},
}

// lies are what is told.
var lies = []struct {
	what string
	tell func(o *offer, header http.Header, body *[]byte, length *int64)
}{
	{"bytes with another digest", func(o *offer, _ http.Header, body *[]byte, _ *int64) { (*body)[len(*body)-1] ^= 1 }},
	{"fewer bytes than announced", func(o *offer, _ http.Header, body *[]byte, n *int64) {
		*body = (*body)[:len(*body)/2]
		*n = int64(len(*body))
	}},
	{"more bytes than announced", func(o *offer, _ http.Header, body *[]byte, n *int64) {
		*body = append(*body, *body...)
		*n = int64(len(*body))
	}},
	{"a terabyte", func(o *offer, _ http.Header, _ *[]byte, _ *int64) { o.env.Sealed.Size = 1 << 40 }},
	{"a body that ends early", func(_ *offer, _ http.Header, body *[]byte, _ *int64) { *body = (*body)[:10] }},
	{"an offset in the middle", func(o *offer, h http.Header, _ *[]byte, _ *int64) {
		h.Set("Upload-Offset", strconv.Itoa(len(o.body)/2))
	}},
	{"an offset behind the end", func(_ *offer, h http.Header, _ *[]byte, _ *int64) { h.Set("Upload-Offset", "9223372036854775807") }},
	{"a negative offset", func(_ *offer, h http.Header, _ *[]byte, _ *int64) { h.Set("Upload-Offset", "-1") }},
	{"two offsets", func(_ *offer, h http.Header, _ *[]byte, _ *int64) {
		h.Set("Upload-Offset", "1")
		h.Add("Upload-Offset", "0")
	}},
	{"an upload that is not complete", func(_ *offer, h http.Header, body *[]byte, n *int64) {
		h.Set("Upload-Complete", "?0")
		*body = (*body)[:5]
		*n = 5
	}},
	{"more recipients than there are", func(o *offer, _ http.Header, _ *[]byte, _ *int64) { o.env.Sealed.Recipients = 64 }},
	{"bytes that are not sealed", func(_ *offer, _ http.Header, body *[]byte, _ *int64) { clear(*body) }},
}

// endless gives body, and an error instead of the rest when it is shorter than length.
func endless(body []byte, length int64) io.Reader {
	if int64(len(body)) >= length {
		return bytes.NewReader(body)
	}
	return io.MultiReader(bytes.NewReader(body), brokenReader{})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
