package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"comity/protocol"
	"comity/protocol/statement"
)

// maxProblem bounds a peer's problem document.
const maxProblem = 4 << 10

// problem is an RFC 9457 problem document with the reason code of SPEC.md,
// section 17. It is what a refused peer learns: a code and a safe sentence.
type problem struct {
	Title  string        `json:"title"`
	Status int           `json:"status"`
	Code   protocol.Code `json:"code,omitempty"`
	Detail string        `json:"detail,omitempty"`

	retryAfter time.Duration
	size       int64 // of the state that a witness cosigned last (R-WIT-4); -1: it did not say
	offset     int64 // where the peer wants an append to begin (R-WIRE-5); -1: it did not say
}

func (p *problem) Error() string {
	if p.Code != "" {
		return fmt.Sprintf("the peer answered %d, %s: %s", p.Status, p.Code, p.Detail)
	}
	return fmt.Sprintf("the peer answered %d: %s", p.Status, p.Detail)
}

// transient reports whether the peer asks to come back (R-EVID-8).
func (p *problem) transient() bool {
	return p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable
}

// retryAfter is how long the peer asks to wait in an answer that an error tells
// of; 0 when it does not (R-WIRE-20).
func retryAfter(err error) time.Duration {
	if p := asksToWait(err); p != nil {
		return p.retryAfter
	}
	return 0
}

func answerProblem(w http.ResponseWriter, status int, code protocol.Code, detail string) {
	body, err := json.Marshal(problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail})
	if err != nil {
		panic(err) // four plain members
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "5")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// comeBack is a refusal for now: the peer comes back later, and nothing is
// signed or remembered about it (R-EVID-8, R-WIRE-20). The sentence crosses the wire and is
// shown to the sender's officer.
type comeBack struct {
	status int
	after  time.Duration
	detail string
}

func (e *comeBack) Error() string { return e.detail }

func (e *comeBack) answer(w http.ResponseWriter) {
	seconds := int64((e.after + time.Second - 1) / time.Second)
	w.Header().Set("Retry-After", strconv.FormatInt(max(seconds, 1), 10))
	answerProblem(w, e.status, "", e.detail)
}

// answerError tells a peer why its request failed: a refusal by its code, and
// of our own trouble only that it is to come back.
func (g *Gateway) answerError(w http.ResponseWriter, r *http.Request, peer protocol.NodeID, status int, err error) {
	var refusal *protocol.Refusal
	if errors.Is(err, context.Canceled) || errors.Is(err, ErrOlderCopy) { // the peer gave up, or this node stops, and says why then
		answerProblem(w, http.StatusServiceUnavailable, "", "interrupted, come back later")
		return
	}
	var later *comeBack
	if errors.As(err, &later) {
		g.link(peer).limited.Add(1)
		g.link(peer).aloud().Info("asked a peer to come back later", "method", r.Method, "path", r.URL.Path, "why", later.detail)
		later.answer(w)
		return
	}
	if !errors.As(err, &refusal) {
		g.link(peer).aloud().Error("a peer's request failed here", "method", r.Method, "path", r.URL.Path, "error", err)
		answerProblem(w, http.StatusServiceUnavailable, "", "trouble at this node, come back later")
		return
	}
	g.link(peer).aloud().Warn("refused a peer's request", "method", r.Method, "path", r.URL.Path, "error", err)
	if refusal.Code != protocol.ClockSkew { // which may be ours
		g.link(peer).refuse(r)
	}
	switch refusal.Code {
	case protocol.Equivocation:
		status = http.StatusConflict
	case protocol.TooLarge:
		status = http.StatusRequestEntityTooLarge
	case protocol.ClockSkew:
		status = http.StatusServiceUnavailable
	case protocol.Malformed, protocol.UnsupportedVersion:
		status = http.StatusBadRequest
	default: // as the caller says
	}
	answerProblem(w, status, refusal.Code, refusal.Detail)
}

// readProblem turns a peer's refusal into an error.
func readProblem(resp *http.Response) error {
	p := &problem{Status: resp.StatusCode, offset: -1, size: -1}
	if at, err := strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64); err == nil && at >= 0 {
		p.offset = at
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if resp.Header.Get("Content-Type") == sizeType {
		p.size = parseSize(body)
	}
	if json.Unmarshal(body, p) != nil || p.Detail == "" {
		p.Detail = http.StatusText(resp.StatusCode)
	}
	p.Status = resp.StatusCode
	p.Detail = protocol.Quote([]byte(p.Detail))
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		p.retryAfter = time.Duration(min(seconds, 3600)) * time.Second
	}
	return p
}

// readBody reads a bounded request body, into a buffer that grows with what came
// and not with what was announced.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	var body bytes.Buffer
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	var later *comeBack
	if errors.As(err, &later) {
		return nil, err
	}
	if errors.As(err, &large) {
		return nil, protocol.Refuse(protocol.TooLarge, "the body is longer than %d bytes", limit)
	}
	if err != nil {
		return nil, protocol.Refuse(protocol.Malformed, "the body broke off")
	}
	return body.Bytes(), nil
}

func answerPackets(w http.ResponseWriter, packets []statement.Packet) error {
	body, err := statement.EncodePackets(packets)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, err = w.Write(body) //nolint:gosec,nolintlint // JSON, for a program; the linter sees it only sometimes
	return err
}
