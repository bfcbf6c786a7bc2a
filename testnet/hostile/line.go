package hostile

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/statement"
)

// line is one connection with the target.
type line struct {
	conn *quic.Conn
	http *http3.ClientConn
}

const (
	// patience bounds each request; what takes longer is a failed step.
	patience = 20 * time.Second
	// mostAnswer is how much of an answer is read.
	mostAnswer = 1 << 20
)

func dial(ctx context.Context, address string, key tls.Certificate) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := quic.DialAddr(ctx, address, &tls.Config{
		Certificates: []tls.Certificate{key}, NextProtos: []string{"h3"}, MinVersion: tls.VersionTLS13,
		InsecureSkipVerify: true, // an attacker does not care whom it meets
		CurvePreferences:   []tls.CurveID{tls.X25519MLKEM768},
	}, &quic.Config{})
	if err != nil {
		return nil, err
	}
	return &line{conn, (&http3.Transport{DisableCompression: true}).NewClientConn(conn)}, nil
}

// connect makes sure that there is a connection.
func (s *Session) connect(ctx context.Context) (err error) {
	if s.line == nil {
		s.line, err = dial(ctx, s.address, s.tls)
	}
	return err
}

func (s *Session) hangUp() {
	if s.line != nil {
		_ = s.line.conn.CloseWithError(0, "")
		s.line = nil
	}
}

// Answer is what the target answered.
type Answer struct {
	Status int
	Body   []byte
}

// accepted reports whether a request was taken for what it pretends to be.
func (a Answer) accepted() bool { return a.Status >= 200 && a.Status < 300 }

// events are those of the evidence in an answer.
func (a Answer) events() (all []evidence.Event) {
	packets, err := statement.DecodePackets(a.Body, mostAnswer, protocol.MaxFeedPage)
	if err != nil {
		return nil
	}
	for _, p := range packets {
		if ev, err := evidence.Parse(p.Document); err == nil {
			all = append(all, ev.Event)
		}
	}
	return all
}

// receipt is the RelayAcceptance in an answer, document and signature; nil without one.
func (a Answer) receipt() []byte {
	packets, err := statement.DecodePackets(a.Body, mostAnswer, protocol.MaxFeedPage)
	if err != nil {
		return nil
	}
	for _, p := range packets {
		if ev, err := evidence.Parse(p.Document); err == nil && ev.Event == evidence.RelayAcceptance {
			return slices.Concat(p.Document, p.Signature)
		}
	}
	return nil
}

// call makes one request with a whole body.
func (s *Session) call(ctx context.Context, method, path string, header http.Header, body []byte) (Answer, error) {
	return s.send(ctx, method, path, header, bytes.NewReader(body), int64(len(body)))
}

// send makes one request whose body may not be as long as it says.
func (s *Session) send(ctx context.Context, method, path string, header http.Header, body io.Reader, length int64) (Answer, error) {
	if err := s.connect(ctx); err != nil {
		return Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "https://target"+path, body)
	if err != nil {
		return Answer{}, err
	}
	req.ContentLength = length
	if header != nil {
		req.Header = header
	}
	s.Tally.Requests.Add(1)
	resp, err := s.line.http.RoundTrip(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	s.Tally.answered(resp.StatusCode)
	data, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	return Answer{Status: resp.StatusCode, Body: data}, err
}

// appending are the headers of an upload's bytes.
func appending() http.Header {
	h := http.Header{}
	h.Set("Content-Type", "application/partial-upload")
	h.Set("Upload-Offset", "0")
	h.Set("Upload-Complete", "?1")
	return h
}
