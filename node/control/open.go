package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"unicode/utf16"

	"comity/protocol/parcel"
)

// fileHeader carries the view of the file whose content is the body.
const fileHeader = "Comity-File"

// breakTrailer carries, after the body, the error at which the content broke off.
const breakTrailer = "Comity-Break"

// openRequest names one file of a parcel, from 1.
type openRequest struct {
	parcelRequest
	Number int `json:"number"`
}

// open streams one file. The content is decrypted as it is read from the sealed
// parcel and is never whole in memory. A break in the middle is told in a trailer.
func (s *Service) open(w http.ResponseWriter, r *http.Request) {
	var in openRequest
	err := readRequest(r, &in)
	if err != nil {
		writeError(w, err)
		return
	}
	f, err := s.find(r.Context(), in.As, in.Parcel)
	if err != nil {
		writeError(w, err)
		return
	}
	if count := len(f.message.Files); in.Number < 1 || in.Number > count {
		writeError(w, fail(NotFound, "the list of files shows the numbers", "there is no file %d: the parcel has the files 1 to %d", in.Number, count))
		return
	}
	file, content, err := f.office.OpenFile(r.Context(), f.message.Name, in.Number)
	if err != nil {
		writeError(w, err)
		return
	}
	defer content.Close() // only read from
	view := filesOf([]parcel.File{file})[0]
	view.Number = in.Number
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Trailer", breakTrailer) // and so without a length, which the view has
	w.Header().Set(fileHeader, string(asciiJSON(view)))
	if _, err := content.WriteTo(w); err != nil && r.Context().Err() == nil {
		s.logger.Error("a file could not be read to its end", "parcel", f.message.Name.Parcel, "file", in.Number, "error", err)
		w.Header().Set(breakTrailer, string(asciiJSON(explain(err))))
	}
}

// asciiJSON writes a view so that it fits a header: names may be in any script.
func asciiJSON(v any) []byte {
	var out []byte
	for _, c := range string(encode(v)) {
		if c < 0x80 {
			out = append(out, byte(c))
			continue
		}
		for _, unit := range utf16.AppendRune(nil, c) {
			out = fmt.Appendf(out, "\\u%04x", unit)
		}
	}
	return out
}

// Open streams file number n, from 1, of a parcel. The caller closes the reader;
// it returns an error, not io.EOF, when the content breaks off. The first
// opening of a received parcel is told to its sender.
func (c *Client) Open(ctx context.Context, as, ref string, n int) (*File, io.ReadCloser, error) {
	resp, err := c.post(ctx, "/v1/open", openRequest{parcelRequest{As: as, Parcel: ref}, n})
	if err != nil {
		return nil, nil, err
	}
	view := new(File)
	if err := json.Unmarshal([]byte(resp.Header.Get(fileHeader)), view); err != nil {
		return nil, nil, errors.Join(err, resp.Body.Close())
	}
	return view, &body{resp}, nil
}

// body is the content of a file. It ends with the error that the node met.
type body struct{ resp *http.Response }

// Read returns io.EOF only at the end of what the node could read.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.resp.Body.Read(p)
	if errors.Is(err, io.EOF) {
		if why := b.resp.Trailer.Get(breakTrailer); why != "" {
			e := new(Error)
			return n, cmp.Or(json.Unmarshal([]byte(why), e), error(e))
		}
	}
	return n, err
}

// Close gives up what was not read.
func (b *body) Close() error { return b.resp.Body.Close() }
