package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"comity/protocol"
	"comity/protocol/statement"
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

// transfer is one request whose frames we write ourselves, because the library
// copies bodies in pieces of 8 KiB, which halves the speed of a large parcel:
// one HEADERS frame, one DATA frame, written in large pieces. The writer also
// decides the order in which two requests leave.
type transfer struct {
	stream *quic.Stream
	stop   func() bool // ends the watch over ctx
	cut    error       // why the body was not sent whole; the peer may have answered already
	memory *account    // pays for the answer
}

// begin writes a whole request. A peer that answers early, and asks to stop, is
// no error here: its answer is worth more.
func (l *link) begin(ctx context.Context, method, path string, fields [][2]string, body io.ReaderAt, size int64) (*transfer, error) {
	s, err := l.connect(ctx)
	if err != nil {
		return nil, err
	}
	open, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	stream, err := s.conn.OpenStreamSync(open)
	if err != nil {
		return nil, fmt.Errorf("open a stream: %w", err)
	}
	t := &transfer{stream: stream, memory: l.memory}
	t.stop = context.AfterFunc(ctx, t.abandon) // whatever ends ctx ends the stream in both directions
	fields = append([][2]string{
		{":method", method}, {":scheme", "https"}, {":authority", string(l.peer)}, {":path", path},
	}, fields...)
	err = t.write(fields, body, size)
	var asked *quic.StreamError
	if errors.As(err, &asked) && asked.Remote {
		t.cut, err = err, nil
	}
	if err != nil {
		t.abandon()
		t.stop()
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return t, nil
}

// finish waits for the answer and reads its packets; an answer other than 2xx
// is a *problem.
func (t *transfer) finish(wait time.Duration) (status int, packets []statement.Packet, err error) {
	defer t.stop()
	defer t.stream.CancelRead(quic.StreamErrorCode(http3.ErrCodeNoError)) // no-op once all was read
	if err := t.stream.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return 0, nil, err
	}
	resp, err := readAnswer(bufio.NewReader(t.stream))
	if err != nil {
		t.abandon()
		return 0, nil, fmt.Errorf("read the answer: %w", errors.Join(err, t.cut))
	}
	if t.cut != nil {
		t.stream.CancelWrite(quic.StreamErrorCode(http3.ErrCodeNoError))
	}
	held := t.memory.hold()
	defer held.free()
	resp.Body = weighed{resp.Body, t.stream.Context(), held}
	data, err := readReply(resp, maxAnswer)
	if err != nil || len(data) == 0 {
		return resp.StatusCode, nil, err
	}
	packets, err = statement.DecodePackets(data, maxAnswer, protocol.MaxFeedPage)
	return resp.StatusCode, packets, err
}

// abandon gives the request up in both directions.
func (t *transfer) abandon() {
	t.stream.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
	t.stream.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
}

// write sends the frames. A small request leaves in one write, and so in few packets.
func (t *transfer) write(fields [][2]string, body io.ReaderAt, size int64) error {
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
	p := newPipeline(patientWriter{t.stream}, int64(len(head))+size+1)
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

// patientWriter gives each piece that is written a bounded time.
type patientWriter struct{ stream *quic.Stream }

func (w patientWriter) Write(p []byte) (int, error) {
	if err := w.stream.SetWriteDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, err
	}
	return w.stream.Write(p)
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
