package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"comity/protocol"
)

// HTTP/3 frame types (RFC 9114, section 7.2).
const (
	frameData    = 0x0
	frameHeaders = 0x1
)

// maxHeadersFrame bounds the header block of an answer.
const maxHeadersFrame = 16 << 10

// answerTimeout bounds each piece that is written, and the wait for the answer:
// the peer makes gigabytes durable before it answers. Without it, a peer that
// neither reads nor hangs up would keep a parcel from ever failing (I1).
const answerTimeout = 5 * time.Minute

// quicTransfer is one request whose frames we write ourselves, because the library
// copies bodies in pieces of 8 KiB, which halves the speed of a large parcel:
// one HEADERS frame, one DATA frame, written in large pieces. The writer also
// decides the order in which two requests leave.
type quicTransfer struct {
	s      *quicSession
	size   int64
	stream *quic.Stream
	stop   func() bool // ends the watch over ctx
	cut    error       // why the body was not sent whole; the peer may have answered already
}

// begin writes a whole request. A peer that answers early, and asks to stop, is
// no error here: its answer is worth more.
func (s *quicSession) begin(ctx context.Context, method, path string, fields [][2]string, body io.ReaderAt, size int64) (transfer, error) {
	open, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	stream, err := s.conn.OpenStreamSync(open)
	if err != nil {
		return nil, fmt.Errorf("open a stream: %w", err)
	}
	t := &quicTransfer{s: s, size: size, stream: stream}
	t.stop = context.AfterFunc(ctx, t.cancel) // whatever ends ctx ends the stream in both directions
	fields = append([][2]string{
		{":method", method}, {":scheme", "https"}, {":authority", string(s.l.peer)}, {":path", path},
	}, fields...)
	err = t.write(fields, body, size)
	var asked *quic.StreamError
	if errors.As(err, &asked) && asked.Remote {
		t.cut, err = err, nil
	}
	if errors.Is(err, errStalled) {
		s.l.stalled(s)
	}
	if err != nil {
		t.abandon()
		return nil, err
	}
	return t, nil
}

func (t *quicTransfer) answer(wait time.Duration) (*http.Response, error) {
	err := t.stream.SetReadDeadline(time.Now().Add(wait))
	var resp *http.Response
	if err == nil {
		resp, err = readAnswer(bufio.NewReader(t.stream))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("%w: no answer within %s", errStalled, wait)
		t.s.l.stalled(t.s)
	}
	if err != nil {
		t.abandon()
		return nil, errors.Join(err, t.cut)
	}
	if t.size > protocol.MaxSmall {
		t.s.l.carried()
	}
	if t.cut != nil {
		t.stream.CancelWrite(quic.StreamErrorCode(http3.ErrCodeNoError))
	}
	resp.Body = &lastBody{resp.Body, func() {
		t.stop()
		t.stream.CancelRead(quic.StreamErrorCode(http3.ErrCodeNoError)) // no-op once all was read
	}}
	return resp, nil
}

func (t *quicTransfer) abandon() {
	t.stop()
	t.cancel()
}

func (t *quicTransfer) cancel() {
	t.stream.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
	t.stream.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
}

// write sends the frames. A small request leaves in one write, and so in few packets.
func (t *quicTransfer) write(fields [][2]string, body io.ReaderAt, size int64) error {
	var block bytes.Buffer
	enc := qpack.NewEncoder(&block)
	for _, f := range fields {
		if err := enc.WriteField(qpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			return err
		}
	}
	head := quicvarint.Append(nil, frameHeaders)
	head = quicvarint.Append(head, uint64(block.Len()))
	head = append(head, block.Bytes()...)
	head = quicvarint.Append(head, frameData)
	head = quicvarint.Append(head, uint64(size))
	// The file is read ahead while the connection takes what was read before.
	p := newPipeline(politely(patientWriter{t.stream, t.s.patience()}, body), int64(len(head))+size+1)
	err := feed(p, head, body, size)
	if werr := p.close(); err == nil {
		err = werr
	}
	if err != nil {
		return err
	}
	// All was handed over. A peer that asks to stop just now has answered.
	t.cut = t.stream.Close()
	return nil
}

// feed hands head and then all of body to p.
func feed(p *pipeline, head []byte, body io.ReaderAt, size int64) error {
	for at := int64(0); ; {
		buf, err := p.buffer()
		if err != nil {
			return err
		}
		n := copy(buf, head)
		head = head[n:]
		want := int(min(size-at, int64(len(buf)-n)))
		m, err := body.ReadAt(buf[n:n+want], at)
		if err != nil && (!errors.Is(err, io.EOF) || m != want) {
			return fmt.Errorf("read the body: %w", err)
		}
		p.write(buf[:n+m])
		if at += int64(m); at == size {
			return nil
		}
	}
}

// patientWriter gives the connection a bounded time in which to take at least
// one byte more.
type patientWriter struct {
	stream   *quic.Stream
	patience time.Duration
}

func (w patientWriter) Write(p []byte) (n int, err error) {
	for {
		if err := w.stream.SetWriteDeadline(time.Now().Add(w.patience)); err != nil {
			return n, err
		}
		m, err := w.stream.Write(p[n:])
		n += m
		switch {
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return n, err
		case m == 0:
			return n, fmt.Errorf("%w: nothing was taken for %s", errStalled, w.patience)
		}
	}
}

// readAnswer reads the final answer on a request stream: HEADERS frames, of
// which informational ones are passed over, then DATA frames as the body.
func readAnswer(r *bufio.Reader) (*http.Response, error) {
	for {
		kind, size, err := readFrameHead(r)
		if err != nil {
			return nil, err
		}
		if kind != frameHeaders {
			if _, err := io.CopyN(io.Discard, r, size); err != nil {
				return nil, err
			}
			continue
		}
		resp, err := readHeaders(r, size)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 {
			resp.Body = io.NopCloser(&dataReader{r: r})
			return resp, nil
		}
	}
}

func readFrameHead(r *bufio.Reader) (kind uint64, size int64, err error) {
	if kind, err = quicvarint.Read(r); err != nil {
		return 0, 0, err
	}
	n, err := quicvarint.Read(r)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, 0, err
	}
	if n > maxAnswer {
		return 0, 0, fmt.Errorf("a frame of %d bytes", n)
	}
	return kind, int64(n), nil
}

func readHeaders(r io.Reader, size int64) (*http.Response, error) {
	if size > maxHeadersFrame {
		return nil, fmt.Errorf("a header block of %d bytes", size)
	}
	block := make([]byte, size)
	if _, err := io.ReadFull(r, block); err != nil {
		return nil, err
	}
	resp := &http.Response{Header: http.Header{}}
	next := qpack.NewDecoder().Decode(block)
	for {
		f, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the header block: %w", err)
		}
		if f.Name == ":status" {
			if resp.StatusCode, err = strconv.Atoi(f.Value); err != nil {
				return nil, fmt.Errorf("status %s", protocol.Quote([]byte(f.Value)))
			}
			continue
		}
		resp.Header.Add(f.Name, f.Value)
	}
	if resp.StatusCode < 100 || resp.StatusCode > 599 {
		return nil, fmt.Errorf("an answer with status %d", resp.StatusCode)
	}
	return resp, nil
}

// dataReader joins the DATA frames of an answer and passes over other frames.
type dataReader struct {
	r    *bufio.Reader
	left int64
}

func (d *dataReader) Read(p []byte) (int, error) {
	for d.left == 0 {
		kind, size, err := readFrameHead(d.r)
		if err != nil {
			return 0, err // io.EOF between frames is the end
		}
		if kind == frameData {
			d.left = size
		} else if _, err := io.CopyN(io.Discard, d.r, size); err != nil {
			return 0, err
		}
	}
	n, err := d.r.Read(p[:min(int64(len(p)), d.left)])
	d.left -= int64(n)
	if err == io.EOF && d.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
